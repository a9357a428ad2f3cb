from __future__ import annotations

import os

import numpy as np
import pytest

from limner.data.traces.finished import Finished, finished_key, forget_finished, load_finished, save_finished
from limner.data.traces.inks import parse_inks
from limner.data.traces.registration import Placement
from limner.data.traces.tracing import Doubt, Traced
from limner.images import write_image


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tracings"


MASK = np.eye(6, 7, dtype=bool)
DOUBT = Doubt("open", "blue is open for about 9 px", unfilled=True, at=(1.5, 2.0))


def test_what_is_kept_comes_back(cache):
    moved = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    placement = Placement((1.5, 1.25), (0.5, -2.0), 0.97)
    save_finished("a", Finished({"blue": Traced(None, (DOUBT,)), "red": Traced(MASK, ())}, placement, moved))
    found = load_finished("a")
    assert found.results["blue"] == Traced(None, (DOUBT,))
    assert (found.results["red"].mask == MASK).all()
    assert found.placement == placement
    assert (found.moved == moved).all()


def test_what_is_damaged_or_missing_is_not_there(cache):
    assert load_finished("a") is None
    save_finished("a", Finished({"red": Traced(MASK, ())}, None, None))
    path = cache / "a.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert load_finished("a") is None


def test_what_was_used_longest_ago_is_forgotten_first(cache, monkeypatch):
    forget_finished()  # of a folder that is not there yet
    for age, key in enumerate("abcd"):
        save_finished(key, Finished({"red": Traced(MASK, ())}, None, None))
        os.utime(cache / f"{key}.npz", (1_000_000_000 - age, 1_000_000_000 - age))
    load_finished("c")
    forget_finished()
    assert len(list(cache.iterdir())) == 4
    size = (cache / "a.npz").stat().st_size
    monkeypatch.setattr("limner.data.traces.finished._MOST_BYTES", 2 * size)
    forget_finished()
    assert sorted(path.name for path in cache.iterdir()) == ["a.npz", "c.npz"]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "file"))
    save_finished("a", Finished({"red": Traced(MASK, ())}, None, None))
    assert load_finished("a") is None


def test_other_contents_or_settings_have_another_key(tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(2)]
    for number, path in enumerate(paths):
        write_image(path, np.full((4, 5, 3), number, np.uint8))
    inks = parse_inks(["blue=heart"])
    keys = {
        finished_key((paths[0], paths[1]), inks, 6.0),
        finished_key((paths[1], paths[0]), inks, 6.0),
        finished_key((paths[0], ""), inks, 6.0),
        finished_key((paths[0], paths[1]), inks, 5.0),
        finished_key((paths[0], paths[1]), parse_inks(["blue=lv"]), 6.0),
    }
    assert len(keys) == 5
