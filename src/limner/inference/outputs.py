"""One picture's results as files.

Layer: inference.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import TargetSpec
from limner.errors import DataError, OutputError, shorten
from limner.files import output_error, write_bytes
from limner.images import write_image, write_mask
from limner.inference.doubtful import TABLE_NAME
from limner.inference.drawing import show_inputs
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

    Of a model with several targets, each has its own folder: `TARGET/NAME.png`, `overlays/TARGET/…`.

    Attributes:
        folder: Where results go.
        targets: What the model predicts.
        probabilities: Whether to write probabilities.
        overlays: Whether to write overlays.
        parts: Channels by input, where there are several; overlays are drawn on the last.
        uncertainty: Whether to write how unsure each pixel is.
        doubts: Whether there will be a table of all results, `doubts.csv`.
    """

    folder: Path
    targets: Mapping[str, TargetSpec]
    probabilities: bool = False
    overlays: bool = False
    parts: Mapping[str, int] = field(default_factory=dict)
    uncertainty: bool = False
    doubts: bool = False

    @property
    def table(self) -> Path:
        """The table of all results."""
        return self.folder / TABLE_NAME

    def paths(self, name: str) -> list[Path]:
        """Every file that `write` makes."""
        found = [path for target in self.targets for path in self._mask_paths(name, target)]
        if self.probabilities:
            found.append(self._probs_path(name))
        if self.overlays:
            found += [self._overlay_path(name, target) for target in self.targets]
        if self.uncertainty:
            found += [self._uncertainty_path(name, target) for target in self.targets]
        return found

    def write(self, name: str, picture: np.ndarray, prediction: Prediction) -> list[Path]:
        """Write one picture's results, each file whole or not at all.

        Returns:
            The files of masks and numbers; overlays and probabilities are not among them.

        Raises:
            OutputError: A file cannot be written; no further one is tried.
        """
        written = [path for target in self.targets for path in self._write_target(name, target, prediction)]
        if self.probabilities:
            write_bytes(self._probs_path(name), _encode_probs(prediction))
        if self.overlays:
            for target in self.targets:
                write_image(self._overlay_path(name, target), self._draw(target, picture, prediction))
        if self.uncertainty:
            for target, unsure in prediction.uncertainty.items():
                grey = np.rint(unsure * 255).astype(np.uint8)
                write_image(self._uncertainty_path(name, target), grey[..., None])
        return written

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

    def check(
        self, pictures: Sequence[Picture], names: Sequence[str], *, overwrite: bool, apart: str | None = None
    ) -> None:
        """Refuse, before anything is written, to lose a file.

        Args:
            pictures: Every file that is read.
            names: Of the results.
            overwrite: Whether results may be replaced.
            apart: Sub-folder that some results go to; which ones is not known yet.

        Raises:
            DataError: Two results would be the same file.
            OutputError: A result would replace its picture, or without `overwrite` any other file.
        """
        paths = [path for name in names for path in self.paths(name)]
        if apart is not None:
            paths += [path for name in names for path in self.paths(f"{apart}/{name}")]
        paths += [self.table] if self.doubts else []
        twice = [str(path) for path, count in Counter(paths).items() if count > 1]
        if twice:
            raise DataError(
                "each result has a file of its own",
                f"{len(twice)} files would be written twice",
                "Rename the pictures, or predict them separately.",
                details=shorten(twice),
            )
        sources = {Path(picture.location).resolve() for picture in pictures if "://" not in picture.location}
        replaced = [str(path) for path in paths if path.resolve() in sources]
        if replaced:
            raise OutputError(
                "results beside the pictures, not in their place",
                f"{len(replaced)} pictures would be replaced by their masks",
                "Choose another output folder.",
                details=shorten(replaced),
            )
        existing = [] if overwrite else [str(path) for path in paths if path.exists()]
        if existing:
            raise OutputError(
                f"new names in '{self.folder}'",
                f"{len(existing)} results are already there",
                "Choose another output folder, or allow overwriting (--overwrite).",
                details=shorten(existing),
            )

    def _write_target(self, name: str, target: str, prediction: Prediction) -> Iterator[Path]:
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
        yield from paths

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
