"""One picture's results as files.

Layer: inference.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import TargetSpec
from limner.data.annotations.writing import FORMATS_WRITTEN, to_geojson, to_labelme, to_svg
from limner.files import output_error, write_bytes
from limner.images import write_image, write_mask
from limner.inference.drawing import show_inputs
from limner.inference.object_tables import outlines_of
from limner.inference.prediction import Prediction
from limner.inference.sources import Picture
from limner.render import color_numbers, overlay, with_scale


@dataclass(frozen=True)
class Outputs:
    """Which files the result `name` (such as `sub/a`) becomes, below `folder`.

        NAME.png                        class ids with their colours (binary, multiclass)
        NAME/CLASS.png                  a plane of 0 and 1 for each class (multilabel)
        NAME.tif                        float32 numbers (regression)
        probabilities/NAME.npz          float16, one array `classes height width` per target
        overlays/NAME_overlay.png       the picture with its mask; of numbers, a coloured map with its scale
        uncertainty/NAME.png            grey, 8 bits: black is sure, white is undecided
        labelme/NAME.json, geojson/NAME.geojson, svg/NAME.svg      outlines of objects

    Of a model with several targets, each has its own folder: `TARGET/NAME.png`, `overlays/TARGET/…`.

    Attributes:
        folder: Where results go.
        targets: What the model predicts.
        probabilities: Whether to write probabilities.
        overlays: Whether to write overlays.
        parts: Channels by input, where there are several; overlays are drawn on the last.
        uncertainty: Whether to write how unsure each pixel is.
        contours: Formats of outlines of which there is a file for each picture.
        simplify: See `limner.data.annotations.outlines.outlined`.
    """

    folder: Path
    targets: Mapping[str, TargetSpec]
    probabilities: bool = False
    overlays: bool = False
    parts: Mapping[str, int] = field(default_factory=dict)
    uncertainty: bool = False
    contours: tuple[str, ...] = ()
    simplify: float = 0.0

    def masks(self, name: str) -> list[Path]:
        """The files of masks and numbers among those that `write` makes."""
        return [path for target in self.targets for path in self._mask_paths(name, target)]

    def paths(self, name: str) -> list[Path]:
        """Every file that `write` makes."""
        found = self.masks(name)
        if self.probabilities:
            found.append(self._probs_path(name))
        if self.overlays:
            found += [self._overlay_path(name, target) for target in self.targets]
        if self.uncertainty:
            found += [self._uncertainty_path(name, target) for target in self.targets]
        found += [self._contour_path(name, target, kind) for target in self._with_masks() for kind in self.contours]
        return found

    def write(self, name: str, source: Picture, picture: np.ndarray, prediction: Prediction) -> None:
        """Write one picture's results, each file whole or not at all.

        Args:
            name: Of the result.
            source: Where the picture lies.
            picture: It, as it was read.
            prediction: What the model says.

        Raises:
            OutputError: A file cannot be written; no further one is tried.
        """
        for target in self.targets:
            self._write_target(name, target, prediction)
        if self.probabilities:
            write_bytes(self._probs_path(name), _encode_probs(prediction))
        if self.overlays:
            for target in self.targets:
                write_image(self._overlay_path(name, target), self._draw(target, picture, prediction))
        if self.uncertainty:
            for target, unsure in prediction.uncertainty.items():
                grey = np.rint(unsure * 255).astype(np.uint8)
                write_image(self._uncertainty_path(name, target), grey[..., None])
        if self.contours:
            for target in self._with_masks():
                self._write_contours(name, target, source, prediction)

    def remove(self, name: str) -> None:
        """Take away the results of that name, where there are some.

        Raises:
            OutputError: One cannot be taken away.
        """
        for path in self.paths(name):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(path, error) from error

    def _write_target(self, name: str, target: str, prediction: Prediction) -> None:
        spec = self.targets[target]
        paths = self._mask_paths(name, target)
        if spec.task == "regression":
            write_image(paths[0], prediction.values[target])
        elif spec.task == "multilabel":
            planes = prediction.masks[target]
            for index, path in enumerate(paths):
                write_mask(path, planes[..., index], [(0, 0, 0), spec.colors[index]])
        else:
            write_mask(paths[0], prediction.masks[target], spec.colors)

    def _write_contours(self, name: str, target: str, source: Picture, prediction: Prediction) -> None:
        mask = prediction.masks[target]
        size = (mask.shape[0], mask.shape[1])
        objects = list(outlines_of(mask, self.targets[target], self.simplify))
        for kind in self.contours:
            path = self._contour_path(name, target, kind)
            if kind == "labelme":
                text = to_labelme(objects, _seen_from(path, source), size)
            elif kind == "geojson":
                text = to_geojson(objects)
            else:
                text = to_svg(objects, source.name, size)
            # What is no UTF-8 in the name of a file stays out of a drawing's title.
            write_bytes(path, text.encode(errors="replace"))

    def _with_masks(self) -> list[str]:
        return [target for target, spec in self.targets.items() if spec.task != "regression"]

    def _mask_paths(self, name: str, target: str) -> list[Path]:
        spec = self.targets[target]
        place = self._place(self.folder, target)
        if spec.task == "multilabel":
            return [place / name / f"{class_name.replace('/', '_')}.png" for class_name in spec.names]
        return [place / f"{name}{'.tif' if spec.task == 'regression' else '.png'}"]

    def _probs_path(self, name: str) -> Path:
        return self.folder / "probabilities" / f"{name}.npz"

    def _uncertainty_path(self, name: str, target: str) -> Path:
        return self._place(self.folder / "uncertainty", target) / f"{name}.png"

    def _contour_path(self, name: str, target: str, kind: str) -> Path:
        return self._place(self.folder / kind, target) / f"{name}{FORMATS_WRITTEN[kind]}"

    def _overlay_path(self, name: str, target: str) -> Path:
        return self._place(self.folder / "overlays", target) / f"{name}_overlay.png"

    def _place(self, folder: Path, target: str) -> Path:
        return folder / target if len(self.targets) > 1 else folder

    def _draw(self, target: str, picture: np.ndarray, prediction: Prediction) -> np.ndarray:
        spec = self.targets[target]
        if spec.task == "regression":
            colored = color_numbers(prediction.values[target], spec.low, spec.high)
            return with_scale(colored, spec.low, spec.high, spec.unit)
        return overlay(show_inputs(picture, self.parts).main, prediction.masks[target], spec.colors)


def _seen_from(path: Path, source: Picture) -> str:
    """The way from a file to its picture, as far as that is one on this disk; else the picture's name."""
    if "://" in source.location or "#" in source.location:
        return source.name
    return Path(os.path.relpath(source.location, path.parent)).as_posix()


def _encode_probs(prediction: Prediction) -> bytes:
    arrays: dict[str, Any] = {name: probs.astype(np.float16) for name, probs in prediction.probs.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
