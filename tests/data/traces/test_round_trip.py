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


@pytest.mark.parametrize(("width", "quality", "gaps"), [(1, 60, 0), (5, 60, 2)])
def test_masks_come_back(heart, jpeg, width, quality, gaps):
    check(heart, jpeg, Pen(float(width), gaps=gaps, gap=6.0), quality, number=0, least=0.98)


def bound(width, quality, smooth):
    """The least IoU to ask for: 0.98, but less where the files no longer tell so much.

    At low quality a stroke of one pixel has hardly any colour left, and one without soft edges lies
    on whole pixels.
    """
    if quality > 60 or (smooth and width > 1):
        return 0.98
    return {(1, True): 0.975, (1, False): 0.97}.get((width, smooth), 0.975)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("gaps", [0, 2])
@pytest.mark.parametrize("smooth", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_masks_come_back_from_every_pen(heart, jpeg, width, quality, smooth, gaps, number):
    pen = Pen(float(width), smooth=smooth, gaps=gaps, gap=6.0)
    check(heart, jpeg, pen, quality, number, bound(width, quality, smooth))
