"""One picture and all its tracings: read, lay over one another, fill, compare.

Layer: data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, UInt8

from limner.data.traces.agreement import Agreement, compare
from limner.data.traces.experts import Pair
from limner.data.traces.inks import Ink
from limner.data.traces.registration import Placement, register
from limner.data.traces.tracing import Doubt, Traced, read_tracing
from limner.errors import DataError
from limner.images import read_image, to_channels

# Mean difference, in grey levels, of two files of one picture.
_SAME = 12.0


@dataclass(frozen=True)
class Tracing:
    """What one expert drew on one picture.

    Attributes:
        expert: The person; `""` if there is but one.
        traced: The copy in the frame of the original; None if it could not be read or laid over it.
        results: By the name of the ink; empty if the copy failed.
        placement: How the copy was moved; None if it was not.
        problem: Why the copy failed.
    """

    expert: str
    traced: UInt8[np.ndarray, "height width 3"] | None
    results: Mapping[str, Traced] = field(default_factory=dict)
    placement: Placement | None = None
    problem: DataError | None = None

    @property
    def complete(self) -> bool:
        """Whether every structure is filled."""
        return bool(self.results) and not any(result.unfilled for result in self.results.values())

    @property
    def doubts(self) -> list[Doubt]:
        """Of all inks."""
        return [doubt for result in self.results.values() for doubt in result.doubts]


@dataclass(frozen=True)
class TracedPicture:
    """One picture with the tracings of all experts who drew on it.

    Attributes:
        name: Without ending.
        untraced: The original; None if there is none.
        tracings: In the order of the experts.
        agreements: Between them.
    """

    name: str
    untraced: UInt8[np.ndarray, "height width 3"] | None
    tracings: tuple[Tracing, ...]
    agreements: tuple[Agreement, ...]

    @property
    def used(self) -> Tracing | None:
        """The first tracing that is complete."""
        return next((tracing for tracing in self.tracings if tracing.complete), None)


def read_picture(name: str, pairs: Mapping[str, Pair], inks: Sequence[Ink], *, gap: float) -> TracedPicture:
    """Read one picture's original and all its traced copies.

    Args:
        name: Without ending.
        pairs: By expert.
        inks: Colours to look for.
        gap: Gaps up to this many pixels are closed.

    Raises:
        DataError: An original cannot be read, or experts' originals of this name differ. A copy that
            fails is reported in its tracing instead.
    """
    untraced = _original(name, pairs)
    tracings = tuple(_trace(expert, pair, untraced, inks, gap) for expert, pair in pairs.items())
    masks: dict[str, dict[str, Bool[np.ndarray, "height width"] | None]] = {
        tracing.expert: {ink.structure: tracing.results[ink.name].mask for ink in inks}
        for tracing in tracings
        if tracing.results
    }
    same_size = len({tracing.traced.shape for tracing in tracings if tracing.traced is not None}) == 1
    return TracedPicture(name, untraced, tracings, tuple(compare(name, masks)) if same_size else ())


def _original(name: str, pairs: Mapping[str, Pair]) -> UInt8[np.ndarray, "height width 3"] | None:
    locations = {expert: pair.untraced for expert, pair in pairs.items() if pair.untraced}
    pictures = {expert: _read(location) for expert, location in locations.items()}
    if not pictures:
        return None
    first = next(iter(pictures.values()))
    for expert, other in pictures.items():
        if other.shape != first.shape or float(np.abs(other.astype(int) - first).mean()) > _SAME:
            raise DataError(
                f"one picture called '{name}'",
                f"'{locations[expert]}' and '{next(iter(locations.values()))}' are different pictures",
                "Rename one with its traced copy, or read the experts' folders one by one.",
            )
    return first


def _trace(
    expert: str, pair: Pair, untraced: UInt8[np.ndarray, "height width 3"] | None, inks: Sequence[Ink], gap: float
) -> Tracing:
    try:
        traced, placement = _read(pair.traced), None
        if untraced is not None:
            traced, placement = register(traced, untraced, pair.traced)
    except DataError as problem:
        return Tracing(expert, None, problem=problem)
    return Tracing(expert, traced, read_tracing(traced, untraced, inks, gap=gap), placement)


def _read(location: str) -> UInt8[np.ndarray, "height width 3"]:
    image = to_channels(read_image(location), 3, where=f"'{location}'")
    if image.dtype != np.uint8:
        raise DataError(
            "pictures of 8 bits, as drawing programs write them",
            f"'{location}' is {image.dtype}",
            "Save it as PNG or JPEG with 8 bits per channel.",
        )
    return image
