"""Annotations among pictures are recognised, drawn once, and never taken in place of masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.data.annotations.formats import FORMATS
from limner.data.layouts import find_samples
from limner.data.layouts.find import ANNOTATIONS
from limner.errors import ConfigError, DataError
from limner.images import write_image


def mark(label: str, left: int) -> dict[str, Any]:
    return {"label": label, "points": [[left, 2], [left + 8, 2], [left + 8, 10], [left, 10]], "shape_type": "polygon"}


@pytest.fixture
def labelme(tmp_path: Path) -> Path:
    root = tmp_path / "labelme"
    for name in ("a", "b"):
        write_image(root / f"{name}.png", np.full((20, 30, 3), 7, np.uint8))
        content = {"shapes": [mark("cell", 2), mark("nucleus", 15)], "imagePath": f"{name}.png"}
        (root / f"{name}.json").write_text(json.dumps(content))
    return root


def test_every_format_is_a_layout():
    assert tuple(FORMATS) == ANNOTATIONS


def test_they_are_drawn_once(labelme, monkeypatch, tmp_path):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    found = find_samples(labelme)
    assert (found.layout, found.catalog.ids) == ("labelme", ["a", "b"])
    assert found.labels["mask"].names == ("background", "cell", "nucleus")
    assert found.catalog.inputs["image"] == [str(labelme / "a.png"), str(labelme / "b.png")]
    masks = [Path(location) for location in found.catalog.targets["mask"]]
    before = [mask.stat().st_mtime_ns for mask in masks]
    assert find_samples(labelme).catalog.targets == found.catalog.targets
    assert [mask.stat().st_mtime_ns for mask in masks] == before
    (labelme / "b.json").write_text(json.dumps({"shapes": [mark("cell", 4)], "imagePath": "b.png"}))
    assert find_samples(labelme).catalog.targets != found.catalog.targets


def test_a_folder_of_masks_wins_unless_the_layout_is_named(labelme):
    for name in ("a", "b"):
        write_image(labelme / "masks" / f"{name}.png", np.eye(20, 30, dtype=np.uint8))
    assert find_samples(labelme).layout == "pairs"
    assert find_samples(labelme, layout="labelme").layout == "labelme"


def test_a_broken_archive_beside_a_table_is_nothing_to_us(tmp_path):
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.png", np.full((20, 30, 3), 7, np.uint8))
        write_image(tmp_path / f"{ord(name)}.png", np.eye(20, 30, dtype=np.uint8))
    (tmp_path / "table.csv").write_text("image,mask\na.png,97.png\nb.png,98.png\n")
    (tmp_path / "old.zip").write_bytes(b"PK\x03\x04 cut")
    assert find_samples(tmp_path).layout == "manifest"


def test_masks_beside_pictures_win_too(labelme):
    for name in ("a", "b"):
        write_image(labelme / f"{name}_mask.png", np.eye(20, 30, dtype=np.uint8))
    assert find_samples(labelme).layout == "pairs"


def test_json_of_another_kind_among_pictures_is_nothing_to_us(labelme):
    for name in ("a", "b"):
        (labelme / f"{name}.json").write_text('{"exposure": 12}')
        write_image(labelme / f"{name}_mask.png", np.eye(20, 30, dtype=np.uint8))
    assert find_samples(labelme).layout == "pairs"
    with pytest.raises(DataError, match="in the format coco"):
        find_samples(labelme, layout="coco")


@pytest.mark.parametrize(
    "options", [{"overlap": "larger"}, {"classes": "cell"}, {"classes": ["vessel"]}, {"images": 3}, {"inks": []}]
)
def test_impossible_options_are_refused(labelme, options):
    with pytest.raises(ConfigError):
        find_samples(labelme, options=options)


def test_annotations_without_their_picture_have_no_partner(labelme):
    (labelme / "b.png").unlink()
    found = find_samples(labelme)
    assert found.catalog.ids == ["a"]
    assert "b.png" in found.pairing.unmatched_masks[0]


def test_planes_may_stand_in_a_table(tmp_path):
    for name in ("1", "2"):
        for folder in ("images", "cell", "nucleus"):
            write_image(tmp_path / folder / f"{name}.png", np.eye(6, dtype=np.uint8) * 255)
    rows = [f"images/{name}.png,cell/{name}.png | nucleus/{name}.png" for name in ("1", "2")]
    (tmp_path / "samples.csv").write_text("image,mask\n" + "\n".join(rows) + "\n")
    found = find_samples(tmp_path / "samples.csv")
    assert found.catalog.targets["mask"][0] == f"{tmp_path}/cell/1.png | {tmp_path}/nucleus/1.png"
    (tmp_path / "nucleus" / "2.png").unlink()
    with pytest.raises(DataError, match="column 'mask'"):
        find_samples(tmp_path / "samples.csv")


def test_several_targets_may_stand_in_a_conversion(tmp_path):
    """As limner serve saves them: what nobody drew in a picture is empty in its row."""
    for name in ("images/1", "images/2", "masks/kind/1", "masks/parts/eye/2", "masks/parts/iris/2"):
        write_image(tmp_path / f"{name}.png", np.eye(6, dtype=np.uint8))
    rows = ["1,images/1.png,masks/kind/1.png,", "2,images/2.png,,masks/parts/eye/2.png | masks/parts/iris/2.png"]
    (tmp_path / "samples.csv").write_text("\n".join(["id,image,target.kind,target.parts", *rows, ""]))
    described = {
        "format": "limner conversion",
        "version": 1,
        "targets": {
            "kind": {"task": "binary", "classes": [{"name": "cat", "color": [1, 2, 3]}], "ignored": True},
            "parts": {
                "task": "multilabel",
                "classes": [{"name": "eye", "color": [4, 5, 6]}, {"name": "iris", "color": [7, 8, 9]}],
                "ignored": False,
            },
            "depths": {"task": "binary", "classes": [{"name": "far", "color": [0, 0, 0]}], "ignored": True},
        },
    }
    (tmp_path / "conversion.json").write_text(json.dumps(described))
    found = find_samples(tmp_path)
    assert (found.layout, list(found.labels)) == ("converted", ["kind", "parts"])
    kind, parts = found.labels.values()
    assert (kind.names, kind.values, kind.ignore) == (("background", "cat"), ((0,), (1,)), (255,))
    assert (parts.names, parts.task, parts.encoding) == (("eye", "iris"), "multilabel", "planes")
    assert [column.count("") for column in found.catalog.targets.values()] == [1, 1]
    (tmp_path / "conversion.json").write_text(json.dumps({**described, "targets": {"kind": 5}}))
    with pytest.raises(DataError, match="the classes of a conversion"):
        find_samples(tmp_path)
