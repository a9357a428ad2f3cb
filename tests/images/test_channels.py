from __future__ import annotations

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import to_channels


@pytest.mark.parametrize(
    ("pixel", "channels", "expected"),
    [
        ([7], 1, [7]),
        ([7], 3, [7, 7, 7]),
        ([7], 4, [7, 7, 7, 7]),
        ([7, 200], 1, [7]),
        ([7, 200], 3, [7, 7, 7]),
        ([1, 2, 3, 200], 3, [1, 2, 3]),
        ([5, 5, 5], 1, [5]),
        ([5, 5, 5, 200], 1, [5]),
        ([1, 2, 3, 4, 5], 5, [1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_can_be_had(pixel, channels, expected, dtype):
    image = np.full((2, 3, len(pixel)), pixel, dtype=dtype)

    converted = to_channels(image, channels)

    assert converted.dtype == dtype
    assert converted.flags.c_contiguous
    np.testing.assert_array_equal(converted, np.full((2, 3, channels), expected))


@pytest.mark.parametrize(("found", "channels"), [(3, 4), (3, 2), (5, 3), (4, 2), (3, 5)])
def test_what_would_be_invented_is_refused(found, channels):
    with pytest.raises(DataError, match=rf"a\.png has {found} channels"):
        to_channels(np.zeros((2, 3, found), np.uint8), channels, where="a.png")


def test_colours_that_differ_do_not_become_grey():
    image = np.zeros((2, 3, 3), np.uint8)
    image[1, 2, 1] = 1

    with pytest.raises(DataError, match="3 channels that differ"):
        to_channels(image, 1)
