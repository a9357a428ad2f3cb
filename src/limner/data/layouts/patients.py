"""Which pictures show one patient, as far as their names tell.

Layer: data; imports nothing of `data`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What numbers the pictures of one person: `-IM-0001`, `_frame12`, `_3`.
_COUNTER = re.compile(r"[-_ .]*(?:im|img|image|slice|sl|frame|fr|phase|ph|time|t|z)?[-_ .]*\d+$", re.IGNORECASE)
# Fewer stems would be batches or hospitals rather than people.
_FEWEST = 4


def patients(names: Sequence[str]) -> dict[str, str]:
    """Name → patient, where names are a person's and then a counter; else nothing.

    Example:
        >>> names = ["P1_1", "P1_2", "P2_1", "P3_1", "P4_1"]
        >>> patients(names)
        {'P1_1': 'P1', 'P1_2': 'P1', 'P2_1': 'P2', 'P3_1': 'P3', 'P4_1': 'P4'}
        >>> patients(["heart_1", "heart_2"])
        {}
    """
    stems = {name: _COUNTER.sub("", name) for name in names}
    different = set(stems.values())
    # A stem that identifies somebody holds a number itself, and some of them recur.
    told = all(any(letter.isdigit() for letter in stem) for stem in different)
    return stems if told and _FEWEST <= len(different) < len(names) else {}
