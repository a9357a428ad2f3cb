"""Several pictures of one sample, joined along their channels into the one that a network sees.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError
from limner.types import Size


def join_pictures(pictures: Sequence[Shaped[np.ndarray, "_ _ _"]]) -> Shaped[np.ndarray, "height width channels"]:
    """Pictures of one size as one, their channels in order; a single one comes back itself."""
    return pictures[0] if len(pictures) == 1 else np.concatenate(list(pictures), axis=2)


def check_same_size(sizes: Mapping[str, Size]) -> None:
    """Refuse inputs of one sample that differ in size.

    Args:
        sizes: Height and width by the location of each input.

    Raises:
        DataError: Two differ; both are named.
    """
    if len(set(sizes.values())) > 1:
        raise DataError(
            "the pictures of one sample have one size (height×width)",
            sizes_in_words(sizes),
            "Resize or crop them alike, or leave the sample out.",
        )


def sizes_in_words(sizes: Mapping[str, Size]) -> str:
    """The first input, and the first of another size.

    Example:
        >>> sizes_in_words({"a.png": (4, 5), "b.png": (4, 5), "c.png": (4, 6)})
        "'a.png' is 4×5, 'c.png' is 4×6"
    """
    (first, size), *others = sizes.items()
    other, other_size = next(item for item in others if item[1] != size)
    return f"'{first}' is {size[0]}×{size[1]}, '{other}' is {other_size[0]}×{other_size[1]}"
