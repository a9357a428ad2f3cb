"""The record of example cases: what stands in `evaluation/cases/cases.json`, as checked models.

Layer: part of `evaluation`, above `records`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from limner.evaluation.records import Number, Record


class Panel(Record):
    """One picture of a case: what it shows, and its file beside `cases.json`.

    `beside`: whether it is to be seen although the case has layers, because these do not show it.
    """

    name: str
    file: str
    beside: bool = True


class LayerRecord(Record):
    """One transparent picture over that of a case; `shown`: at first."""

    kind: Literal["truth", "prediction", "errors", "uncertainty"]
    name: str
    file: str
    shown: bool = False


class ViewRecord(Record):
    """The picture of a case with the layers over it."""

    file: str
    layers: tuple[LayerRecord, ...] = ()


class CaseRecord(Record):
    """One image of `evaluation/cases/cases.json`; rank 1 of `ranked` is the best."""

    kind: str
    id: str
    rank: int
    ranked: int
    score: Number = None
    expected: Number = None
    scores: dict[str, dict[str, Number]] = Field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    view: ViewRecord | None = None


HexColor = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]


class LegendEntry(Record):
    """What a colour of the error pictures means."""

    name: str
    color: HexColor


class LineRecord(Record):
    """What an outline is: its style, and its colour where it is not that of the class."""

    name: str
    style: Literal["solid", "dashed"]
    color: HexColor | None = None


class ScaleRecord(Record):
    """What the colours of a map of numbers mean, from `low` to `high`."""

    name: str
    low: float
    high: float
    unit: str = ""
    colors: Annotated[list[HexColor], Field(min_length=2)]


class CasesRecord(Record):
    """`evaluation/cases/cases.json`; `measure` says what the images are ranked by."""

    legend: tuple[LegendEntry, ...] = ()
    lines: tuple[LineRecord, ...] = ()
    scales: tuple[ScaleRecord, ...] = ()
    measure: str = "Dice"
    cases: tuple[CaseRecord, ...] = ()
