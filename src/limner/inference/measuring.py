"""How outlines are measured on a set of samples: in which unit, how near is near, and what a miss costs.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limner.data.catalog import Catalog
from limner.data.spacing import spacings
from limner.metrics import MeasureOptions
from limner.types import Spacing

_PIXELS_NEAR = 2.0


@dataclass(frozen=True)
class Measuring:
    """What distances between outlines mean on a catalog.

    Attributes:
        options: Tolerance, and the distance of a miss, in the unit.
        spacings: Size of the pixels of each sample in mm; None: distances are in pixels.
    """

    options: MeasureOptions
    spacings: Sequence[Spacing] | None = None

    @property
    def unit(self) -> str:
        """`mm` or `px`."""
        return "px" if self.spacings is None else "mm"

    def spacing(self, sample: int) -> Spacing:
        """Size of a sample's pixels in the unit."""
        return (1.0, 1.0) if self.spacings is None else self.spacings[sample]

    def to_dict(self) -> dict[str, Any]:
        """For `summary.json`."""
        sizes = sorted(set(self.spacings or []))
        return {
            "unit": self.unit,
            "tolerance": self.options.tolerance,
            "miss": "diagonal" if self.options.miss_distance is None else self.options.miss_distance,
            "spacing": None if not sizes else list(sizes[0]) if len(sizes) == 1 else "of each sample",
        }


def measuring(
    catalog: Catalog,
    *,
    spacing: Spacing | None = None,
    tolerance: float | None = None,
    miss_distance: float | None = None,
) -> Measuring:
    """How to measure the samples of a catalog.

    Args:
        catalog: Its column `spacing` says how large each sample's pixels are.
        spacing: Size of all pixels in mm, instead.
        tolerance: Of surface Dice, in mm or pixels. Default: two pixels; in mm, of the middle sample.
        miss_distance: HD95 and ASSD of a miss or false alarm. Default: the image's diagonal.

    Raises:
        DataError: See `limner.data.spacing.spacings`.
    """
    sizes = spacings(catalog) if spacing is None else [spacing] * len(catalog)
    if tolerance is None:
        pixel = 1.0 if not sizes else float(np.median([np.sqrt(row * column) for row, column in sizes]))
        tolerance = float(f"{_PIXELS_NEAR * pixel:.3g}")
    return Measuring(MeasureOptions(tolerance, miss_distance), sizes)
