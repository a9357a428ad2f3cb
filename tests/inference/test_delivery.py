"""Results that go to a store behind a URL: fsspec's own store in memory stands for object stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from limner.errors import ConfigError, OutputError
from limner.images import write_image
from limner.inference.delivery import Delivery
from limner.inference.doubtful import doubts_in
from limner.inference.folder import predict_folder
from limner.inference.predictor import Predictor
from limner.inference.wanted import Wanted

OUT = "memory://bucket/masks"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (9 + number % 2, 8, 3), dtype=np.uint8)
        write_image(tmp_path / "pictures" / f"{'sub/' if number % 3 == 0 else ''}{number}.png", pixels)
    return tmp_path / "pictures"


@pytest.fixture
def predictor(make_meta: Any, make_toy: Any) -> Predictor:
    return Predictor(make_toy(), make_meta(), precision="float32", batch_size=1)


@pytest.fixture
def store() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def in_store(store: Any, root: str = "/bucket/masks/") -> dict[str, bytes]:
    names = [name for name in store.find(root) if "/." not in name]
    return {name.removeprefix(root): store.cat_file(name) for name in names}


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


EVERYTHING = Wanted(overlay=True, probabilities="npz", uncertainty=True, flag_below=0.645, measure=True)


def test_a_store_gets_what_a_folder_gets(store, place, predictor, tmp_path) -> None:
    folder = predict_folder(predictor, [place], tmp_path / "out", EVERYTHING)
    result = predict_folder(predictor, [place], f"{OUT}/", EVERYTHING)
    assert in_store(store) == contents(tmp_path / "out")
    assert 0 < result.doubtful == folder.doubtful < 6
    assert [str(path).removeprefix(f"{OUT}/") for path in result.written] == [
        Path(path).relative_to(tmp_path / "out").as_posix() for path in folder.written
    ]
    assert result.doubts == f"{OUT}/doubts.csv"
    assert len(list(doubts_in(result.doubts))) == 6


def test_what_is_in_a_store_is_kept_or_gone_on_with(store, place, predictor) -> None:
    predict_folder(predictor, [place], OUT, EVERYTHING)
    before = in_store(store)
    with pytest.raises(OutputError, match=r"results are already there\n +- memory://bucket/masks/[0-9]\.png"):
        predict_folder(predictor, [place], OUT)
    again = predict_folder(predictor, [place], OUT, EVERYTHING, resume=True)
    assert (again.predicted, again.resumed) == (0, 6)
    lost = next(name for name in before if name.startswith("overlays/"))
    store.rm_file(f"/bucket/masks/{lost}")
    again = predict_folder(predictor, [place], OUT, EVERYTHING, resume=True)
    assert (again.predicted, again.resumed) == (1, 5)
    assert in_store(store) == before
    assert predict_folder(predictor, [place], OUT, EVERYTHING, overwrite=True).predicted == 6
    assert in_store(store) == before


def test_an_interrupted_call_leaves_its_journal_in_the_store(store, place, predictor) -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, [place], OUT, progress=stop)
    again = predict_folder(predictor, [place], OUT, resume=True)
    assert (again.predicted, again.resumed) == (2, 4)


def test_results_put_apart_before_are_taken_away(store, place, predictor) -> None:
    predict_folder(predictor, [place], OUT, Wanted(flag_below=1.0))
    assert all(name.startswith("doubtful/") for name in in_store(store) if name.endswith(".png"))
    predict_folder(predictor, [place], OUT, Wanted(flag_below=0.01), overwrite=True)
    assert not any(name.startswith("doubtful/") for name in in_store(store))


def test_pictures_of_a_store_are_neither_replaced_nor_mixed_with_results(store, place, predictor) -> None:
    for path in place.rglob("*.png"):
        store.pipe_file(f"/bucket/pics/{path.relative_to(place).as_posix()}", path.read_bytes())
    with pytest.raises(OutputError, match="would be replaced"):
        predict_folder(predictor, ["memory://bucket/pics"], "memory://bucket/pics", overwrite=True)
    inside = "memory://bucket/pics/masks"
    assert predict_folder(predictor, ["memory://bucket/pics"], inside).predicted == 6
    assert predict_folder(predictor, ["memory://bucket/pics"], inside, resume=True).resumed == 6


def test_files_reach_a_shared_folder_whole(tmp_path: Path) -> None:
    made, to = tmp_path / "shared" / ".parts" / "1", tmp_path / "shared"
    write_image(made / "sub" / "a.png", np.zeros((2, 2), np.uint8))
    there = Delivery(made, str(to)).presence()
    assert not there(made / "sub" / "a.png")
    Delivery(made, str(to)).send([made / "sub" / "a.png", made / "missing.png", tmp_path / "elsewhere.png"])
    assert there(made / "sub" / "a.png")
    assert not list(made.rglob("*.png"))


def test_what_cannot_be_written_is_said(place, predictor, tmp_path) -> None:
    with pytest.raises(OutputError, match=r"the URL can be written\n.*http://127\.0\.0\.1"):
        Delivery(tmp_path, "http://127.0.0.1:9/x").send([next(place.glob("*.png")), *_file(tmp_path)])
    with pytest.raises(ConfigError, match="a file for run lengths"):
        predict_folder(predictor, [place], None, Wanted(rle="s3://bucket/rle.csv"))


def _file(folder: Path) -> list[Path]:
    (folder / "a.txt").write_text("a")
    return [folder / "a.txt"]
