"""One picture's results as files.

Layer: inference.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import TargetSpec
from limner.files import output_error, write_bytes
from limner.images import write_image, write_mask
from limner.inference.drawing import show_inputs
from limner.inference.prediction import Prediction
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

    Of a model with several targets, each has its own folder: `TARGET/NAME.png`, `overlays/TARGET/…`.

    Attributes:
        folder: Where results go.
        targets: What the model predicts.
        probabilities: Whether to write probabilities.
        overlays: Whether to write overlays.
        parts: Channels by input, where there are several; overlays are drawn on the last.
        uncertainty: Whether to write how unsure each pixel is.
    """

    folder: Path
    targets: Mapping[str, TargetSpec]
    probabilities: bool = False
    overlays: bool = False
    parts: Mapping[str, int] = field(default_factory=dict)
    uncertainty: bool = False

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
        return found

    def write(self, name: str, picture: np.ndarray, prediction: Prediction) -> None:
        """Write one picture's results, each file whole or not at all.

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


def _encode_probs(prediction: Prediction) -> bytes:
    arrays: dict[str, Any] = {name: probs.astype(np.float16) for name, probs in prediction.probs.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
