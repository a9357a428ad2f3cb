import numpy as np
import pytest

from limner.bundle import InputSpec
from limner.inference.empty import is_empty

INPUTS = InputSpec(channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.25] * 3, fit="native")


def glass() -> np.ndarray:
    """Bright, a little uneven, without colour."""
    rng = np.random.default_rng(0)
    return (235 + rng.integers(-12, 13, (128, 128, 1)) + rng.integers(-3, 4, (128, 128, 3))).astype(np.uint8)


def test_glass_is_empty_and_tissue_on_it_is_not() -> None:
    tile = glass()
    assert is_empty(tile, INPUTS)
    tile[60:66, 60:66] = (180, 90, 160)  # 36 of 16,384 pixels: a single nucleus
    assert not is_empty(tile, INPUTS)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_value_is_empty(value: int) -> None:
    assert is_empty(np.full((64, 64, 3), value, np.uint8), INPUTS)


def test_bright_but_coloured_is_not_empty() -> None:
    tile = glass()
    tile[..., 1] -= 25
    assert not is_empty(tile, INPUTS)
