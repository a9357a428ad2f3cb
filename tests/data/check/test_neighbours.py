"""Near vectors are found, and how many are compared stays within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from limner.data.check import neighbours
from limner.data.check.neighbours import near_pairs

DISTANCE = 0.3


def draw(count: int, twins: int, numbers: int = 16) -> np.ndarray:
    """Unit vectors, the last `twins` of which are near the first ones."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((count, numbers))
    vectors[count - twins :] = vectors[:twins] + 0.1 * generator.standard_normal((twins, numbers))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even few vectors are dealt out to cells, which are small."""
    monkeypatch.setattr(neighbours, "EXACT", 0)
    monkeypatch.setattr(neighbours, "_CELL", 16)


def test_up_to_a_limit_all_pairs_are_compared() -> None:
    vectors = draw(700, 100)
    near = near_pairs(vectors, 12, DISTANCE)
    assert set(map(tuple, near.pairs.tolist())) == cKDTree(vectors).query_pairs(DISTANCE)
    assert near.compared == 700**2


@pytest.mark.usefixtures("in_cells")
def test_twins_are_found_in_cells() -> None:
    near = near_pairs(draw(4000, 400), 12, DISTANCE)
    found = set(map(tuple, near.pairs.tolist()))
    assert sum((number, 3600 + number) in found for number in range(400)) >= 396


@pytest.mark.usefixtures("in_cells")
def test_work_grows_with_the_vectors_not_with_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MOST_CELLS", 100)
    monkeypatch.setattr(neighbours, "_MOST_IN_CELL", 32)
    for count in (2000, 4000, 8000):
        assert near_pairs(draw(count, 10), 12, DISTANCE).compared <= count * (100 + neighbours._PROBED * 32)


@pytest.mark.usefixtures("in_cells")
def test_vectors_that_are_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MOST_IN_CELL", 20)
    near = near_pairs(np.repeat(draw(1, 0), 1000, axis=0), 12, DISTANCE)
    assert 0 < len(near.pairs) <= 12 * 1000
    assert (near.pairs[:, 0] < near.pairs[:, 1]).all()


@pytest.mark.parametrize("count", [2, 3])
def test_few_vectors(count: int) -> None:
    assert len(near_pairs(np.repeat(draw(1, 0), count, axis=0), 12, DISTANCE).pairs) == count * (count - 1) // 2


def test_progress_ends_at_the_whole() -> None:
    told = []
    near_pairs(draw(50, 5), 12, DISTANCE, lambda *said: told.append(said))
    assert told[-1] == ("candidates", 50, 50)
