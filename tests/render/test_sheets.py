from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from limner.render import ERROR_LEGEND, contact_sheet, grid


def picture(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def read(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_grid_puts_pictures_in_the_middle_of_their_cells():
    sheet = grid([[picture(2, 3, 10), picture(4, 1, 20)], [picture(1, 5, 30)]], gap=1, background=(9, 9, 9))
    expected = [
        [9, 9, 9, 9, 9, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9, 20, 9],
        [9, 9, 10, 10, 10, 9, 9, 20, 9],
        [9, 9, 10, 10, 10, 9, 9, 20, 9],
        [9, 9, 9, 9, 9, 9, 9, 20, 9],
        [9, 9, 9, 9, 9, 9, 9, 9, 9],
        [9, 30, 30, 30, 30, 30, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9, 9, 9],
    ]
    np.testing.assert_array_equal(sheet[..., 1], np.array(expected)[:, : sheet.shape[1]])


def test_grid_of_nothing():
    assert grid([], gap=2).shape == (2, 2, 3)


def test_contact_sheet_shows_every_picture_and_legend_colour():
    rows = [[picture(40, 40, 60), picture(40, 80, 90)], [picture(60, 30, 120)]]
    sheet = read(
        contact_sheet(
            rows,
            heading="Validation",
            titles=["Image", "Errors"],
            captions=[["a.png", "b.png"], ["c.png"]],
            legend=ERROR_LEGEND,
        )
    )
    for value in (60, 90, 120):
        assert (sheet == value).all(axis=2).sum() > 1000
    for _, color in ERROR_LEGEND:
        assert (sheet == color).all(axis=2).sum() > 50


def test_text_makes_room_for_itself():
    rows = [[picture(20, 20, 60)]]
    bare = read(contact_sheet(rows)).shape[0]
    for extra in ({"heading": "x"}, {"titles": ["x"]}, {"captions": [["x"]]}, {"legend": [("x", (1, 2, 3))]}):
        assert read(contact_sheet(rows, **extra)).shape[0] > bare + 20


def test_names_of_files_are_written_as_they_are():
    """Dollar signs and underscores are no formula, and long names do not run into their neighbours."""
    png = contact_sheet(
        [[picture(20, 20, 60)]], captions=[["$a_1^{$.png" + "x" * 300]], legend=[("cost_$x^{$", (0, 0, 0))]
    )
    sheet = read(png)
    assert (sheet[:, :20] == 255).all()
    assert (sheet[:, -20:] == 255).all()


@pytest.mark.parametrize("count", [1, 5, 30])
def test_long_legends_stay_on_the_sheet(count):
    legend = [(f"class number {number}", (10, 20, 30)) for number in range(count)]
    sheet = read(contact_sheet([[picture(20, 20, 60)]], legend=legend))
    assert (sheet[:, -16:] == 255).all()
    assert (sheet[-16:] == 255).all()
    squares = (sheet == (10, 20, 30)).all(axis=2).sum()
    assert squares > 100 * count


def test_the_same_sheet_has_the_same_bytes():
    rows = [[picture(20, 20, 60)]]
    assert contact_sheet(rows, heading="a") == contact_sheet(rows, heading="a")


def test_importing_render_imports_neither_matplotlib_nor_torch():
    code = "import sys, limner.render; print([name for name in ('matplotlib', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_that_are_not_utf8_are_drawn_as_far_as_they_go():
    picture = np.zeros((8, 8, 3), np.uint8)
    assert contact_sheet([[picture]], captions=[["a\udcff.png"]])[1:4] == b"PNG"
