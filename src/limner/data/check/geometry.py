"""Checks of form: sizes, orientation, channels, and what is left of the grey levels.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from limner.data.catalog import Catalog
from limner.data.check.findings import Example, Finding
from limner.data.check.gather import Gathered
from limner.data.samples import image_location
from limner.data.scan import Scanned
from limner.images.orientation import upright

_SHOWN = 4
_FEW_SIZES = 6
_CLEAR = 0.03  # difference of correlations from which one of two orientations fits better
_FEW_LEVELS = 32
_LEAST_PIXELS = 32 * 32  # of a picture whose grey levels are worth counting
_INVERSE = {6: 8, 8: 6}  # EXIF orientations that undo one another; every other undoes itself


def check_geometry(gathered: Gathered) -> list[Finding]:
    """Orientation on one side, stray channels, squeezed grey levels, and a note on the sizes."""
    findings = [
        _one_sided_orientation(gathered),
        _flat_channels(gathered),
        _squeezed(gathered),
        _grey_among_colours(gathered),
        _sizes(gathered),
    ]
    return [finding for finding in findings if finding is not None]


def scale_evidence(scans: Sequence[Scanned]) -> list[str]:
    """One line where the masks of samples are all their images at one and the same other scale."""
    ratios = {
        (round(table.size[0] / info.size[0], 2), round(table.size[1] / info.size[1], 2))
        for scanned in scans
        for info in list(scanned.infos.values())[:1]
        for table in scanned.tables.values()
    }
    if len(ratios) != 1:
        return []
    ((down, across),) = ratios
    if abs(down - across) > 0.02:
        return []
    return [
        f"each of these masks is {down:g} times as high and as wide as its image: the same outline at another scale"
    ]


def examples(catalog: Catalog, indices: Sequence[int], captions: Sequence[str] = ()) -> tuple[Example, ...]:
    """Some samples as pictures with their masks, captioned with their ids, or with `captions`."""
    target = next(iter(catalog.targets), "")
    return tuple(
        Example(
            captions[place] if captions else catalog.ids[index],
            (image_location(catalog, index),),
            (catalog.targets[target][index],) if target else (),
            target,
        )
        for place, index in enumerate(list(indices)[:_SHOWN])
    )


def ids(catalog: Catalog, indices: Sequence[int] | Shaped[np.ndarray, " chosen"]) -> tuple[str, ...]:
    """Ids of samples by number."""
    return tuple(catalog.ids[int(index)] for index in indices)


def _one_sided_orientation(gathered: Gathered) -> Finding | None:
    facts, catalog = gathered.facts, gathered.catalog
    turned = np.flatnonzero((facts.orientation != 1) & (facts.mask_orientation == 1))
    if not turned.size or not catalog.targets:
        return None
    as_read, unturned = _fit_of_outlines(gathered, turned)
    evidence = [
        f"{turned.size:,} images carry an EXIF orientation (turned or mirrored when shown), their masks none",
        f"edges agree with the masks' outlines as Limner reads them: {as_read:.2f}; with the image unturned: "
        f"{unturned:.2f} (correlation)",
    ]
    if as_read - unturned > _CLEAR:
        return Finding(
            "exif-one-side", "note", "Images are stored turned, and their masks fit them upright.", tuple(evidence)
        )
    wrong = unturned - as_read > _CLEAR
    return Finding(
        kind="exif-one-side",
        level="doubt",
        title="Masks were drawn on the unturned images: they do not fit the images as cameras mean them to be shown."
        if wrong
        else "Images are stored turned and their masks are not: one of the two may be in the wrong position.",
        evidence=tuple(evidence),
        samples=ids(catalog, turned),
        remedy="Look at the pictures. If the masks lie wrong, remove the orientation from the images' EXIF data "
        "(`exiftool -Orientation= FILE`), so that both are read unturned.",
        pictures=examples(catalog, turned.tolist()),
    )


def _fit_of_outlines(gathered: Gathered, indices: Shaped[np.ndarray, " chosen"]) -> tuple[float, float]:
    """Mean correlation of edges and outlines, upright and unturned."""
    name = next(iter(gathered.features.masks), None)
    if name is None:
        return 0.0, 0.0
    both = []
    for index in indices:
        edges = gathered.features.edges[index].astype(float)
        outline = gathered.features.masks[name].maps[index, 0].astype(float)
        orientation = int(gathered.facts.orientation[index])
        raw = upright(edges, _INVERSE.get(orientation, orientation))
        both.append((_correlation(edges, outline), _correlation(raw, outline)))
    as_read, unturned = np.mean(both, axis=0).tolist()
    return as_read, unturned


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / scale) if scale > 0 else 0.0


def _flat_channels(gathered: Gathered) -> Finding | None:
    flat = np.flatnonzero((gathered.facts.flat > 0) & ~gathered.features.blank)
    if not flat.size:
        return None
    count = len(gathered.catalog)
    return Finding(
        kind="empty-channels",
        level="note" if flat.size == count else "doubt",
        title=f"{flat.size:,} of {count:,} images have a channel that holds one value throughout.",
        samples=ids(gathered.catalog, flat),
        remedy="A network learns nothing from such a channel; if others have content in it, export these images again.",
        pictures=examples(gathered.catalog, flat.tolist()),
    )


def _squeezed(gathered: Gathered) -> Finding | None:
    """Deep pictures of which few grey levels are left, as after cutting 12 or 16 bits to the highest 8."""
    features = gathered.features
    judged = ~features.blank & (features.size.prod(axis=1) >= _LEAST_PIXELS)
    few = np.flatnonzero(judged & (features.levels <= _FEW_LEVELS))
    if not few.size or few.size * 2 < judged.sum():
        return None
    highest = float(features.high[few].max())
    dark = highest < 64
    return Finding(
        kind="few-grey-levels",
        level="doubt",
        title=f"{few.size:,} of {len(gathered.catalog):,} images hold at most {_FEW_LEVELS} different intensities"
        + (f", none above {highest:g}." if dark else "."),
        evidence=(
            f"different intensities per image: {int(features.levels[few].min())} to {int(features.levels[few].max())}",
            "pictures of 12 or 16 bits look like this when only their highest 8 bits were saved",
        ),
        samples=ids(gathered.catalog, few),
        remedy="Export the pictures again with 16 bits (PNG or TIFF): Limner reads them as they are. "
        "Drawings of few tones may stay.",
        pictures=examples(gathered.catalog, few.tolist()),
    )


def _grey_among_colours(gathered: Gathered) -> Finding | None:
    grey = np.flatnonzero(gathered.facts.grey)
    if grey.size in (0, len(gathered.catalog)):
        return None
    return Finding(
        kind="colour-and-grey",
        level="note",
        title=f"{grey.size:,} of {len(gathered.catalog):,} images are grey, the others coloured.",
        samples=ids(gathered.catalog, grey),
        remedy="Make sure that new pictures will be of both kinds too.",
        pictures=examples(gathered.catalog, [*grey[:2].tolist(), *_others(grey, len(gathered.catalog))[:2]]),
    )


def _others(indices: Shaped[np.ndarray, " chosen"], count: int) -> list[int]:
    return sorted(set(range(count)) - set(indices.tolist()))


def _sizes(gathered: Gathered) -> Finding | None:
    sizes = Counter(map(tuple, gathered.features.size.tolist()))
    if len(sizes) == 1:
        return None
    title = f"Images have {len(sizes):,} different sizes (height×width): "
    if len(sizes) <= _FEW_SIZES:
        listed = [f"{height}×{width} ({number:,})" for (height, width), number in sizes.most_common()]
        return Finding("sizes", "note", f"{title}{', '.join(listed)}.")
    columns = gathered.features.size
    (low, wide), (high, broad) = columns.min(axis=0).tolist(), columns.max(axis=0).tolist()
    median = np.median(columns, axis=0).astype(int).tolist()
    return Finding("sizes", "note", f"{title}{low}×{wide} to {high}×{broad}, the median is {median[0]}×{median[1]}.")
