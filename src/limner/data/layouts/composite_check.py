"""Whether composites lie on the backgrounds they are said to lie on, by looking at the pictures.

Layer: data. Outside its mask a composite equals its background, but for compression and resizing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64

from limner.data.layouts.composite_orders import Rule
from limner.data.layouts.composite_sets import PictureSet
from limner.images import read_image, read_mask, resize_image, to_channels
from limner.threads import ordered_map
from limner.types import Size

CHECKED = 200
"""Composites that are looked at, spread over the set."""

AGREEMENT = 0.98
"""Share of them that must equal their backgrounds for a rule to hold."""

_CELLS = 32  # Pictures are compared on a grid of so many cells a side, which evens out compression.
_TOLERANCE = 8.0  # Mean difference, on 0–255, up to which they count as equal.
_FEWEST = 4  # Cells outside the mask below which nothing can be said.


@dataclass(frozen=True)
class Agreement:
    """How well a rule fits the pictures.

    Attributes:
        checked: Composites that show enough of their background to tell.
        fitting: Those that equal the background the rule gives.
        difference: Mean difference outside the masks over all of them, on 0–255.
        misfits: `(composite, background)` numbers that differ.
    """

    checked: int
    fitting: int
    difference: float
    misfits: tuple[tuple[int, int], ...]

    @property
    def share(self) -> float:
        """Fitting of the checked ones."""
        return self.fitting / self.checked if self.checked else 0.0

    @property
    def holds(self) -> bool:
        """Whether the rule may be relied on."""
        return self.share >= AGREEMENT

    def __str__(self) -> str:
        return f"{self.fitting:,} of {self.checked:,}"


@dataclass(frozen=True)
class _Look:
    """A composite on the grid, and the cells that show its background."""

    number: int
    colors: Float32[np.ndarray, "rows columns 3"]
    outside: Bool[np.ndarray, "rows columns"]
    highest: float


class ContentCheck:
    """Compares sampled composites with backgrounds; every picture is decoded once.

    Args:
        backgrounds: The backgrounds.
        composites: The composites.
        masks: Masks of the composites.
        partners: Number of the mask per composite; −1 for none.
        seed: Seed of the sample.
    """

    def __init__(
        self,
        backgrounds: PictureSet,
        composites: PictureSet,
        masks: PictureSet,
        partners: Int64[np.ndarray, " composites"],
        seed: int = 0,
    ) -> None:
        self._backgrounds = backgrounds
        self._composites = composites
        self._masks = masks
        self._partners = partners
        self._chosen = _spread(np.flatnonzero(partners >= 0), seed)
        self._seen: dict[tuple[int, Size], Float32[np.ndarray, "rows columns 3"]] = {}

    @property
    def size(self) -> int:
        """Number of composites that are looked at."""
        return len(self._chosen)

    @property
    def mask_cut(self) -> int:
        """Stored value from which a mask is foreground: the middle of 0–255, or 1 where nothing is higher."""
        return 128 if max((look.highest for look in self._looks), default=255) > 1 else 1

    def agreement(self, rule: Rule) -> Agreement:
        """How well a rule fits.

        Raises:
            DataError: A picture cannot be read.
        """
        differences, misfits = [], []
        for look in self._looks:
            background = int(rule.backgrounds[look.number])
            if look.outside.sum() < _FEWEST:
                continue
            theirs = self._background(background, (look.colors.shape[0], look.colors.shape[1]))
            differences.append(float(np.abs(look.colors - theirs)[look.outside].mean()))
            if differences[-1] > _TOLERANCE:
                misfits.append((look.number, background))
        mean = float(np.mean(differences)) if differences else 0.0
        return Agreement(len(differences), len(differences) - len(misfits), mean, tuple(misfits))

    @cached_property
    def _looks(self) -> list[_Look]:
        return list(ordered_map(self._look, self._chosen))

    def _look(self, number: int) -> _Look:
        colors = _on_grid(self._composites.location(number))
        mask = read_mask(self._masks.location(int(self._partners[number]))).array
        mask = mask if mask.ndim == 2 else mask[..., 0]
        highest = float(mask.max(initial=0))
        inside = (mask >= (128 if highest > 1 else 1)).astype(np.uint8) * 255
        covered = resize_image(inside[..., np.newaxis], (colors.shape[0], colors.shape[1]))[..., 0] > 0
        return _Look(number, colors, ~_widened(covered), highest)

    def _background(self, number: int, cells: Size) -> Float32[np.ndarray, "rows columns 3"]:
        if (number, cells) not in self._seen:
            self._seen[number, cells] = _on_grid(self._backgrounds.location(number), cells)
        return self._seen[number, cells]


def _spread(candidates: Int64[np.ndarray, " candidates"], seed: int) -> list[int]:
    """One candidate of each of `CHECKED` equal stretches, drawn at random."""
    edges = np.linspace(0, len(candidates), min(CHECKED, len(candidates)) + 1).astype(np.int64)
    generator = np.random.default_rng(seed)
    places = [int(generator.integers(first, last)) for first, last in itertools.pairwise(edges)]
    return candidates[places].tolist() if places else []


def _on_grid(location: str, cells: Size | None = None) -> Float32[np.ndarray, "rows columns 3"]:
    """A picture shrunk to the grid, as colours on 0–255."""
    image = read_image(location)
    if cells is None:
        cells = (_side(image.shape[0]), _side(image.shape[1]))
    image = to_channels(image, 3) if image.shape[2] != 2 else np.repeat(image[..., :1], 3, axis=2)
    scale = {np.dtype(np.uint8): 1.0, np.dtype(np.uint16): 1 / 257}.get(image.dtype, 255.0)
    return resize_image(image.astype(np.float32) * np.float32(scale), cells)


def _side(length: int) -> int:
    return max(1, min(_CELLS, length // 2))


def _widened(covered: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """The covered cells and their neighbours: compression smears an outline over some pixels."""
    padded = np.pad(covered, 1)
    rows, columns = covered.shape
    moved = [padded[down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    return np.asarray(np.logical_or.reduce(moved))
