"""Extremely randomised trees, which tell kinds of pictures apart by their numbers.

Layer: part of `evaluation`. Pure NumPy. Geurts, Ernst, Wehenkel: Extremely randomized trees (Machine Learning 63,
2006): in every node some numbers are drawn, for each of them a threshold, and the best of these pairs parts the rows.
Rows are left out of a tree by groups, so that those left out say how far the trees can be trusted (Breiman 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

_LEAST_ROWS = 2
_KEPT = 0.7


@dataclass(frozen=True, eq=False)
class Tree:
    """Nodes as a table; a leaf has no number to ask for, and is its own child."""

    number: Int64[np.ndarray, " nodes"]
    threshold: Float64[np.ndarray, " nodes"]
    below: Int64[np.ndarray, " nodes"]
    above: Int64[np.ndarray, " nodes"]
    share: Float32[np.ndarray, "nodes kinds"]

    def shares(self, rows: Float64[np.ndarray, "rows numbers"]) -> Float32[np.ndarray, "rows kinds"]:
        """Share of every kind in the leaf of each row."""
        at = np.zeros(len(rows), np.int64)
        places = np.arange(len(rows))
        while True:
            number = self.number[at]
            down = np.where(rows[places, number] < self.threshold[at], self.below[at], self.above[at])
            if (down == at).all():
                return self.share[at]
            at = down


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees, whose shares are averaged.

    Attributes:
        trees: They.
        left_out: Shares of the rows it was grown from, each by the trees that did not know its group.
    """

    trees: Sequence[Tree]
    left_out: Float64[np.ndarray, "rows kinds"]

    def shares(self, rows: Float64[np.ndarray, "rows numbers"]) -> Float64[np.ndarray, "rows kinds"]:
        """Probability of every kind, which sum to one."""
        return np.asarray(np.mean([tree.shares(rows) for tree in self.trees], axis=0), np.float64)


def grow(
    rows: Float64[np.ndarray, "rows numbers"],
    kinds: Int64[np.ndarray, " rows"],
    weights: Float64[np.ndarray, " rows"],
    groups: Int64[np.ndarray, " rows"],
    count: int,
) -> Forest:
    """A forest.

    Args:
        rows: Numbers of pictures.
        kinds: Kind of each, from 0.
        weights: What each counts.
        groups: Rows of one group are left out together.
        count: Trees.
    """
    random = np.random.default_rng(0)
    weighted = np.zeros((len(rows), int(kinds.max()) + 1))
    weighted[np.arange(len(rows)), kinds] = weights
    names = np.unique(groups)
    sums = np.zeros_like(weighted)
    asked = np.zeros(len(rows))
    trees = []
    for _ in range(count):
        kept = random.choice(names, max(1, round(_KEPT * len(names))), replace=False)
        known = np.isin(groups, kept)
        tree = _tree(rows[known], weighted[known], random)
        sums[~known] += tree.shares(rows[~known])
        asked += ~known
        trees.append(tree)
    return Forest(trees, sums / np.maximum(asked, 1)[:, None])


def _tree(rows: np.ndarray, weighted: np.ndarray, random: np.random.Generator) -> Tree:
    numbers: list[int] = []
    thresholds: list[float] = []
    children: list[list[int]] = []
    shares: list[np.ndarray] = []
    waiting = [(np.arange(len(rows)), -1, 0)]
    while waiting:
        here, parent, side = waiting.pop()
        place = len(numbers)
        if parent >= 0:
            children[parent][side] = place
        counts = weighted[here].sum(axis=0)
        parted = (
            _parted(rows[here], weighted[here], random)
            if len(here) >= 2 * _LEAST_ROWS and (counts > 0).sum() > 1
            else None
        )
        shares.append(counts / max(counts.sum(), 1e-12))
        children.append([place, place])
        if parted is None:
            numbers.append(0)
            thresholds.append(0.0)
            continue
        number, threshold, above = parted
        numbers.append(number)
        thresholds.append(threshold)
        waiting += [(here[~above], place, 0), (here[above], place, 1)]
    below, above_ = np.array(children).T
    return Tree(np.array(numbers), np.array(thresholds), below, above_, np.array(shares, np.float32))


def _parted(
    rows: np.ndarray, weighted: np.ndarray, random: np.random.Generator
) -> tuple[int, float, np.ndarray] | None:
    """The number and threshold, of some drawn ones, that part the kinds best by Gini's index."""
    drawn = random.choice(rows.shape[1], min(rows.shape[1], max(1, round(2 * np.sqrt(rows.shape[1])))), replace=False)
    some = rows[:, drawn]
    low, high = some.min(axis=0), some.max(axis=0)
    thresholds = random.uniform(low, high)
    above = some >= thresholds
    right = above.T.astype(np.float64) @ weighted
    left = weighted.sum(axis=0) - right
    gained = sum((side**2).sum(axis=1) / np.maximum(side.sum(axis=1), 1e-12) for side in (left, right))
    count = above.sum(axis=0)
    gained[(count < 1) | (count > len(rows) - 1)] = -1
    best = int(np.argmax(gained))
    if gained[best] < 0:
        return None
    return int(drawn[best]), float(thresholds[best]), above[:, best]
