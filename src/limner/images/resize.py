"""Resize pictures and masks.

Layer: images. Both use the pixel-centre convention (a pixel covers an area and is sampled at its
centre), so an image and its mask stay in step at any pair of sizes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, Shaped
from PIL import Image

from limner.types import Size


def resize_image(
    image: Shaped[np.ndarray, "height width channels"], size: Size
) -> Shaped[np.ndarray, "new_height new_width channels"]:
    """Resize with a triangle filter: bilinear when growing, antialiased when shrinking.

    Channels are independent of one another; an alpha channel does not weigh colours.

    Args:
        image: Any number type, which is kept; integers are rounded to the nearest.
        size: `(height, width)` wanted, in pixels.

    Returns:
        The resized image; the same array when it has that size already.

    Example:
        >>> resize_image(np.array([[[0], [100]]], np.uint8), (1, 1)).item()
        50
    """
    if image.shape[:2] == tuple(size):
        return image
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.array(_resample(Image.fromarray(np.ascontiguousarray(image)), size))
    planes = [_resize_plane(image[..., channel], size) for channel in range(image.shape[2])]
    return np.stack(planes, axis=2)


def resize_mask(
    mask: Shaped[np.ndarray, "height width *planes"], size: Size
) -> Shaped[np.ndarray, "new_height new_width *planes"]:
    """Resize by taking the nearest pixel, so that no value arises that was not there.

    Args:
        mask: Class ids, or planes on the last axis; any type, which is kept.
        size: `(height, width)` wanted, in pixels.

    Returns:
        The resized mask; the same array when it has that size already.

    Example:
        >>> resize_mask(np.array([[0, 7]]), (1, 4)).tolist()
        [[0, 0, 7, 7]]
    """
    height, width = mask.shape[:2]
    if (height, width) == tuple(size):
        return mask
    return np.ascontiguousarray(mask[_nearest(height, size[0])][:, _nearest(width, size[1])])


def _nearest(old: int, new: int) -> Integer[np.ndarray, " new"]:
    # floor((i + ½) · old / new) in whole numbers: exact at any size.
    nearest: np.ndarray = (2 * np.arange(new) + 1) * old // (2 * new)
    return nearest


def _resize_plane(plane: Shaped[np.ndarray, "height width"], size: Size) -> Shaped[np.ndarray, "new_height new_width"]:
    if plane.dtype == np.uint8:
        return np.array(_resample(Image.fromarray(np.ascontiguousarray(plane)), size))
    resized = np.array(_resample(Image.fromarray(plane.astype(np.float32)), size))
    if plane.dtype.kind == "f":
        return resized.astype(plane.dtype, copy=False)
    whole: np.ndarray = np.rint(resized).astype(plane.dtype)
    return whole


def _resample(picture: Image.Image, size: Size) -> Image.Image:
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
