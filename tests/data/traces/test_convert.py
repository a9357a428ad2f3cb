from __future__ import annotations

import csv
import signal
import subprocess
import sys

import numpy as np
import pytest

from limner.data.traces.agreement import mean_dice
from limner.data.traces.convert import convert_traces
from limner.data.traces.inks import parse_inks
from limner.errors import DataError, OutputError
from limner.examples.pens import Pen
from limner.examples.traced_hearts import write_traced_hearts
from limner.images import read_image, write_image

INKS = parse_inks(["blue=heart", "green=lv", "red=rv"])


def nobody(stage, done, total):
    pass


def convert(traced, out, **arguments):
    return convert_traces(traced, out, inks=INKS, progress=nobody, **arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_traced_hearts(folder, count=3, size=(120, 100))
    return folder


@pytest.fixture(scope="module")
def converted(project, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        return out, convert(project, out)


def test_every_picture_has_an_original_and_a_binary_mask_per_colour(converted):
    out, _ = converted
    names = ["heart_001.png", "heart_002.png", "heart_003.png"]
    for folder in ("original", "blue", "green", "red"):
        assert sorted(path.name for path in (out / "images" / folder).iterdir()) == names
    mask = read_image(str(out / "images" / "blue" / names[0]))
    assert mask.shape == (120, 100, 1)
    assert set(np.unique(mask)) == {0, 255}


def test_two_experts_are_compared(converted):
    out, result = converted
    assert mean_dice(result.agreements).keys() == {"heart", "lv", "rv"}
    assert all(0.93 < dice < 1 and count == 1 for dice, count in mean_dice(result.agreements).values())
    lines = list(csv.DictReader((out / "agreement.csv").read_text().splitlines()))
    assert {(line["picture"], line["first"], line["second"]) for line in lines} == {("heart_003", "PI", "SQ")}
    assert (out / "experts" / "SQ" / "green" / "heart_003.png").exists()


def test_every_stroke_is_accounted_for(converted):
    out, result = converted
    lines = list(csv.DictReader((out / "tracings.csv").read_text().splitlines()))
    assert len(lines) == 4 * 3
    assert {line["state"] for line in lines} == {"used", "second"}
    assert len(result.sheets) == 1
    assert read_image(str(result.sheets[0])).shape[2] >= 3


@pytest.fixture
def doubtful(tmp_path, heart):
    """A good picture, one with an open stroke, and one whose original is another picture."""
    size = (120, 100)
    good, other = (heart(Pen(2.0), number, size=size) for number in (1, 3))
    open_one = heart(Pen(2.0, gaps=1, gap=20.0), 2, size=size)
    for name, traced, original in (
        ("a", good.traced, good.image),
        ("b", open_one.traced, open_one.image),
        ("c", other.traced, good.image[::-1]),
    ):
        write_image(tmp_path / "traced" / f"{name}.png", traced)
        write_image(tmp_path / "plain" / f"{name}.png", original)
    return tmp_path


def test_what_cannot_be_filled_is_shown_and_left_out(doubtful):
    out = doubtful / "out"
    result = convert(doubtful / "traced", out, originals=doubtful / "plain")
    assert [outcome.state for outcome in result.outcomes] == ["used", "unfinished", "failed"]
    assert [path.name for path in (out / "images" / "original").iterdir()] == ["a.png"]
    assert read_image(str(out / "unfinished" / "b.png")).shape == (3 * 120, 3 * 100, 3)
    assert "open" in result.outcomes[1].notes[0]
    assert "fits it nowhere" in result.outcomes[2].notes[0]


def test_without_originals_there_are_masks_alone(doubtful):
    out = doubtful / "out"
    for name in ("b.png", "c.png"):
        (doubtful / "traced" / name).unlink()
    convert(doubtful / "traced", out)
    assert sorted(path.name for path in (out / "images").iterdir()) == ["blue", "green", "red"]


def test_one_name_for_two_pictures_is_refused(tmp_path, heart):
    for number, expert in enumerate(("A", "B")):
        drawn = heart(Pen(2.0), number, size=(120, 100))
        write_image(tmp_path / expert / "traced" / "1.png", drawn.traced)
        write_image(tmp_path / expert / "untraced" / "1.png", drawn.image)
    with pytest.raises(DataError, match="different pictures"):
        convert(tmp_path, tmp_path / "out")


def test_a_folder_that_holds_something_is_refused(project):
    with pytest.raises(OutputError, match="holds files"):
        convert(project, project)


KILLED = """
import os, signal, sys
from pathlib import Path
from limner.data.traces.convert import convert_traces
from limner.data.traces.inks import parse_inks

def killed(stage, done, total):
    os.kill(os.getpid(), signal.SIGKILL)

inks = parse_inks(["blue=heart", "green=lv", "red=rv"])
convert_traces(sys.argv[1], Path(sys.argv[2]), inks=inks, progress=killed)
"""


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_conversion_goes_on_where_it_was(project, converted, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    out, tracings = tmp_path / "out", tmp_path / "cache" / "tracings"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(project), str(out)], check=False)
    assert ended.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_ino for path in tracings.glob("*.npz")}
    assert kept
    assert not (out / "tracings.csv").exists()

    with pytest.raises(OutputError, match="other settings"):
        convert(project, out, gap=3.0)
    convert(project, out)
    assert {path: path.stat().st_ino for path in kept} == kept  # written again, they would be other files
    assert len(list(tracings.glob("*.npz"))) == 4
    assert contents(out) == contents(converted[0])


def test_tracings_are_forgotten_where_they_take_too_much_room(project, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("limner.data.traces.finished._MOST_BYTES", 0)
    convert(project, tmp_path / "out")
    assert not list((tmp_path / "cache" / "tracings").iterdir())
