"""What the checks look at: a few kilobytes about each sample, taken in one pass over the decoded pictures.

Layer: data. Imports no torch.

Pictures are stretched to a square, so that samples of all sizes and their quarter turns can be compared,
and everything is drawn from there but the objects of the masks, which are counted at full size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import Bool, Float, Float32, Int32, Int64, Shaped, UInt8, UInt64

from limner.data.labels import LabelMap
from limner.images import resize_image, resize_mask
from limner.types import IGNORE

WORK = 128
"""Height and width, in pixels, at which edges are found."""

GRID = 32
"""Height and width of the maps that are kept."""

MAPS = 3
"""Maps of each mask: outlines, and two mixtures of its classes."""

FREQUENCIES = 8
"""Lowest frequencies, along each side, that describe a picture."""

_LEVELS_PIXELS = 1 << 18  # of deep pictures, in which grey levels are counted
_COUNTED_PIXELS = 1 << 20  # above which objects are counted on every n-th pixel


@dataclass(frozen=True)
class MaskFeatures:
    """What is kept of a mask; with a leading axis, of the masks of many samples.

    Attributes:
        known: Whether the sample has this mask; of one that it has not, everything else is 0.
        area: Pixels per class id.
        ignored: Pixels that take no part.
        objects: Connected regions per class id, diagonal neighbours joined.
        smallest: Pixels of the smallest region per class id; 0 where there is none.
        largest: Pixels of the largest region per class id.
        boxes: Per class id its top, left, bottom, right in pixels, end excluded; zeros where there is none.
        maps: How much outline a cell of the picture holds, and two mixtures of its classes; 0–255.
    """

    known: Bool[np.ndarray, " *samples"]
    area: Int64[np.ndarray, "*samples classes"]
    ignored: Int64[np.ndarray, " *samples"]
    objects: Int64[np.ndarray, "*samples classes"]
    smallest: Int64[np.ndarray, "*samples classes"]
    largest: Int64[np.ndarray, "*samples classes"]
    boxes: Int32[np.ndarray, "*samples classes 4"]
    maps: UInt8[np.ndarray, "*samples 3 32 32"]

    @classmethod
    def absent(cls, classes: int) -> MaskFeatures:
        """Of a sample without this mask."""
        counts = np.zeros(classes, np.int64)
        return cls(
            known=np.array(False),
            area=counts,
            ignored=np.array(0, np.int64),
            objects=counts,
            smallest=counts,
            largest=counts,
            boxes=np.zeros((classes, 4), np.int32),
            maps=np.zeros((MAPS, GRID, GRID), np.uint8),
        )

    def subset(self, indices: Shaped[np.ndarray, " chosen"] | Sequence[int]) -> MaskFeatures:
        """Of the samples at `indices`, in that order."""
        return MaskFeatures(**{name: value[indices] for name, value in _columns(self).items()})


@dataclass(frozen=True)
class Features:
    """What is kept of a sample; with a leading axis, of many.

    Attributes:
        size: Height and width of the picture in pixels.
        channels: Channels of the picture, without opacity.
        low: Least intensity.
        high: Greatest intensity.
        finite: Whether all intensities are numbers.
        levels: Distinct intensities, over all channels; of deep pictures in 2¹⁸ evenly spread pixels.
        grey: The picture in grey, 0–255; deep pictures from their least to their greatest intensity.
        colour: Red against green and blue against yellow, 128 where there is neither.
        edges: Strength of the picture's edges, 0–255, square root of the gradient.
        spectrum: Lowest frequencies of `grey` (orthonormal DCT-II), as float32.
        hash: Perceptual hash of 64 bits: signs of those frequencies against their median.
        masks: Per target, of its mask.
    """

    size: Int64[np.ndarray, "*samples 2"]
    channels: Int64[np.ndarray, " *samples"]
    low: Float[np.ndarray, " *samples"]
    high: Float[np.ndarray, " *samples"]
    finite: Bool[np.ndarray, " *samples"]
    levels: Int64[np.ndarray, " *samples"]
    grey: UInt8[np.ndarray, "*samples 32 32"]
    colour: UInt8[np.ndarray, "*samples 2 16 16"]
    edges: UInt8[np.ndarray, "*samples 32 32"]
    spectrum: Float32[np.ndarray, "*samples 8 8"]
    hash: UInt64[np.ndarray, " *samples"]
    masks: dict[str, MaskFeatures]

    def __len__(self) -> int:
        return len(self.hash)

    @property
    def blank(self) -> Bool[np.ndarray, " *samples"]:
        """Whether a picture is of one intensity throughout."""
        return np.asarray(self.high <= self.low)

    @classmethod
    def stack(cls, samples: Sequence[Features]) -> Features:
        """Of many samples, from one each; there must be at least one."""
        columns = {name: np.stack([getattr(sample, name) for sample in samples]) for name in _columns(samples[0])}
        return cls(**columns, masks={name: _stack_masks(samples, name) for name in samples[0].masks})

    def subset(self, indices: Shaped[np.ndarray, " chosen"] | Sequence[int]) -> Features:
        """Of the samples at `indices`, in that order."""
        columns = {name: value[indices] for name, value in _columns(self).items()}
        return Features(**columns, masks={name: mask.subset(indices) for name, mask in self.masks.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as named arrays, for an `.npz` file; `from_arrays` gives it back."""
        arrays = _columns(self)
        for target, mask in self.masks.items():
            arrays.update({f"mask.{name}.{target}": value for name, value in _columns(mask).items()})
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Features:
        """Restore what `to_arrays` gave.

        Raises:
            KeyError: An array is missing.
        """
        names = [field.name for field in fields(cls) if field.name != "masks"]
        targets = [key.split(".", 2)[2] for key in arrays if key.startswith("mask.known.")]
        masks = {
            target: MaskFeatures(**{part.name: arrays[f"mask.{part.name}.{target}"] for part in fields(MaskFeatures)})
            for target in targets
        }
        return cls(**{name: arrays[name] for name in names}, masks=masks)


