"""labelme: its kinds of shapes, pictures that were renamed, and pictures inside the annotation."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import read_mask


def shape(kind, points, label="cell", **more):
    return {"label": label, "shape_type": kind, "points": points, **more}


@pytest.fixture
def convert(desk):
    """Converts shapes of one picture; gives result and mask."""

    def run(*shapes, **changes):
        desk.write_scene("labelme", {**desk.scene("labelme"), "shapes": list(shapes), **changes})
        result = desk.convert(overlap="later")
        return result, read_mask(str(result.folder / "masks/a.png")).array

    return run


def test_a_circle_is_its_middle_and_a_point_on_it(convert):
    _, mask = convert(shape("circle", [[20, 15], [23, 19]]))
    rows, columns = np.mgrid[:40, :60] + 0.5
    assert np.array_equal(mask == 1, (rows - 15) ** 2 + (columns - 20) ** 2 < 25)


def test_a_rectangle_is_two_corners_in_any_order(convert):
    _, mask = convert(shape("rectangle", [[30, 3], [20, 9]]))
    assert np.argwhere(mask).min(axis=0).tolist() == [3, 20]
    assert mask.sum() == 60


def test_lines_enclose_something_only_if_they_come_back(convert, desk):
    corners = [[2, 2], [8, 2], [8, 8], [2, 8]]
    result, mask = convert(
        shape("linestrip", [*corners, corners[0]]), shape("linestrip", corners), shape("line", corners[:2])
    )
    assert mask.sum() == 36
    assert [doubt.kind for doubt in result.doubts] == ["unclosed", "unclosed"]


def test_polygons_of_two_points_and_of_no_area_are_left_out(convert):
    result, _ = convert(
        shape("polygon", [[2, 2], [9, 9]]),
        shape("polygon", [[2, 2], [9, 2], [4, 2]]),
        shape("polygon", [[70, 50], [90, 50], [90, 60]]),
        shape("rectangle", [[1, 1], [4, 4]]),
    )
    assert [doubt.kind for doubt in result.doubts] == ["unclosed", "empty-shape", "outside", "box"]


def test_an_outline_that_crosses_itself_is_filled_by_turns_and_said(convert):
    result, mask = convert(shape("polygon", [[2, 2], [12, 12], [12, 2], [2, 12]]))
    assert [doubt.kind for doubt in result.doubts] == ["self-crossing"]
    assert 40 <= mask.sum() <= 60


def test_the_shape_type_may_be_missing_as_in_old_files(convert):
    old = {"label": "cell", "points": [[2, 2], [8, 2], [8, 8], [2, 8]], "line_color": None}
    assert convert(old)[1].sum() == 36


def test_background_cuts_holes_and_ignore_takes_no_part(convert):
    result, mask = convert(
        shape("rectangle", [[0, 0], [10, 10]]),
        shape("rectangle", [[2, 2], [5, 5]], "_background_"),
        shape("rectangle", [[20, 0], [22, 2]], "__ignore__"),
    )
    assert (int((mask == 1).sum()), int((mask == 255).sum())) == (91, 4)
    assert [one.name for one in result.classes] == ["cell"]
    assert not result.lost


def test_background_and_ignore_have_no_place_where_all_classes_stay(desk):
    marks = [shape("rectangle", [[0, 0], [9, 9]], label) for label in ("cell", "nucleus", "__ignore__")]
    desk.write_scene("labelme", {**desk.scene("labelme"), "shapes": marks})
    with pytest.raises(DataError, match="1 shapes of the background or to ignore"):
        desk.convert(overlap="multilabel")


def test_a_picture_that_was_renamed_is_found_by_the_name_of_its_annotation(desk):
    desk.write_scene("labelme", {**desk.scene("labelme"), "imagePath": "IMG_0001.jpg"})
    result = desk.convert(overlap="later")
    assert "renamed" in desk.kinds(result)


def test_a_picture_that_only_the_annotation_holds_is_written_out(desk):
    data = (desk.root / "a.png").read_bytes()
    (desk.root / "a.png").unlink()
    desk.write_scene("labelme", {**desk.scene("labelme"), "imageData": base64.b64encode(data).decode()}, "b.json")
    result = desk.convert(overlap="later")
    assert (result.folder / "images/b.png").read_bytes() == data
    assert "b,images/b.png,masks/b.png" in (result.folder / "samples.csv").read_text()
    assert "embedded" in desk.kinds(result)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (shape("mask", [[4, 4], [9, 9]], mask="AAAA"), "shape 1"),
        (shape("mask", [[4, 4], [9, 9]], mask="not base 64!"), "base 64"),
        (shape("circle", [[4, 4]]), "two points of the circle"),
        (shape("blob", [[4, 4]]), "the shape_type 'blob'"),
        (shape("polygon", [[1, "x"], [2, 3], [4, 5]]), "points"),
        ({"label": None, "points": []}, "label"),
    ],
)
def test_shapes_that_make_no_sense_stop_with_their_place(desk, bad, says):
    desk.write_scene("labelme", {**desk.scene("labelme"), "shapes": [bad]})
    with pytest.raises(DataError) as error:
        desk.convert()
    assert says in str(error.value)
    assert "a.json" in str(error.value)


def test_shapes_of_one_group_are_one_object(desk):
    group = [shape("rectangle", [[x, 2], [x + 4, 6]], group_id=7) for x in (2, 12)]
    desk.write_scene("labelme", {**desk.scene("labelme"), "shapes": [*group, shape("rectangle", [[30, 2], [34, 6]])]})
    result = desk.convert(instances=True)
    objects = read_mask(str(result.folder / "instances/a.png")).array
    assert np.unique(objects, return_counts=True)[1].tolist() == [2400 - 48, 32, 16]
    assert (result.folder / "instances.csv").read_text().splitlines()[1:] == ["a,1,cell,32", "a,2,cell,16"]
