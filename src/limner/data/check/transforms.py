"""Masks that lie otherwise than their pictures: mirrored, turned, transposed, moved, at another scale.

Layer: data. The small model of how pictures foretell masks (see `association`) is fitted to the masks as they
are and to changed ones; where a change makes the pictures foretell them much better, the change is the finding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Int64

from limner.data.catalog import Catalog, spread
from limner.data.check.alignment import warp
from limner.data.check.association import associate, mask_maps, picture_maps
from limner.data.check.features import GRID, Features
from limner.data.check.findings import Finding
from limner.data.check.showing import doubt_on_all, samples_of
from limner.data.check.shuffled import fit_model, rate_pairs
from limner.data.check.symmetries import SYMMETRIES, symmetries
from limner.errors import shorten

_FIT = 400  # samples that the whole set is judged by
_CLEARLY, _SLIGHTLY = 1.25, 1.1  # times the strength as it is: of another symmetry, of another place or scale
_CENTRED = 1.35  # the same of a scale about the centre, where single large objects look as well when smaller
_ERRORS = 4.0  # standard errors by which single samples must agree with the whole
_MARGIN = 0.25  # of likeness, by which a single mask must fit better otherwise
_FITTING = 0.75  # of the median likeness, which a mask must reach once it is laid otherwise
_SCALES = (0.5, 2 / 3, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0)
_MOST_CELLS = 3  # that masks are moved
_PLACED = 200  # samples that place and scale are judged by
_INDEPENDENT = 12  # groups, or samples without one, below which alike pictures pass for many that agree
_SHOWN = 4
_BLOCK = 1000

Pictures: TypeAlias = Float32[np.ndarray, "samples maps cells"]
Maps: TypeAlias = Float32[np.ndarray, "samples planes cells"]

Place: TypeAlias = tuple[float, float, float, float]

Judged: TypeAlias = tuple[float, Finding]
"""Times as strongly as they are that changed masks are foretold, and the finding."""


@dataclass(frozen=True)
class Version:
    """How well pictures foretell masks that are changed in one way.

    Attributes:
        strength: Of the model fitted to them.
        agreement: By how many standard errors the single samples fit better than as they are.
    """

    strength: float
    agreement: float

    def in_words(self, count: int) -> str:
        """The agreement of so many samples."""
        return f"single samples agree, by {self.agreement:.0f} standard errors over {count:,} samples"


def compare(pictures: Pictures, versions: Iterable[Maps]) -> list[Version]:
    """Fit the model to each version of the masks, the first as they are.

    Args:
        pictures: Pictures of the pictures.
        versions: Maps of the masks, the n-th for the n-th picture in each.
    """
    compared: list[Version] = []
    given = np.zeros(len(pictures))
    for masks in versions:
        model = associate(pictures, masks)
        likeness = (model.foretold(pictures) * model.actual(masks)).sum(axis=1)
        given = likeness if not compared else given
        gain = likeness - given
        error = float(gain.std()) / len(gain) ** 0.5
        compared.append(Version(model.strength, float(gain.mean()) / (error + 1e-9)))
    return compared


def laid(masks: Maps) -> list[Maps]:
    """The masks in each of the eight symmetries."""
    versions = symmetries(masks.reshape(*masks.shape[:2], GRID, GRID))
    return list(versions.reshape(8, *masks.shape))


def placements(most: int) -> list[tuple[str, Place]]:
    """Places and scales that masks may wrongly have, in words and as `warp` undoes them.

    Args:
        most: How far, in cells, they may be off along each side.

    Returns:
        The first changes nothing.
    """
    found = [("as it is", (1.0, 1.0, 0.0, 0.0))]
    for down, across in itertools.product(range(-most, most + 1), repeat=2):
        if down or across:
            words = [
                f"{abs(cells) / GRID:.0%} of the {side} too far {far if cells > 0 else near}"
                for cells, side, near, far in ((down, "height", "up", "down"), (across, "width", "left", "right"))
                if cells
            ]
            found.append((" and ".join(words), (1.0, 1.0, float(down), float(across))))
    for scale in _SCALES:
        corner = (scale - 1) * GRID / 2
        found.append((f"{scale:.0%} of the size that fits, about the centre", (scale, scale, 0.0, 0.0)))
        found.append((f"{scale:.0%} of the size that fits, from the upper left", (scale, scale, corner, corner)))
    return found


def _moved(masks: Maps, place: Place) -> Maps:
    flat = masks.reshape(-1, GRID, GRID)
    moved, valid = warp(flat, np.tile(np.array(place, np.float32), (len(flat), 1)))
    return np.asarray((moved * valid).reshape(masks.shape), np.float32)


def check_symmetry(
    catalog: Catalog, features: Features, target: str, chosen: Int64[np.ndarray, " chosen"], luckiest: float
) -> Judged | None:
    """Whether all masks of a target lie mirrored, turned or transposed.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        target: Name of the target.
        chosen: Positions of the samples that can be judged.
        luckiest: Strength that masks dealt out at random reached.
    """
    some = features.subset(spread(chosen, _FIT))
    compared = compare(picture_maps(some), laid(mask_maps(some.masks[target])))
    best = max(range(8), key=lambda number: compared[number].strength)
    ratio = compared[best].strength / max(compared[0].strength, 1e-9)
    if ratio < _CLEARLY or compared[best].agreement < _ERRORS or compared[best].strength < luckiest:
        return None
    finding = doubt_on_all(
        catalog,
        target,
        chosen,
        kind="turned-masks",
        title=f"All masks of '{target}' fit their pictures better when {SYMMETRIES[best]}.",
        evidence=(
            f"edges, brightness and colours foretell them {ratio:.1f} times as strongly as when they stay as they are",
            compared[best].in_words(len(some)),
        ),
        remedy="Look at some samples, and save the masks again as their pictures lie.",
    )
    return ratio, finding


def check_placement(
    catalog: Catalog, features: Features, target: str, chosen: Int64[np.ndarray, " chosen"], luckiest: float
) -> Judged | None:
    """Whether all masks of a target lie beside their objects, or are of another scale.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        target: Name of the target.
        chosen: Positions of the samples that can be judged.
        luckiest: Strength that masks dealt out at random reached.
    """
    some = features.subset(spread(chosen, _PLACED))
    pictures, masks = picture_maps(some), mask_maps(some.masks[target])
    if len({catalog.groups[index] or index for index in chosen.tolist()}) < _INDEPENDENT:
        return None
    found = _best_placement(pictures, masks, placements(1)) and _best_placement(
        pictures, masks, placements(_MOST_CELLS)
    )
    if found is None:
        return None
    best, ratio, version = found
    if version.agreement < _ERRORS or version.strength < luckiest:
        return None
    finding = doubt_on_all(
        catalog,
        target,
        chosen,
        kind="misplaced-masks",
        title=f"The masks of '{target}' seem to be displaced: {best}.",
        evidence=(
            f"once that is undone, edges, brightness and colours foretell them {ratio:.1f} times as strongly",
            version.in_words(len(some)),
        ),
        remedy="Look at some samples, and save the masks again at the place and scale of their pictures.",
    )
    return ratio, finding


def _best_placement(
    pictures: Pictures, masks: Maps, places: list[tuple[str, Place]]
) -> tuple[str, float, Version] | None:
    """The best of some placements in words, its strength by that of the first, and how it fits; None if none is."""
    given, *compared = compare(pictures, (_moved(masks, place) for _, place in places))
    ratios = [version.strength / max(given.strength, 1e-9) for version in compared]
    clear = [ratio / _needed(place) for ratio, (_, place) in zip(ratios, places[1:], strict=True)]
    best = max(range(len(clear)), key=clear.__getitem__)
    return (places[best + 1][0], ratios[best], compared[best]) if clear[best] >= 1 else None


def _needed(place: Place) -> float:
    """Times the strength as it is, from which a placement is found better."""
    centred = place[:2] != (1.0, 1.0) and place[2:] == (0.0, 0.0)
    return _CENTRED if centred else _SLIGHTLY


def check_single_symmetry(
    catalog: Catalog, features: Features, target: str, chosen: Int64[np.ndarray, " chosen"]
) -> list[Finding]:
    """Masks that stand out as they are, and fit as well as others do when mirrored or turned."""
    model = fit_model(features, target, chosen)
    fit = rate_pairs(features, target, chosen, model)
    suspects = fit.doubtful[:_BLOCK]
    if not len(suspects):
        return []
    some = features.subset(chosen[suspects])
    guesses = model.foretold(picture_maps(some))
    likeness = np.stack([(guesses * model.actual(masks)).sum(axis=1) for masks in laid(mask_maps(some.masks[target]))])
    best = likeness.argmax(axis=0)
    fitting = likeness.max(axis=0)
    found = np.flatnonzero((fitting >= _FITTING * np.median(fit.own)) & (fitting - likeness[0] >= _MARGIN))
    return [_turned_singly(catalog, target, chosen[suspects[found]], best[found])] if len(found) else []


def _turned_singly(
    catalog: Catalog, target: str, indices: Int64[np.ndarray, " found"], ways: Int64[np.ndarray, " found"]
) -> Finding:
    names = [catalog.ids[index] for index in indices]
    return Finding(
        kind="turned-single-masks",
        level="doubt",
        title=f"{len(names):,} masks of '{target}' fit their pictures only when mirrored or turned.",
        evidence=tuple(shorten([f"{name}: {SYMMETRIES[way]}" for name, way in zip(names, ways.tolist(), strict=True)])),
        samples=tuple(names),
        remedy="Look at these samples, and save their masks again as the pictures lie.",
        pictures=samples_of(catalog, target, indices[:_SHOWN]),
    )
