"""How large a pixel is: a column of the catalog, and its words.

Layer: data.
"""

from __future__ import annotations

import math
import re

from limner.data.catalog import Catalog
from limner.errors import DataError
from limner.types import Spacing

SPACING = "spacing"
"""The catalog's column, and that of a CSV: mm per pixel, as `0.5` or `0.8 0.5` (row, column)."""


def parse_spacing(text: str) -> Spacing | None:
    """`(row, column)` of a text such as `0.5`, `0.8 0.5`, `0.8,0.5` or `0.8x0.5`; None where it is none.

    Example:
        >>> parse_spacing("0.5"), parse_spacing("0.8 x 0.5"), parse_spacing("-1")
        ((0.5, 0.5), (0.8, 0.5), None)
    """
    try:
        numbers = [float(part) for part in re.split(r"[\s,;x×]+", text.strip())]
    except ValueError:
        return None
    if len(numbers) not in (1, 2) or not all(math.isfinite(number) and number > 0 for number in numbers):
        return None
    return numbers[0], numbers[-1]


def write_spacing(spacing: Spacing) -> str:
    """The text that `parse_spacing` reads.

    Example:
        >>> write_spacing((0.8, 0.5))
        '0.8 0.5'
    """
    return f"{spacing[0]!r} {spacing[1]!r}"


def spacings(catalog: Catalog) -> list[Spacing] | None:
    """The size of each sample's pixels in mm; None where the catalog does not say.

    Raises:
        DataError: A cell is no size, or some samples have one and others none: their distances could not be
            averaged.
    """
    cells = catalog.facts.get(SPACING)
    if cells is None or not any(cells):
        return None
    found = [parse_spacing(cell) for cell in cells]
    wrong = [place for place, spacing in enumerate(found) if spacing is None]
    if wrong:
        cell = cells[wrong[0]]
        raise DataError(
            f"a size above 0, such as 0.5 or '0.8 0.5' (row, column), in the column '{SPACING}' of every sample",
            f"{cell!r} for sample '{catalog.ids[wrong[0]]}'" if cell else f"none for sample '{catalog.ids[wrong[0]]}'",
            "Complete the column, remove it to measure in pixels, or give one size for all with --spacing.",
        )
    return [spacing for spacing in found if spacing is not None]