def describe(
    image: Shaped[np.ndarray, "height width channels"],
    masks: Mapping[str, Shaped[np.ndarray, "_ _ *classes"] | None],
    label_maps: Mapping[str, LabelMap],
) -> Features:
    """Features of one sample.

    Args:
        image: The decoded picture, of uint8, uint16 or float32, without opacity; several inputs joined.
        masks: Per target, as `read_target` gives it; None where the sample has no such mask.
        label_maps: Label map per target.
    """
    finite = bool(np.isfinite(image).all()) if image.dtype.kind == "f" else True
    clean = _finite(image)
    work = _to_bytes(resize_image(clean, (WORK, WORK)), clean)
    grey = work.mean(axis=2, dtype=np.float32)
    spectrum = _spectrum(grey)
    return Features(
        size=np.array(image.shape[:2], np.int64),
        channels=np.array(image.shape[2], np.int64),
        low=np.array(float(clean.min())),
        high=np.array(float(clean.max())),
        finite=np.array(finite),
        levels=np.array(_levels(clean), np.int64),
        grey=_shrink(grey, GRID),
        colour=_colour(work),
        edges=_shrink(np.sqrt(_gradient(grey)) * _EDGE_SCALE, GRID),
        spectrum=spectrum,
        hash=np.array(_hash(spectrum), np.uint64),
        masks={name: describe_mask(masks.get(name), label_map) for name, label_map in label_maps.items()},
    )


def working_grey(image: Shaped[np.ndarray, "height width channels"]) -> Float32[np.ndarray, "work work"]:
    """The picture in grey, 0–255, `WORK` pixels high and wide, as everything is drawn from."""
    clean = _finite(image)
    work = _to_bytes(resize_image(clean, (WORK, WORK)), clean)
    return np.asarray(work.mean(axis=2, dtype=np.float32))


