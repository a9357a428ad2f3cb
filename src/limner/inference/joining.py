"""The scores of several sets of samples as those of one.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from limner.inference.measuring import Measuring
from limner.inference.score_table import NumberScores, ScoreTable, TargetScores


def join_tables(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Put scores one after the other, in the order of the tables; targets must be the same.

    Distances are kept if all tables measured alike, in one unit and with one tolerance; else they are left out.
    """
    starts = np.cumsum([0, *(len(table.ids) for table in tables)]).tolist()
    measuring = _joined_measuring(tables)

    def joined(parts: Sequence[TargetScores | NumberScores]) -> dict[str, Any]:
        samples = [int(start) + place for start, part in zip(starts, parts, strict=False) for place in part.samples]
        return {"samples": samples, "table": np.concatenate([part.table for part in parts])}

    def expected(name: str) -> np.ndarray | None:
        known = [part for table in tables if (part := table.targets[name].expected) is not None]
        return np.concatenate(known) if len(known) == len(tables) else None

    def measures(name: str) -> np.ndarray | None:
        found = [table.targets[name].measures for table in tables]
        known = [part for part in found if part is not None]
        return np.concatenate(known) if measuring is not None and len(known) == len(found) else None

    first = tables[0]
    return ScoreTable(
        [name for table in tables for name in table.ids],
        [group for table in tables for group in table.groups],
        {
            name: replace(
                found,
                **joined([table.targets[name] for table in tables]),
                measures=measures(name),
                expected=expected(name),
            )
            for name, found in first.targets.items()
        },
        {
            name: replace(found, **joined([table.numbers[name] for table in tables]))
            for name, found in first.numbers.items()
        },
        measuring,
    )


def _joined_measuring(tables: Sequence[ScoreTable]) -> Measuring | None:
    """How all of them were measured; None where they were not, or differently."""
    found = [table.measuring for table in tables]
    first = found[0]
    if first is None or any(one is None or (one.options, one.unit) != (first.options, first.unit) for one in found):
        return None
    if first.spacings is None:
        return first
    return replace(first, spacings=[size for one in found if one is not None for size in one.spacings or []])
