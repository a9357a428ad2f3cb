"""Which fault a picture looks as if it had: compared with training pictures in which each was planted.

Layer: part of `evaluation`. What is learned of the training pictures is kept in the bundle as numbers, without the
pictures; trees are grown from it when a picture is to be explained, which takes a second or two.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias, cast

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from limner.bundle import BundleMeta, InputSpec, PlantedSpec
from limner.errors import BundleError
from limner.evaluation.explain.appearance import appearance, portray
from limner.evaluation.explain.changes import can_be_ordered
from limner.evaluation.explain.findings import Kind
from limner.evaluation.explain.forest import Forest, grow
from limner.evaluation.explain.planting import planted
from limner.types import Symmetry

MOST_PICTURES = 120
"""Training pictures in which faults are planted."""
FEWEST_PICTURES = 8
"""Of fewer pictures it cannot be said how much pictures without a fault differ."""

_MOST_ROWS = 1200
_TREES = 100
_FEWEST_GROUPS = 4
_STEPS = 255
# Pictures without a fault count twice: most pictures have none.
_AS_GIVEN_WEIGHT = 2.0
# Of training pictures that the trees did not know, so many may look as if they had a fault of one kind; but a fault
# this much more probable than none is always suspected.
_FALSE, _SURE = 0.03, 0.4
# Of pictures with a fault that the trees did not know, so many must look more as if they had it than none: else it
# hardly changes how pictures of this set look, such as a turn those of cells.
_TOLD = 0.5
# Distance from which a picture is of another kind. Noise and blur may be stronger than they were planted.
_FAR = 1.3
_OF_ANY_STRENGTH: tuple[Kind, ...] = ("blurred", "noisy", "another kind")
_MOST_APART = 6.0

AS_GIVEN = "as given"
"""Name of no fault among the kinds."""

Row: TypeAlias = tuple[str, str, Float64[np.ndarray, " numbers"]]
"""A kind, empty of no fault, its words, and the numbers of a picture with it."""


@dataclass(frozen=True)
class Suspicion:
    """What a picture looks like.

    Attributes:
        kind: The fault that it looks as if it had, the most probable one unless the picture is unlike all training
            pictures with that fault; None where it looks as the training pictures do.
        shares: Probability of every kind of fault, and of none under the name `as given`.
        words: What training pictures it is most like: "out of focus".
        far: Distance to the training pictures with the most probable fault, or with none, by that within which 97 of
            100 of them lie from one another.
        limits: By how much a kind must be more probable than none to be suspected.
    """

    kind: Kind | None
    shares: Mapping[str, float]
    words: str
    far: float
    limits: Mapping[Kind, float]

    @property
    def strange(self) -> bool:
        """Whether it is unlike all training pictures, with the most probable fault and without any."""
        return self.far > _FAR

    def suspects(self, kind: Kind) -> bool:
        """Whether this kind is more probable than none by enough."""
        return kind in self.limits and self.shares[kind] - self.shares[AS_GIVEN] > self.limits[kind]


def rows_of(
    original: Shaped[np.ndarray, "height width channels"],
    inputs: InputSpec,
    symmetries: Sequence[Symmetry],
    seed: int,
    pictures: int = 1,
) -> list[Row]:
    """The rows that one training picture adds.

    Args:
        original: With the network's channels and numbers, at its own size.
        inputs: Of the model.
        symmetries: In which the model has learned it.
        seed: Of how strong faults are.
        pictures: How many add rows: of many pictures each has some of the faults only.
    """
    random = np.random.default_rng(seed)
    faults = list(planted(portray(original, inputs), symmetries, random, ordered=can_be_ordered(inputs)))
    share = min(1.0, _MOST_ROWS / len(faults) / pictures)
    kept = [one for number, one in enumerate(faults) if number == 0 or random.random() < share]
    return [(one.kind or "", one.words, appearance(one.make())) for one in kept]


def learn(pictures: Iterable[Sequence[Row]], groups: Sequence[str]) -> PlantedSpec | None:
    """What a bundle remembers of its training pictures.

    Args:
        pictures: Rows of every picture.
        groups: Their groups, or empty names.

    Returns:
        It; None of too few pictures.
    """
    pictures = list(pictures)
    if len(pictures) < FEWEST_PICTURES:
        return None
    own = [group or f"\0{number}" for number, group in enumerate(groups)]
    if len(set(own)) < _FEWEST_GROUPS:
        own = [str(number) for number in range(len(own))]
    names = {group: place for place, group in enumerate(dict.fromkeys(own))}
    rows = [(names[group], row) for group, of_one in zip(own, pictures, strict=True) for row in of_one]
    faults = list(dict.fromkeys((kind, words) for _, (kind, words, _) in rows))
    numbers = np.array([row[2] for _, row in rows])
    low, high = (np.round(found, 4) for found in (numbers.min(axis=0), numbers.max(axis=0)))
    steps = np.rint((numbers - low) / np.maximum(high - low, 1e-9) * _STEPS).clip(0, _STEPS)
    places = [(faults.index(row[:2]), group) for group, row in rows]
    table = np.concatenate([np.array(places), steps], axis=1).astype(np.uint8)
    return PlantedSpec(
        faults=faults,
        low=low.tolist(),
        high=high.tolist(),
        table=base64.b64encode(zlib.compress(table.tobytes(), 9)).decode(),
    )


def suspect(original: Shaped[np.ndarray, "height width channels"], meta: BundleMeta) -> Suspicion | None:
    """Which fault a picture looks as if it had; None where the model does not know how faults look.

    Args:
        original: With the network's channels and numbers, at its own size.
        meta: Of the model.

    Raises:
        BundleError: What the bundle remembers is damaged.
    """
    spec = meta.planted
    if spec is None:
        return None
    knowledge = _knowledge(tuple(spec.faults), tuple(spec.low), tuple(spec.high), spec.table)
    numbers = appearance(portray(original, meta.inputs))
    if len(numbers) != len(spec.low):
        raise BundleError(
            f"{len(numbers)} numbers of each picture with a fault", f"{len(spec.low)}", "Train the model anew."
        )
    found = knowledge.forest.shares(numbers[None])
    shares = {name: float(share[0]) for name, share in knowledge.by_kind(found).items()}
    suspicion = Suspicion(None, shares, AS_GIVEN, 0.0, knowledge.limits)
    likeliest = max(knowledge.limits, key=lambda kind: shares[kind], default=None)
    if likeliest is None or not suspicion.suspects(likeliest):
        suspicion = replace(suspicion, far=knowledge.crowds[AS_GIVEN].far(numbers))
    else:
        of_kind = knowledge.places[likeliest]
        words = spec.faults[int(of_kind[np.argmax(found[0, of_kind])])][1]
        far = 0.0 if likeliest in _OF_ANY_STRENGTH else knowledge.crowds[likeliest].far(numbers)
        suspicion = replace(suspicion, kind=likeliest, words=words, far=far)
    return replace(suspicion, kind="another kind") if suspicion.strange else suspicion


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Pictures with one kind of fault, and how far they are from one another."""

    rows: Float64[np.ndarray, "rows numbers"]
    groups: Float64[np.ndarray, " rows"]

    @cached_property
    def scale(self) -> Float64[np.ndarray, " numbers"]:
        low, high = np.quantile(self.rows, (0.1, 0.9), axis=0)
        return np.asarray(np.maximum((high - low) / 2.56, 0.02))

    @cached_property
    def limit(self) -> float:
        """Distance to the nearest of another group, within which 97 of 100 lie."""
        apart = np.stack([self._apart(row) for row in self.rows])
        apart[self.groups[:, None] == self.groups[None, :]] = np.inf
        nearest = apart.min(axis=1)
        return float(np.quantile(nearest[np.isfinite(nearest)], 0.97)) if np.isfinite(nearest).any() else np.inf

    def far(self, numbers: Float64[np.ndarray, " numbers"]) -> float:
        """Distance of a picture to the nearest, by the limit."""
        return float(self._apart(numbers).min()) / max(self.limit, 1e-9)

    def _apart(self, numbers: Float64[np.ndarray, " numbers"]) -> Float64[np.ndarray, " rows"]:
        # One number that is far off counts no more than a few that are.
        found = np.minimum(np.abs(self.rows - numbers) / self.scale, _MOST_APART) ** 2
        return np.asarray(np.sqrt(found.mean(axis=1)))