_EDGE_SCALE = 255 / 360**0.5  # the steepest step of `np.gradient` over bytes is 127.5 along each side, 180 in all
_CODES = np.stack([np.cos(np.arange(256) * 2.399963), np.sin(np.arange(256) * 2.399963)])
"""Two numbers per class, spread around the circle by the golden angle, so that no two classes look alike."""


def describe_mask(mask: Shaped[np.ndarray, "height width *classes"] | None, label_map: LabelMap) -> MaskFeatures:
    """Features of one mask, as `read_target` gives it; None for a sample without."""
    classes = label_map.num_classes
    if mask is None:
        return MaskFeatures.absent(classes)
    if mask.dtype.kind == "f":
        return _describe_values(mask, classes)
    step = max(1, int((mask.shape[0] * mask.shape[1] / _COUNTED_PIXELS) ** 0.5))
    area = _area(mask, classes)
    objects, smallest, largest, boxes = _objects(mask[::step, ::step], area, step)
    return MaskFeatures(
        known=np.array(True),
        area=area,
        ignored=np.array(np.count_nonzero(mask == IGNORE), np.int64),
        objects=objects,
        smallest=smallest,
        largest=largest,
        boxes=boxes,
        maps=_mask_maps(resize_mask(mask, (WORK, WORK)), classes),
    )


def _describe_values(values: Shaped[np.ndarray, "height width"], classes: int) -> MaskFeatures:
    """Of a map of numbers: its edges, and the numbers themselves from the least to the greatest."""
    unknown = ~np.isfinite(values)
    known = values[~unknown]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    filled = np.where(unknown, low, values).astype(np.float32)
    work = resize_image(filled[..., np.newaxis], (WORK, WORK))[..., 0]
    scaled = (work - low) * (255 / (high - low) if high > low else 0.0)
    maps = [np.sqrt(_gradient(scaled)) * _EDGE_SCALE, scaled, np.zeros_like(scaled)]
    empty = MaskFeatures.absent(classes)
    columns = _columns(empty) | {
        "known": np.array(True),
        "ignored": np.array(int(unknown.sum()), np.int64),
        "maps": np.stack([_shrink(values, GRID) for values in maps]),
    }
    return MaskFeatures(**columns)


def _columns(features: Features | MaskFeatures) -> dict[str, Any]:
    return {field.name: getattr(features, field.name) for field in fields(features) if field.name != "masks"}


def _stack_masks(samples: Sequence[Features], target: str) -> MaskFeatures:
    masks = [sample.masks[target] for sample in samples]
    return MaskFeatures(**{name: np.stack([getattr(mask, name) for mask in masks]) for name in _columns(masks[0])})


def _finite(image: Shaped[np.ndarray, "height width channels"]) -> Shaped[np.ndarray, "height width channels"]:
    """The picture with 0 for what is no number."""
    return np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0) if image.dtype.kind == "f" else image


def _to_bytes(
    work: Shaped[np.ndarray, "work work channels"], image: Shaped[np.ndarray, "height width channels"]
) -> Shaped[np.ndarray, "work work channels"]:
    """The working picture on the scale 0–255."""
    if image.dtype == np.uint8:
        return work
    low, high = float(image.min()), float(image.max())
    return ((work.astype(np.float32) - low) * (255 / (high - low) if high > low else 0.0)).clip(0, 255)


def _levels(image: Shaped[np.ndarray, "height width channels"]) -> int:
    if image.dtype == np.uint8:
        return int(np.count_nonzero(np.bincount(image.ravel(), minlength=256)))
    step = max(1, int((image.size / _LEVELS_PIXELS) ** 0.5))
    return int(np.unique(image[::step, ::step]).size)


def _shrink(work: Float[np.ndarray, "work work"], size: int) -> UInt8[np.ndarray, "size size"]:
    """Means of square cells, as bytes."""
    cell = WORK // size
    means = work.reshape(size, cell, size, cell).mean(axis=(1, 3))
    return np.asarray(np.rint(means).clip(0, 255), np.uint8)


