"""Annotations of other programs that are broken as users' are: refused with the entry, or drawn and doubted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skimage import measure

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]


def outline(ids: np.ndarray) -> list[float]:
    """The border of the one object, in COCO's form."""
    (ring,) = measure.find_contours(np.pad(ids > 0, 1).astype(float), 0.5)
    return [float(value) for value in (ring[:, ::-1] - 0.5).ravel()]


@pytest.fixture
def coco(zoo: Any) -> dict[str, Any]:
    """Eight pictures, and the outlines of what is on them, not yet written."""
    images, annotations = [], []
    for number, (name, picture, ids) in enumerate(zoo.draw()):
        zoo.save(f"images/{name}.png", picture)
        images.append({"id": number, "file_name": f"{name}.png", "height": ids.shape[0], "width": ids.shape[1]})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": [outline(ids)]})
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


def write(zoo: Any, content: dict[str, Any], name: str = "annotations/instances.json") -> None:
    zoo.save(name, json.dumps(content).encode())


def test_outlines_are_the_masks_they_were_made_of(zoo: Any, accepts: Accepts, coco: dict[str, Any]) -> None:
    write(zoo, coco)
    assert accepts().label_maps["mask"].names == ("background", "cell")


def test_a_picture_that_was_resized_since(zoo: Any, accepts: Accepts, coco: dict[str, Any]) -> None:
    zoo.save("images/03.png", np.zeros((24, 32, 3), np.uint8))
    write(zoo, coco)
    assert accepts().samples == 7


def test_a_picture_that_is_missing(zoo: Any, refuses: Refuses, accepts: Accepts, coco: dict[str, Any]) -> None:
    (zoo.root / "images" / "03.png").unlink()
    write(zoo, coco)
    refuses("unmatched-files", says="03.png")
    assert accepts(data__unmatched="skip").samples == 7


def test_one_id_for_two_pictures(zoo: Any, refuses: Refuses, coco: dict[str, Any]) -> None:
    coco["images"][1]["id"] = 0
    write(zoo, coco)
    refuses("no-samples", says="Id 0 for '00.png' and for '01.png'")


def test_coordinates_that_are_no_numbers(zoo: Any, refuses: Refuses, coco: dict[str, Any]) -> None:
    coco["annotations"][4]["segmentation"][0][3] = float("nan")
    write(zoo, coco)
    refuses("no-samples", says="instances.json")


def test_boxes_without_outlines(zoo: Any, refuses: Refuses, coco: dict[str, Any]) -> None:
    for annotation in coco["annotations"]:
        annotation.update(segmentation=[], bbox=[1, 1, 9, 9])
    write(zoo, coco)
    refuses("no-samples", says="at least one shape that can be drawn")


def test_classes_that_overlap(zoo: Any, refuses: Refuses, accepts: Accepts, coco: dict[str, Any]) -> None:
    coco["categories"].append({"id": 2, "name": "ground"})
    whole = [0, 0, 64, 0, 64, 48, 0, 48]
    coco["annotations"] += [
        {"id": 10 + number, "image_id": number, "category_id": 2, "segmentation": [whole]} for number in range(8)
    ]
    write(zoo, coco)
    refuses("no-samples", says="--overlap smaller")
    zoo.truth = {name: np.where(ids > 0, 1, 2).astype(np.uint8) for name, ids in zoo.truth.items()}
    accepts(data__layout_options={"overlap": "smaller"})


def test_a_file_that_was_cut_short(zoo: Any, refuses: Refuses, coco: dict[str, Any]) -> None:
    write(zoo, coco)
    path = zoo.root / "annotations" / "instances.json"
    path.write_bytes(path.read_bytes()[:-40])
    refuses("no-samples", says="instances.json", data__layout="coco")


def test_a_bomb_of_entities(zoo: Any, refuses: Refuses, coco: dict[str, Any]) -> None:
    zoo.save("annotations.xml", b'<!DOCTYPE a [<!ENTITY b "&c;&c;">]><annotations>&b;</annotations>')
    refuses("no-samples", says="document type", data__layout="cvat")


def test_pictures_half_of_which_are_annotated(zoo: Any, accepts: Accepts, coco: dict[str, Any]) -> None:
    coco["images"], coco["annotations"] = coco["images"][:5], coco["annotations"][:5]
    write(zoo, coco)
    checked = accepts()
    assert checked.samples == 5
    (pairs,) = [finding for finding in checked.findings if finding.kind == "pairs"]
    assert any("Pictures without annotation" in line for line in pairs.evidence)
