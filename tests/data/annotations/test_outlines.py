"""Outlines of objects, and their way through other programs' files back to the very mask."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from scipy import ndimage

from limner.data.annotations import coco, geojson, labelme
from limner.data.annotations.outlines import Outlined, downward_runs, objects_of, outlined
from limner.data.annotations.rasterise import draw
from limner.data.annotations.shapes import Reading
from limner.data.annotations.writing import coco_categories, coco_object, to_geojson, to_labelme, to_svg
from limner.data.traces.outlines import fill_outline

# pycocotools of today with NumPy of today.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("cell", "nucleus & co")
COLORS = ((250, 40, 10), (0, 0, 200))
MASKS = arrays(bool, some.tuples(some.integers(1, 9), some.integers(1, 9)))


def objects(planes: list[np.ndarray], simplify: float = 0.0) -> list[Outlined]:
    found = objects_of(iter(enumerate(planes)))
    return [one for part in found for one in outlined(part, NAMES[part.index], COLORS[part.index], simplify)]


def drawn(reading: Reading, size: tuple[int, int]) -> list[np.ndarray]:
    planes = [np.zeros(size, bool) for _ in NAMES]
    for shape in reading.pictures[0].shapes:
        assert not shape.doubt
        part = draw(shape, size)
        assert not part.beyond
        planes[NAMES.index(shape.label)][part.place] |= part.mask
    return planes


def through_coco(found: list[Outlined], size: tuple[int, int]) -> Reading:
    entries = [coco_object(one, NAMES.index(one.label) + 1, size) for one in found]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}],
        "categories": coco_categories((number, name, COLORS[number - 1]) for number, name in enumerate(NAMES, start=1)),
        "annotations": [{"id": number, "image_id": 1, **entry} for number, entry in enumerate(entries, start=1)],
    }
    for entry, one in zip(entries, found, strict=True):
        segmentation = entry["segmentation"]
        # Another program's judgement: what pycocotools makes of it.
        runs = coco_mask.frPyObjects(segmentation, *size)
        theirs = coco_mask.decode(coco_mask.merge(runs) if isinstance(runs, list) else runs)
        assert theirs.sum() == entry["area"] == one.mask.sum()
        np.testing.assert_array_equal(
            coco_mask.toBbox(runs if isinstance(runs, dict) else coco_mask.merge(runs)), entry["bbox"]
        )
    return coco.read(json.loads(json.dumps(document)), "a.json")


def through_labelme(found: list[Outlined], size: tuple[int, int]) -> Reading:
    reading = labelme.read(json.loads(to_labelme(found, "a.png", size)), "a.json")
    assert reading.pictures[0].size == size
    return reading


def through_geojson(found: list[Outlined], size: tuple[int, int]) -> Reading:
    return geojson.read(json.loads(to_geojson(found)), "a.geojson")


@pytest.mark.parametrize("way", [through_coco, through_labelme, through_geojson])
@settings(max_examples=40)
@given(first=MASKS, seed=some.integers(0, 9))
def test_every_mask_comes_back_pixel_by_pixel(way, first, seed):
    # The second class lies over the first in part, as in multilabel masks.
    second = np.random.default_rng(seed).random(first.shape) > 0.6
    found = objects([first, second])
    for plane, back in zip([first, second], drawn(way(found, first.shape), first.shape), strict=True):
        np.testing.assert_array_equal(back, plane)


@given(mask=MASKS)
def test_svg_draws_the_very_pixels(mask):
    svg = to_svg(objects([mask]), "a <b>", mask.shape)
    assert "a &lt;b&gt;" in svg
    filled = np.zeros(mask.shape, bool)
    for way in re.findall(r' d="([^"]*)"', svg):
        part = np.zeros(mask.shape, bool)
        for ring in way.strip("MZ").split("ZM"):
            points = np.array([[float(number) for number in point.split()] for point in ring.split("L")])
            part ^= fill_outline(points[:, ::-1] - 0.5, mask.shape)
        filled |= part
    np.testing.assert_array_equal(filled, mask)


@given(mask=MASKS)
def test_objects_are_the_regions_that_touch_at_sides_or_corners(mask):
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    found = objects([mask])
    assert [one.number for one in found] == list(range(1, count + 1))
    for one in found:
        height, width = one.mask.shape
        inside = np.zeros(mask.shape, bool)
        inside[one.top : one.top + height, one.left : one.left + width] = one.mask
        np.testing.assert_array_equal(inside, labels == one.number)


@given(mask=MASKS, top=some.integers(0, 2), left=some.integers(0, 2))
def test_runs_down_the_columns_are_those_of_pycocotools(mask, top, left):
    size = (mask.shape[0] + 2, mask.shape[1] + 2)
    whole = np.zeros(size, np.uint8, order="F")
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    runs = coco_mask.frPyObjects({"size": list(size), "counts": downward_runs(mask, (top, left), size).tolist()}, *size)
    np.testing.assert_array_equal(coco_mask.decode(runs), whole)


def test_an_outline_follows_the_edges_of_pixels_from_corner_to_corner():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    (one,) = objects([np.pad(ring, ((1, 0), (2, 0)))])
    ((outer, hole),) = one.polygons
    assert outer.tolist() == [[2, 1], [5, 1], [5, 4], [2, 4]]
    assert sorted(hole.tolist()) == [[3, 2], [3, 3], [4, 2], [4, 3]]
    assert not one.whole


def test_pixels_that_touch_at_a_corner_are_two_polygons_of_one_object():
    (one,) = objects([np.eye(2, dtype=bool)])
    assert len(one.polygons) == 2
    assert json.loads(to_geojson([one]))["features"][0]["geometry"]["type"] == "MultiPolygon"
    shapes = json.loads(to_labelme([one], "a.png", (2, 2)))["shapes"]
    assert [shape["group_id"] for shape in shapes] == [1, 1]


def test_simpler_outlines_stay_near():
    rows, columns = np.mgrid[:60, :60]
    disc = (rows - 30) ** 2 + (columns - 30) ** 2 < 20**2
    (exact,), (simple,) = objects([disc]), objects([disc], simplify=1.0)
    points = simple.polygons[0][0]
    assert 6 <= len(points) < len(exact.polygons[0][0]) / 3
    filled = fill_outline(points[:, ::-1] - 0.5, disc.shape)
    # Nothing farther than a pixel from the outline changes.
    assert (filled == disc)[
        ~(ndimage.binary_dilation(disc, iterations=2) & ~ndimage.binary_erosion(disc, iterations=2))
    ].all()
    (speck,) = objects([np.ones((1, 1), bool)], simplify=5.0)
    assert len(speck.polygons[0][0]) == 4


def test_other_programs_find_classes_and_colours():
    found = objects([np.ones((1, 1), bool), np.ones((1, 1), bool)])
    feature = json.loads(to_geojson(found))["features"][1]
    assert feature["properties"]["classification"] == {"name": "nucleus & co", "color": [0, 0, 200]}
    assert [(one.name, one.color) for one in through_coco(found, (1, 1)).declared] == list(
        zip(NAMES, COLORS, strict=True)
    )
    assert 'data-class="nucleus &amp; co" fill="#0000c8"' in to_svg(found, "a", (1, 1))
