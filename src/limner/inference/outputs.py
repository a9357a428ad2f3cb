"""One picture's results as files.

Layer: inference.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from limner.bundle import TargetSpec
from limner.data.annotations.writing import FORMATS_WRITTEN, to_geojson, to_labelme, to_svg
from limner.files import output_error, write_bytes
from limner.images import Segment, encode_segmentation, is_url, write_image, write_mask, write_planes
from limner.inference.drawing import show_inputs
from limner.inference.object_tables import outlines_of
from limner.inference.prediction import Prediction
from limner.inference.sources import Picture
from limner.metrics import foreground
from limner.render import color_numbers, overlay, with_scale
from limner.types import Color

MASK_FORMS = {
    "png": ".png",
    "png16": ".png",
    "tiff": ".tif",
    "npy": ".npy",
    "nifti": ".nii.gz",
    "dicom-seg": ".dcm",
}
"""Form of masks → suffix: class ids with colours, of 16 bits, or as plain numbers; slices stacked into volumes; or a
segmentation object for each DICOM picture."""

PROBABILITY_FORMS = ("npz", "tiff")


def volume_name(result: str) -> str:
    """The name of a volume's result, from that of a slice.

    Example:
        >>> volume_name("a/scan_s012")
        'a/scan'
    """
    return re.sub(r"_s[0-9]+((?:\.nii(?:\.gz)?)?)$", r"\1", result)


@dataclass(frozen=True)
class Outputs:
    """Which files the result `name` (such as `sub/a`) becomes, below `folder`.

        NAME.png                        class ids with their colours (binary, multiclass)
        NAME/CLASS.png                  a plane of 0 and 1 for each class (multilabel)
        NAME.tif                        float32 numbers (regression)
        NAME.dcm                        a segment for each class (of the form dicom-seg)
        probabilities/NAME.npz          float16, one array `classes height width` per target; or
        probabilities/NAME.tif          float32, a page for each class
        overlays/NAME_overlay.png       the picture with its mask; of numbers, a coloured map with its scale
        uncertainty/NAME.png            grey, 8 bits: black is sure, white is undecided
        labelme/NAME.json, geojson/NAME.geojson, svg/NAME.svg      outlines of objects

    Of a model with several targets, each has its own folder: `TARGET/NAME.png`, `overlays/TARGET/…`.

    Masks may be of another form (`MASK_FORMS`). A volume of NIfTI is called as its slices are, without their
    numbers; it is written once it is complete, and not by `write`.

    Attributes:
        folder: Where results go.
        targets: What the model predicts.
        probabilities: Form of probabilities, of `PROBABILITY_FORMS`; empty for none.
        overlays: Whether to write overlays.
        parts: Channels by input, where there are several; overlays are drawn on the last.
        uncertainty: Whether to write how unsure each pixel is.
        contours: Formats of outlines of which there is a file for each picture.
        simplify: See `limner.data.annotations.outlines.outlined`.
        form: Of masks, a key of `MASK_FORMS`.
        maker: What tells the model from others, see `limner.images.encode_segmentation`.
        belongs: Where results belong, if they are only made in `folder`: a URL or another folder.
    """

    folder: Path
    targets: Mapping[str, TargetSpec]
    probabilities: str = ""
    overlays: bool = False
    parts: Mapping[str, int] = field(default_factory=dict)
    uncertainty: bool = False
    contours: tuple[str, ...] = ()
    simplify: float = 0.0
    form: str = "png"
    maker: str = ""
    belongs: str = ""

    def masks(self, name: str) -> list[Path]:
        """The files of masks and numbers among those that `write` makes."""
        return [path for target in self.targets for path in self.mask_paths(name, target)]

    def paths(self, name: str) -> list[Path]:
        """Every file that `write` makes."""
        found = [*self.masks(name), *self._probs_paths(name)]
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
        if self.form != "nifti":
            for target in self.targets:
                self._write_target(name, target, source, prediction)
        self._write_probs(name, prediction)
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

    def _write_target(self, name: str, target: str, source: Picture, prediction: Prediction) -> None:
        spec = self.targets[target]
        paths = self.mask_paths(name, target)
        if self.form == "dicom-seg":
            segments = [
                Segment(spec.names[index], spec.colors[index]) for index in foreground(spec.task, len(spec.names))
            ]
            planes = _planes(prediction.masks[target], spec)
            write_bytes(paths[0], encode_segmentation(source.location, planes, segments, maker=self.maker))
        elif spec.task == "regression":
            write_image(paths[0], prediction.values[target])
        elif spec.task == "multilabel":
            planes = prediction.masks[target]
            for index, path in enumerate(paths):
                self._write_ids(path, planes[..., index], [(0, 0, 0), spec.colors[index]])
        else:
            self._write_ids(paths[0], prediction.masks[target], spec.colors)

    def _write_ids(self, path: Path, ids: UInt8[np.ndarray, "height width"], colors: Sequence[Color]) -> None:
        if self.form == "png":
            write_mask(path, ids, colors)
        else:
            write_image(path, ids.astype(np.uint16) if self.form == "png16" else ids)

    def _write_probs(self, name: str, prediction: Prediction) -> None:
        paths = self._probs_paths(name)
        if self.probabilities == "npz":
            write_bytes(paths[0], _encode_probs(prediction))
        elif self.probabilities == "tiff":
            for path, target in zip(paths, self._with_masks(), strict=True):
                write_planes(path, prediction.probs[target])

    def _write_contours(self, name: str, target: str, source: Picture, prediction: Prediction) -> None:
        mask = prediction.masks[target]
        size = (mask.shape[0], mask.shape[1])
        objects = list(outlines_of(mask, self.targets[target], self.simplify))
        for kind in self.contours:
            path = self._contour_path(name, target, kind)
            if kind == "labelme":
                text = to_labelme(objects, self._seen_from(path, source), size)
            elif kind == "geojson":
                text = to_geojson(objects)
            else:
                text = to_svg(objects, source.name, size)
            # What is no UTF-8 in the name of a file stays out of a drawing's title.
            write_bytes(path, text.encode(errors="replace"))

    def _with_masks(self) -> list[str]:
        return [target for target, spec in self.targets.items() if spec.task != "regression"]

    def mask_paths(self, name: str, target: str) -> list[Path]:
        """The files of one target's masks or numbers."""
        spec = self.targets[target]
        place = self._place(self.folder, target)
        name = volume_name(name) if self.form == "nifti" else name
        suffix = ".tif" if spec.task == "regression" else MASK_FORMS[self.form]
        if spec.task == "multilabel" and self.form != "dicom-seg":
            return [place / name / f"{class_name.replace('/', '_')}{suffix}" for class_name in spec.names]
        return [place / f"{name}{suffix}"]

    def _probs_paths(self, name: str) -> list[Path]:
        folder = self.folder / "probabilities"
        if self.probabilities == "tiff":
            return [self._place(folder, target) / f"{name}.tif" for target in self._with_masks()]
        return [folder / f"{name}.npz"] if self.probabilities else []

    def _uncertainty_path(self, name: str, target: str) -> Path:
        return self._place(self.folder / "uncertainty", target) / f"{name}.png"

    def _contour_path(self, name: str, target: str, kind: str) -> Path:
        return self._place(self.folder / kind, target) / f"{name}{FORMATS_WRITTEN[kind]}"

    def _overlay_path(self, name: str, target: str) -> Path:
        return self._place(self.folder / "overlays", target) / f"{name}_overlay.png"

    def _place(self, folder: Path, target: str) -> Path:
        return folder / target if len(self.targets) > 1 else folder

    def _seen_from(self, path: Path, source: Picture) -> str:
        """The way from a file to its picture, as far as both are on this disk; else the picture's name."""
        if "://" in source.location or "#" in source.location or is_url(self.belongs):
            return source.name
        place = Path(self.belongs or self.folder) / path.relative_to(self.folder)
        return Path(os.path.relpath(source.location, place.parent)).as_posix()

    def _draw(self, target: str, picture: np.ndarray, prediction: Prediction) -> np.ndarray:
        spec = self.targets[target]
        if spec.task == "regression":
            colored = color_numbers(prediction.values[target], spec.low, spec.high)
            return with_scale(colored, spec.low, spec.high, spec.unit)
        return overlay(show_inputs(picture, self.parts).main, prediction.masks[target], spec.colors)


def _planes(mask: np.ndarray, spec: TargetSpec) -> Bool[np.ndarray, "classes height width"]:
    """Where each class but the background is."""
    if spec.task == "multilabel":
        return np.asarray(np.moveaxis(mask, -1, 0) == 1)
    return np.stack([mask == index for index in foreground(spec.task, len(spec.names))])


def _encode_probs(prediction: Prediction) -> bytes:
    arrays: dict[str, Any] = {name: probs.astype(np.float16) for name, probs in prediction.probs.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