def _colour(work: Shaped[np.ndarray, "work work channels"]) -> UInt8[np.ndarray, "2 half half"]:
    if work.shape[2] != 3:
        return np.full((2, GRID // 2, GRID // 2), 128, np.uint8)
    red, green, blue = np.moveaxis(work.astype(np.float32), 2, 0)
    opposed = [(red - green) / 2 + 128, (blue - (red + green) / 2) / 2 + 128]
    return np.stack([_shrink(plane, GRID // 2) for plane in opposed])


def _gradient(grey: Float[np.ndarray, "work work"]) -> Float[np.ndarray, "work work"]:
    down, right = np.gradient(grey)
    return np.asarray(np.hypot(down, right))


def _spectrum(grey: Float[np.ndarray, "work work"]) -> Float32[np.ndarray, "8 8"]:
    cell = WORK // GRID
    small = grey.reshape(GRID, cell, GRID, cell).mean(axis=(1, 3))
    lowest: np.ndarray = scipy.fft.dctn(small, norm="ortho")[:FREQUENCIES, :FREQUENCIES]
    return lowest.astype(np.float32)


def _hash(spectrum: Float32[np.ndarray, "8 8"]) -> int:
    """The signs, against the median, of the frequencies; the mean brightness counts as 0."""
    values = spectrum.ravel().copy()
    values[0] = 0.0
    bits = np.packbits(values > np.median(values))
    return int.from_bytes(bits.tobytes(), "big")


def _area(mask: UInt8[np.ndarray, "height width *classes"], classes: int) -> Int64[np.ndarray, " classes"]:
    if mask.ndim == 3:
        return np.asarray((mask == 1).sum(axis=(0, 1)), np.int64)
    return np.bincount(mask.ravel(), minlength=256)[:classes].astype(np.int64)


def _objects(
    mask: UInt8[np.ndarray, "height width *planes"], area: Int64[np.ndarray, " classes"], step: int
) -> tuple[
    Int64[np.ndarray, " classes"],
    Int64[np.ndarray, " classes"],
    Int64[np.ndarray, " classes"],
    Int32[np.ndarray, "classes 4"],
]:
    """Number of connected regions, pixels of the smallest and the largest, and boxes, per class."""
    counts = np.zeros((3, area.size), np.int64)
    boxes = np.zeros((area.size, 4), np.int32)
    for number in np.flatnonzero(area):
        inside = mask[..., number] == 1 if mask.ndim == 3 else mask == number
        found = _box(inside)
        if found is None:
            continue
        rows, columns = found
        boxes[number] = [rows.start * step, columns.start * step, rows.stop * step, columns.stop * step]
        regions, _ = scipy.ndimage.label(inside[rows, columns], np.ones((3, 3)))
        sizes = np.bincount(regions.ravel())[1:] * step**2
        counts[:, number] = sizes.size, sizes.min(), sizes.max()
    return counts[0], counts[1], counts[2], boxes


def _box(inside: Bool[np.ndarray, "height width"]) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _mask_maps(work: UInt8[np.ndarray, "work work *classes"], classes: int) -> UInt8[np.ndarray, "3 grid grid"]:
    planes = work[..., np.newaxis] if work.ndim == 2 else work
    outline = np.zeros((WORK, WORK), np.float32)
    outline[:-1] += (planes[:-1] != planes[1:]).any(axis=2)
    outline[:, :-1] += (planes[:, :-1] != planes[:, 1:]).any(axis=2)
    if work.ndim == 3:
        mixtures = np.einsum("hwc,kc->khw", work == 1, _CODES[:, : work.shape[2]])
    elif classes == 2:
        mixtures = np.stack([work == 1, np.zeros_like(work)]).astype(np.float64)
    else:
        mixtures = np.where(work == IGNORE, 0.0, _CODES[:, work])
    maps = [np.minimum(outline, 1) * 255, *(mixtures * 127 + 128)]
    return np.stack([_shrink(values, GRID) for values in maps])
