"""Who gets the pixels that two classes claim, and which claims are but seams."""

from __future__ import annotations

import numpy as np
import pytest

from limner.data.annotations.overlaps import Mark, paint
from limner.data.annotations.rasterise import Drawn
from limner.errors import DataError

SIZE = (20, 30)


def block(class_id, top, left, bottom, right, order=None):
    return Mark(class_id, Drawn(top, left, np.ones((bottom - top, right - left), bool)), order)


def test_the_later_lies_above():
    painted = paint([block(1, 0, 0, 10, 10), block(2, 0, 8, 10, 20)], SIZE, "later")
    assert (painted.ids[5, 7], painted.ids[5, 9], painted.ids[15, 25]) == (1, 2, 0)
    (overlap,) = painted.overlaps
    assert (overlap.above, overlap.below, overlap.pixels, overlap.seam) == (1, 0, 20, True)


def test_the_smaller_lies_above_whatever_the_order():
    nested = [block(2, 4, 4, 8, 8, order=0), block(1, 0, 0, 12, 12, order=5)]
    assert paint(nested, SIZE, "smaller").ids[5, 5] == 2
    assert paint(nested, SIZE, "later").ids[5, 5] == 1


def test_a_nested_shape_is_no_seam_and_a_stated_order_is_noted():
    (overlap,) = paint([block(1, 0, 0, 12, 12), block(2, 4, 4, 8, 8)], SIZE, "auto").overlaps
    assert (overlap.seam, overlap.stated) == (False, False)
    (overlap,) = paint([block(1, 0, 0, 12, 12, 1), block(2, 4, 4, 8, 8, 2)], SIZE, "auto").overlaps
    assert overlap.stated


def test_shapes_of_one_class_do_not_overlap():
    assert paint([block(1, 0, 0, 12, 12), block(1, 4, 4, 18, 18)], SIZE, "auto").overlaps == ()


def overlapping(desk, left):
    content = desk.scene("labelme")
    content["shapes"] = [
        {"label": "cell", "points": [[2, 2], [22, 2], [22, 22], [2, 22]]},
        {"label": "nucleus", "points": [[left, 2], [left + 20, 2], [left + 20, 22], [left, 22]]},
    ]
    desk.write_scene("labelme", content)


def test_seams_are_settled_and_counted_but_not_where_any_overlap_is_to_stop(desk):
    overlapping(desk, 21)
    result = desk.convert()
    assert [(doubt.kind, doubt.pixels, doubt.label) for doubt in result.doubts] == [
        ("overlap", 20, "nucleus over cell")
    ]
    assert not result.lost
    with pytest.raises(DataError, match="--overlap smaller"):
        desk.convert(overlap="stop")


def test_a_shape_that_disappears_is_named(desk):
    content = desk.scene("labelme")
    content["shapes"] = [
        {"label": "nucleus", "points": [[5, 5], [9, 5], [9, 9], [5, 9]]},
        {"label": "cell", "points": [[2, 2], [22, 2], [22, 22], [2, 22]]},
    ]
    desk.write_scene("labelme", content)
    assert desk.kinds(desk.convert(overlap="later")) == ["hidden", "overlap"]
    assert desk.kinds(desk.convert(overlap="smaller")) == ["overlap"]
    assert desk.kinds(desk.convert(overlap="multilabel")) == ["overlap"]
