"""Masks that belong to other pictures, or lie otherwise than their pictures: told by what is on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Accepts = Callable[..., Any]


def doubts(checked: Any) -> list[str]:
    return [finding.kind for finding in checked.findings if finding.level == "doubt"]


def write(zoo: Any, order: list[int], mask: Callable[[np.ndarray], Any], **drawing: Any) -> None:
    drawn = list(zoo.draw(len(order), **drawing))
    for (name, picture, _), place in zip(drawn, order, strict=True):
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", mask(drawn[place][2]) * 255)


@pytest.mark.parametrize("count", [20, 60])
def test_shuffled_pairs(zoo: Any, count: int) -> None:
    write(zoo, np.random.default_rng(1).permutation(count).tolist(), lambda ids: ids)
    checked = zoo.check()
    assert doubts(checked)[0] == "shuffled-pairs"
    assert checked.outcome == "doubts"


def test_pairs_out_of_step_by_one(zoo: Any) -> None:
    write(zoo, [*range(1, 30), 0], lambda ids: ids)
    assert doubts(zoo.check()) == ["shifted-pairs"]


@pytest.mark.parametrize("change", [np.transpose, np.fliplr, np.flipud, np.rot90], ids=lambda change: change.__name__)
def test_masks_that_lie_otherwise_than_their_pictures(zoo: Any, change: Callable[[np.ndarray], np.ndarray]) -> None:
    write(zoo, list(range(30)), lambda ids: np.ascontiguousarray(change(ids)), size=(64, 64))
    assert doubts(zoo.check()) == ["turned-masks"]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("objects", [1, 3])
def test_pairs_that_are_right_raise_no_doubt(zoo: Any, accepts: Accepts, seed: int, objects: int) -> None:
    zoo.fill(count=30, seed=seed, objects=objects)
    accepts()
