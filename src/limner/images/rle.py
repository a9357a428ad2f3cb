"""Masks as run lengths: pairs of start and length, counted along the rows.

Layer: images. Pure text and arrays; nothing is opened here.

Pixels are numbered from 1, row by row from the top left: the second number is its right neighbour,
and a run goes on from the end of one row into the next. So Kaggle's Carvana Image Masking Challenge
has them: a mask of its `train_masks.csv` begins with the starts 879386, 881253, 883140, and its
pictures are 1918 pixels wide. Other challenges, such as the Data Science Bowl 2018, count down the
columns; that is the transposed mask.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Shaped

from limner.errors import DataError
from limner.types import Size

_REMEDY = "Correct the row, or leave the sample out; runs are pairs 'start length' in ascending order."


def encode_rle(mask: Shaped[np.ndarray, "height width"]) -> str:
    """Runs of a mask: `start length start length …`, empty where nothing is set.

    Args:
        mask: Boolean, or numbers of which all but 0 are set.

    Example:
        >>> encode_rle(np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1]]))
        '2 3 9 1'
    """
    flat = np.ascontiguousarray(mask).ravel() != 0
    if not flat.size:
        return ""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0] if flat[0] else [], changes, [flat.size] if flat[-1] else []]).astype(np.int64)
    runs = edges.copy()
    runs[0::2] += 1
    runs[1::2] -= edges[0::2]
    return " ".join(map(str, runs.tolist()))


def decode_rle(text: str, size: Size, where: str) -> Bool[np.ndarray, "height width"]:
    """The mask of runs.

    Args:
        text: As `encode_rle` gives it; runs may touch one another.
        size: Height and width of the mask.
        where: What to call it in messages.

    Raises:
        DataError: No pairs of whole numbers, or runs that overlap, are out of order or leave the picture.

    Example:
        >>> decode_rle("2 3 9 1", (3, 3), "a row").astype(int).tolist()
        [[0, 1, 1], [1, 0, 0], [0, 0, 1]]
    """
    pixels = size[0] * size[1]
    starts, lengths = _pairs(text, where)
    ends = starts + lengths
    _check_runs(starts, ends, pixels, size, where)
    edges = np.empty(2 * len(starts) + 2, np.int64)
    edges[0], edges[-1] = 0, pixels
    edges[1:-1:2], edges[2:-1:2] = starts, ends
    # Between the edges lie background and mask by turns.
    values = np.arange(len(edges) - 1) % 2 == 1
    return np.repeat(values, np.diff(edges)).reshape(size)


def _pairs(text: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Starts, from 0, and lengths."""
    words = text.split()
    try:
        numbers = np.array(words, dtype=np.int64)
    except (ValueError, OverflowError):
        wrong = next((word for word in words if not word.isdecimal()), "a number that is too large")
        raise DataError(f"whole numbers as run lengths in {where}", f"'{wrong[:40]}'", _REMEDY) from None
    if len(numbers) % 2:
        raise DataError(f"pairs of start and length in {where}", f"{len(numbers):,} numbers", _REMEDY)
    return numbers[0::2] - 1, numbers[1::2]


def _check_runs(starts: np.ndarray, ends: np.ndarray, pixels: int, size: Size, where: str) -> None:
    outside = (starts < 0) | (ends > pixels) | (ends <= starts)
    if outside.any():
        at = int(outside.argmax())
        raise DataError(
            f"runs within the {pixels:,} pixels of a picture of {size[0]}×{size[1]} in {where}",
            f"a run of {ends[at] - starts[at]:,} pixels from {starts[at] + 1:,}",
            "Check that the row belongs to this picture. " + _REMEDY,
        )
    early = starts[1:] < ends[:-1]
    if early.any():
        at = int(early.argmax()) + 1
        how = "overlaps the run before" if starts[at] >= starts[at - 1] else "comes after a later one"
        raise DataError(f"runs one after another in {where}", f"the run from {starts[at] + 1:,} {how}", _REMEDY)
