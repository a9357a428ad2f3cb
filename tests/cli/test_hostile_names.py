"""Names of files that would move the cursor or run a script: shown, and no more."""

from __future__ import annotations

import csv
import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import limner

SCRIPT = "<img src=x onerror=alert(1)>"
QUOTES = "\"'><svg onload=alert(1)>"
ESCAPES = "\x1b[2J\x1b]0;owned\x07gone"
FORMULA = "=1+1"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Pictures of such names, each of which has a doubt or a problem that names it."""
    generator = np.random.default_rng(0)
    for name in (SCRIPT, QUOTES, ESCAPES, FORMULA, *map(str, range(6))):
        mask = np.zeros((48, 64), np.uint8)
        top, left = generator.integers(0, 30, 2)
        mask[top : top + 15, left : left + 20] = 255
        picture = generator.integers(0, 60, (48, 64, 3), np.uint8) + mask[..., None] // 2
        for side, array in (("images", picture if name.isdigit() else np.full_like(picture, 9)), ("masks", mask)):
            path = tmp_path / "data" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return tmp_path / "data"


def test_a_terminal_is_sent_no_escapes(limner: Any, hostile: Path) -> None:
    result = limner("check", hostile, "-o", hostile.parent / "check.html")
    assert "␛[2J␛]0;owned" in result.out
    assert "\x1b" not in result.out + result.err
    (hostile / "masks" / f"{ESCAPES}.png").write_bytes(b"")
    (hostile / "images" / "\u202egnp.exe.png").write_bytes(b"")
    result = limner("check", hostile, "-o", hostile.parent / "check.html")
    assert "␛[2J" in result.out
    assert not {"\x1b", "\x07", "\u202e"} & set(result.out + result.err)
    stopped = limner("train", hostile, "-o", hostile.parent / "run")
    assert stopped.code == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(stopped.out + stopped.err)


def test_json_has_the_names_as_they_are(limner: Any, hostile: Path) -> None:
    findings = limner("check", hostile, "--json", "-o", hostile.parent / "check.html").json["findings"]
    names = {name for finding in findings for name in finding["samples"]}
    assert {SCRIPT, QUOTES, ESCAPES, FORMULA} <= names


def test_names_that_are_no_text_can_be_told_as_json(limner: Any, tmp_path: Path) -> None:
    result = limner("check", tmp_path / "bad\udcff", "--json", "-o", tmp_path / "check.html")
    assert result.code == 2
    assert "bad\\udcff" in result.json["found"]
    assert "Rename" in result.json["remedy"]


def check_page(text: str) -> None:
    assert "<img src=x" not in text
    assert "<svg onload" not in text
    assert html.escape(SCRIPT) in text


def test_pages_show_names_and_run_nothing(limner: Any, hostile: Path, tmp_path: Path) -> None:
    limner("check", hostile, "-o", tmp_path / "check.html")
    check_page((tmp_path / "check.html").read_text())


@pytest.mark.slow
def test_a_run_on_such_names(hostile: Path, small_train: Any, tmp_path: Path) -> None:
    run = small_train(hostile, tmp_path / "run")
    check_page((run.folder / "report.html").read_text())
    with (run.folder / "samples.csv").open(newline="") as file:
        ids = {row["id"] for row in csv.DictReader(file)}
    assert {SCRIPT, QUOTES, ESCAPES, FORMULA} <= ids
    assert limner.evaluate(run.folder).summary
