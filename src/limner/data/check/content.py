"""Checks of content: classes that are missing or rare, objects that vanish, pictures without anything on them.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64, Shaped

from limner.data.check.features import MaskFeatures
from limner.data.check.findings import Finding
from limner.data.check.gather import Gathered
from limner.data.check.geometry import examples, ids
from limner.data.labels import LabelMap
from limner.data.values import format_share
from limner.types import SPLITS, Size

_RARE = 0.005  # share of the pixels
_MOSTLY = 0.9  # share of masks without foreground that is worth a doubt
_SIDE = 2.5  # pixels across, below which an object is as good as gone
_GONE = 0.1  # share of the pictures with a class in which its objects vanish, from which on it is a doubt
_KEEP = 0.05  # share of pictures whose smaller objects the proposed size may lose
_STEP = 32
_NEARLY_BLANK = 4  # intensities between the darkest and the brightest, where other pictures have many more
_OUTLIER = 8.0  # times the median range of intensities, or below its inverse
_SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Working:
    """The scale at which a training sees pictures.

    Attributes:
        fit: `resize`: every picture to `size`. `native`: its own scale.
        size: Height and width in pixels.
    """

    fit: Literal["resize", "native"]
    size: Size


def check_content(
    gathered: Gathered, label_maps: Mapping[str, LabelMap], working: Working | None = None
) -> list[Finding]:
    """What the masks and pictures hold, and what they lack.

    Args:
        gathered: The samples, split if splits are to be looked at.
        label_maps: Label map per target.
        working: The scale of the training; None leaves out whether objects vanish.
    """
    findings = [*_blank(gathered), *_ranges(gathered)]
    for name, label_map in label_maps.items():
        masks = gathered.features.masks.get(name)
        if masks is None or not label_map.num_classes or not masks.known.any():
            continue
        target = _Target(gathered, masks, label_map, name if len(label_maps) > 1 else "")
        findings += [*target.empty(), *target.full(), *target.missing(), *target.rare()]
        if working is not None and working.fit == "resize":
            findings += target.vanishing(working.size)
    return findings


@dataclass(frozen=True)
class _Target:
    """One target's masks."""

    gathered: Gathered
    masks: MaskFeatures
    label_map: LabelMap
    name: str

    @property
    def _first(self) -> int:
        return 0 if self.label_map.task == "multilabel" else 1

    @property
    def _of(self) -> str:
        return f" of '{self.name}'" if self.name else ""

    def empty(self) -> Iterator[Finding]:
        """Masks that mark nothing."""
        empty = np.flatnonzero(self.masks.known & (self.masks.area[:, self._first :].sum(axis=1) == 0))
        count = int(self.masks.known.sum())
        if empty.size:
            mostly = empty.size >= _MOSTLY * count
            yield Finding(
                kind="empty-masks",
                level="doubt" if mostly else "note",
                title=f"{empty.size:,} of {count:,} masks{self._of} mark nothing.",
                samples=ids(self.gathered.catalog, empty),
                remedy="Make sure that there is nothing to mark in these pictures"
                + (
                    ", and that values are read rightly (see `mask-values`)." if mostly else "; if so, they are useful."
                ),
                pictures=examples(self.gathered.catalog, empty.tolist()),
            )

    def full(self) -> Iterator[Finding]:
        """Masks that mark the whole picture where others do not."""
        if self.label_map.task != "binary":
            return
        full = np.flatnonzero(self.masks.known & (self.masks.area[:, 0] == 0) & (self.masks.area[:, 1] > 0))
        if full.size:
            yield Finding(
                kind="full-masks",
                level="note",
                title=f"{full.size:,} of {int(self.masks.known.sum()):,} masks{self._of} mark the whole picture.",
                samples=ids(self.gathered.catalog, full),
                remedy="Make sure that these pictures show nothing else.",
                pictures=examples(self.gathered.catalog, full.tolist()),
            )

    def missing(self) -> Iterator[Finding]:
        """Classes that no sample of a split holds."""
        splits = np.array(self.gathered.catalog.splits)
        for split in SPLITS:
            chosen = (splits == split) & self.masks.known
            if not chosen.any():
                continue
            area = self.masks.area[chosen].sum(axis=0)
            gone = [self.label_map.names[number] for number in range(self._first, area.size) if area[number] == 0]
            if gone:
                yield Finding(
                    kind="missing-class",
                    level="doubt",
                    title=f"No {_SPLIT_WORDS[split]} sample holds {', '.join(gone)}{self._of}.",
                    evidence=(f"{int(chosen.sum()):,} {_SPLIT_WORDS[split]} samples", self._presence(gone)),
                    remedy="Choose another `data.seed`, give the split more samples (`data.val`, `data.test`), "
                    "or add samples with these classes.",
                )

    def _presence(self, names: list[str]) -> str:
        present = (self.masks.area > 0).sum(axis=0)
        parts = [f"{name} in {int(present[self.label_map.names.index(name)]):,}" for name in names]
        return f"of all {len(self.gathered.catalog):,} samples: {', '.join(parts)}"

    def rare(self) -> Iterator[Finding]:
        """Classes of few pixels; a doubt where all foreground together is rare."""
        total = self.gathered.features.size[self.masks.known].prod(axis=1).sum() - self.masks.ignored.sum()
        area = self.masks.area[:, self._first :].sum(axis=0)
        share = area / max(int(total), 1)
        names = self.label_map.names[self._first :]
        rare = [
            f"{name} {format_share(part)}" for name, part in zip(names, share.tolist(), strict=True) if 0 < part < _RARE
        ]
        if rare:
            little = bool(0 < share.sum() < _RARE)
            yield Finding(
                kind="rare-class",
                level="doubt" if little else "note",
                title=f"Under {_RARE:.1%} of the pixels{self._of}: {', '.join(rare)}.",
                remedy="Networks easily learn to leave such classes out. Train on crops round the objects "
                "(`data.fit=native training.foreground_crops=0.8`), or weigh them more (`training.class_weights`).",
            )

    def vanishing(self, size: Size) -> Iterator[Finding]:
        """Classes whose objects are gone when pictures are made small, and the size that keeps them."""
        sizes = self.gathered.features.size
        scale = np.sqrt(np.prod(np.array(size) / sizes, axis=1))
        for number in range(self._first, self.label_map.num_classes):
            objects = self.masks.objects[:, number]
            there = np.flatnonzero(objects > 0)
            if not there.size:
                continue
            across = np.sqrt(self.masks.area[there, number] / objects[there])
            gone = (across * scale[there] < _SIDE) & (scale[there] < 1)
            if gone.mean() < _GONE:
                continue
            keeping = _keeping(across, sizes[there], sizes)
            worst = there[gone][np.argsort((across * scale[there])[gone])]
            name = self.label_map.names[number]
            yield Finding(
                kind="tiny-objects",
                level="doubt",
                title=f"Objects of '{name}' vanish when pictures are made {size[0]}×{size[1]} pixels.",
                evidence=(
                    f"then they are less than {_SIDE:g} pixels across, on average, in {int(gone.sum()):,} of the "
                    f"{there.size:,} pictures that have some",
                    f"as stored they are {np.median(across):.1f} pixels across (median)",
                ),
                samples=ids(self.gathered.catalog, worst),
                remedy=f"Type `data.size=[{keeping[0]},{keeping[1]}]`, which keeps them, or `data.fit=native`, "
                "which trains on crops at the pictures' own scale.",
                pictures=examples(self.gathered.catalog, worst.tolist()),
            )


