"""Pictures of single samples: panels to be seen side by side, and layers to lay over the picture.

Layer: part of `evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from limner.data.labels import LabelMap
from limner.evaluation.layers import PREDICTION, TRUTH, error_layer, outline_layer, uncertainty_layer
from limner.images import encode_webp, resize_image, resize_mask
from limner.inference.drawing import draw_target, predicted, show_inputs
from limner.inference.prediction import Prediction
from limner.metrics import foreground
from limner.render import errors, number_errors
from limner.types import Color, Size

_PANEL_SIDE = 320
_VIEW_SIDE = 512
_UNCERTAINTY_SIDE = 256  # it has no sharp edges
_MOST_ENLARGED = 4.0  # of layers over a small picture, so that their lines are thin
_QUALITY = 82

LayerKind = Literal["truth", "prediction", "errors", "uncertainty"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One encoded picture of a sample.

    Attributes:
        name: What it shows.
        stem: Its part of a file name.
        data: WebP.
        beside: Whether it is to be seen although there are layers, because these do not show it.
    """

    name: str
    stem: str
    data: bytes
    beside: bool


@dataclass(frozen=True, eq=False)
class Layer:
    """One transparent picture over a sample's.

    Attributes:
        kind: What it is.
        name: What it shows, with the target where there are several.
        stem: Its part of a file name.
        data: WebP with opacity.
        shown: Whether it is to be seen at first.
    """

    kind: LayerKind
    name: str
    stem: str
    data: bytes
    shown: bool


@dataclass(frozen=True, eq=False)
class _Sample:
    """What a sample is drawn from: its original size, pictures of its inputs, and by target truth and prediction."""

    size: Size
    inputs: dict[str, UInt8[np.ndarray, "height width 3"]]
    masks: dict[str, tuple[np.ndarray, np.ndarray]]
    uncertainty: dict[str, Float32[np.ndarray, "_ _"]]


