"""Masks in which foreground and background are exchanged, while others of the same data set are not.

Layer: data. Objects seldom cover the rim of a picture, so masks whose rim is marked all round, where most have it bare
(or the reverse), are compared with what their pictures foretell of them; the model (see `association`) is fitted to
the usual ones alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int64

from limner.data.catalog import Catalog, spread
from limner.data.check.association import associate, mask_maps, picture_maps
from limner.data.check.features import Features, MaskFeatures
from limner.data.check.findings import Finding
from limner.data.check.showing import samples_of
from limner.errors import shorten

_FEWEST = 12  # usual masks, below which nothing can be said
_FIT = 400  # samples that the model is fitted to
_BARE = 0.1  # of the rim, up to which it counts as bare; as much bare counts as marked
_FITTING = 0.5  # of the median likeness, which a mask must reach once it is exchanged, and by which it must gain
_SHOWN = 4
_NOTHING = 128  # in the map of the second mixture, which masks of two classes leave alone


def check_inverted(
    catalog: Catalog, features: Features, target: str, chosen: Int64[np.ndarray, " chosen"]
) -> list[Finding]:
    """Masks that fit their pictures only once foreground and background are exchanged.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        target: Name of the target.
        chosen: Positions of the samples that can be judged.
    """
    mask = features.masks[target].subset(chosen)
    if mask.area.shape[1] != 2 or (mask.maps[:, 2] != _NOTHING).any():
        return []
    rim = _rim(mask)
    bare, marked = np.flatnonzero(rim <= _BARE), np.flatnonzero(rim >= 1 - _BARE)
    usual, odd = (bare, marked) if len(bare) >= len(marked) else (marked, bare)
    if len(usual) < _FEWEST or not len(odd):
        return []
    found = chosen[odd[_fit_exchanged(features, target, chosen[usual], chosen[odd])]]
    return [_finding(catalog, target, found, len(usual))] if len(found) else []


def _rim(mask: MaskFeatures) -> Float[np.ndarray, " samples"]:
    """Share of the outermost cells that is marked."""
    edge = np.ones(mask.maps.shape[2:], bool)
    edge[1:-1, 1:-1] = False
    return np.asarray((mask.maps[:, 1][:, edge].astype(np.float64) - _NOTHING).mean(axis=1) / (255 - _NOTHING))


def _fit_exchanged(
    features: Features, target: str, usual: Int64[np.ndarray, " usual"], odd: Int64[np.ndarray, " odd"]
) -> Bool[np.ndarray, " odd"]:
    some = features.subset(spread(usual, _FIT))
    pictures, masks = picture_maps(some), mask_maps(some.masks[target])
    model = associate(pictures, masks)
    own = (model.foretold(pictures) * model.actual(masks)).sum(axis=1)
    others = features.subset(odd)
    guesses, given = model.foretold(picture_maps(others)), mask_maps(others.masks[target])
    exchanged = given * np.array([1, -1, 1], np.float32)[:, None]  # outlines stay
    before, after = ((guesses * model.actual(version)).sum(axis=1) for version in (given, exchanged))
    least = _FITTING * max(float(np.median(own)), 0)
    return np.asarray((after > least) & (after - before > least))


def _finding(catalog: Catalog, target: str, found: Int64[np.ndarray, " found"], usual: int) -> Finding:
    names = tuple(catalog.ids[index] for index in found)
    return Finding(
        kind="inverted-masks",
        level="doubt",
        title=f"{len(names):,} masks of '{target}' fit their pictures only with foreground and background exchanged.",
        evidence=(f"{usual:,} other masks are the other way round", *shorten(list(names))),
        samples=names,
        remedy="Look at these samples, and save their masks again like the others.",
        pictures=samples_of(catalog, target, found[:_SHOWN]),
    )
