"""Findings on pictures that are in a data set more than once.

Layer: data. `copies` finds them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from limner.data.catalog import Catalog
from limner.data.check.copies import Copies
from limner.data.check.features import Features, MaskFeatures
from limner.data.check.findings import Example, Finding, Level
from limner.data.check.showing import pictures_of, samples_of
from limner.data.check.symmetries import SYMMETRIES, symmetries
from limner.data.grouping import COPIES
from limner.errors import shorten
from limner.images import natural_key

_SHOWN = 6
_SERIES_GAP, _SERIES_PAIRS = 6, 3  # places in the series; pairs from which frames of a series are not called crops
_BLOCK = 512  # pairs whose masks are compared at a time
_DISAGREE = 0.25  # share of what two masks mark that only one of them marks
_NUMBER = re.compile(r"\d+")


def check_duplicates(catalog: Catalog, features: Features, copies: Copies) -> list[Finding]:
    """Pictures that are the same one: in different splits, with different masks, or merely twice.

    Args:
        catalog: The samples; facts `hash` (of each picture's file) are used where they are there.
        features: Their features, in the same order.
        copies: What `find_copies` finds among them.
    """
    copies, frames = split_series(copies, catalog.ids)
    copies, several = _split_several(catalog, copies)
    findings = [
        _across_splits(catalog, copies),
        _different_masks(catalog, features, copies),
        _merely_twice(catalog, copies),
        _frames(catalog, frames),
        _several_masks(catalog, several),
    ]
    return [finding for finding in findings if finding is not None]


def near_copies(catalog: Catalog, copies: Copies) -> list[list[int]]:
    """Positions of samples whose pictures are the same one, which a split must not part."""
    return split_series(copies, catalog.ids)[0].clusters()


def split_series(copies: Copies, ids: Sequence[str]) -> tuple[Copies, Copies]:
    """Set apart apparent crops that are neighbours in a numbered series, such as frames of a moving camera.

    Returns:
        The copies, and the neighbours; of these there are none unless there are at least three.
    """
    series = _neighbours(copies, ids) & copies.cropped
    if int(series.sum()) < _SERIES_PAIRS:
        series = np.zeros(len(copies), bool)
    return copies.only(~series), copies.only(series)


def _split_several(catalog: Catalog, copies: Copies) -> tuple[Copies, Copies]:
    """Set apart one picture that was given several masks on purpose: its samples are a group of their own."""
    contents: dict[str, set[str]] = {}
    hashes = catalog.facts.get("hash", [""] * len(catalog))
    for group, content in zip(catalog.groups, hashes, strict=True):
        contents.setdefault(group, set()).add(content)
    masks = catalog.facts.get("target_hash", [""] * len(catalog))
    several = [
        catalog.groups[one] == catalog.groups[other] != ""
        and not catalog.groups[one].startswith(COPIES)
        and len(contents[catalog.groups[one]]) == 1
        and masks[one] != masks[other]
        for one, other in zip(copies.first.tolist(), copies.second.tolist(), strict=True)
    ]
    chosen = np.array(several, bool) & copies.exact
    return copies.only(~chosen), copies.only(chosen)


def _neighbours(copies: Copies, ids: Sequence[str]) -> Bool[np.ndarray, " pairs"]:
    """Whether the names of each pair differ in nothing but a number, and follow one another closely."""
    place = {index: rank for rank, index in enumerate(sorted(range(len(ids)), key=lambda at: natural_key(ids[at])))}
    close = [
        abs(place[one] - place[other]) <= _SERIES_GAP and _NUMBER.sub("#", ids[one]) == _NUMBER.sub("#", ids[other])
        for one, other in zip(copies.first.tolist(), copies.second.tolist(), strict=True)
    ]
    return np.array(close, bool)


def _across_splits(catalog: Catalog, copies: Copies) -> Finding | None:
    splits = np.array(catalog.splits, object)
    one, other = splits[copies.first], splits[copies.second]
    torn = copies.only(np.flatnonzero((one != other) & (one != "") & (other != "")))
    if not len(torn):
        return None
    return _finding(
        catalog,
        torn,
        kind="copies-across-splits",
        level="doubt",
        title=f"{_pictures(torn)} are in one split and again in another, so that scores will flatter.",
        lines=shorten(_lines(catalog, torn, with_splits=True)),
        remedy="Remove the copies from all splits but one.",
    )


def _different_masks(catalog: Catalog, features: Features, copies: Copies) -> Finding | None:
    framed = copies.only(~copies.cropped)
    differing: dict[int, float] = {}
    for mask in features.masks.values():
        for place, share in enumerate(_disagreement(mask, framed).tolist()):
            if share > _DISAGREE:
                differing[place] = max(share, differing.get(place, 0.0))
    if not differing:
        return None
    order = sorted(differing, key=lambda place: -differing[place])
    found = framed.only(np.array(order, np.int64))
    lines = [
        f"{line}: {differing[place]:.0%} of what they mark is marked in one only"
        for line, place in zip(_lines(catalog, found), order, strict=True)
    ]
    shown = [int(index) for pair in zip(found.first, found.second, strict=True) for index in pair][:_SHOWN]
    return Finding(
        kind="conflicting-masks",
        level="doubt",
        title=f"{_pictures(found)} are the same with different masks.",
        evidence=tuple(shorten(lines)),
        samples=_names(catalog, found),
        remedy="Keep the better mask of each, and remove the other sample.",
        pictures=samples_of(catalog, next(iter(features.masks)), shown),
    )


def _disagreement(mask: MaskFeatures, copies: Copies) -> Float[np.ndarray, " pairs"]:
    """Share of what either of two masks marks that they do not both mark, once laid alike."""
    share = np.zeros(len(copies))
    for start in range(0, len(copies), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(copies)))
        first, second = copies.first[block], copies.second[block]
        one = mask.maps[first, 1:].astype(np.float64) - 128
        other = symmetries(mask.maps[second, 1:].astype(np.float64) - 128)
        other = other[copies.symmetry[block], np.arange(len(block))]
        marked = np.maximum(np.abs(one), np.abs(other)).sum(axis=(1, 2, 3))
        differing = np.abs(one - other).sum(axis=(1, 2, 3)) / np.maximum(marked, 1)
        share[block] = np.where(mask.known[first] & mask.known[second], differing, 0.0)
    return share


def _merely_twice(catalog: Catalog, copies: Copies) -> Finding | None:
    if not len(copies):
        return None
    clusters = copies.clusters()
    exact, cropped = int(copies.exact.sum()), int(copies.cropped.sum())
    counts = [(exact, "the same file"), (len(copies) - exact - cropped, "the same framing"), (cropped, "a crop")]
    kinds = ", ".join(f"{count:,} pairs of {words}" for count, words in counts if count)
    return _finding(
        catalog,
        copies,
        kind="copies",
        level="doubt",
        title=f"{sum(map(len, clusters)):,} pictures are copies: {len(clusters):,} different ones in all.",
        lines=[kinds, *shorten(_lines(catalog, copies))],
        remedy="A split that Limner draws keeps copies together. Remove the copies if they count too much.",
    )


def _frames(catalog: Catalog, frames: Copies) -> Finding | None:
    if not len(frames):
        return None
    return _finding(
        catalog,
        frames,
        kind="frames-alike",
        level="note",
        title=f"{len(frames.clusters()):,} runs of numbered pictures are nearly alike, as frames of a video are.",
        remedy="Name the video or series that each belongs to with `--group`, so that no split parts one.",
    )


def _several_masks(catalog: Catalog, several: Copies) -> Finding | None:
    if not len(several):
        return None
    return _finding(
        catalog,
        several,
        kind="several-masks",
        level="note",
        title=f"{len(several.clusters()):,} pictures have several masks each, as of several experts.",
    )


def _finding(
    catalog: Catalog,
    copies: Copies,
    *,
    kind: str,
    level: Level,
    title: str,
    lines: Sequence[str] | None = None,
    remedy: str = "",
) -> Finding:
    """A finding that lists the pairs, in the words of `lines` if they are given, and shows some of them."""
    return Finding(
        kind=kind,
        level=level,
        title=title,
        evidence=tuple(lines or shorten(_lines(catalog, copies))),
        samples=_names(catalog, copies),
        remedy=remedy,
        pictures=_pairs_shown(catalog, copies),
    )


def _lines(catalog: Catalog, copies: Copies, *, with_splits: bool = False) -> list[str]:
    lines = []
    for place in range(len(copies)):
        one, other = int(copies.first[place]), int(copies.second[place])
        names = [
            f"{catalog.ids[index]} ({catalog.splits[index]})" if with_splits else catalog.ids[index]
            for index in (one, other)
        ]
        lines.append(f"{names[0]} = {names[1]}, {_how(copies, place)}")
    return lines


def _how(copies: Copies, place: int) -> str:
    if copies.exact[place]:
        return "the same file"
    way = "" if copies.symmetry[place] == 0 else f", {SYMMETRIES[int(copies.symmetry[place])]}"
    return ("one a crop of the other" if copies.cropped[place] else "the same picture saved anew") + way


def _pictures(copies: Copies) -> str:
    return f"{sum(map(len, copies.clusters())):,} pictures"


def _names(catalog: Catalog, copies: Copies) -> tuple[str, ...]:
    indices = [index for pair in zip(copies.first.tolist(), copies.second.tolist(), strict=True) for index in pair]
    return tuple(catalog.ids[index] for index in dict.fromkeys(indices))


def _pairs_shown(catalog: Catalog, copies: Copies) -> tuple[Example, ...]:
    lines = _lines(catalog, copies)
    return tuple(
        pictures_of(catalog, lines[place], [int(copies.first[place]), int(copies.second[place])])
        for place in range(min(_SHOWN, len(copies)))
    )
