"""Every format: the same scene gives the same masks, and what was doubtful is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.data.annotations.formats import FORMATS
from limner.data.labels import read_target
from limner.data.layouts import LAYOUTS, find_samples
from limner.errors import ConfigError, DataError, LimnerError


def ids_of(folder: Path, name: str = "a") -> np.ndarray:
    with Image.open(folder / "masks" / f"{name}.png") as picture:
        assert picture.mode == "P"
        return np.array(picture)


def test_every_format_is_a_layout():
    assert set(FORMATS) <= set(LAYOUTS)


def test_the_scene_is_found_by_content_and_drawn_exactly(desk, kind, cells_and_nucleus):
    desk.write_scene(kind)
    result = desk.convert(overlap="later")

    cells, nucleus = cells_and_nucleus
    expected = np.where(nucleus, 2, np.where(cells, 1, 0))
    assert result.kind == kind
    assert [one.name for one in result.classes] == ["cell", "nucleus"]
    assert np.array_equal(ids_of(result.folder), expected)
    assert [(one.shapes, one.pixels) for one in result.classes] == [(2, (expected == 1).sum()), (1, 60)]
    found = {(doubt.kind, doubt.pixels) for doubt in result.doubts} - {("box", 0)}
    assert found == {("overlap", 24), ("clipped", 60)}
    assert not result.lost


def test_classes_that_overlap_can_both_keep_their_pixels(desk, kind, cells_and_nucleus):
    desk.write_scene(kind)
    result = desk.convert(overlap="multilabel")

    found = find_samples(result.folder)
    label_map = found.labels["mask"]
    assert (label_map.task, label_map.names) == ("multilabel", ("cell", "nucleus"))
    planes = read_target(found.catalog.targets["mask"][0], label_map)
    assert np.array_equal(planes.transpose(2, 0, 1).astype(bool), np.stack(cells_and_nucleus))


def test_a_real_overlap_is_not_settled_unless_somebody_says_how(desk, kind):
    desk.write_scene(kind)
    with pytest.raises(DataError, match="overlap by more than a seam") as error:
        desk.convert()
    assert error.value.details[0].startswith("nucleus over cell: 24 pixels")
    assert not list(desk.root.parent.glob("*out*"))


def test_the_format_is_forced_or_refused(desk, kind):
    desk.write_scene(kind)
    other = "cvat" if kind != "cvat" else "coco"
    assert desk.convert(kind=kind, overlap="smaller").kind == kind
    with pytest.raises(DataError, match=f"in the format {other}"):
        desk.convert(kind=other)
    with pytest.raises(ConfigError, match="Did you mean 'coco'"):
        desk.convert(kind="cocoo")


def test_a_file_alone_and_a_zip_of_all_will_do(desk, kind, tmp_path):
    import shutil

    file = desk.write_scene(kind)
    assert desk.convert(file, overlap="later").pictures == 1
    if kind != "imagej":  # an archive in an archive
        packed = shutil.make_archive(str(tmp_path / "packed"), "zip", desk.root)
        result = desk.convert(Path(packed), overlap="later")
        assert find_samples(result.folder).catalog.inputs["image"][0].startswith("zip://a.png::")


def test_files_that_are_cut_short_name_themselves(desk, kind):
    file = desk.write_scene(kind)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=file.name):
        desk.convert()


def test_names_colours_and_ids_arrive_in_a_training(desk):
    desk.write_scene("cvat")
    result = desk.convert(overlap="later")
    for place in (result.folder, result.folder / "samples.csv"):
        label_map = find_samples(place).labels["mask"]
        assert label_map.names == ("background", "cell", "nucleus")
        assert label_map.colors == ((0, 0, 0), (0xFA, 0x32, 0x53), (0x3D, 0x3D, 0xF5))
    assert find_samples(result.folder).layout == "converted"


def test_two_formats_at_one_place_are_not_mixed(desk):
    desk.write_scene("coco")
    desk.write_scene("labelme")
    with pytest.raises(DataError, match="several: labelme"):
        desk.convert()
    result = desk.convert(kind="labelme", overlap="later")
    assert desk.kinds(result) == ["box", "clipped", "other-file", "overlap"]


def test_nothing_to_read_says_what_could_be(desk):
    with pytest.raises(DataError, match="no such file") as error:
        desk.convert()
    assert len(error.value.details) == len(FORMATS)
    desk.write({"name": "settings"}, "settings.json")
    with pytest.raises(DataError, match=r"none of 'settings\.json'"):
        desk.convert()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.json", "[" * 100_000),
        ("nan.json", '{"images": [], "annotations": [NaN], "categories": []}'),
        ("bomb.xml", '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><annotations>&c;</annotations>'),
        ("outside.xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations>&b;</annotations>'),
        ("cut.xml", "<annotations><image "),
        ("encoding.xml", '<?xml version="1.0" encoding="nonsense"?><annotations/>'),
        ("zeros.roi", "\0" * 10),
    ],
)
def test_hostile_files_are_refused(desk, name, content):
    desk.write(content, name)
    with pytest.raises(LimnerError, match=name):
        desk.convert()


def test_output_is_whole_or_absent(desk, tmp_path):
    desk.write_scene("coco")
    (tmp_path / "out0").mkdir()
    (tmp_path / "out0" / "mine.txt").write_text("mine")
    from limner.data.annotations.convert import Wishes, convert_annotations
    from limner.types import no_progress

    with pytest.raises(LimnerError, match="it holds files"):
        convert_annotations(desk.root, tmp_path / "out0", wishes=Wishes(overlap="later"), progress=no_progress)
    assert [path.name for path in tmp_path.iterdir() if path.name != "desk"] == ["out0"]


def test_what_became_of_every_shape_is_written_down(desk):
    content: Any = desk.scene("labelme")
    content["shapes"] += [
        {"label": "cell", "shape_type": "linestrip", "points": [[1, 1], [5, 5], [9, 1]]},
        {"label": "cell", "shape_type": "point", "points": [[1, 1]]},
        {"label": "", "shape_type": "polygon", "points": [[1, 30], [5, 30], [5, 34]]},
    ]
    desk.write_scene("labelme", content)
    result = desk.convert(overlap="later")
    lines = (result.folder / "conversion.csv").read_text().splitlines()
    assert [line.split(",")[3:] for line in lines[1:7]] == [
        ["cell", "drawn", "364", ""],
        ["nucleus", "drawn", "60", ""],
        ["cell", "drawn", "60", "box; clipped"],
        ["cell", "left out", "0", "unclosed"],
        ["cell", "left out", "0", "no-outline"],
        ["", "left out", "0", "no-label"],
    ]
    assert result.lost
    summary = json.loads((result.folder / "conversion.json").read_text())
    assert summary["doubts"]["unclosed"]["count"] == 1
