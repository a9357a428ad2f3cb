from __future__ import annotations

import numpy as np

from limner.examples.pens import Pen, draw_stroke, inside
from limner.examples.traced_hearts import EXPERTS, write_traced_hearts
from limner.images import Source, read_image


def test_the_folders_are_those_of_the_project_clutter_and_all(tmp_path):
    write_traced_hearts(tmp_path, count=3)
    for expert, (traced, untraced) in EXPERTS.items():
        assert (tmp_path / "Traced" / expert / traced / ".DS_Store").exists()
        names = [{p.stem for p in (tmp_path / "Traced" / expert / part).glob("heart*")} for part in (traced, untraced)]
        assert names[0] == names[1]
    pictures = [name for name in Source.open(tmp_path).files() if not name.endswith(".txt")]
    assert len(pictures) == 8
    assert all(read_image(str(tmp_path / name)).shape == (208, 174, 3) for name in pictures)


def test_the_inside_of_a_square_holds_the_pixels_whose_centre_it_holds():
    square = np.array([[0.5, 0.5], [0.5, 3.5], [2.5, 3.5], [2.5, 0.5]])
    assert inside(square, (4, 5)).astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_lifted_pen_leaves_a_gap_of_the_length_asked_for():
    white = np.full((60, 200, 3), 255, np.uint8)
    # The upper side of this box is the only one inside the picture.
    corners = np.array([[30.0, -900.0], [30.0, 1100.0], [930.0, 1100.0], [930.0, -900.0]])
    rng = np.random.default_rng(0)
    pen = Pen(4.0, gaps=1, gap=12.0)
    for _ in range(20):
        row = draw_stroke(rng, white, pen.wavered(rng, corners), (0, 0, 0), pen)[30, :, 0]
        if 0 < (row == 255).sum() < 150 and row[0] == row[-1] == 0:
            assert abs((255 - row[row > 0].astype(float)).sum() / 255 + 12 - (row > 0).sum()) < 1.5
            return
