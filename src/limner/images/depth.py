"""Number types: from whatever a file holds to the few that the rest of Limner knows.

Layer: images. Pure functions on arrays.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError

_INT32 = np.iinfo(np.int32)

# Kind and bytes of the types that images keep. (`dtype.name` is slow for something done per picture.)
_KEPT = {("b", 1): "bool", ("u", 1): "uint8", ("u", 2): "uint16"}


def image_dtype(dtype: np.dtype[np.generic], location: str) -> str:
    """Name of the type in which `read_image` gives pixels stored as `dtype`; "bool" for 1-bit.

    Raises:
        DataError: Pixels are not numbers, or are complex.
    """
    if dtype.kind not in "biuf":
        raise DataError(
            "pixels are numbers",
            f"'{location}' holds {'complex numbers' if dtype.kind == 'c' else f'values of type {dtype}'}",
            "Save it as integers or real numbers.",
        )
    return _KEPT.get((dtype.kind, dtype.itemsize), "float32")


def to_image(
    array: Shaped[np.ndarray, "height width *channels"], location: str
) -> Shaped[np.ndarray, "height width *channels"]:
    """Pixels as uint8, uint16 or float32: 1-bit becomes 0 and 255, all other types float32.

    Raises:
        DataError: Pixels are not numbers, or are complex.
    """
    name = image_dtype(array.dtype, location)
    if name == "bool":
        return array.astype(np.uint8) * np.uint8(255)
    return _cast(array, name)


def to_mask(
    array: Shaped[np.ndarray, "height width *channels"], location: str
) -> Shaped[np.ndarray, "height width *channels"]:
    """Mask values as bool, uint8, uint16, int32 or float32, none of them changed.

    Raises:
        DataError: Values are not numbers, are complex, or are integers beyond int32.
    """
    name = image_dtype(array.dtype, location)
    if name != "float32" or array.dtype.kind == "f":
        return _cast(array, name)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < _INT32.min or high > _INT32.max:
        raise DataError(
            f"mask values between {_INT32.min:,} and {_INT32.max:,}",
            f"'{location}' holds values from {low:,} to {high:,}",
            "Number the classes from 0 and save the mask again.",
        )
    return array.astype(np.int32, copy=False)


def _cast(array: np.ndarray, name: str) -> np.ndarray:
    # Numbers beyond float32 become infinite, which the checks of the data report.
    with np.errstate(over="ignore"):
        return array.astype(name, copy=False)
