"""What the data are like, in numbers: sizes, intensities, how much of each class there is.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Float32, Float64, Int64, Shaped, UInt8

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.data.samples import Decoding
from limner.data.scan import Scanned, target_tables
from limner.data.symmetry import Layout, lay_out, mirrored_classes, told_apart, units_of
from limner.data.values import ValueTable
from limner.errors import ConfigError, DataError
from limner.threads import ordered_map
from limner.types import IGNORE, Progress, Size, Symmetry

SAMPLE = 200
"""Training pictures that are decoded for intensities and objects."""

_PIXELS = 65_536  # of each of them that are looked at, on a regular grid
_MASK_SIDE = 512  # pixels of a mask's longer side that are looked at for widths
_LEAST_STD = 1e-3


@dataclass(frozen=True)
class Fingerprint:
    """The data in numbers.

    Attributes:
        count: Samples.
        smallest: Height and width each at their least.
        median: Height and width each at their median.
        largest: Height and width each at their most.
        uniform_size: All images have one size.
        channels: Channels of the images.
        dtype: `uint8`, `uint16` or `float32`.
        low: Intensity that counts as 0: the window's if one is set, of uint8 0, else the 0.1th percentile of the
            sampled pictures.
        high: Intensity that counts as 1: the window's if one is set, of uint8 255, else the 99.9th percentile.
        mean: Mean per channel of `(x − low) / (high − low)`.
        std: Standard deviation per channel on the same scale, at least 0.001.
        class_share: Per target, the share of the training pixels in each class; ignored pixels do not count.
        objects_per_picture: Median over the sampled pictures of the connected regions of foreground
            in the first target.
        empty_masks: Per target, masks without foreground.
        ranges: Per regression target, lowest and highest value of the sampled training pictures, in its
            unit. Regression targets have no class shares and no empty masks.
        parts: Channels by input, in their order; empty where there is one input.
        independent: Sampled training pictures, those of a group counted once.
        told_apart: By change, the share of the sampled pictures that a rule tells from themselves changed (see
            `limner.data.symmetry`): about 0.5 where pictures have no up, or no left. Empty where there are few.
        mirrored_classes: Pairs of class ids of the first target of which one looks like the other's mirror image.
        object_widths: By class id of the first target, the median over the sampled pictures that hold the class of
            4 × its area / the length of its outline, in pixels: the side of squares, about 0.8 of the diameter of
            discs, twice the width of lines. 0 where there is none, and for the background.
    """

    count: int
    smallest: Size
    median: Size
    largest: Size
    uniform_size: bool
    channels: int
    dtype: str
    low: float
    high: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_share: dict[str, list[float]]
    objects_per_picture: float
    empty_masks: dict[str, int]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    independent: int = 0
    told_apart: dict[Symmetry, float] = field(default_factory=dict)
    mirrored_classes: tuple[tuple[int, int], ...] = ()
    object_widths: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fingerprint as JSON holds it; `from_dict` gives it back."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fingerprint:
        """Restore what `to_dict` gave."""
        fields: dict[str, Any] = dict(values)
        for name in ("smallest", "median", "largest", "mean", "std", "object_widths"):
            fields[name] = tuple(fields.get(name, ()))
        fields["mirrored_classes"] = tuple((one, other) for one, other in fields.get("mirrored_classes", ()))
        fields["ranges"] = {name: tuple(limits) for name, limits in fields.get("ranges", {}).items()}
        return cls(**fields)


@dataclass(frozen=True)
class _Look:
    """What is kept of one decoded picture."""

    pixels: Shaped[np.ndarray, "pixels channels"]
    objects: int
    widths: Float64[np.ndarray, " ids"]
    layout: Layout
    limits: dict[str, tuple[float, float]]


def measure(
    catalog: Catalog,
    scans: Sequence[Scanned],
    label_maps: Mapping[str, LabelMap],
    *,
    channels: int,
    dtype: str,
    parts: Mapping[str, int] | None = None,
    window: tuple[float, float] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fingerprint:
    """Measure a catalog whose splits are decided.

    Args:
        catalog: The samples.
        scans: What `scan` gave for them.
        label_maps: Label map per target.
        channels: Channels of the images, those of all inputs together.
        dtype: Their dtype.
        parts: Channels by input, where there are several.
        window: Centre and width of the values that count as 0 to 1; those beyond are cut off.
        seed: Chooses which `SAMPLE` training pictures are decoded.
        progress: Told about every decoded picture, as stage `measure`.

    Raises:
        DataError: A picture cannot be decoded, or a regression target has no two values.
        ConfigError: A window for pictures of 8 bits, which are taken as they are.
    """
    parts = dict(parts or {})
    classed = {name: label_map for name, label_map in label_maps.items() if label_map.task != "regression"}
    sizes = np.array([next(iter(scanned.infos.values())).size for scanned in scans], np.int64)
    training = catalog.indices("train")
    chosen = _choose(training, seed)
    looks = _look(catalog, label_maps, Decoding(channels, dtype, None, parts), chosen, progress)
    units = units_of([catalog.ids[index] for index in chosen], [catalog.groups[index] for index in chosen])
    layouts = [look.layout for look in looks]
    foreground = _foreground_ids(label_maps)
    pixels = np.concatenate([look.pixels for look in looks])
    low, high = _range(pixels) if window is None else _window(*window, dtype)
    if window is not None:
        pixels = pixels.clip(low, high)
    mean, std = _moments(pixels, low, high)
    return Fingerprint(
        count=len(catalog),
        smallest=_size(sizes.min(axis=0)),
        median=_size(np.median(sizes, axis=0)),
        largest=_size(sizes.max(axis=0)),
        uniform_size=bool((sizes == sizes[0]).all()),
        channels=channels,
        dtype=dtype,
        low=low,
        high=high,
        mean=mean,
        std=std,
        class_share={
            name: _class_share(target_tables([scans[index] for index in training], name), label_map)
            for name, label_map in classed.items()
        },
        objects_per_picture=float(statistics.median(look.objects for look in looks)),
        empty_masks={
            name: sum(foreground_pixels(label_map, label_map.count(table)) == 0 for table in target_tables(scans, name))
            for name, label_map in classed.items()
        },
        ranges={name: _limits(name, looks) for name in label_maps if name not in classed},
        parts=parts,
        independent=int(np.unique(units).size),
        told_apart=told_apart(layouts, units),
        mirrored_classes=tuple((foreground[one], foreground[other]) for one, other in mirrored_classes(layouts, units)),
        object_widths=_medians([look.widths for look in looks]),
    )


def foreground_pixels(label_map: LabelMap, counts: Int64[np.ndarray, " classes"]) -> int:
    """Pixels of all classes but the background; of overlapping classes the sum."""
    return int(counts.sum() if label_map.task == "multilabel" else counts[1:].sum())


def _choose(training: Int64[np.ndarray, " samples"], seed: int) -> Int64[np.ndarray, " chosen"]:
    if training.size <= SAMPLE:
        return training
    return np.sort(np.random.default_rng(seed).choice(training, SAMPLE, replace=False))


def _look(
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    decoding: Decoding,
    chosen: Int64[np.ndarray, " chosen"],
    progress: Progress | None,
) -> list[_Look]:
    numbers = {name: label_map for name, label_map in label_maps.items() if label_map.task == "regression"}
    main, foreground = _main(label_maps), _foreground_ids(label_maps)
    wanted = numbers if main is None else {main: label_maps[main], **numbers}

    def look(index: int) -> _Look:
        image, targets = decoding.sample(catalog, wanted, index)
        step = max(1, math.isqrt(image.shape[0] * image.shape[1] // _PIXELS))
        ids = np.zeros(image.shape[:2], np.uint8) if main is None else targets[main]
        return _Look(
            pixels=image[::step, ::step].reshape(-1, image.shape[2]).copy(),
            objects=_count_objects(ids),
            widths=_widths(ids, foreground),
            layout=lay_out(image, ids, len(foreground)),
            limits={name: limits for name in numbers if (limits := _least_and_most(targets[name]))},
        )

    looks = []
    for result in ordered_map(look, chosen.tolist()):
        looks.append(result)
        if progress is not None:
            progress("measure", len(looks), chosen.size)
    return looks


def _count_objects(ids: UInt8[np.ndarray, "height width *classes"]) -> int:
    """Connected regions of foreground; touching pixels count as one region, diagonally too."""
    inside = (ids > 0) & (ids != IGNORE)
    return int(scipy.ndimage.label(inside.any(axis=2) if inside.ndim == 3 else inside, np.ones((3, 3)))[1])


def _main(label_maps: Mapping[str, LabelMap]) -> str | None:
    """The first target with a mask."""
    return next((name for name, label_map in label_maps.items() if label_map.task != "regression"), None)


def _foreground_ids(label_maps: Mapping[str, LabelMap]) -> range:
    """Class ids of the first target with a mask, without the background."""
    main = _main(label_maps)
    if main is None:
        return range(0)
    return range(0 if label_maps[main].task == "multilabel" else 1, label_maps[main].num_classes)


def _widths(ids: UInt8[np.ndarray, "height width *classes"], foreground: range) -> Float64[np.ndarray, " ids"]:
    """By class id 4 × area / length of the outline; NaN where there is none. The picture's border is no outline."""
    step = -(-max(ids.shape[:2]) // _MASK_SIDE)
    ids = ids[::step, ::step]
    planes = [ids] if ids.ndim == 2 else np.moveaxis(ids, 2, 0)
    areas, outlines = np.zeros((2, len(planes), IGNORE + 1))
    for place, plane in enumerate(planes):
        areas[place] = np.bincount(plane.ravel(), minlength=IGNORE + 1)
        for one, other in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
            crossed = (one != other) & (one != IGNORE) & (other != IGNORE)
            for side in (one, other):
                outlines[place] += np.bincount(side[crossed], minlength=IGNORE + 1)
    chosen = slice(foreground.start, foreground.stop)
    area, outline = (table[0, chosen] if ids.ndim == 2 else table[:, 1] for table in (areas, outlines))
    found = np.where(area > 0, np.minimum(4 * area / np.maximum(outline, 1), min(ids.shape[:2])), np.nan)
    return np.concatenate([np.full(foreground.start, np.nan), step * found])


def _medians(widths: Sequence[Float64[np.ndarray, " ids"]]) -> tuple[float, ...]:
    """Medians over pictures of what is there; 0 where nothing is."""
    columns = [column[~np.isnan(column)] for column in np.array(widths).T]
    return tuple(float(np.median(column)) if column.size else 0.0 for column in columns)


def _least_and_most(values: Float32[np.ndarray, "height width"]) -> tuple[float, float] | None:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if known.size else None


def _limits(target: str, looks: Sequence[_Look]) -> tuple[float, float]:
    """Lowest and highest value of a regression target."""
    found = [look.limits[target] for look in looks if target in look.limits]
    low, high = min((low for low, _ in found), default=0.0), max((high for _, high in found), default=0.0)
    if low == high:
        raise DataError(
            f"different values of '{target}' in the training samples",
            f"{low:g} alone" if found else "none that is known",
            "Check the files of this target and, where it is set, which values are ignored.",
        )
    return low, high


def _range(pixels: Shaped[np.ndarray, "pixels channels"]) -> tuple[float, float]:
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = (float(value) for value in np.percentile(pixels, [0.1, 99.9]))
    return low, high if high > low else low + 1.0


def _window(center: float, width: float, dtype: str) -> tuple[float, float]:
    if dtype == "uint8":
        raise ConfigError(
            "data.window for pictures of more than 8 bits, such as CT",
            "pictures of 8 bits, whose values have been squeezed already",
            "Leave data.window out, or give the scans themselves.",
        )
    return center - width / 2, center + width / 2


def _moments(
    pixels: Shaped[np.ndarray, "pixels channels"], low: float, high: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean = (pixels.mean(axis=0, dtype=np.float64) - low) / (high - low)
    std = pixels.std(axis=0, dtype=np.float64) / (high - low)
    return tuple(mean.tolist()), tuple(np.maximum(std, _LEAST_STD).tolist())


def _class_share(tables: Sequence[ValueTable], label_map: LabelMap) -> list[float]:
    counts = np.sum([label_map.count(table) for table in tables], axis=0)
    if label_map.task == "multilabel":
        pixels = sum(table.size[0] * table.size[1] for table in tables)
    else:
        pixels = int(counts.sum())
    share: list[float] = (counts / max(1, pixels)).tolist()
    return share


def _size(row: Shaped[np.ndarray, 2]) -> Size:
    return int(row[0]), int(row[1])
