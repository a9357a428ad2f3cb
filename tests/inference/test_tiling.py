from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.errors import ConfigError
from limner.inference.tiling import (
    final_rows,
    gaussian_weights,
    plan_spans,
    plan_strips,
    plan_tiles,
    spline_weights,
)


def indices(size: tuple[int, int], tile: int, overlap: float) -> list[tuple[int, int, int, int]]:
    return [
        (tile.rows.start, tile.rows.stop, tile.columns.start, tile.columns.stop)
        for tile in plan_tiles(size, tile, overlap)
    ]


def test_four_quarters_without_overlap() -> None:
    assert indices((4, 4), 2, 0.0) == [(0, 2, 0, 2), (0, 2, 2, 4), (2, 4, 0, 2), (2, 4, 2, 4)]
    assert all((tile.weights() == 1).all() for tile in plan_tiles((4, 4), 2, 0.0))


def test_half_overlap_on_a_4_by_4_picture() -> None:
    starts = [(0, 2), (1, 3), (2, 4)]
    assert indices((4, 4), 2, 0.5) == [(*rows, *columns) for rows in starts for columns in starts]
    # Two pixels of one tile weigh alike, so each pixel inside is the mean of the tiles over it.
    first, second = plan_tiles((4, 4), 2, 0.5)[:2]
    np.testing.assert_allclose(first.weights(), [[1, 0.5], [0.5, 0.25]], rtol=1e-6)
    np.testing.assert_allclose(second.weights(), [[0.5, 0.5], [0.25, 0.25]], rtol=1e-6)


def test_tiles_put_back_by_hand() -> None:
    """Each tile predicts its own number; the blend of a 1×4 picture is worked out on paper."""
    gauss = gaussian_weights(3).astype(float)
    tiles = plan_tiles((1, 4), 3, 0.5)
    blend = np.zeros((1, 4))
    for number, tile in zip((10.0, 20.0), tiles, strict=True):
        blend[tile.index] += number * tile.weights()
    side, middle = gauss[0], gauss[1]
    left = (10 * middle + 20 * side) / (middle + side)
    right = (10 * side + 20 * middle) / (middle + side)
    np.testing.assert_allclose(blend, [[10, left, right, 20]], rtol=1e-6)


def test_the_gaussian_is_symmetric_and_highest_in_the_middle() -> None:
    weights = gaussian_weights(64)
    np.testing.assert_array_equal(weights, weights[::-1])
    assert (np.diff(weights[:32]) >= 0).all()
    # An eighth of the tile is one standard deviation: exp(-1/2) there.
    assert weights[31 + 8] / weights.max() == pytest.approx(np.exp(-0.5), rel=0.1)
    assert weights.min() > 0


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    tile=st.integers(1, 80),
    overlap=st.floats(0, 0.95, allow_nan=False),
)
def test_every_pixel_is_covered_and_weights_sum_to_one(size: tuple[int, int], tile: int, overlap: float) -> None:
    total = np.zeros(size)
    tiles = plan_tiles(size, tile, overlap)
    for piece in tiles:
        assert piece.size == (min(tile, size[0]), min(tile, size[1]))
        assert piece.weights().min() > 0
        assert piece.rows.start >= 0
        assert piece.rows.stop <= size[0]
        total[piece.index] += piece.weights()
    np.testing.assert_allclose(total, 1, rtol=1e-5)
    if tile >= max(size):
        assert len(tiles) == 1


@given(length=st.integers(1, 300), tile=st.integers(1, 64), overlap=st.floats(0, 0.9))
def test_neighbours_overlap_at_least_as_asked(length: int, tile: int, overlap: float) -> None:
    starts = [piece.columns.start for piece in plan_tiles((1, length), tile, overlap)]
    tile = min(tile, length)
    assert all(second - first <= max(1, tile * (1 - overlap)) for first, second in pairwise(starts))


def test_the_spline_window_by_hand() -> None:
    """2u² up to the quarter, 1 − 2(1 − u)² from there, at pixel centres; u is 1 in the middle."""
    np.testing.assert_allclose(spline_weights(2), [0.5, 0.5])
    np.testing.assert_allclose(spline_weights(3), [2 / 9, 1, 2 / 9], rtol=1e-6)
    np.testing.assert_allclose(spline_weights(4), [0.125, 0.875, 0.875, 0.125])
    # Windows that overlap by half sum to 1 by themselves.
    np.testing.assert_allclose(spline_weights(64)[32:] + spline_weights(64)[:32], 1, rtol=1e-6)


def test_spline_tiles_on_a_4_by_4_picture() -> None:
    """Tiles of 3 pixels: in the two middle rows and columns both weigh, 9 to 2."""
    first, second, third, fourth = plan_tiles((4, 4), 3, 0.5, "spline")
    near, far = 9 / 11, 2 / 11
    np.testing.assert_allclose(
        first.weights(), [[1, near, far], [near, near * near, near * far], [far, far * near, far * far]], rtol=1e-6
    )
    np.testing.assert_allclose(second.weights()[0], [far, near, 1], rtol=1e-6)
    blend = np.zeros((4, 4))
    for number, tile in zip((1.0, 2.0, 3.0, 4.0), (first, second, third, fourth), strict=True):
        blend[tile.index] += number * tile.weights()
    across = [1, near + 2 * far, far + 2 * near, 2]
    down = np.array([0, 2 * far, 2 * near, 2])
    np.testing.assert_allclose(blend, np.add.outer(down, across), rtol=1e-6)


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'gaussian'"):
        plan_tiles((4, 4), 2, 0.5, "gausian")


def test_rows_of_a_4_by_4_picture_are_done_as_soon_as_no_tile_adds_to_them() -> None:
    spans = plan_spans(4, 2, 0.5)
    assert [(span.start, span.stop) for span in spans] == [(0, 2), (1, 3), (2, 4)]
    done = [final_rows(spans, place) for place in range(3)]
    assert [(rows.start, rows.stop) for rows in done] == [(0, 1), (1, 2), (2, 4)]


def test_strips_of_a_4_by_4_picture() -> None:
    """Of columns 0–1 the first two tiles weigh; the second reaches over, and weighs in columns 2–3 too."""
    spans = plan_spans(4, 2, 0.5)
    left, right = plan_strips(spans, 4, most=2, align=2)
    assert [(span.start, span.stop) for span in left.spans] == [(0, 2), (1, 3)]
    assert [(span.start, span.stop) for span in right.spans] == [(1, 3), (2, 4)]
    assert (left.start, left.stop, left.reads) == (0, 2, slice(0, 3))
    assert (right.start, right.stop, right.reads) == (2, 4, slice(1, 4))
    (whole,) = plan_strips(spans, 4, most=100, align=2)
    assert (whole.start, whole.stop, len(whole.spans)) == (0, 4, 3)


@given(
    length=st.integers(1, 300),
    tile=st.integers(1, 64),
    overlap=st.floats(0, 0.9),
    most=st.integers(1, 200),
    align=st.integers(1, 64),
)
def test_strips_hold_every_span_that_weighs_in_them(
    length: int, tile: int, overlap: float, most: int, align: int
) -> None:
    spans = plan_spans(length, tile, overlap)
    strips = plan_strips(spans, length, most, align)
    assert [strip.start for strip in strips] == [0, *(strip.stop for strip in strips[:-1])]
    assert strips[-1].stop == length
    for strip in strips:
        assert strip.start % align == 0
        total = np.zeros(length)
        for span in strip.spans:
            total[span.pixels] += span.weights
        np.testing.assert_allclose(total[strip.start : strip.stop], 1, rtol=1e-6)
