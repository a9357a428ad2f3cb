"""Draw outlines, save as JPEG, read them back: the masks are those that were drawn."""

from __future__ import annotations

import pytest

from limner.data.traces import parse_inks, read_tracing
from limner.examples.pens import Pen

INKS = parse_inks()


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def check(heart, jpeg, pen, quality, number, least):
    drawn = heart(pen, number)
    results = read_tracing(jpeg(drawn.traced, quality), jpeg(drawn.image, quality), INKS)
    for ink, truth in drawn.masks.items():
        assert results[ink].mask is not None, f"{ink}: {results[ink].doubts}"
        assert iou(results[ink].mask, truth) >= least, ink


@pytest.mark.parametrize(("width", "quality", "gaps"), [(1, 95, 0), (2, 80, 1), (3, 60, 0), (3, 95, 2), (5, 75, 0)])
def test_masks_come_back(heart, jpeg, width, quality, gaps):
    check(heart, jpeg, Pen(float(width), gaps=gaps, gap=6.0), quality, number=0, least=0.98 if quality > 75 else 0.97)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("gaps", [0, 1, 2])
@pytest.mark.parametrize("smooth", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("quality", [60, 75, 85, 95])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_masks_come_back_from_every_pen(heart, jpeg, width, quality, smooth, gaps, number):
    # Structures of 900 pixels lose 1 % of their IoU to each tenth of a pixel; thin strokes in
    # strong compression are known to a fifth.
    least = 0.95 if width == 1 and quality < 75 else 0.965 if quality < 75 or width == 1 else 0.97
    check(heart, jpeg, Pen(float(width), smooth=smooth, gaps=gaps, gap=6.0), quality, number, least)
