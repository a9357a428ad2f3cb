"""`compose`: a data set from backgrounds and cut-outs."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from limner.data.layouts import find_samples
from limner.errors import ConfigError, DataError, OutputError
from limner.images import member_location, read_image, write_image
from limner.render import Placement, compose, plane_depth
from limner.workflow import compose as module
from limner.workflow.compose import compose_data


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    """Three backgrounds and two cut-outs, one of them larger than the backgrounds."""
    rng = np.random.default_rng(0)
    for number in range(3):
        coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
        write_image(tmp_path / "B" / f"room__{number}.png", np.kron(coarse, np.ones((10, 10, 1), np.uint8)))
    for number, side in ((1, 12), (2, 90)):
        disc = np.hypot(*np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]) < 0.9
        cutout = np.full((side, side, 4), 40 * number, np.uint8)
        cutout[..., 3] = 255 * disc
        write_image(tmp_path / "F" / f"thing{number}.png", cutout)
    return tmp_path / "B", tmp_path / "F"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_cut_out_lies_on_every_background(parts, tmp_path):
    result = compose_data(*parts, tmp_path / "out", per_pair=2)

    assert (result.count, result.backgrounds, result.foregrounds) == (12, 3, 2)
    assert sorted(contents(tmp_path / "out")) == sorted([*result.archives, "placements.csv"])
    with zipfile.ZipFile(tmp_path / "out" / "fg_bg.zip") as archive:
        assert len(archive.namelist()) == 12
        assert archive.namelist()[0] == "fg_bg/room-0__thing1__1.jpg"
    found = find_samples(tmp_path / "out")
    assert found.layout == "composites"
    assert found.apart == ("background", "foreground")
    assert any("12 of 12 sampled composites equal their background" in note for note in found.notes)


def test_masks_and_depths_are_exact(parts, tmp_path):
    compose_data(*parts, tmp_path / "out", per_pair=1, seed=4)
    with (tmp_path / "out" / "placements.csv").open() as file:
        rows = list(csv.DictReader(file))

    background = read_image(str(parts[0] / "room__0.png"))
    cutout = read_image(str(parts[1] / "thing1.png"))
    cutout = cutout[1:-1, 1:-1] if not cutout[0, :, 3].any() else cutout
    row = rows[0]
    place = Placement(*(int(row[key]) for key in ("top", "left", "height", "width")), flip=row["flip"] == "1")
    picture, mask = compose(background, cutout, place)
    stored = {
        name: read_image(member_location(str(tmp_path / "out" / f"{name}.zip"), f"{name}/{row['composite']}.{suffix}"))
        for name, suffix in (("fg_bg", "jpg"), ("fg_bg_mask", "png"), ("fg_bg_depth", "png"))
    }
    np.testing.assert_array_equal(stored["fg_bg_mask"][..., 0], mask * 255)
    np.testing.assert_allclose(stored["fg_bg_depth"][..., 0] / 255, plane_depth(mask), atol=0.002)
    assert np.abs(stored["fg_bg"].astype(int) - picture).mean() < 6


def test_the_same_bytes_whatever_the_number_of_threads(parts, tmp_path):
    for threads in (1, 5):
        compose_data(*parts, tmp_path / str(threads), per_pair=3, threads=threads)
    compose_data(*parts, tmp_path / "other", per_pair=3, seed=1)

    assert contents(tmp_path / "1") == contents(tmp_path / "5")
    assert contents(tmp_path / "1")["fg_bg.zip"] != contents(tmp_path / "other")["fg_bg.zip"]


def test_many_composites_go_into_several_archives(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_PER_ARCHIVE", 9)
    result = compose_data(*parts, tmp_path / "out", per_pair=2)

    assert [name for name in result.archives if name.startswith("fg_bg_mask")] == [
        "fg_bg_mask_1.zip",
        "fg_bg_mask_2.zip",
    ]
    assert len(find_samples(tmp_path / "out").catalog) == 12


def test_one_size_for_all(parts, tmp_path):
    compose_data(*parts, tmp_path / "out", size=(24, 24))
    archive = str(tmp_path / "out" / "fg_bg.zip")
    assert read_image(member_location(archive, "fg_bg/room-1__thing2__1.jpg")).shape == (24, 24, 3)


def test_an_interruption_leaves_no_archive_in_part(parts, tmp_path):
    def stop(_: str, done: int, __: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose_data(*parts, tmp_path / "out", progress=stop)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bg.zip"]


def test_cut_outs_without_transparency_are_refused(parts, tmp_path):
    write_image(parts[1] / "photo.png", np.zeros((8, 8, 3), np.uint8))
    write_image(parts[1] / "opaque.png", np.full((8, 8, 4), 255, np.uint8))

    with pytest.raises(DataError, match="2 of 4 without transparency") as caught:
        compose_data(*parts, tmp_path / "out")
    assert caught.value.details == ("'opaque.png'", "'photo.png'")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_among_other_files(parts, tmp_path):
    with pytest.raises(OutputError, match="holds files"):
        compose_data(*parts, parts[0])


DEPTHS = """
import numpy as np
def flat(background, cutout, placement):
    return np.full(background.shape[:2], 0.25)
def wrong(background, cutout, placement):
    return np.full(background.shape[:2], 7.0)
"""


class TestDepth:
    def test_none_writes_no_depths(self, parts, tmp_path):
        result = compose_data(*parts, tmp_path / "out", depth="none")
        assert result.archives == ["bg.zip", "fg_bg.zip", "fg_bg_mask.zip"]

    def test_a_function_of_the_users(self, parts, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "limner_test_depths.py").write_text(DEPTHS)
        compose_data(*parts, tmp_path / "out", depth="limner_test_depths:flat")

        depth = read_image(member_location(str(tmp_path / "out/fg_bg_depth.zip"), "fg_bg_depth/room-0__thing1__1.png"))
        assert np.unique(depth).tolist() == [64]
        with pytest.raises(DataError, match="numbers from 7 to 7"):
            compose_data(*parts, tmp_path / "other", depth="limner_test_depths:wrong")

    @pytest.mark.parametrize("name", ["plain", "no_such_module_here:f", "json:nothing"])
    def test_what_is_no_function_is_refused(self, parts, tmp_path, name):
        with pytest.raises(ConfigError):
            compose_data(*parts, tmp_path / "out", depth=name)
        assert not (tmp_path / "out").exists()
