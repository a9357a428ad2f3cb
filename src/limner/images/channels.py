"""Number of channels: from what a picture has to what a model takes.

Layer: images. Pure functions on arrays.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError

# Colour channels of pictures that carry an alpha channel as their last.
_WITHOUT_ALPHA = {2: 1, 4: 3}


def to_channels(
    image: Shaped[np.ndarray, "height width channels"], channels: int, *, where: str = "the picture"
) -> Shaped[np.ndarray, "height width wanted"]:
    """The image with exactly `channels` channels, where that loses nothing but an alpha channel.

    Grey is repeated; an alpha channel (the second of two, the fourth of four) is dropped; colours
    become one channel only when all channels are identical, as in grey pictures saved as RGB.

    Args:
        image: Any number type.
        channels: How many are wanted.
        where: Name of the picture, for the error.

    Raises:
        DataError: The channels cannot be had without inventing or losing something.

    Example:
        >>> to_channels(np.zeros((4, 5, 1), np.uint8), 3).shape
        (4, 5, 3)
    """
    found = image.shape[2]
    if found == channels:
        return image
    color = image[..., : _WITHOUT_ALPHA.get(found, found)]
    if color.shape[2] == channels:
        return np.ascontiguousarray(color)
    if color.shape[2] == 1:
        return np.repeat(color, channels, axis=2)
    if channels == 1 and bool((color == color[..., :1]).all()):
        return np.ascontiguousarray(color[..., :1])
    differ = " that differ" if channels == 1 else ""
    raise DataError(
        f"pictures of {channels} channel{'s' if channels > 1 else ''}",
        f"{where} has {found} channels{differ}",
        "Give every picture the same channels: convert this one, or leave it out.",
    )
