from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from limner.data.traces.outlines import fill_outline, resample, smooth, trace_borders


@given(arrays(bool, some.tuples(some.integers(1, 7), some.integers(1, 7))))
def test_filling_the_borders_gives_the_region_back(region):
    mask = np.zeros(region.shape, dtype=bool)
    for border in trace_borders(region):
        mask ^= fill_outline(border, region.shape)
    assert (mask == region).all()


def test_a_hole_has_a_border_of_its_own():
    region = np.ones((5, 5), dtype=bool)
    region[2, 2] = False
    assert sorted(len(border) for border in trace_borders(region)) == [4, 20]


def test_resampling_takes_equal_steps():
    square = np.array([[0.0, 0.0], [0.0, 10.0], [10.0, 10.0], [10.0, 0.0]])
    points = resample(square, 1.0)
    assert len(points) == 40
    assert np.linalg.norm(np.diff(points, axis=0), axis=1) == pytest.approx(1)


def test_smoothing_keeps_the_size_of_a_circle():
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = 10 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    assert np.linalg.norm(smooth(circle, 4.0), axis=1) == pytest.approx(10, abs=0.02)
