"""`limner compose` as a user types it."""

from __future__ import annotations

import numpy as np
import pytest

from limner.images import write_image


@pytest.fixture
def parts(tmp_path):
    for number in range(2):
        write_image(tmp_path / "rooms" / f"{number}.png", np.full((32, 40, 3), 90 * number, np.uint8))
    cutout = np.full((10, 10, 4), 200, np.uint8)
    cutout[:, :2, 3], cutout[:, 2:, 3] = 0, 255
    write_image(tmp_path / "things" / "cup.png", cutout)
    return ["--backgrounds", tmp_path / "rooms", "--foregrounds", tmp_path / "things", "-o", tmp_path / "out"]


def test_archives_are_written_and_the_next_step_named(limner, parts, tmp_path):
    result = limner("compose", *parts, "--per-pair", 3, "--size", "24x32")

    assert "6 composites of 1 cut-outs on 2 backgrounds" in result.out
    assert f"limner train {tmp_path / 'out'}" in result.out
    assert (tmp_path / "out" / "fg_bg_depth.zip").exists()


def test_as_json(limner, parts):
    result = limner("compose", *parts, "--depth", "none", "--json")
    assert result.json["composites"] == 4
    assert result.json["archives"] == ["bg.zip", "fg_bg.zip", "fg_bg_mask.zip"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--size", "large"], "Correct --size."),
        (["--size", "8x300"], "Correct --size."),
        (["--depth", "flat"], "Write for example mydepth:render."),
    ],
)
def test_mistakes_are_explained(refused, parts, tmp_path, words, remedy):
    assert remedy in refused("compose", *parts, *words)
    assert not (tmp_path / "out").exists()
