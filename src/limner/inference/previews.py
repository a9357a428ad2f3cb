"""A small copy of a large picture and of its masks, made while they pass by.

Layer: inference. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

from limner.types import Size

SIDE = 2048
"""Most pixels along a side of a copy."""


class Preview:
    """Means of square blocks of the picture, and of masks the pixel in the middle of each block.

    Args:
        size: Of the picture.
        channels: Of the picture.
        dtype: Of its pixels.
    """

    def __init__(self, size: Size, channels: int, dtype: str) -> None:
        self.factor = -(-max(size) // SIDE)
        height, width = (-(-length // self.factor) for length in size)
        self._size = size
        self._dtype = np.dtype(dtype)
        # Whole numbers are summed exactly, and without a copy of the picture as wider ones.
        self._wide = {"uint8": np.uint32, "uint16": np.uint64}.get(dtype, np.float64)
        self._sums = np.zeros((height, width, channels), self._wide)
        self._masks: dict[str, np.ndarray] = {}

    def add(
        self,
        rows: slice,
        columns: slice,
        picture: Shaped[np.ndarray, "rows columns channels"],
        masks: Mapping[str, Shaped[np.ndarray, "rows columns *classes"]],
    ) -> None:
        """Take in a part.

        Args:
            rows: Where it lies.
            columns: Where it lies.
            picture: Its pixels; what is no number counts as 0.
            masks: By target, masks or numbers.
        """
        if picture.dtype.kind == "f":
            picture = np.nan_to_num(picture, posinf=0.0, neginf=0.0)
        sums = picture
        index = []
        for axis, part in enumerate((rows, columns)):
            edges = [part.start, *range((part.start // self.factor + 1) * self.factor, part.stop, self.factor)]
            sums = np.add.reduceat(sums, np.array(edges) - part.start, axis=axis, dtype=self._wide)
            index.append(slice(part.start // self.factor, part.start // self.factor + len(edges)))
        self._sums[index[0], index[1]] += sums
        middles = [self._middles(part, length) for part, length in zip((rows, columns), self._size, strict=True)]
        places = [middle - part.start for middle, part in zip(middles, (rows, columns), strict=True)]
        for name, mask in masks.items():
            if name not in self._masks:
                self._masks[name] = np.zeros((*self._sums.shape[:2], *mask.shape[2:]), mask.dtype)
            target = [middle // self.factor for middle in middles]
            self._masks[name][np.ix_(*target)] = mask[np.ix_(*places)]

    def picture(self) -> Shaped[np.ndarray, "small_height small_width channels"]:
        """The small picture, of the picture's own type."""
        heights, widths = (np.minimum(self.factor, length - np.arange(0, length, self.factor)) for length in self._size)
        counts = np.outer(heights, widths)
        small = np.empty(self._sums.shape, self._dtype)
        for channel in range(small.shape[2]):  # one at a time, since means take eight times the room
            means = self._sums[..., channel] / counts
            small[..., channel] = means if self._dtype.kind == "f" else np.rint(means)
        return small

    def masks(self) -> dict[str, np.ndarray]:
        """The small masks, by target."""
        return self._masks

    def _middles(self, part: slice, length: int) -> np.ndarray:
        """Pixels in the middle of blocks, as far as they are in the part."""
        blocks = np.arange(part.start // self.factor, -(-part.stop // self.factor))
        ends = np.minimum((blocks + 1) * self.factor, length)
        middles = (blocks * self.factor + ends - 1) // 2
        inside: np.ndarray = middles[(middles >= part.start) & (middles < part.stop)]
        return inside
