"""Label Studio: per cent, turned shapes, several annotators, and where its pictures lie."""

from __future__ import annotations

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import read_mask

SIZE = {"original_width": 60, "original_height": 40, "image_rotation": 0}


def region(kind, number="1", label="cell", **value):
    return {"id": number, "type": kind, **SIZE, "value": {**value, kind: [label]}}


@pytest.fixture
def convert(desk):
    """Converts regions of one picture; gives result and mask."""

    def run(*regions, **changes):
        task = {**desk.scene("labelstudio")[0], "annotations": [{"result": list(regions)}], **changes}
        desk.write_scene("labelstudio", [task])
        result = desk.convert(overlap="later")
        return result, read_mask(str(result.folder / "masks/a.png")).array

    return run


def test_a_rectangle_turns_about_its_top_left_corner(convert):
    _, mask = convert(region("rectanglelabels", x=50, y=25, width=20, height=10, rotation=90))
    # 30…42 × 10…14 turned clockwise about (30, 10): 26…30 × 10…22.
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max(), len(rows)) == (10, 21, 26, 29, 48)


def test_radii_are_per_cent_of_width_and_height(convert):
    _, mask = convert(region("ellipselabels", x=50, y=50, radiusX=25, radiusY=25, rotation=0))
    rows, columns = np.mgrid[:40, :60] + 0.5
    assert np.array_equal(mask == 1, ((columns - 30) / 15) ** 2 + ((rows - 20) / 10) ** 2 < 1)


def test_a_label_may_stand_in_an_entry_of_its_own(convert):
    value = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "closed": True}
    result, mask = convert(
        {"id": "x", "type": "polygon", **SIZE, "value": value},
        {"id": "x", "type": "labels", **SIZE, "value": {**value, "labels": ["tissue"]}},
    )
    assert result.classes[0].name == "tissue"
    assert mask.sum() == 30 * 20


def test_what_has_no_outline_is_left_out(convert, desk):
    square = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]]}
    result, _ = convert(
        region("polygonlabels", **square),
        region("polygonlabels", **square, closed=False),
        region("keypointlabels", x=1, y=2, width=0.4),
        {**region("rectanglelabels", x=1, y=1, width=9, height=9), "image_rotation": 90},
        {"id": "c", "type": "choices", "value": {"choices": ["blurred"]}},
    )
    assert [doubt.kind for doubt in result.doubts] == ["unclosed", "no-outline", "rotated"]


def test_of_several_annotators_the_first_is_used_and_cancelled_ones_are_none(convert, desk):
    whole = region("rectanglelabels", x=0, y=0, width=100, height=100)
    part = region("rectanglelabels", x=0, y=0, width=50, height=100)
    result, mask = convert(annotations=[{"was_cancelled": True, "result": [whole]}, {"result": [part]}])
    assert (mask.sum(), result.lost) == (1200, False)
    result, mask = convert(annotations=[{"result": [part]}, {"result": [whole]}])
    assert (mask.sum(), result.lost) == (1200, True)
    assert "repeated-picture" in desk.kinds(result)


def test_tasks_nobody_has_done_are_not_empty_masks(desk):
    desk.picture("b.png")
    desk.picture("c.png")
    task = desk.scene("labelstudio")[0]
    nothing = [{"result": []}]
    tasks = [task, {"id": 6, "data": {"image": "b.png"}, "annotations": []}]
    tasks.append({"id": 7, "data": {"image": "c.png"}, "annotations": nothing})
    desk.write_scene("labelstudio", tasks)
    result = desk.convert(overlap="later")
    assert {doubt.kind: doubt.picture for doubt in result.doubts if doubt.picture in ("b.png", "c.png")} == {
        "unannotated": "b.png",
        "no-shapes": "c.png",
    }


def test_the_short_export_is_read_too(desk):
    short = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "polygonlabels": ["cell"], **SIZE}
    task = {"image": "s3://bucket/scans/a.png", "id": 1, "label": [short], "annotator": 1, "annotation_id": 4}
    desk.write_scene("labelstudio", [task])
    assert desk.convert().classes[0].pixels == 600


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (region("brushlabels", format="rle", rle=[0, 0, 0, 9, 1]), "brush"),
        (region("brushlabels", format="rle", rle=[0, 300]), "less than or equal to 255"),
        ({**region("rectanglelabels", x=1, y=1, width=9, height=9), "original_width": None}, "original_width"),
        (region("polygonlabels", points=[[1, 2], [3]]), "region 1"),
    ],
)
def test_regions_that_make_no_sense_stop_with_their_place(convert, bad, says):
    with pytest.raises(DataError) as error:
        convert(bad)
    assert says in str(error.value)
    assert "task 5" in str(error.value)
