"""`limner show`, `report`, `card` and `sample`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.examples import EXAMPLES
from limner.images import read_image, read_info

Limner = Callable[..., Any]
Refused = Callable[..., str]


def test_show_writes_a_sheet(limner: Limner, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = limner("show", "data", "augment.preset=strong", "size=[48,64]", "--count", "3")
    assert (result.code, result.out) == (0, "Sheet  samples.png\n")
    height, width = read_info("samples.png").size
    assert height > 3 * 48
    assert width > 4 * 64
    limner("show", "data", "augment.preset=none", "size=[48,64]", "--count", "3", "-o", "plain.png")
    assert (read_image("samples.png") != read_image("plain.png")).any()


def test_show_refuses(refused: Refused, data: Path, tmp_path: Path) -> None:
    assert "nothing is there" in refused("show", tmp_path / "nothing", "-o", tmp_path / "x.png")
    assert "Did you mean" in refused("show", data, "augment.presett=strong", "-o", tmp_path / "x.png")
    assert "one data set" in refused("show", data, data, "-o", tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_report_is_drawn_again(limner: Limner, refused: Refused, run: Path, tmp_path: Path) -> None:
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    result = limner("report", f"{run}/")
    assert (result.code, result.out) == (0, f"Report  {run / 'report.html'}\n")
    assert len((run / "report.html").read_bytes()) > 0.9 * len(page)
    (run / "evaluation" / "summary.json").write_text("{")
    assert "summary.json" in refused("report", run)
    assert f"'{tmp_path / 'nothing'}'" in refused("report", tmp_path / "nothing")
    assert f"'{tmp_path}'" in refused("report", tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.slow
def test_samples_that_the_hint_trains_on(limner: Limner, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my data"
    # Splits that share neither backgrounds nor foregrounds need three of each.
    result = limner("sample", name, folder, "--count", "36" if name == "depth" else "2")
    assert result.code == 0
    assert re.search(rf"limner train (--recipe {name} )?'{folder}'", result.out)
    assert limner("show", folder, "-o", tmp_path / "sheet.png").code == 0


def test_sample_refuses_what_is_there(refused: Refused, data: Path) -> None:
    before = sorted(data.rglob("*"))
    assert str(data) in refused("sample", "cells", data)
    assert "at least 1" in refused("sample", "cells", data / "new", "--count", "0")
    assert sorted(data.rglob("*")) == before


def test_names_are_printed_as_they_are(limner: Limner, refused: Refused, tmp_path: Path) -> None:
    """Brackets and colons mean something to the library that prints."""
    for name in ("[old] cells", "a:on:b", "[/red]", "[bold]"):
        assert f"'{tmp_path / 'none' / name}'" in refused("show", tmp_path / "none" / name)
    folder = tmp_path / "[old] a:on:b"
    assert str(folder) in limner("sample", "coins", folder, "--count", "2").out


def test_cards_are_written_once(limner: Limner, refused: Refused, run: Path, tmp_path: Path) -> None:
    result = limner("card", run)
    assert (result.code, result.out) == (
        0,
        f"Model card  {run / 'MODEL_CARD.md'}\nData card   {run / 'DATA_CARD.md'}\n",
    )
    assert "--overwrite" in refused("card", run)
    assert limner("card", run, "--overwrite").code == 0
    assert limner("card", run, "-o", tmp_path / "cards", "--json").json == {
        "model": str(tmp_path / "cards" / "MODEL_CARD.md"),
        "data": str(tmp_path / "cards" / "DATA_CARD.md"),
    }
    assert "run folder" in refused("card", tmp_path / "nothing")
