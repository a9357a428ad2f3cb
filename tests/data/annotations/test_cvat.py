"""CVAT: what lies above what, turned shapes, run lengths, and exports of another kind."""

from __future__ import annotations

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import read_mask


@pytest.fixture
def convert(desk):
    """Converts elements of one picture; gives result and mask."""

    def run(*elements, **wishes):
        start, _, _ = desk.scene("cvat").partition("  <mask")
        desk.write_scene("cvat", f"{start}{''.join(elements)}</image></annotations>")
        result = desk.convert(**wishes)
        return result, read_mask(str(result.folder / "masks/a.png")).array

    return run


def box(label, left, top, right, bottom, **more):
    others = " ".join(f'{name}="{value}"' for name, value in more.items())
    return f'<box label="{label}" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" {others}></box>'


def test_the_order_in_the_file_settles_an_overlap(convert):
    result, mask = convert(box("cell", 2, 2, 12, 12, z_order=3), box("nucleus", 8, 2, 18, 12, z_order=1))
    assert (mask[5, 9], mask[5, 15]) == (1, 2)
    assert {doubt.label: doubt.pixels for doubt in result.doubts if doubt.kind == "overlap"} == {
        "cell over nucleus": 40
    }


def test_a_box_turns_about_its_middle(convert):
    _, mask = convert(box("cell", 10, 10, 20, 14, rotation=90))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max(), len(rows)) == (7, 16, 13, 16, 40)


def test_an_ellipse_holds_the_centres_within_it(convert):
    _, mask = convert('<ellipse label="nucleus" cx="25" cy="18.3" rx="14.2" ry="7.9" rotation="30"/>')
    rows, columns = np.mgrid[:40, :60] + 0.5
    across, down, angle = columns - 25, rows - 18.3, np.deg2rad(30)
    along = (across * np.cos(angle) + down * np.sin(angle)) / 14.2
    beside = (down * np.cos(angle) - across * np.sin(angle)) / 7.9
    assert np.array_equal(mask == 2, along**2 + beside**2 < 1)


def test_the_last_run_of_a_mask_may_be_left_out(convert):
    _, mask = convert('<mask label="cell" rle="1, 2" left="5" top="3" width="4" height="2"/>')
    assert np.argwhere(mask).tolist() == [[3, 6], [3, 7]]


def test_lines_points_and_cuboids_are_left_out(convert, desk):
    result, _ = convert(
        box("cell", 2, 2, 12, 12),
        '<polyline label="cell" points="1,1;5,5;9,1"/>',
        '<points label="cell" points="1,1;5,5"/>',
        '<cuboid label="cell" xtl1="1"/>',
        '<tag label="cell"/>',
        '<polyline label="cell" points="20,20;25,20;25,25;20,20"/>',
    )
    assert sorted(doubt.kind for doubt in result.doubts if doubt.lost) == [*["no-outline"] * 3, "unclosed"]
    assert result.classes[0].shapes == 2


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ('<mask label="cell" rle="9, 9" left="5" top="3" width="4" height="2"/>', "18 pixels"),
        ('<mask label="cell" rle="8" left="5" top="3" width="4000" height="2"/>', "within the picture"),
        ('<mask label="cell" rle="a" left="5" top="3" width="4" height="2"/>', "integer"),
        ('<polygon label="cell" points="1,1;2"/>', "polygon 1"),
        ('<polygon label="cell" points="1,1;nan,2;3,3"/>', "finite"),
        ('<box label="cell" xtl="1" ytl="2"/>', "xbr"),
        ('<ellipse label="cell" cx="1" cy="2" rx="-1" ry="2"/>', "rx"),
    ],
)
def test_shapes_that_make_no_sense_stop_with_their_place(convert, element, says):
    with pytest.raises(DataError) as error:
        convert(element)
    assert says in str(error.value)
    assert "image 'a.png'" in str(error.value)


def test_tracks_of_a_video_are_refused_with_a_word(desk):
    desk.write_scene("cvat", '<annotations><track id="0" label="cell"></track></annotations>')
    with pytest.raises(DataError, match="CVAT for images"):
        desk.convert()


def test_subsets_are_the_splits(desk):
    content = desk.scene("cvat").replace('id="0"', 'id="0" subset="Validation"')
    desk.write_scene("cvat", content)
    result = desk.convert(overlap="later")
    assert (result.folder / "samples.csv").read_text().splitlines()[1].endswith(",val")
