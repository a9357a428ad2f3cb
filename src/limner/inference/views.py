"""Views of a picture: the same thing mirrored, turned or zoomed, and the way back.

Layer: inference. A network asked about several views answers slightly differently; the mean of the answers is
better than one (test-time augmentation), and where they differ it is unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from limner.errors import ConfigError, did_you_mean
from limner.images import resize_image
from limner.types import SYMMETRIES, Size, Symmetry, Tta

TTA: tuple[str, ...] = ("none", *get_args(Tta))
"""Views that are asked about: the picture alone; it and its mirror images, four in all; all eight ways in which a
sheet can lie; it at 0.8, 1 and 1.25 of its size."""

_SCALES = (0.8, 1.25)
_ZOOMS = (0.85, 1.15)
_FEWEST = 4


@dataclass(frozen=True)
class View:
    """How a picture is shown: first zoomed, then transposed, then mirrored.

    Attributes:
        flip_v: Top and bottom change places.
        flip_h: Left and right change places.
        transpose: Rows become columns.
        zoom: Factor of height and width.
    """

    flip_v: bool = False
    flip_h: bool = False
    transpose: bool = False
    zoom: float = 1.0

    def show(self, pixels: Shaped[np.ndarray, "height width channels"]) -> Shaped[np.ndarray, "_ _ channels"]:
        """The picture as it is seen.

        Example:
            >>> View(flip_h=True).show(np.array([[[1], [2]]])).ravel().tolist()
            [2, 1]
        """
        if self.zoom != 1:
            height, width = pixels.shape[:2]
            pixels = resize_image(pixels, (max(1, round(height * self.zoom)), max(1, round(width * self.zoom))))
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.flip_v else 1, :: -1 if self.flip_h else 1]

    def undo(self, seen: Float[Tensor, "channels _ _"], size: Size) -> Float[Tensor, "channels height width"]:
        """What was found in the view, where it lies in the picture of `size`."""
        flipped = [dim for dim, flip in ((-2, self.flip_v), (-1, self.flip_h)) if flip]
        seen = seen.flip(flipped) if flipped else seen
        if self.transpose:
            seen = seen.transpose(-2, -1)
        if tuple(seen.shape[-2:]) == size:
            return seen
        shrinks = self.zoom > 1
        return functional.interpolate(seen[None], size, mode="bilinear", align_corners=False, antialias=shrinks)[0]


AS_IS = View()

NEEDED: dict[str, tuple[Symmetry, ...]] = {"flips": ("flip_h", "flip_v"), "symmetries": SYMMETRIES}
"""What views of a name mirror and turn."""


def symmetric_views(symmetries: Sequence[Symmetry]) -> list[View]:
    """Every view that mirroring and turning as said can lead to, the plain one first.

    Mirroring and quarter turns together make all eight; quarter turns alone make four.

    Example:
        >>> [(view.flip_v, view.flip_h) for view in symmetric_views(["flip_h"])]
        [(False, False), (False, True)]
    """
    flips_v = (False, True) if "flip_v" in symmetries else (False,)
    flips_h = (False, True) if "flip_h" in symmetries else (False,)
    if "rotate90" not in symmetries:
        return [View(v, h) for v in flips_v for h in flips_h]
    if len(flips_v) == len(flips_h) == 1:
        # A quarter turn is a transposition and one mirroring.
        return [AS_IS, View(True, True), View(True, False, True), View(False, True, True)]
    return [View(v, h, t) for t in (False, True) for v in (False, True) for h in (False, True)]


def tta_views(name: str) -> list[View]:
    """The views of a name in `TTA`, the plain one first.

    Mirroring and turning are undone exactly; scales by interpolation.

    Raises:
        ConfigError: The name is unknown.

    Example:
        >>> len(tta_views("flips")), len(tta_views("symmetries")), [view.zoom for view in tta_views("scales")]
        (4, 8, [1.0, 0.8, 1.25])
    """
    if name == "none":
        return [AS_IS]
    if name == "scales":
        return [AS_IS, *(View(zoom=zoom) for zoom in _SCALES)]
    if name in NEEDED:
        return symmetric_views(NEEDED[name])
    raise ConfigError(
        f"views: {', '.join(TTA)}, or auto", f"'{name}'", f"{did_you_mean(name, [*TTA, 'auto'])}Choose one of them."
    )


def views(symmetries: Sequence[Symmetry]) -> list[View]:
    """The views to ask about: symmetric ones, and where these are few, zoomed ones besides.

    Only what training pictures were subjected to is shown: a network that has never seen a heart upside down
    knows nothing about such a picture.

    Args:
        symmetries: Under which the network was trained.
    """
    found = symmetric_views(symmetries)
    if len(found) < _FEWEST:
        found += [View(zoom=zoom) for zoom in _ZOOMS]
    return found
