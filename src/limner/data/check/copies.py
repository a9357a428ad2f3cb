"""Pictures that are the same one: byte for byte, or resized, compressed again, cropped, mirrored, turned.

Layer: data. Candidates are the nearest by a descriptor that mirroring and quarter turns leave alone;
each is then laid onto the other (see `alignment`), and what seems to be a crop is looked at again, larger (see
`closer`). The thresholds were chosen on real pictures and their altered copies, see `benchmarks/check_detection.md`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Shaped, UInt8

from limner.data.check.alignment import Agreement, agreement, may_agree, nearest_symmetry, same_framing_error
from limner.data.check.closer import Look, worst_difference
from limner.data.check.features import FREQUENCIES, Features
from limner.data.check.neighbours import near_pairs
from limner.data.check.symmetries import symmetries
from limner.data.digests import is_stated
from limner.data.grouping import joined
from limner.threads import ordered_map
from limner.types import Progress, no_progress

NEIGHBOURS = 12
"""Candidates per picture."""

_BATCH = 512  # pairs that are aligned at a time
_MOST_DISTANCE = 0.65

# The same framing: what remains is rounding and compression.
_MOST_ERROR, _MOST_WORST, _MOST_RELATIVE = 1.3, 9.0, 0.35
# A crop may be: a tighter framing that explains what differed, alike in height and width.
_SCALE, _LEAST_SCALE, _UNEVEN, _BEYOND = 0.988, 0.88, 0.04, 0.6
_TEXTURE, _EDGES, _LEFT, _RESIDUAL = 0.75, 0.6, 0.6, 0.25
# It is, where the larger pictures differ nowhere by more, which is less where the small ones left more than
# `_CLOSE` of a residual, and where none explains it much better.
_MOST_DIFFERENCE, _LESS_DIFFERENCE, _CLOSE, _RIVAL = 0.55, 0.45, 0.18, 1.25
_LARGE_BATCH = 64  # pairs that are looked at again at a time


@dataclass(frozen=True)
class Copies:
    """Pairs of pictures that are the same one.

    Attributes:
        first: Positions of the first of each pair, the lesser one.
        second: Positions of the other.
        exact: Whether the files' contents are equal.
        part: Position of the one that shows a part of the other; −1 where both show the same.
        symmetry: How the second must be laid to match (see `symmetries`).
        difference: Of crops, what the one least explains of the other (see `worst_difference`); else 0.
    """

    first: Int64[np.ndarray, " pairs"]
    second: Int64[np.ndarray, " pairs"]
    exact: Bool[np.ndarray, " pairs"]
    part: Int64[np.ndarray, " pairs"]
    symmetry: Int64[np.ndarray, " pairs"]
    difference: Float[np.ndarray, " pairs"]

    @property
    def cropped(self) -> Bool[np.ndarray, " pairs"]:
        """Whether one shows a part of the other."""
        return np.asarray(self.part >= 0)

    def __len__(self) -> int:
        return len(self.first)

    def only(self, chosen: Shaped[np.ndarray, " _"]) -> Copies:
        """The pairs that are chosen, by a mask or by their positions."""
        return Copies(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def clusters(self) -> list[list[int]]:
        """Positions that belong together, directly or through others; each ascending."""
        return joined(zip(self.first.tolist(), self.second.tolist(), strict=True))


def find_copies(
    features: Features, look: Look, hashes: Sequence[str] | None = None, progress: Progress = no_progress
) -> Copies:
    """Find pictures that are the same one.

    Args:
        features: Of all samples.
        look: Gives the pictures of those that seem to be crops.
        hashes: Hash of each picture's file, `""` where unknown.
        progress: Told of the search for candidates, as stage `candidates`, and of pairs, as stage `copies`.

    Returns:
        Each pair once. Of more than two equal files the first is paired with each of the others.
    """
    exact = _same_files(hashes or [""] * len(features))
    twins = {position for _, position in exact}
    single = np.array([index for index in range(len(features)) if index not in twins], np.int64)
    useful = single[_has_texture(features.grey[single])]
    near = _near(features, useful, look, progress) if len(useful) > 1 else _none()
    return _joined_up([_equal_files(exact), near])


def _same_files(hashes: Sequence[str]) -> list[tuple[int, int]]:
    places = defaultdict(list)
    for index, content in enumerate(hashes):
        if content and not is_stated(content):
            places[content].append(index)
    return [(group[0], other) for group in places.values() for other in group[1:]]


def _equal_files(pairs: Sequence[tuple[int, int]]) -> Copies:
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    zeros = np.zeros(len(pairs), np.int64)
    return Copies(first, second, zeros == 0, zeros - 1, zeros, zeros.astype(np.float64))


def _joined_up(parts: Sequence[Copies]) -> Copies:
    return Copies(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Copies)}
    )


def _none() -> Copies:
    return _equal_files([])


def _has_texture(grey: UInt8[np.ndarray, "samples side side"]) -> Bool[np.ndarray, " samples"]:
    """Whether there is enough to recognise: all blank pictures look alike."""
    return np.asarray(grey.std(axis=(1, 2)) >= 1.0)


def descriptors(spectrum: Float32[np.ndarray, "samples 8 8"]) -> Float32[np.ndarray, "samples numbers"]:
    """Unit vectors that mirroring and quarter turns leave as they are.

    Mirroring changes signs of a DCT, and a turn swaps its axes besides; so sizes are taken, and of each
    pair of swapped frequencies the sum and the difference.
    """
    sizes = np.abs(spectrum)
    swapped = sizes.swapaxes(-1, -2)
    rows, columns = np.triu_indices(FREQUENCIES)
    lower, left = np.tril_indices(FREQUENCIES, -1)
    # The first is the mean brightness, which says little and outweighs all.
    sums = (sizes + swapped)[:, rows, columns][:, 1:]
    differences = np.abs(sizes - swapped)[:, lower, left]
    vectors = np.concatenate([sums, differences], axis=1)
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6))


def _near(features: Features, useful: Int64[np.ndarray, " useful"], look: Look, progress: Progress) -> Copies:
    """Copies among the pictures at the positions `useful`."""
    vectors = descriptors(features.spectrum[useful])
    first, second = useful[near_pairs(vectors, NEIGHBOURS, _MOST_DISTANCE, progress).pairs].T
    batches = [slice(start, start + _BATCH) for start in range(0, len(first), _BATCH)]
    parts = [_none()]
    for part in ordered_map(lambda batch: _verify(features, look, first[batch], second[batch]), batches):
        parts.append(part)
        progress("copies", min(len(parts) * _BATCH - _BATCH, len(first)), len(first))
    found = _joined_up(parts)
    return found.only(_best(found, len(features)))


def _best(found: Copies, count: int) -> np.ndarray:
    """What is no crop, and crops of the picture that explains them best: they also resemble its neighbours."""
    part, difference = found.part[found.cropped], found.difference[found.cropped]
    least = np.full(count, np.inf)
    np.minimum.at(least, part, difference)
    chosen = np.ones(len(found), bool)
    chosen[found.cropped] = difference <= _RIVAL * least[part]
    return chosen


def _verify(features: Features, look: Look, first: np.ndarray, second: np.ndarray) -> Copies:
    one, other = (features.grey[side].astype(np.float32) for side in (first, second))
    symmetry = nearest_symmetry(one, other)
    other = symmetries(other)[symmetry, np.arange(len(other))]
    error, worst, relative = same_framing_error(one, other)
    framed = (error <= _MOST_ERROR) & (worst <= _MOST_WORST) & (relative <= _MOST_RELATIVE)
    same = _same_framing(first[framed], second[framed], symmetry[framed])
    open_ = np.flatnonzero(~framed)
    if open_.size:
        open_ = open_[may_agree(one[open_], other[open_])]
    if not open_.size:
        return same
    edges = features.edges[first[open_]].astype(np.float32)
    turned = symmetries(features.edges[second[open_]].astype(np.float32))[symmetry[open_], np.arange(len(open_))]
    found = agreement(one[open_], other[open_], edges, turned)
    crops = _crops(look, first[open_], second[open_], symmetry[open_], found)
    return _joined_up([same, crops])


def _same_framing(first: np.ndarray, second: np.ndarray, symmetry: np.ndarray) -> Copies:
    nothing = np.zeros(len(first))
    return Copies(first, second, nothing.astype(bool), np.full(len(first), -1), symmetry, nothing)


def _crops(look: Look, first: np.ndarray, second: np.ndarray, symmetry: np.ndarray, found: Agreement) -> Copies:
    may_be = np.flatnonzero(_may_be_crop(found))
    parts = [_none()]
    for start in range(0, len(may_be), _LARGE_BATCH):
        some = may_be[start : start + _LARGE_BATCH]
        one, other, way = first[some], second[some], symmetry[some]
        difference = worst_difference(look, one, other, way, found.places[some])
        inner = np.where(found.scale[some].max(axis=1) < 1, one, other)
        crops = Copies(one, other, np.zeros(len(some), bool), inner, way, difference)
        most = np.where(found.residual[some] < _CLOSE, _MOST_DIFFERENCE, _LESS_DIFFERENCE)
        parts.append(crops.only(difference <= most))
    return _joined_up(parts)


def _may_be_crop(found: Agreement) -> np.ndarray:
    least, most = found.scale.min(axis=1), found.scale.max(axis=1)
    within = (least > _LEAST_SCALE) & (most < _SCALE) & (found.inside < _BEYOND)
    around = (least > 1 / _SCALE) & (most < 1 / _LEAST_SCALE) & (found.outside < _BEYOND)
    even = np.abs(found.scale[:, 0] - found.scale[:, 1]) < _UNEVEN
    alike = (found.texture > _TEXTURE) & (found.edges > _EDGES) & (found.residual < _RESIDUAL) & (found.left < _LEFT)
    return np.asarray((within | around) & even & alike)