def _keeping(
    across: Float[np.ndarray, " pictures"],
    own: Int64[np.ndarray, "pictures 2"],
    sizes: Int64[np.ndarray, "samples 2"],
) -> Size:
    """The working size at which objects stay `_SIDE` pixels across in nearly all pictures."""
    needed = np.quantile(_SIDE / across * np.sqrt(own.prod(axis=1)), 1 - _KEEP)
    median = np.median(sizes, axis=0)
    scale = min(1.0, needed / math.sqrt(median.prod()))
    height, width = (math.ceil(length * scale / _STEP) * _STEP for length in median.tolist())
    return height, width


def _blank(gathered: Gathered) -> Iterator[Finding]:
    features = gathered.features
    span = features.high - features.low
    blank = np.flatnonzero(features.blank | ((span <= _NEARLY_BLANK) & (np.median(span) > 8 * _NEARLY_BLANK)))
    if blank.size:
        yield Finding(
            kind="blank-pictures",
            level="doubt",
            title=f"{blank.size:,} of {len(gathered.catalog):,} images are blank.",
            evidence=(f"between their darkest and brightest pixel: at most {span[blank].max():g}",),
            samples=ids(gathered.catalog, blank),
            remedy="Export them again, or remove them with their masks.",
            pictures=examples(gathered.catalog, blank.tolist()),
        )


def _ranges(gathered: Gathered) -> Iterator[Finding]:
    """Numbers that are none, and pictures on another scale than the others."""
    features, catalog = gathered.features, gathered.catalog
    broken = np.flatnonzero(~features.finite)
    if broken.size:
        yield Finding(
            kind="not-finite",
            level="stop",
            title=f"{broken.size:,} images hold NaN or infinity.",
            samples=ids(catalog, broken),
            remedy="Replace them, or leave these images out.",
        )
    bright = features.high[features.high > 0]
    if features.low.min() >= 0 and features.high.max() <= 255 and bright.size and bright.min() > 1:
        return  # 8 bits: a dark picture is on no other scale
    span = features.high - features.low
    usual = float(np.median(span[span > 0])) if (span > 0).any() else 0.0
    odd = _outliers(span, usual)
    if odd.size:
        yield Finding(
            kind="intensity-range",
            level="doubt",
            title=f"{odd.size:,} of {len(catalog):,} images are on another scale of intensities than the others.",
            evidence=(
                f"usual span of intensities: {usual:g}",
                *(f"{catalog.ids[index]}: {features.low[index]:g} to {features.high[index]:g}" for index in odd[:5]),
            ),
            samples=ids(catalog, odd),
            remedy="Bring all images to one scale, such as 0 to 1 or 0 to 65535, or leave these out.",
            pictures=examples(catalog, odd.tolist()),
        )


def _outliers(span: Shaped[np.ndarray, " samples"], usual: float) -> Int64[np.ndarray, " odd"]:
    if usual <= 0:
        return np.zeros(0, np.int64)
    ratio = np.maximum(span, 1e-12) / usual
    odd = np.flatnonzero((span > 0) & ((ratio > _OUTLIER) | (ratio < 1 / _OUTLIER)))
    distance = np.abs(np.log(ratio[odd]))
    return odd[np.argsort(-distance)].astype(np.int64)