class Gallery:
    """Pictures of samples: inputs, per target truth, prediction and errors, and layers to lay over the picture.

    Args:
        label_maps: Meaning of the masks, by target.
        parts: Channels by input, where there are several.
    """

    def __init__(self, label_maps: Mapping[str, LabelMap], parts: Mapping[str, int] | None = None) -> None:
        self._label_maps = label_maps
        self._parts = dict(parts or {})
        self._samples: dict[int, _Sample] = {}

    def draw(
        self,
        place: int,
        image: np.ndarray,
        truth: Mapping[str, np.ndarray],
        prediction: Prediction,
        uncertainty: Mapping[str, Float32[np.ndarray, "height width"]] | None = None,
    ) -> None:
        """Keep what a sample is drawn from, made small; the place is its position in the catalog.

        Args:
            place: Position of the sample.
            image: `height width channels`, of several inputs as `ModelInput.picture`.
            truth: Masks and numbers by target, as the label map encodes them.
            prediction: Masks and numbers of the same size.
            uncertainty: By target, in [0, 1]; a target without is drawn without.
        """
        full = image.shape[:2]
        fine = within(full, _VIEW_SIDE, _MOST_ENLARGED)
        inputs = {
            name: resize_image(shown, within(full, _VIEW_SIDE))
            for name, shown in show_inputs(image, self._parts).inputs.items()
        }
        masks = {
            name: (resize_mask(target, fine), resize_mask(predicted(prediction, name), fine))
            for name, target in truth.items()
        }
        unsure = {
            name: resize_image(values[..., None], within(full, _UNCERTAINTY_SIDE))[..., 0]
            for name, values in (uncertainty or {}).items()
            if name in truth and self._label_maps[name].task != "regression"
        }
        self._samples[place] = _Sample(full, inputs, masks, unsure)

    @property
    def lines(self) -> list[dict[str, str | None]]:
        """What the outlines are: their style, and their colour where it is not that of the class."""
        own = self._own_colors
        if all(label_map.task == "regression" for label_map in self._label_maps.values()):
            return []
        return [
            {"name": "truth", "style": "solid", "color": hex_color(TRUTH) if own else None},
            {"name": "prediction", "style": "dashed", "color": hex_color(PREDICTION) if own else None},
        ]

    @property
    def knows_uncertainty(self) -> bool:
        """Whether any sample was given with its uncertainty."""
        return any(sample.uncertainty for sample in self._samples.values())

    @property
    def _own_colors(self) -> bool:
        """Whether truth and prediction have colours of their own: where there is a single class to tell apart."""
        maps = [label_map for label_map in self._label_maps.values() if label_map.task != "regression"]
        return sum(len(foreground(label_map.task, label_map.num_classes)) for label_map in maps) == 1

    def panels(self, place: int) -> list[Picture]:
        """Pictures of a sample in reading order, to be seen side by side."""
        sample = self._samples[place]
        size = within(sample.size, _PANEL_SIDE)
        inputs = {name: resize_image(shown, size) for name, shown in sample.inputs.items()}
        small = list(inputs.values())[-1]
        viewed = bool(self._viewed(sample))
        drawn = [
            # The last input lies under the layers.
            _picture(
                name,
                "image" if len(inputs) == 1 else f"input_{number}",
                shown,
                beside=not viewed or number < len(inputs),
            )
            for number, (name, shown) in enumerate(inputs.items(), start=1)
        ]
        for name, masks in sample.masks.items():
            true, found = (resize_mask(mask, size) for mask in masks)
            label_map = self._label_maps[name]
            numbers = label_map.task == "regression"
            wrong = (
                number_errors(true, found, most_error(label_map.low, label_map.high))
                if numbers
                else errors(true, found, small)
            )
            pictures = (
                ("truth", draw_target(small, true, label_map)),
                ("prediction", draw_target(small, found, label_map)),
                ("errors", wrong),
            )
            drawn += [
                _picture(self._named(what, name), self._stem(what, name), picture, beside=numbers)
                for what, picture in pictures
            ]
        return drawn

    def view(self, place: int) -> tuple[Picture, list[Layer]] | None:
        """The picture of a sample and the layers that lie over it; None where it has no mask."""
        sample = self._samples[place]
        layers: list[Layer] = []
        for number, name in enumerate(self._viewed(sample)):
            true, found = sample.masks[name]
            label_map = self._label_maps[name]
            first = number == 0
            truth_colors, found_colors = (
                [color] * label_map.num_classes if self._own_colors else label_map.colors
                for color in (TRUTH, PREDICTION)
            )
            drawn: dict[LayerKind, tuple[np.ndarray, int | None]] = {
                "truth": (outline_layer(true, truth_colors), None),
                "prediction": (outline_layer(found, found_colors, dashed=True), None),
                "errors": (error_layer(true, found), None),
            }
            if name in sample.uncertainty:
                drawn["uncertainty"] = uncertainty_layer(sample.uncertainty[name]), _QUALITY
            for kind, (picture, quality) in drawn.items():
                layers.append(
                    Layer(
                        kind,
                        self._named(kind, name),
                        self._stem(f"layer_{kind}", name),
                        encode_webp(picture, quality),
                        shown=first and kind in ("truth", "prediction"),
                    )
                )
        if not layers:
            return None
        name, shown = list(sample.inputs.items())[-1]
        return _picture(name, "picture", shown, beside=False), layers

    def _viewed(self, sample: _Sample) -> list[str]:
        """Targets that are drawn as layers."""
        return [name for name in sample.masks if self._label_maps[name].task != "regression"]

    def _named(self, what: str, target: str) -> str:
        return f"{what} of {target}" if len(self._label_maps) > 1 else what

    def _stem(self, what: str, target: str) -> str:
        # Names of targets need not be fit for file names, so several are told apart by number.
        number = f"{list(self._label_maps).index(target) + 1}_" if len(self._label_maps) > 1 else ""
        return number + what


def within(size: Size, side: int, most: float = 1.0) -> Size:
    """A size of the same proportions whose longer side is `side`, or `most` times what it was if that is less."""
    scale = min(most, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _picture(name: str, stem: str, shown: np.ndarray, *, beside: bool) -> Picture:
    return Picture(name, stem, encode_webp(shown, _QUALITY), beside)


def hex_color(color: Color) -> str:
    """`#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def most_error(low: float, high: float) -> float:
    """The error that is drawn lightest: a quarter of the range."""
    return (high - low) / 4
