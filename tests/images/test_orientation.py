from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limner.images.orientation import exif_orientation, upright, upright_size


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_tag_is_found_in_both_byte_orders(prefix, endian, value):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010E], exif[0x0112], exif[0x0131] = "before", value, "after"

    assert exif_orientation(prefix + exif.tobytes().removeprefix(b"Exif\0\0")) == value


@given(st.binary(max_size=80), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_damaged_blocks_mean_upright_or_a_valid_turn(block, start):
    assert 1 <= exif_orientation(start + block) <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_turned_array(orientation):
    assert upright(np.zeros((2, 3, 4)), orientation).shape[:2] == upright_size((2, 3), orientation)
