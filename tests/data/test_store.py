"""The store of what was found in files: it remembers, it forgets what is of no use, and it never stops a check."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from limner.data import store as module
from limner.data.store import Store

ARRAYS = {
    "flag": np.array(True),
    "maps": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "none": np.zeros((0, 4), np.int64),
}


def same(found: dict[str, np.ndarray] | None) -> bool:
    return found is not None and all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in ARRAYS.items()
    )


def test_what_was_put_is_there_again(tmp_path: Path) -> None:
    with Store(tmp_path / "cache") as store:
        store.put("a", ARRAYS)
    with Store(tmp_path / "cache") as store:
        assert same(store.get("a"))
        assert store.get("b") is None


def test_without_a_folder_nothing_is_kept() -> None:
    with Store(None) as store:
        store.put("a", ARRAYS)
        assert same(store.get("a"))
    with Store(None) as store:
        assert store.get("a") is None


def test_several_threads_and_several_stores_at_once(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: (one, other)[number % 2].put(str(number), ARRAYS), range(600)))
    with Store(tmp_path) as store:
        assert all(same(store.get(str(number))) for number in range(600))


def test_entries_of_another_format_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        store.put("a", ARRAYS)
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    with Store(tmp_path) as store:
        assert store.get("a") is None


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_file_costs_time_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "check.sqlite").write_bytes(content)
    with Store(tmp_path) as store:
        store.put("a", ARRAYS)
        assert store.get("a") is None or same(store.get("a"))


def test_a_store_that_somebody_locks_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        store.put("a", ARRAYS)
    monkeypatch.setattr(module, "_WAIT", 0.01)
    connection = sqlite3.connect(tmp_path / "check.sqlite")
    connection.execute("BEGIN EXCLUSIVE")
    with Store(tmp_path) as store:
        store.put("b", ARRAYS)
        assert store.get("a") is None
    connection.close()
    with Store(tmp_path) as store:
        assert same(store.get("a"))


def test_a_store_that_is_damaged_inside_is_begun_anew(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(200):
            store.put(str(number), ARRAYS)
    path = tmp_path / "check.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    for _ in range(2):
        with Store(tmp_path) as store:
            assert store.get("7") is None
            store.put("7", ARRAYS)
    with Store(tmp_path) as store:
        assert same(store.get("7"))


def test_texts(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_text("a", "naïve")
        assert store.get_text("a") == "naïve"
    with Store(tmp_path) as store:
        assert (store.get_text("a"), store.get_text("b")) == ("naïve", None)


def test_a_place_that_is_a_file_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with Store(tmp_path / "cache") as store:
        store.put("a", ARRAYS)
        assert store.get("a") is None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 2)
    monkeypatch.setattr(module, "_TOUCHED", 0.0)
    for key in ("a", "b"):
        with Store(tmp_path) as store:
            store.put(key, ARRAYS)
    with Store(tmp_path) as store:
        store.get("a")
    with Store(tmp_path) as store:
        store.put("c", ARRAYS)
    with sqlite3.connect(tmp_path / "check.sqlite") as connection:
        assert {key for (key,) in connection.execute("SELECT key FROM entries")} == {"a", "c"}
    connection.close()
