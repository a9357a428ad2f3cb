"""Cut-outs on backgrounds: exact masks, nothing outside them changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.errors import DataError
from limner.render import LARGEST, Placement, compose, draw_placement, plane_depth, shrink, trim


def cutout_of(opacity: np.ndarray, color: tuple[int, int, int] = (200, 100, 50)) -> np.ndarray:
    colors = np.broadcast_to(np.array(color, np.uint8), (*opacity.shape, 3))
    return np.concatenate([colors, opacity[..., None]], axis=2).astype(np.uint8)


BACKGROUND = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def test_an_opaque_square_replaces_what_is_under_it_and_nothing_else():
    composite, mask = compose(BACKGROUND, cutout_of(np.full((4, 5), 255)), Placement(3, 7, 4, 5, flip=False))

    expected = np.zeros((20, 30), bool)
    expected[3:7, 7:12] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(composite[~mask], BACKGROUND[~mask])
    assert (composite[mask] == (200, 100, 50)).all()


def test_opacity_mixes_and_the_mask_begins_above_one_half():
    opacity = np.array([[0, 64, 127, 128, 255]])
    composite, mask = compose(BACKGROUND, cutout_of(opacity), Placement(0, 0, 1, 5, flip=False))

    assert mask[0, :5].tolist() == [False, False, False, True, True]
    share = opacity[0, :, None] / 255
    expected = share * (200, 100, 50) + (1 - share) * BACKGROUND[0, :5]
    np.testing.assert_allclose(composite[0, :5], expected, atol=0.51)


def test_a_flip_mirrors_picture_and_mask():
    opacity = np.zeros((3, 4))
    opacity[:, 0] = 255
    _, mask = compose(BACKGROUND, cutout_of(opacity), Placement(0, 0, 3, 4, flip=True))
    assert mask[:3, :4].tolist() == [[False, False, False, True]] * 3


def test_hidden_colours_do_not_bleed_in_when_scaled():
    opacity = np.zeros((16, 16))
    opacity[:, :7] = 255
    cutout = cutout_of(opacity, (0, 0, 0))
    cutout[opacity == 0, :3] = 255  # white where it is transparent
    black = np.zeros((20, 30, 3), np.uint8)

    composite, _ = compose(black, cutout, Placement(2, 2, 6, 6, flip=False))
    assert composite.max() <= 1


@given(
    seed=st.integers(0, 10_000),
    background=st.tuples(st.integers(4, 80), st.integers(4, 80)),
    cutout=st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
def test_placements_lie_inside_and_never_enlarge(seed, background, cutout):
    placement = draw_placement(np.random.default_rng(seed), background, cutout)

    assert 0 <= placement.top <= background[0] - placement.height
    assert 0 <= placement.left <= background[1] - placement.width
    assert placement.height <= max(1, round(LARGEST * background[0]))
    assert placement.height <= cutout[0]
    assert placement.width <= max(1, round(LARGEST * background[1]))
    assert placement.width <= cutout[1]


def test_the_transparent_border_is_cut_off():
    opacity = np.zeros((10, 10))
    opacity[2:5, 3:9] = 255
    assert trim(cutout_of(opacity), "a.png").shape == (3, 6, 4)
    with pytest.raises(DataError, match=r"'a\.png' is transparent throughout"):
        trim(cutout_of(np.zeros((4, 4))), "a.png")


def test_shrinking_keeps_proportions_and_colour():
    opacity = np.zeros((100, 50))
    opacity[10:90, 10:40] = 255
    small = shrink(cutout_of(opacity), (20, 20))

    assert small.shape == (20, 10, 4)
    assert (abs(small[small[..., 3] > 0][:, :3].astype(int) - (200, 100, 50)) <= 1).all()
    assert shrink(small, (20, 20)) is small


def test_things_have_the_depth_of_the_ground_they_stand_on():
    mask = np.zeros((100, 40), bool)
    mask[20:80, 10:20] = True
    depth = plane_depth(mask)

    np.testing.assert_allclose(depth[99, 0], 0.1, atol=0.01)  # near
    assert (depth[:30][~mask[:30]] == 1).all()  # the sky
    assert np.ptp(depth[mask]) == 0
    assert depth[mask][0] == depth[79, 0]
    assert (np.diff(depth[:, 0]) <= 0).all()