@dataclass(frozen=True, eq=False)
class _Knowledge:
    """Trees that tell faults, and how far they can be trusted.

    Attributes:
        forest: The trees.
        places: Of the faults of every kind, and of none under the name `as given`.
        crowds: Pictures by kind, likewise.
        limits: See `Suspicion`.
    """

    forest: Forest
    places: Mapping[str, Int64[np.ndarray, " faults"]]
    crowds: Mapping[str, _Crowd]
    limits: Mapping[Kind, float]

    def by_kind(self, shares: Float64[np.ndarray, "rows faults"]) -> dict[str, Float64[np.ndarray, " rows"]]:
        """Probability of every kind."""
        return {kind: shares[:, places].sum(axis=1) for kind, places in self.places.items()}


@lru_cache(maxsize=4)
def _knowledge(
    faults: tuple[tuple[str, str], ...], low: tuple[float, ...], high: tuple[float, ...], table: str
) -> _Knowledge:
    rows = _rows(table, len(low))
    fault, groups = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    if fault.max() >= len(faults):
        raise BundleError(f"{len(faults)} faults", f"one of the number {fault.max()}", "Train the model anew.")
    numbers = np.array(low) + rows[:, 2:] / _STEPS * (np.array(high) - np.array(low))
    kinds = np.array([kind or AS_GIVEN for kind, _ in faults])
    of_row = kinds[fault]
    weights = np.where(of_row == AS_GIVEN, _AS_GIVEN_WEIGHT, 1.0)
    for kind in np.unique(of_row):
        weights[of_row == kind] /= (of_row == kind).sum()
    forest = grow(numbers, fault, weights, groups, _TREES)
    places = {str(kind): np.flatnonzero(kinds == kind) for kind in dict.fromkeys(kinds)}
    for kind in set(places) - {AS_GIVEN}:
        left_out = forest.left_out[of_row == kind]
        told = left_out[:, places[kind]].sum(axis=1) > left_out[:, places[AS_GIVEN]].sum(axis=1)
        if told.mean() < _TOLD:
            places[AS_GIVEN] = np.concatenate([places[AS_GIVEN], places.pop(kind)])
    crowds = {kind: np.isin(fault, of_kind) for kind, of_kind in places.items()}
    known = {kind: _Crowd(numbers[inside], rows[inside, 1]) for kind, inside in crowds.items()}
    knowledge = _Knowledge(forest, places, known, {})
    shares = knowledge.by_kind(forest.left_out[of_row == AS_GIVEN])
    limits = {
        cast(Kind, kind): float(np.quantile(share - shares[AS_GIVEN], 1 - _FALSE).clip(0, _SURE))
        for kind, share in shares.items()
        if kind != AS_GIVEN
    }
    return replace(knowledge, limits=limits)


def _rows(table: str, numbers: int) -> Float64[np.ndarray, "rows numbers_and_two"]:
    try:
        stored = np.frombuffer(zlib.decompress(base64.b64decode(table, validate=True)), np.uint8)
        rows = stored.reshape(-1, numbers + 2)
    except (ValueError, zlib.error) as error:
        raise BundleError("rows of pictures with faults", str(error), "Train the model anew.") from error
    return rows.astype(np.float64)
