"""Binary masks whose two levels are smeared: by blurred edges, by JPEG, or over the numbers beside the ends.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from limner.data.doubts import cut_levels, doubt, ignore_or_class
from limner.data.evidence import Evidence
from limner.data.labels import Encoding
from limner.data.values import Value, format_share, format_value
from limner.types import Task

_END = 0.1  # share of the range that counts as near one end
_MASS = 0.95  # least share of pixels near the ends
_BESIDE = 4  # levels from an end that count as beside it


@dataclass(frozen=True)
class Decision:
    """What the evidence says, before names and colours."""

    values: tuple[tuple[Value | str, ...], ...]
    conclusion: str
    encoding: Encoding = "values"
    task: Task | None = None


def decide_threshold(evidence: Evidence, found: Sequence[int | float]) -> Decision | None:
    """Binary masks with blurred edges or the noise of JPEG, if the evidence for that is strong.

    Nearly all pixels lie near the two ends; both ends or the middle are smeared over several values;
    the middle is rarer than the rarer end and nowhere fills a 3 × 3 block, as a class would.
    """
    low, high = found[0], found[-1]
    margin = _END * (high - low)
    whole = all(isinstance(value, int) for value in found)
    if len(found) < 5 or (whole and high - low < 32):
        return None
    near_low = [value for value in found if value <= low + margin]
    near_high = [value for value in found if value >= high - margin]
    middle = [value for value in found if low + margin < value < high - margin]
    pixels = [sum(evidence.counts[value] for value in group) for group in (near_low, middle, near_high)]
    share = (pixels[0] + pixels[2]) / sum(pixels)
    smeared = bool(middle) or min(len(near_low), len(near_high)) > 1
    if share < _MASS or pixels[1] > min(pixels[0], pixels[2]) or not smeared or evidence.solid.intersection(middle):
        return None
    return _two_levels(low, high, whole, f"{format_share(share)} of the pixels lie near {{}}, nothing between fills")


def decide_neighbours(evidence: Evidence, found: Sequence[int | float]) -> Decision | None:
    """A few values beside the two ends, 0 and 255: noise if one alone fills areas at each end, else doubtful."""
    low, high = found[0], found[-1]
    ends = [[value for value in found if value <= low + _BESIDE], [value for value in found if value >= high - _BESIDE]]
    if not (low <= _BESIDE and 255 - _BESIDE <= high <= 255) or not len(found) == sum(map(len, ends)) > 2:
        return None
    if all(len(evidence.solid.intersection(end)) == 1 for end in ends):
        return _two_levels(low, high, True, "all pixels lie near {}, no other value fills")
    remedy = f"{cut_levels(evidence)} {ignore_or_class(evidence, high)}"
    raise doubt(evidence, "neighbouring numbers at an end, as compression leaves them", remedy)


def _two_levels(low: int | float, high: int | float, whole: bool, why: str) -> Decision:
    cut = math.ceil((low + high) / 2) if whole else (low + high) / 2
    return Decision(
        ((min(low, 0),), (cut,)),
        "two levels with blurred edges or compression noise "
        f"({why.format(f'{format_value(low)} or {format_value(high)}')} a 3×3 block); foreground from "
        f"{format_value(cut)} on",
        "threshold",
    )
