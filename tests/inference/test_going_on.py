"""Many pictures: going on after a stop, parts of the work, two processes at once, and memory."""

from __future__ import annotations

import resource
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from limner.errors import ConfigError, OutputError
from limner.images import write_image
from limner.inference.familiarity import features, learn
from limner.inference.folder import FolderResult, predict_folder
from limner.inference.predictor import Predictor
from limner.inference.shards import Shard, parse_shard
from limner.inference.wanted import Wanted


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(12):
        folder = "sub/" if number % 3 == 0 else ""
        pixels = rng.integers(0, 256, (9 + number % 2, 8, 3), dtype=np.uint8)
        write_image(tmp_path / "pictures" / f"{folder}{number}.png", pixels)
    return tmp_path / "pictures"


@pytest.fixture
def predictor(make_meta, make_toy) -> Predictor:
    meta = make_meta()
    rng = np.random.default_rng(1)
    known = np.array([features(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8), meta.inputs) for _ in range(20)])
    meta = meta.model_copy(update={"familiar": learn(known, [""] * 20, known[:0])})
    return Predictor(make_toy(), meta, precision="float32", batch_size=1)


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class Stop:
    """Interrupts after so many pictures."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        if done == self.after:
            raise KeyboardInterrupt


def everything(out: Path, flag_below: float = 0.645) -> Wanted:
    return Wanted(overlay=True, uncertainty=True, flag_below=flag_below, rle=out / "runs.csv")


def interrupted(predictor: Predictor, place: Path, out: Path, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, [place], out, everything(out), progress=Stop(after))


def test_a_call_that_goes_on_leaves_what_one_without_a_stop_does(place, predictor, tmp_path) -> None:
    whole = predict_folder(predictor, [place], tmp_path / "whole", everything(tmp_path / "whole"))
    assert 0 < whole.doubtful < 12
    out = tmp_path / "out"
    interrupted(predictor, place, out, after=3)
    assert "doubts.csv" not in contents(out)
    told: list[tuple[int, int]] = []
    result = predict_folder(
        predictor, [place], out, everything(out), resume=True, progress=lambda done, total: told.append((done, total))
    )
    assert (result.resumed, result.predicted, len(result.written)) == (3, 9, 9)
    assert told == [(number, 12) for number in range(3, 13)]
    assert (result.doubtful, result.strange) == (whole.doubtful, whole.strange)
    assert contents(out) == contents(tmp_path / "whole")

    again = predict_folder(predictor, [place], out, everything(out), resume=True)
    assert (again.resumed, again.predicted, list(again.written)) == (12, 0, [])
    assert contents(out) == contents(tmp_path / "whole")


def test_what_was_taken_away_or_failed_or_is_new_is_predicted(place, predictor, tmp_path) -> None:
    good = (place / "4.png").read_bytes()
    (place / "4.png").write_bytes(good[:60])
    out = tmp_path / "out"
    first = predict_folder(predictor, [place], out, Wanted(overlay=True, rle=out / "runs.csv"))
    assert [name for name, _ in first.failed] == ["4.png"]
    (place / "4.png").write_bytes(good)
    write_image(place / "new.png", np.zeros((9, 8, 3), np.uint8))
    (out / "5.png").unlink()
    (out / "overlays" / "sub" / "6_overlay.png").unlink()
    result = predict_folder(predictor, [place], out, Wanted(overlay=True, rle=out / "runs.csv"), resume=True)
    assert [path.name for path in result.written] == ["4.png", "5.png", "new.png", "6.png"]
    predict_folder(predictor, [place], tmp_path / "whole", Wanted(overlay=True, rle=tmp_path / "whole" / "runs.csv"))
    assert contents(out) == contents(tmp_path / "whole")


def test_more_can_be_asked_for_when_going_on(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    predict_folder(predictor, [place], out)
    result = predict_folder(predictor, [place], out, Wanted(rle=tmp_path / "runs.csv"), resume=True)
    assert (result.resumed, result.predicted) == (0, 12)
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 13


def test_a_line_that_a_kill_has_cut_counts_for_nothing(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    interrupted(predictor, place, out, after=4)
    journal = out / ".limner-predict.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert predict_folder(predictor, [place], out, everything(out), resume=True).resumed == 3
    predict_folder(predictor, [place], tmp_path / "whole", everything(tmp_path / "whole"))
    assert contents(out) == contents(tmp_path / "whole")
    assert predict_folder(predictor, [place], out, everything(out), resume=True).resumed == 12


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Files may not grow beyond `size` bytes; to the program that is an error like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1000, 1100])
def test_a_full_disk_stops_the_work_and_harms_nothing(place, predictor, tmp_path, size: int) -> None:
    out = tmp_path / "out"
    with small_files(size), pytest.raises(OutputError):
        predict_folder(predictor, [place], out, everything(out))
    assert not [path for path in out.rglob("*") if ".tmp" in path.name]
    result = predict_folder(predictor, [place], out, everything(out), resume=True)
    assert 0 < result.resumed < 12
    predict_folder(predictor, [place], tmp_path / "whole", everything(tmp_path / "whole"))
    assert contents(out) == contents(tmp_path / "whole")


def test_a_table_alone_goes_on(place, predictor, tmp_path) -> None:
    wanted = Wanted(rle=tmp_path / "runs.csv")
    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, [place], None, wanted, progress=Stop(5))
    assert not (tmp_path / "runs.csv").exists()
    assert predict_folder(predictor, [place], None, wanted, resume=True).resumed == 5
    predict_folder(predictor, [place], None, Wanted(rle=tmp_path / "whole.csv"))
    assert (tmp_path / "runs.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_going_on_in_another_way_is_refused(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, Wanted(flag_below=0.5), made={"model": "a"})
    before = contents(out)
    with pytest.raises(OutputError, match=r"another --flag-below \(0.5, now 0.6\)"):
        predict_folder(predictor, [place], out, Wanted(flag_below=0.6), made={"model": "a"}, resume=True)
    with pytest.raises(OutputError, match="another model"):
        predict_folder(predictor, [place], out, Wanted(flag_below=0.5), made={"model": "b"}, resume=True)
    with pytest.raises(ConfigError, match="--resume and --overwrite"):
        predict_folder(predictor, [place], out, resume=True, overwrite=True)
    assert contents(out) == before


def test_results_of_unknown_origin_are_not_gone_on_with(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    write_image(out / "4.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(OutputError, match="already there"):
        predict_folder(predictor, [place], out, resume=True)
    assert list(contents(out)) == ["4.png"]


def test_shards_share_the_work(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    results: list[FolderResult] = []
    for number in (2, 1, 3):
        wanted = Wanted(flag_below=0.645, rle=out / "runs.csv")
        results.append(predict_folder(predictor, [place], out, wanted, shard=Shard(number, 3)))
    assert [result.predicted for result in results] == [4, 4, 4]
    assert results[0].rle == out / "runs-2-of-3.csv"
    whole = tmp_path / "whole"
    predict_folder(predictor, [place], whole, Wanted(flag_below=0.645, rle=whole / "runs.csv"))
    expected, found = contents(whole), contents(out)
    for table in ("doubts", "runs"):
        parts = [found.pop(f"{table}-{number}-of-3.csv").splitlines() for number in (1, 2, 3)]
        lines = expected.pop(f"{table}.csv").splitlines()
        assert all(part[0] == lines[0] for part in parts)
        assert sorted(line for part in parts for line in part[1:]) == sorted(lines[1:])
    assert found == expected


def test_one_call_goes_on_with_what_shards_have_left(place, predictor, tmp_path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    wanted = Wanted(flag_below=0.645)
    for number in (1, 3):
        predict_folder(predictor, [place], out, wanted, shard=Shard(number, 3))
    next(path for path in out.rglob("*.png")).unlink()
    result = predict_folder(predictor, [place], out, wanted, resume=True)
    assert (result.predicted, result.resumed) == (5, 7)
    predict_folder(predictor, [place], whole, wanted)
    expected, found = contents(whole), contents(out)
    assert all(found[name] == expected[name] for name in expected)
    assert found.keys() - expected.keys() == {"doubts-1-of-3.csv", "doubts-3-of-3.csv"}


def test_shards_of_different_calls_are_not_joined(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    for number, model in ((1, "a"), (2, "b")):
        predict_folder(predictor, [place], out, made={"model": model}, shard=Shard(number, 3))
    before = contents(out)
    with pytest.raises(OutputError, match=r"another model \(b, now a\)"):
        predict_folder(predictor, [place], out, made={"model": "a"}, resume=True)
    assert contents(out) == before


def test_more_shards_than_pictures_leave_some_without_work(place, predictor, tmp_path) -> None:
    wanted = Wanted(flag_below=0.5)
    result = predict_folder(predictor, [place / "1.png"], tmp_path / "out", wanted, shard=Shard(2, 2))
    assert (result.predicted, list(result.written)) == (0, [])
    assert (tmp_path / "out" / "doubts-2-of-2.csv").read_text() == "picture\n"


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 3/8"):
        parse_shard(text)


@pytest.mark.slow
def test_the_memory_does_not_grow_with_the_number_of_pictures(make_meta, make_toy, tmp_path) -> None:
    predictor = Predictor(make_toy(), make_meta(), precision="float32", batch_size=4)
    write_image(tmp_path / "in" / "0.png", np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    for number in range(1, 1010):
        (tmp_path / "in" / f"{number}.png").hardlink_to(tmp_path / "in" / "0.png")
    held: dict[int, list[int]] = {200: [], 1000: []}

    def look(done: int, total: int) -> None:
        # What is under way differs from one picture to the next; the least of many is what stays.
        for end, numbers in held.items():
            if end - 60 < done <= end:
                numbers.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        wanted = Wanted(flag_below=0.5, rle=tmp_path / "runs.csv")
        predict_folder(predictor, [tmp_path / "in"], tmp_path / "out", wanted, progress=look)
    finally:
        tracemalloc.stop()
    # A path alone would take more.
    assert min(held[1000]) - min(held[200]) < 150 * 800
