"""Draw outlines, save as JPEG, read them back: the masks are those that were drawn."""

from __future__ import annotations

import pytest

from limner.data.traces.experts import Pair
from limner.data.traces.inks import parse_inks
from limner.data.traces.picture import read_picture
from limner.examples.pens import Pen

INKS = parse_inks()


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.fixture
def check(heart, jpeg, tmp_path):
    """Asks an IoU of 0.98 for every structure."""

    def run(pen, quality, number, *, subsampling=2):
        drawn = heart(pen, number)
        paths = [tmp_path / name for name in ("traced.jpg", "untraced.jpg")]
        for path, picture in zip(paths, (drawn.traced, drawn.image), strict=True):
            path.write_bytes(jpeg(picture, quality, subsampling))
        (tracing,) = read_picture("heart", {"": Pair("heart", *map(str, paths))}, INKS, gap=6.0).tracings
        for ink, truth in drawn.masks.items():
            assert tracing.results[ink].mask is not None, f"{ink}: {tracing.results[ink].doubts}"
            assert iou(tracing.results[ink].mask, truth) >= 0.98, ink

    return run


@pytest.mark.parametrize(("width", "smooth", "gaps"), [(1, False, 0), (5, True, 2)])
def test_masks_come_back(check, width, smooth, gaps):
    check(Pen(float(width), smooth=smooth, gaps=gaps, gap=6.0), 60, 0)


@pytest.mark.slow
@pytest.mark.parametrize("subsampling", [0, 1])
def test_colour_may_be_stored_more_finely(check, subsampling):
    check(Pen(2.0), 60, 0, subsampling=subsampling)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("gaps", [0, 2])
@pytest.mark.parametrize("smooth", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_masks_come_back_from_every_pen(check, width, quality, smooth, gaps, number):
    check(Pen(float(width), smooth=smooth, gaps=gaps, gap=6.0), quality, number)
