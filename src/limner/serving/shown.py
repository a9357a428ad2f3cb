"""A run that a server shows: its report, its samples, and what is known of them.

Layer: serving. Imports no web library. Values alone; `workflow` reads them from a run folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.inference.scoring import ScoreTable


@dataclass(frozen=True)
class Rated:
    """How a sample did.

    Attributes:
        score: Dice, or where there are numbers the score that the report explains; NaN where it is not defined.
        expected: Of it, what the model expected; NaN where that is not known.
        rank: 1 is the best; 0 where it has no score.
        kind: `worst`, `median`, `best` or `doubtful` where it is an example of that, else empty.
    """

    score: float = math.nan
    expected: float = math.nan
    rank: int = 0
    kind: str = ""


@dataclass(frozen=True, eq=False)
class SampleGroup:
    """Samples that are shown together: those of a split.

    Attributes:
        name: Of the split.
        title: What people call it.
        places: Positions in the catalog.
        models: Name of the model that did not learn from each of them, in the same order.
        rated: What the run itself wrote down, by id; None where it scored none of these. Read anew each time.
    """

    name: str
    title: str
    places: Sequence[int]
    models: Sequence[str]
    rated: Callable[[], Mapping[str, Rated] | None]


@dataclass(frozen=True)
class Trouble:
    """Why something cannot be shown, in the parts of an error and without places of this machine."""

    expected: str
    found: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        """As the API tells it."""
        return {"expected": self.expected, "found": self.found, "remedy": self.remedy}


@dataclass(frozen=True)
class State:
    """Of a run, now.

    Attributes:
        status: `training`, `finished`, `failed`, …; empty where it is not known.
        epochs: How many are done.
        note: A sentence about a run that has not ended as planned; empty where it has.
    """

    status: str
    epochs: int
    note: str

    def to_dict(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"status": self.status, "epochs": self.epochs, "note": self.note}


@dataclass(frozen=True, eq=False)
class ShownRun:
    """A run.

    Attributes:
        name: Of its folder.
        state: How it stands; asked anew each time.
        report: Makes its report, as HTML whose samples link to the page.
        measure: What scores are called.
        catalog: Its samples.
        label_maps: Meaning of their masks, by target.
        groups: Samples that are shown.
        rate: What a score table says of each sample, in its order.
        trouble: Why its pictures cannot be shown; None where they can.
    """

    name: str
    state: Callable[[], State]
    report: Callable[[], str]
    measure: str = "Dice"
    catalog: Catalog = field(default_factory=lambda: Catalog([], {}, {}))
    label_maps: Mapping[str, LabelMap] = field(default_factory=dict)
    groups: Sequence[SampleGroup] = ()
    rate: Callable[[ScoreTable], Sequence[Rated]] = lambda _: ()
    trouble: Trouble | None = None
