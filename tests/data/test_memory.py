"""What was found in files is recalled as it was."""

from __future__ import annotations

import numpy as np
import pytest

from limner.data.memory import Look, Memory
from limner.data.store import Store
from limner.data.values import outline_numbers, tabulate
from limner.images import PictureInfo, StoredMask

GENERATOR = np.random.default_rng(0)
MASKS = {
    "ids": np.eye(9, dtype=np.uint8) * 255,
    "one bit": np.eye(9) > 0,
    "colours": GENERATOR.integers(0, 2, (9, 9, 3)).astype(np.uint8) * 90,
    "planes": GENERATOR.random((9, 9, 5)) > 0.5,
    "floats": np.linspace(0, 1, 81, dtype=np.float32).reshape(9, 9),
    "signed": np.arange(-40, 41, dtype=np.int32).reshape(9, 9),
    "continuous": np.arange(8100, dtype=np.uint16).reshape(90, 90),
}


@pytest.mark.parametrize("array", MASKS.values(), ids=MASKS)
def test_tables_of_values_are_the_same_again(array: np.ndarray) -> None:
    infos = {"image": PictureInfo((9, 9), 3, "uint8", orientation=6)}
    tables = {
        "mask": tabulate(StoredMask(array), "old.png"),
        "depth": outline_numbers(StoredMask(array[:, :9] if array.ndim == 2 else array[..., 0]), "old.png"),
    }
    with Store(None) as store:
        Memory(store).remember("key", Look(infos, tables))
        found = Memory(store).recall("key", {"mask": "old.png", "depth": "new.png"})
    assert found is not None
    assert found.infos == infos
    assert found.tables["mask"] == tables["mask"]
    assert list(map(type, found.tables["mask"].counts)) == list(map(type, tables["mask"].counts))
    assert found.tables["depth"].where == "new.png"


def test_a_palette_is_the_same_again() -> None:
    stored = StoredMask(np.eye(4, dtype=np.uint8), np.array([[0, 0, 0], [9, 8, 7]], np.uint8))
    table = tabulate(stored, "a.png")
    with Store(None) as store:
        Memory(store).remember("key", Look({}, {"mask": table}))
        found = Memory(store).recall("key", {"mask": "a.png"})
    assert found is not None
    assert found.tables["mask"] == table


def test_what_is_not_known() -> None:
    with Store(None) as store:
        assert Memory(store).recall("key", {}) is None
