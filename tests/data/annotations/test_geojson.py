"""GeoJSON as QuPath writes it."""

from __future__ import annotations

import pytest

from limner.errors import DataError


def square(left, side=6):
    return [[left, 2], [left + side, 2], [left + side, 2 + side], [left, 2 + side], [left, 2]]


def feature(kind, coordinates, **properties):
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def test_several_polygons_with_holes_are_one_shape(desk):
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    desk.write_scene(
        "geojson", feature("MultiPolygon", [[square(2), hole], [square(20)]], classification={"name": "T"})
    )
    result = desk.convert()
    assert (result.classes[0].shapes, result.classes[0].pixels) == (1, 36 - 4 + 36)


def test_colours_are_three_numbers_or_a_packed_one(desk):
    old = {"name": "old", "colorRGB": -3_670_016}  # 0xFFC80000
    new = {"name": "new", "color": [1, 2, 3]}
    desk.write_scene(
        "geojson",
        [feature("Polygon", [square(2)], classification=old), feature("Polygon", [square(20)], classification=new)],
    )
    assert {one.name: one.color for one in desk.convert().classes} == {"new": (1, 2, 3), "old": (200, 0, 0)}


def test_objects_without_class_are_one_class_if_none_has_one(desk):
    plain = [feature("Polygon", [square(2)]), feature("Polygon", [square(20)], classification=None)]
    desk.write_scene("geojson", {"type": "FeatureCollection", "features": plain})
    result = desk.convert()
    assert [(one.name, one.shapes) for one in result.classes] == [("object", 2)]
    assert desk.convert(classes=("nucleus",)).classes[0].name == "nucleus"
    named = feature("Polygon", [square(40)], classification={"name": "T"})
    desk.write_scene("geojson", {"type": "FeatureCollection", "features": [*plain, named]})
    result = desk.convert()
    assert (desk.kinds(result), result.lost) == (["no-label"], True)


def test_lines_and_points_are_left_out(desk):
    features = [
        feature("Polygon", [square(2)]),
        feature("LineString", square(2)[:3]),
        feature("Point", [1, 2]),
        {"type": "Feature", "geometry": None, "properties": {}},
    ]
    desk.write_scene("geojson", {"type": "FeatureCollection", "features": features})
    assert [doubt.kind for doubt in desk.convert().doubts] == ["unclosed", "no-outline", "no-outline"]


def test_a_picture_without_features_has_an_empty_mask(desk):
    desk.picture("b.png")
    desk.write_scene("geojson")
    desk.write({"type": "FeatureCollection", "features": []}, "b.geojson")
    result = desk.convert(overlap="later")
    assert (result.pictures, "no-shapes" in desk.kinds(result)) == (2, True)


@pytest.mark.parametrize(
    ("kind", "coordinates"),
    [
        ("Polygon", [[[1]]]),
        ("Polygon", 7),
        ("Curve", []),
        ("MultiPolygon", [square(2)]),
        ("Polygon", [[[1, 1e99], [2, 2]]]),
    ],
)
def test_geometry_that_makes_no_sense_stops_with_its_place(desk, kind, coordinates):
    desk.write_scene("geojson", {"type": "FeatureCollection", "features": [feature(kind, coordinates)]})
    with pytest.raises(DataError, match=r"a\.geojson, feature 1"):
        desk.convert()
