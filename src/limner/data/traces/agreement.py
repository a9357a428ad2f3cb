"""How far experts agree who traced the same picture: the ceiling for any model that learns from them.

Layer: data; imports nothing of `data`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Agreement:
    """Two experts on one structure of one picture.

    Attributes:
        picture: Its name.
        structure: Its name.
        first: One expert.
        second: The other.
        dice: Twice the common area over the sum of both, 0 to 1.
        first_area: In pixels.
        second_area: In pixels.
    """

    picture: str
    structure: str
    first: str
    second: str
    dice: float
    first_area: int
    second_area: int


def dice(first: Bool[np.ndarray, "height width"], second: Bool[np.ndarray, "height width"]) -> float:
    """Overlap of two regions (Dice, 1945); NaN where both are empty.

    Example:
        >>> round(dice(np.array([[True, True, True]]), np.array([[True, False, False]])), 2)
        0.5
    """
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else float("nan")


def compare(
    picture: str, masks: Mapping[str, Mapping[str, Bool[np.ndarray, "height width"] | None]]
) -> list[Agreement]:
    """Every two experts on every structure that both have traced; `masks` is expert → structure → region."""
    found = []
    for first, second in combinations(masks, 2):
        for structure, one in masks[first].items():
            other = masks[second].get(structure)
            if one is not None and other is not None:
                areas = int(one.sum()), int(other.sum())
                found.append(Agreement(picture, structure, first, second, dice(one, other), *areas))
    return found


def mean_dice(agreements: Sequence[Agreement]) -> dict[str, tuple[float, int]]:
    """Mean Dice and number of pictures by structure, in order of appearance."""
    structures = dict.fromkeys(agreement.structure for agreement in agreements)
    values = {name: [a.dice for a in agreements if a.structure == name and a.dice == a.dice] for name in structures}
    return {name: (fmean(found), len(found)) for name, found in values.items() if found}


def agreement_table(agreements: Sequence[Agreement]) -> str:
    """CSV with a line for each."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["picture", "structure", "first", "second", "dice", "first_area", "second_area"])
    for one in agreements:
        areas = (one.first_area, one.second_area)
        writer.writerow([one.picture, one.structure, one.first, one.second, f"{one.dice:.4f}", *areas])
    return stream.getvalue()
