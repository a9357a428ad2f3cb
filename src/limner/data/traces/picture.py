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
from limner.data.traces.finished import Finished, finished_key, load_finished, save_finished
from limner.data.traces.inks import Ink
from limner.data.traces.registration import Placement, register
from limner.data.traces.stored import Storage
from limner.data.traces.tracing import Doubt, Traced, read_tracing
from limner.errors import DataError
from limner.images import PIXELS, read_image, read_jpeg_storage, to_channels

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
    original = _original(name, pairs)
    tracings = tuple(_trace(expert, pair, original, inks, gap) for expert, pair in pairs.items())
    masks: dict[str, dict[str, Bool[np.ndarray, "height width"] | None]] = {
        tracing.expert: {ink.structure: tracing.results[ink.name].mask for ink in inks}
        for tracing in tracings
        if tracing.results
    }
    same_size = len({tracing.traced.shape for tracing in tracings if tracing.traced is not None}) == 1
    return TracedPicture(name, original.picture, tracings, tuple(compare(name, masks)) if same_size else ())


@dataclass(frozen=True)
class _Original:
    """The first expert's; nothing if there are none."""

    location: str = ""
    picture: UInt8[np.ndarray, "height width 3"] | None = None


def _original(name: str, pairs: Mapping[str, Pair]) -> _Original:
    locations = {expert: pair.untraced for expert, pair in pairs.items() if pair.untraced}
    pictures = {expert: _read(location) for expert, location in locations.items()}
    if not pictures:
        return _Original()
    expert_first, first = next(iter(pictures.items()))
    for expert, other in pictures.items():
        if other.shape != first.shape or float(np.abs(other.astype(int) - first).mean()) > _SAME:
            raise DataError(
                f"one picture called '{name}'",
                f"'{locations[expert]}' and '{locations[expert_first]}' are different pictures",
                "Rename one with its traced copy, or read the experts' folders one by one.",
            )
    return _Original(locations[expert_first], first)


def _trace(expert: str, pair: Pair, original: _Original, inks: Sequence[Ink], gap: float) -> Tracing:
    try:
        traced, placement, storage = _read(pair.traced), None, None
        key = finished_key((pair.traced, original.location), inks, gap)
        kept = load_finished(key)
        if kept is not None:
            return Tracing(expert, traced if kept.moved is None else kept.moved, kept.results, kept.placement)
        if original.picture is not None:
            traced, placement = register(traced, original.picture, pair.traced)
            storage = _storage(pair.traced, original.location) if placement is None else None
    except DataError as problem:
        return Tracing(expert, None, problem=problem)
    results = read_tracing(traced, original.picture, inks, gap=gap, storage=storage)
    save_finished(key, Finished(results, placement, None if placement is None else traced))
    return Tracing(expert, traced, results, placement)


def _storage(traced: str, untraced: str) -> Storage | None:
    """How both files are stored; None where that of the copy is not known, or is by pixels."""
    copy = read_jpeg_storage(traced)
    return None if copy is None else Storage(copy, read_jpeg_storage(untraced) or PIXELS)


def _read(location: str) -> UInt8[np.ndarray, "height width 3"]:
    image = to_channels(read_image(location), 3, where=f"'{location}'")
    if image.dtype != np.uint8:
        raise DataError(
            "pictures of 8 bits, as drawing programs write them",
            f"'{location}' is {image.dtype}",
            "Save it as PNG or JPEG with 8 bits per channel.",
        )
    return image
