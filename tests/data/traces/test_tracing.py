from __future__ import annotations

import numpy as np
import pytest

from limner.data.traces.inks import parse_inks
from limner.data.traces.tracing import read_tracing
from limner.examples.pens import Pen, draw_stroke, inside

INKS = parse_inks(["blue", "red"])
BLUE, RED = (20, 40, 235), (225, 25, 30)
SIZE = (120, 140)


def circle(center, radius):
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    return np.array(center) + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def arc(center, radius, start, end):
    angle = np.linspace(start, end, 3000)
    return np.array(center) + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)


@pytest.fixture
def grey():
    noise = np.random.default_rng(0).normal(120, 6, SIZE)
    return np.repeat(noise.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def draw(picture, *strokes, width=2.0):
    rng = np.random.default_rng(0)
    for line, color in strokes:
        picture = draw_stroke(rng, picture, line, color, Pen(width))
    return picture


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def kinds(traced):
    return [doubt.kind for doubt in traced.doubts]


def test_the_mask_ends_in_the_middle_of_the_stroke(grey):
    for width in (1.0, 3.0, 5.0):
        traced = draw(grey, (circle((60, 70), 30), BLUE), width=width)
        blue = read_tracing(traced, grey, INKS)["blue"]
        assert blue.mask.sum() == pytest.approx(np.pi * 30**2, rel=0.01)
        assert blue.doubts == ()


def test_a_colour_that_is_not_there_is_unfilled(grey):
    traced = draw(grey, (circle((60, 70), 30), BLUE))
    red = read_tracing(traced, grey, INKS)["red"]
    assert red.unfilled
    assert kinds(red) == ["no ink"]


def test_a_wide_gap_stays_open_and_is_located(grey):
    line = arc((60, 70), 30, 0.25, 2 * np.pi - 0.25)
    blue = read_tracing(draw(grey, (line, BLUE)), grey, INKS)["blue"]
    assert blue.unfilled
    assert kinds(blue) == ["open"]
    assert blue.doubts[0].at == pytest.approx((60, 100), abs=4)


def test_a_stroke_nearby_does_not_close_a_wide_gap(grey):
    open_one, beside = arc((60, 55), 28, 0.4, 2 * np.pi - 0.4), circle((60, 100), 16)
    results = read_tracing(draw(grey, (open_one, BLUE), (beside, RED)), grey, INKS)
    assert results["blue"].unfilled
    assert iou(results["red"].mask, inside(beside, SIZE)) > 0.97


def test_a_wider_gap_setting_closes_it(grey):
    line = arc((60, 70), 30, 0.25, 2 * np.pi - 0.25)
    blue = read_tracing(draw(grey, (line, BLUE)), grey, INKS, gap=14.0)["blue"]
    assert iou(blue.mask, inside(circle((60, 70), 30), SIZE)) > 0.97


def test_strokes_that_cross_are_read_apart(grey):
    first, second = circle((60, 55), 28), circle((60, 85), 28)
    results = read_tracing(draw(grey, (first, BLUE), (second, RED)), grey, INKS)
    assert iou(results["blue"].mask, inside(first, SIZE)) > 0.98
    assert iou(results["red"].mask, inside(second, SIZE)) > 0.98


def test_a_stroke_that_hides_another_for_a_long_way_does_not_open_it(grey):
    outer = circle((60, 70), 40)
    # The red outline runs along the blue one for a fifth of it.
    angle = np.linspace(-0.6, 0.6, 2000)
    edge = np.array([60, 70]) + 40 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    back = np.linspace(edge[-1], edge[0], 2000)
    results = read_tracing(draw(grey, (outer, BLUE), (np.vstack([edge, back]), RED)), grey, INKS)
    assert iou(results["blue"].mask, inside(outer, SIZE)) > 0.97


def test_a_ring_within_a_ring_is_a_hole(grey):
    outer, inner = circle((60, 70), 40), circle((60, 70), 20)
    blue = read_tracing(draw(grey, (outer, BLUE), (inner, BLUE)), grey, INKS)["blue"]
    assert iou(blue.mask, inside(outer, SIZE) & ~inside(inner, SIZE)) > 0.97


def test_two_regions_are_filled_and_doubted(grey):
    first, second = circle((60, 40), 20), circle((60, 100), 20)
    blue = read_tracing(draw(grey, (first, BLUE), (second, BLUE)), grey, INKS)["blue"]
    assert iou(blue.mask, inside(first, SIZE) | inside(second, SIZE)) > 0.97
    assert kinds(blue) == ["several regions"]


def test_a_narrow_bay_is_not_bridged(grey):
    # A deep notch whose mouth is narrower than the gaps that are closed.
    notch = np.array([[20, 30], [20, 66], [70, 67], [70, 73], [20, 74], [20, 110], [100, 110], [100, 30]], dtype=float)
    sides = zip(notch, np.roll(notch, -1, axis=0), strict=True)
    line = np.vstack([np.linspace(start, end, 400, endpoint=False) for start, end in sides])
    blue = read_tracing(draw(grey, (line, BLUE), width=1.5), grey, INKS)["blue"]
    assert iou(blue.mask, inside(line, SIZE)) > 0.95
    assert not blue.mask[45, 70]


@pytest.mark.parametrize(("radius", "doubts"), [(24, ["ink outside"]), (8, [])])
def test_an_open_scribble_beside_the_outline_is_no_region(grey, radius, doubts):
    # A stroke as long as the outline may be one that was left open; what is short is writing.
    line, scribble = circle((70, 50), 28), arc((40, 115), radius, 0, 3)
    blue = read_tracing(draw(grey, (line, BLUE), (scribble, BLUE)), grey, INKS)["blue"]
    assert iou(blue.mask, inside(line, SIZE)) > 0.98
    assert kinds(blue) == doubts


def test_without_an_original_hue_alone_decides(grey):
    first, second = circle((60, 55), 28), circle((60, 85), 24)
    traced = draw(grey, (first, BLUE), (second, RED))
    results = read_tracing(traced, None, INKS)
    assert iou(results["blue"].mask, inside(first, SIZE)) > 0.97
    assert iou(results["red"].mask, inside(second, SIZE)) > 0.97
