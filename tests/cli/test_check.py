"""`limner check`: the verdict on a data set, its exit code, its page, and what a training tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.images import write_image

Limner = Callable[..., Any]
Small = Callable[..., list[str]]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "check.html"


@pytest.fixture
def doubtful(data: Path) -> Path:
    """Eight good samples, of which one picture is blank."""
    write_image(data / "images" / "3.png", np.full((40, 56, 3), 90, np.uint8))
    return data


def test_clean_data(limner: Limner, cells: Path, page: Path) -> None:
    result = limner("check", cells, "-o", page)
    assert result.code == 0
    assert "Nothing to worry about" in result.out
    assert "because 12 masks hold 0 (" in result.out
    assert str(page) in result.out


def test_doubts_end_with_1_and_with_2_when_strict(limner: Limner, doubtful: Path, page: Path) -> None:
    result = limner("check", doubtful, "-o", page)
    assert result.code == 1
    assert "1 of 8 images are blank" in result.out
    assert result.out.index("blank") < result.out.index("layout 'pairs'")
    assert limner("check", doubtful, "-o", page, "--strict").code == 2


def test_what_cannot_be_trained_on_ends_with_2(limner: Limner, doubtful: Path, page: Path) -> None:
    (doubtful / "masks" / "5.png").unlink()
    result = limner("check", doubtful, "-o", page)
    assert result.code == 2
    assert result.out.index("image without a mask: images/5.png") < result.out.index("blank")
    assert "This cannot be trained on yet" in result.out


def test_json(limner: Limner, doubtful: Path, page: Path) -> None:
    result = limner("check", doubtful, "-o", page, "--json")
    assert (result.code, result.err) == (1, "")
    assert result.json["outcome"] == "doubts"
    assert result.json["counts"]["doubt"] == 1
    assert result.json["findings"][0]["kind"] == "blank-pictures"
    assert result.json["findings"][0]["samples"] == ["3"]
    assert result.json["label_maps"]["mask"]["values"] == [[0], [255]]
    assert result.json["page"] == str(page)


def test_settings_change_the_verdict(limner: Limner, data: Path, page: Path) -> None:
    for path in (data / "masks").iterdir():
        mask = np.zeros((40, 56, 1), np.uint8)
        mask[5:15, 5:15], mask[30:] = 1, 255
        write_image(path, mask)
    result = limner("check", data, "-o", page)
    assert result.code == 2
    assert "data.ignore_values=[255]" in result.out
    assert limner("check", data, "data.ignore_values=[255]", "-o", page, "--json").json["outcome"] != "cannot train"


def test_two_folders(limner: Limner, data: Path, page: Path) -> None:
    assert limner("check", "--images", data / "images", "-m", data / "masks", "-o", page).code == 0


def test_the_page_shows_the_pictures_and_loads_nothing(limner: Limner, doubtful: Path, page: Path) -> None:
    (doubtful / "images" / "3.png").rename(doubtful / "images" / "<b>&.png")
    (doubtful / "masks" / "3.png").rename(doubtful / "masks" / "<b>&.png")
    limner("check", doubtful, "-o", page)
    text = page.read_text()
    assert "1 of 8 images are blank" in text
    assert "data:image/webp;base64," in text
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert not re.search(r"<script|src=\"(?!data:)|href=\"(?!#)|https?://", text)


def test_a_setting_that_does_not_exist(refused: Callable[..., str], data: Path) -> None:
    assert "data.value" in refused("check", data, "data.value=3")


def test_no_data(refused: Callable[..., str]) -> None:
    assert "a data set" in refused("check")


def test_a_second_check_takes_from_the_cache(
    limner: Limner, doubtful: Path, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = limner("check", doubtful, "-o", page, "--json").json
    looked: list[object] = []
    monkeypatch.setattr("limner.data.check.gather.describe", lambda *arguments: looked.append(arguments))
    assert limner("check", doubtful, "-o", page, "--json").json == first
    assert not looked


def test_a_training_tells_the_doubts_and_keeps_them(
    limner: Limner, doubtful: Path, small: Small, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = limner("train", doubtful, "-o", out, *small())
    assert result.code == 0
    assert "Doubt: 1 of 8 images are blank" in result.err
    kept = json.loads((out / "check.json").read_text())
    assert [finding["kind"] for finding in kept["findings"] if finding["level"] == "doubt"] == ["blank-pictures"]
    report = (out / "report.html").read_text()
    assert "What the check found" in report
    assert "1 of 8 images are blank" in report


def test_a_training_without_a_look_at_the_pictures(
    limner: Limner, doubtful: Path, small: Small, tmp_path: Path
) -> None:
    result = limner("train", doubtful, "-o", tmp_path / "run", *small(**{"data.check": "off"}))
    assert result.code == 0
    assert "blank" not in result.err


def test_a_training_stops_where_the_check_stops(
    refused: Callable[..., str], data: Path, small: Small, tmp_path: Path
) -> None:
    for number in range(8):
        np.save(data / "images" / f"{number}.npy", np.full((40, 56, 1), np.nan if number == 7 else number, np.float32))
        (data / "images" / f"{number}.png").unlink()
    message = refused("train", data, "-o", tmp_path / "run", *small(**{"data.seed": 3}))
    assert "NaN" in message
    assert not (tmp_path / "run").exists()
