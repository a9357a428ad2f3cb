"""A pixel belongs to a shape if its centre lies inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from limner.data.annotations.geometry import crosses_itself, ellipse, rectangle
from limner.data.annotations.rasterise import decode_runs, draw, encode_runs
from limner.data.annotations.shapes import Rings, Runs, Shape

SIZE = (30, 40)


def filled(*parts):
    drawn = draw(Shape("a", parts, "here"), SIZE)
    mask = np.zeros(SIZE, bool)
    mask[drawn.place] = drawn.mask
    return mask, drawn.beyond


def centres(size=SIZE):
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


coordinate = st.floats(-60, 100, allow_nan=False).map(lambda value: round(value, 3) + 0.0001)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=3, unique=True))
def test_a_triangle_is_that_of_matplotlib(points):
    ring = np.array(points)
    mask, _ = filled(Rings((ring,)))
    expected = Outline(ring).contains_points(centres()).reshape(SIZE)
    # Centres on the border itself, to rounding, may fall either way.
    ends = np.roll(ring, -1, axis=0)
    along, to = (ends - ring)[:, None], centres()[None] - ring[:, None]
    distance = np.abs(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]) / np.linalg.norm(along, axis=2)
    sure = (distance > 1e-6).all(axis=0).reshape(SIZE)
    assert np.array_equal(mask[sure], expected[sure])


@given(st.integers(-40, 360), st.integers(-40, 280))
def test_neighbours_share_no_pixel_and_leave_none(eighths, down):
    x, y = eighths / 8, down / 8
    corners = np.array([[-1.0, -1], [41, -1], [41, 31], [-1, 31]])
    fan = [Rings((np.array([corners[n], corners[(n + 1) % 4], [x, y]]),)) for n in range(4)]
    total = sum(filled(part)[0].astype(int) for part in fan)
    inside = -1 < x < 41 and -1 < y < 31
    assert not inside or (total == 1).all()


def test_a_ring_within_another_is_a_hole_and_parts_are_taken_together():
    ring, hole = rectangle(2.0, 2.0, 12.0, 12.0), rectangle(4.0, 4.0, 8.0, 8.0)
    assert filled(Rings((ring, hole)))[0].sum() == 100 - 16
    assert filled(Rings((ring,)), Rings((hole,)))[0].sum() == 100
    part = encode_runs(np.ones((3, 20), bool), (1, 30))
    mask, beyond = filled(Rings((ring,)), part)
    assert (mask.sum(), beyond) == (100 + 30, 30)


@pytest.mark.parametrize(
    ("box", "beyond"),
    [
        ((-4.0, -2.0, 3.0, 3.0), 35 - 9),
        ((50.0, 2.0, 60.0, 4.0), -1),
        ((2.2, 2.2, 2.4, 2.4), 0),
        ((-1e6, -1e6, 1e6, 1e6), -1),
    ],
)
def test_what_lies_beyond_the_picture_is_counted(box, beyond):
    mask, found = filled(Rings((rectangle(*box),)))
    assert found == beyond
    assert mask.sum() == {35 - 9: 9, 0: 0}.get(beyond, mask.sum())


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**20))
def test_run_lengths_come_back(height, width, seed):
    mask = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(bool)
    assert np.array_equal(decode_runs(encode_runs(mask)), mask)
    down = Runs(encode_runs(mask.T).lengths, (height, width), downwards=True)
    assert np.array_equal(decode_runs(down), mask)


def test_an_ellipse_is_its_polygon_to_a_thousandth_of_a_pixel():
    ring = ellipse(100.0, 80.0, 900.0, 300.0, degrees=20.0)
    angle = np.deg2rad(20)
    middles = (ring + np.roll(ring, -1, axis=0)) / 2 - [100, 80]
    along = (middles[:, 0] * np.cos(angle) + middles[:, 1] * np.sin(angle)) / 900
    beside = (middles[:, 1] * np.cos(angle) - middles[:, 0] * np.sin(angle)) / 300
    assert (1 - np.hypot(along, beside)).max() * 900 < 0.0021


@pytest.mark.parametrize(
    ("points", "crosses"),
    [
        ([[0, 0], [9, 0], [9, 9], [0, 9]], False),
        ([[0, 0], [9, 9], [9, 0], [0, 9]], True),
        ([[0, 0], [4, 0], [4, 4], [8, 4], [8, 0], [9, 0], [9, 9], [0, 9]], False),
        ([[5, 0], [8, 9], [0, 3], [9, 3], [2, 9]], True),
        ([[0, 0], [9, 0], [5, 0], [5, 5]], False),
    ],
)
def test_outlines_that_cross_themselves(points, crosses):
    assert crosses_itself(np.array(points, float)) is crosses


def test_a_long_smooth_outline_is_looked_at_quickly():
    angles = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    ring = np.stack([500 + 400 * np.cos(angles), 500 + 400 * np.sin(angles)], axis=1)
    assert not crosses_itself(ring)
