"""Pairs that do not belong together: a whole set shuffled, a run of pairs out of step, single wrong masks.

Layer: data. A small model of how pictures foretell masks (see `association`) is fitted to the pairs as they
are given, and to the same pictures with the masks dealt out anew at random. Error rates on real data are
in `benchmarks/check_detection.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from limner.data.catalog import Catalog, spread
from limner.data.check.association import Association, Pairings, associate, mask_maps, picture_maps
from limner.data.check.features import Features
from limner.data.check.findings import Finding
from limner.data.check.showing import doubt_on_all, samples_of
from limner.errors import shorten
from limner.images import natural_key

_DEALT = 400  # samples among which masks are dealt out anew
_DEALS = 999
_MOST_CHANCE = 0.002
_STEPS = (-3, -2, -1, 1, 2, 3)  # by which a pairing may be out of step
_WHOLE = 1.2  # times the given strength, from which a step explains the whole set
_RUN, _RUN_STRENGTH = 5, 2.4  # pairs, and standard errors, of a run that is out of step
_PEERS = 100  # other samples that each is compared with
_BLOCK = 1000
_FIT = 1000  # samples that the model is fitted to
_DOUBTFUL, _OUTLYING = 0.5, 3.0  # of the median score; standard deviations below it
_FITTING = 0.75  # of the median likeness, from which another's mask may be the right one
_SHOWN = 4


@dataclass(frozen=True)
class Deal:
    """The given pairing against random ones.

    Attributes:
        strength: Of the given pairing.
        chance: Mean strength of random pairings.
        luckiest: The greatest of them.
        p_value: Share of random pairings, the given one counted among them, that are at least as strong.
    """

    strength: float
    chance: float
    luckiest: float
    p_value: float


@dataclass(frozen=True)
class Fit:
    """How well each pair fits.

    Attributes:
        own: Likeness of each mask to what its picture foretells, −1 to 1.
        score: The same in standard deviations above what other pictures and other masks give.
        limit: Score below which a pair stands out.
    """

    own: Float[np.ndarray, " samples"]
    score: Float[np.ndarray, " samples"]
    limit: float

    @property
    def doubtful(self) -> Int64[np.ndarray, " doubtful"]:
        """Positions of the pairs that stand out, worst first."""
        order = np.argsort(self.score, kind="stable")
        return order[self.score[order] < self.limit].astype(np.int64)


def in_order(catalog: Catalog, chosen: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
    """Positions in the natural order of ids, in which files are listed."""
    return np.array(sorted(chosen.tolist(), key=lambda index: natural_key(catalog.ids[index])), np.int64)


def check_step(
    catalog: Catalog, features: Features, target: str, order: Int64[np.ndarray, " chosen"], dealt: Deal
) -> Finding | None:
    """Whether every picture has the mask of one some steps before or after it.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        target: Name of the target.
        order: Positions of the samples that can be judged, in the order in which files are listed.
        dealt: The given pairing against random ones, of some of them.
    """
    step, ratio = whole_step(features, target, order)
    if ratio < _WHOLE or dealt.luckiest > ratio * dealt.strength:
        return None
    # Most of the pairs are out of step; a model of the pairs as they should be says which.
    places = np.array(spread(np.arange(len(order)), _FIT))
    partners = features.masks[target].subset(order[(places + step) % len(order)])
    model = associate(picture_maps(features.subset(order[places])), mask_maps(partners))
    given, right = _likeness(features, target, order, model, (0, step))
    start, stop = _best_run(right - given)
    return _out_of_step(catalog, target, order[start:stop], step, f"{ratio:.1f} times as strongly", len(order))


def check_shuffled(catalog: Catalog, target: str, order: Int64[np.ndarray, " chosen"], dealt: Deal) -> Finding | None:
    """Whether the masks of a target are dealt out at random, for all that can be seen."""
    return _shuffled(catalog, target, order, dealt) if dealt.p_value > _MOST_CHANCE else None


def check_single(
    catalog: Catalog, features: Features, target: str, order: Int64[np.ndarray, " chosen"], seed: int = 0
) -> list[Finding]:
    """Runs of pairs that are out of step; without one, single pairs that fit badly.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        target: Name of the target.
        order: Positions of the samples that can be judged, in the order in which files are listed.
        seed: Seed of the others that single pairs are compared with.
    """
    model = fit_model(features, target, order)
    run = find_run(features, target, order, model)
    if run is not None:
        step, start, stop, strength = run
        how = f"better, by {strength:.1f} standard errors"
        return [_out_of_step(catalog, target, order[start:stop], step, how, len(order))]
    return _single_pairs(catalog, features, target, order, model, seed)


def some_of(features: Features, order: Int64[np.ndarray, " chosen"]) -> Features:
    """Those evenly spread samples by which a whole set is judged."""
    return features.subset(spread(order, _DEALT))


def deal(features: Features, target: str, seed: int = 0) -> Deal | None:
    """Compare the given pairing with random ones; None where all masks are alike."""
    masks = mask_maps(features.masks[target])
    if np.ptp(masks, axis=0).max(initial=0) < 1:
        return None
    pairings = Pairings(picture_maps(features), masks)
    generator = np.random.default_rng(seed)
    given = pairings.strength(np.arange(len(masks)))
    others = np.array([pairings.strength(generator.permutation(len(masks))) for _ in range(_DEALS)])
    p_value = (1 + int((others >= given).sum())) / (1 + _DEALS)
    return Deal(given, float(others.mean()), float(others.max()), p_value)


def whole_step(features: Features, target: str, order: Int64[np.ndarray, " chosen"]) -> tuple[int, float]:
    """The step at which pictures foretell masks best, and how many times as well as at none."""
    places = np.array(spread(np.arange(len(order)), _DEALT))
    pictures = picture_maps(features.subset(order[places]))
    strengths = {}
    for step in (0, *_STEPS):
        partners = order[(places + step) % len(order)]
        strengths[step] = associate(pictures, mask_maps(features.masks[target].subset(partners))).strength
    best = max(_STEPS, key=lambda step: strengths[step])
    return best, strengths[best] / max(strengths[0], 1e-9)


def fit_model(features: Features, target: str, order: Int64[np.ndarray, " chosen"]) -> Association:
    """The model of the pairs as given, from some of them that are evenly spread."""
    chosen = features.subset(spread(order, _FIT))
    return associate(picture_maps(chosen), mask_maps(chosen.masks[target]))


def find_run(
    features: Features, target: str, order: Int64[np.ndarray, " chosen"], model: Association
) -> tuple[int, int, int, float] | None:
    """The longest run of pairs in which the mask some steps on fits better.

    Returns:
        The step, where in the order the run begins and ends, and by how many standard errors its masks
        fit better; None where there is none.
    """
    likeness = _likeness(features, target, order, model, (0, *_STEPS))
    best = None
    for row, step in enumerate(_STEPS, start=1):
        gain = likeness[row] - likeness[0]
        start, stop = _best_run(gain)
        length = stop - start
        strength = float(gain[start:stop].sum() / (gain.std() * max(length, 1) ** 0.5 + 1e-9))
        if length >= _RUN and strength >= _RUN_STRENGTH and (best is None or strength > best[3]):
            best = (step, start, stop, strength)
    return best


def rate_pairs(
    features: Features, target: str, order: Int64[np.ndarray, " chosen"], model: Association, seed: int = 0
) -> Fit:
    """How well each pair fits, against pairs with others' masks and others' pictures."""
    peers = np.random.default_rng(seed).permutation(len(order))[:_PEERS]
    chosen = features.subset(order[peers])
    peer_masks, peer_guesses = model.actual(mask_maps(chosen.masks[target])), model.foretold(picture_maps(chosen))
    own, score = [], []
    for start in range(0, len(order), _BLOCK):
        block = features.subset(order[start : start + _BLOCK])
        guesses, masks = model.foretold(picture_maps(block)), model.actual(mask_maps(block.masks[target]))
        likeness = (guesses * masks).sum(axis=1)
        scores = [_standing(likeness, guesses @ peer_masks.T), _standing(likeness, masks @ peer_guesses.T)]
        own.append(likeness)
        score.append(np.mean(scores, axis=0))
    scored = np.concatenate(score)
    median = float(np.median(scored))
    deviation = 1.4826 * float(np.median(np.abs(scored - median)))
    return Fit(np.concatenate(own), scored, min(_DOUBTFUL * median, median - _OUTLYING * deviation))


def _standing(own: Float32[np.ndarray, " block"], others: Float32[np.ndarray, "block peers"]) -> np.ndarray:
    return np.asarray((own - others.mean(axis=1)) / (others.std(axis=1) + 1e-6))


def _likeness(
    features: Features, target: str, order: Int64[np.ndarray, " chosen"], model: Association, steps: tuple[int, ...]
) -> Float[np.ndarray, "steps samples"]:
    """Likeness of what each picture foretells to the mask so many steps on, round the end."""
    columns = []
    for start in range(0, len(order), _BLOCK):
        places = np.arange(start, min(start + _BLOCK, len(order)))
        guesses = model.foretold(picture_maps(features.subset(order[places])))
        rows = []
        for step in steps:
            partners = order[(places + step) % len(order)]
            rows.append((guesses * model.actual(mask_maps(features.masks[target].subset(partners)))).sum(axis=1))
        columns.append(np.stack(rows))
    return np.concatenate(columns, axis=1).astype(np.float64)


def _best_run(gain: Float[np.ndarray, " samples"]) -> tuple[int, int]:
    """Bounds of the contiguous part with the greatest sum (Kadane's algorithm); empty where nothing is positive."""
    best, bounds = 0.0, (0, 0)
    total, start = 0.0, 0
    for place, value in enumerate(gain.tolist()):
        if total <= 0:
            total, start = 0.0, place
        total += value
        if total > best:
            best, bounds = total, (start, place + 1)
    return bounds


def swapped(
    features: Features, target: str, order: Int64[np.ndarray, " chosen"], model: Association, fit: Fit
) -> list[tuple[int, int]]:
    """Doubtful pairs for which another doubtful pair has the fitting mask: (place of picture, place of mask)."""
    doubtful = fit.doubtful[:_BLOCK]
    if len(doubtful) < 2:
        return []
    chosen = features.subset(order[doubtful])
    likeness = model.foretold(picture_maps(chosen)) @ model.actual(mask_maps(chosen.masks[target])).T
    np.fill_diagonal(likeness, -1)
    best = likeness.argmax(axis=1)
    fits = likeness[np.arange(len(best)), best] >= _FITTING * np.median(fit.own)
    return [(int(doubtful[row]), int(doubtful[best[row]])) for row in np.flatnonzero(fits)]


def _single_pairs(
    catalog: Catalog,
    features: Features,
    target: str,
    order: Int64[np.ndarray, " chosen"],
    model: Association,
    seed: int,
) -> list[Finding]:
    fit = rate_pairs(features, target, order, model, seed)
    found = swapped(features, target, order, model, fit)
    findings = [_swapped(catalog, target, order, found)] if found else []
    rest = [int(place) for place in fit.doubtful if place not in {place for place, _ in found}]
    return [*findings, _least_alike(catalog, target, order, rest, fit)] if rest else findings


def _shuffled(catalog: Catalog, target: str, order: Int64[np.ndarray, " chosen"], dealt: Deal) -> Finding:
    return doubt_on_all(
        catalog,
        target,
        order,
        kind="shuffled-pairs",
        title=f"Masks of '{target}' fit their pictures no better than masks dealt out at random.",
        evidence=(
            f"edges, brightness and colours foretell the masks with strength {dealt.strength:.4f}; with masks dealt "
            f"out at random {_DEALS} times with {dealt.chance:.4f} on average and up to {dealt.luckiest:.4f}",
            f"a pairing as weak as this would come about by chance with probability {dealt.p_value:.3f}",
            f"judged by {min(len(order), _DEALT):,} of {len(order):,} samples whose masks mark something",
        ),
        remedy="Look at some samples. Pair the files anew by name, or in a CSV with columns image,mask.",
    )


def _out_of_step(
    catalog: Catalog, target: str, run: Int64[np.ndarray, " run"], step: int, how: str, count: int
) -> Finding:
    direction = "after" if step > 0 else "before"
    first, last = catalog.ids[run[0]], catalog.ids[run[-1]]
    return Finding(
        kind="shifted-pairs",
        level="doubt",
        title=f"From '{first}' to '{last}' the masks of '{target}' are out of step with the pictures.",
        evidence=(f"{len(run):,} of {count:,} pictures foretell the mask {abs(step)} {direction} theirs {how}",),
        samples=tuple(catalog.ids[index] for index in run),
        remedy="A file may be missing or doubled where the run begins. Pair the files by name, or in a CSV with "
        "columns image,mask.",
        pictures=samples_of(catalog, target, run[:_SHOWN]),
    )


def _swapped(
    catalog: Catalog, target: str, order: Int64[np.ndarray, " chosen"], found: list[tuple[int, int]]
) -> Finding:
    names = [(catalog.ids[order[place]], catalog.ids[order[other]]) for place, other in found]
    return Finding(
        kind="swapped-masks",
        level="doubt",
        title=f"{len(found):,} pictures seem to have another picture's mask of '{target}'.",
        evidence=tuple(f"the mask of '{other}' fits the picture '{name}'" for name, other in names),
        samples=tuple(name for name, _ in names),
        remedy="Look at these pictures with their masks, and correct the names of the files or the table of pairs.",
        pictures=samples_of(catalog, target, order[[place for place, _ in found][:_SHOWN]]),
    )


def _least_alike(
    catalog: Catalog, target: str, order: Int64[np.ndarray, " chosen"], places: list[int], fit: Fit
) -> Finding:
    names = [catalog.ids[order[place]] for place in places]
    lines = [
        f"{name}: {fit.score[place]:+.1f} standard deviations from chance"
        for name, place in zip(names, places, strict=True)
    ]
    median = (
        f"the median pair has {np.median(fit.score):+.1f}; about one in a hundred of correct pairs is as odd as these"
    )
    count = len(names)
    which = (
        f"1 mask of '{target}' fits its picture" if count == 1 else f"{count:,} masks of '{target}' fit their pictures"
    )
    return Finding(
        kind="odd-pairs",
        level="note",
        title=f"{which} no better than others' masks would.",
        evidence=(*shorten(lines), median),
        samples=tuple(names),
        remedy="Worth a look; unusual pictures are among them as well as wrong masks.",
        pictures=samples_of(catalog, target, order[places[:_SHOWN]]),
    )
