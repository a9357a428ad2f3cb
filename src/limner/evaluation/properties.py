"""What a picture and its objects are like, in a few numbers by which pictures can be told apart.

Layer: part of `evaluation`. Cheap: pictures are reduced before they are looked at.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from scipy import ndimage

from limner.evaluation.gallery import within
from limner.files import write_rows
from limner.images import resize_image, resize_mask
from limner.types import IGNORE

PROPERTIES_NAME = "properties.csv"

_SIDE = 256  # of the picture
_MASK_SIDE = 512
_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Properties:
    """One picture and its true objects; NaN where there is nothing to measure.

    Attributes:
        height: Rows.
        width: Columns.
        area: Share of the picture that is object, of any class but the background, of all targets together.
        objects: Regions of one class that hang together; counted on masks of at most 512 pixels a side.
        border: 1 where an object touches the border of the picture, 0 where none does.
        brightness: Mean grey, of 8- and 16-bit pictures on [0, 1].
        contrast: Standard deviation of the grey, on the same scale.
        sharpness: Standard deviation of the Laplacian over the contrast, of the picture at 256 pixels a side:
            low for blurred pictures.
    """

    height: int
    width: int
    area: float
    objects: float
    border: float
    brightness: float
    contrast: float
    sharpness: float

    @property
    def pixels(self) -> int:
        """Size of the picture."""
        return self.height * self.width


def measure_properties(
    picture: Shaped[np.ndarray, "height width channels"], masks: Iterable[Shaped[np.ndarray, "height width *planes"]]
) -> Properties:
    """Look at one picture.

    Args:
        picture: Any number type and number of channels, of which the first three count.
        masks: True masks of its targets: class ids with background 0, or planes of 0 and 1.
    """
    height, width = picture.shape[:2]
    planes = [plane for mask in masks for plane in _planes(mask)]
    area = objects = border = math.nan
    if planes:
        there = np.logical_or.reduce(planes)
        area = float(there.mean())
        if area > 0:
            border = float(there[[0, -1]].any() or there[:, [0, -1]].any())
        size = within((height, width), _MASK_SIDE)
        objects = float(sum(ndimage.label(resize_mask(plane, size), _TOUCHING)[1] for plane in planes))
    return Properties(height, width, area, objects, border, *_look(_grey(picture)))


def write_properties(
    path: Path,
    ids: Sequence[str],
    groups: Sequence[str],
    found: Sequence[Properties],
    scores: Sequence[float],
) -> None:
    """Write the table of the pictures, a line each; what is unknown is empty.

    Raises:
        OutputError: It cannot be written.
    """
    columns = ("id", "group", *Properties.__dataclass_fields__, "score")
    write_rows(path, columns, _rows(ids, groups, found, scores))


def read_properties(path: Path) -> dict[str, Properties]:
    """What `write_properties` wrote, by image; nothing where there is no such table, or it is damaged."""
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
        return {row["id"]: _read(row) for row in rows}
    except (OSError, KeyError, TypeError, ValueError):
        return {}


def _read(row: Mapping[str, str]) -> Properties:
    numbers = {name: float(row[name] or "nan") for name in Properties.__dataclass_fields__}
    height, width = int(numbers.pop("height")), int(numbers.pop("width"))
    return Properties(height, width, **numbers)


def _rows(
    ids: Sequence[str], groups: Sequence[str], found: Sequence[Properties], scores: Sequence[float]
) -> Iterator[Mapping[str, str | float | None]]:
    for name, group, properties, score in zip(ids, groups, found, scores, strict=True):
        numbers = asdict(properties) | {"score": float(score)}
        known = {key: None if math.isnan(value) else round(value, 6) for key, value in numbers.items()}
        yield {"id": name, "group": group, **known}


def _planes(mask: Shaped[np.ndarray, "height width *planes"]) -> list[Bool[np.ndarray, "height width"]]:
    if mask.ndim == 3:
        return [mask[..., index] == 1 for index in range(mask.shape[2])]
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=2)).tolist()
    classes = [number for number in present if number not in (0, IGNORE)]
    # Of a mask without objects the empty plane says that there are none.
    return [mask == number for number in classes or [1]]


def _grey(picture: Shaped[np.ndarray, "height width channels"]) -> Float32[np.ndarray, "new_height new_width"]:
    """The picture as grey, reduced; 8 and 16 bits on [0, 1]."""
    colors = picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1]
    small = resize_image(colors, within(colors.shape[:2], _SIDE)).astype(np.float32)
    if picture.dtype.kind == "u":
        small /= np.iinfo(picture.dtype).max
    return np.asarray(small.mean(axis=2))


def _look(grey: Float32[np.ndarray, "height width"]) -> tuple[float, float, float]:
    """Brightness, contrast, sharpness; NaN where no pixel is known, or the picture is flat."""
    known = np.isfinite(grey)
    if not known.any():
        return math.nan, math.nan, math.nan
    grey = np.where(known, grey, grey[known].mean())
    contrast = float(grey.std())
    sharpness = float(ndimage.laplace(grey).std()) / contrast if contrast > 1e-6 else math.nan
    return float(grey.mean()), contrast, sharpness
