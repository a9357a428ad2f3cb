"""The records of candidates that were compared, of several seeds, and of steps that folds tried, as checked models.

Layer: part of `evaluation`, beside `records`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from limner.evaluation.records import Number, Record, SpreadRecord


class RepeatRecord(Record):
    """One of several trainings that differ in their seed: by target and name, the means over its images."""

    seed: int
    folder: str
    epochs: int = 0
    validation: Number = None
    n_images: int = 0
    targets: dict[str, dict[str, Number]] = Field(default_factory=dict)


class RepeatsRecord(Record):
    """`repeats.json`: the trainings, the folder of the one that was `kept`, and how far their scores differ."""

    split: str = ""
    kept: str = ""
    repeats: list[RepeatRecord] = Field(default_factory=list)
    spread: dict[str, dict[str, SpreadRecord]] = Field(default_factory=dict)


class BehindRecord(Record):
    """By how much the best candidate is better than one, with its interval; `shown` where that leaves out 0."""

    better: Number = None
    low: Number = None
    high: Number = None
    n: int = 0
    over: str = "images"
    level: float = 0.95
    shown: bool = False


class CandidateRecord(Record):
    """One candidate: how it was written, what it took, and its mean score."""

    name: str
    folder: str
    settings: str = ""
    seconds: Number = None
    epochs: list[int] = Field(default_factory=list)
    parameters: int | None = None
    images_per_s: Number = None
    mean: Number = None
    behind_the_best: BehindRecord | None = None


class CandidatesRecord(Record):
    """`candidates.json`: what was compared on which samples, the candidates by mean, and the one that was kept."""

    metric: str = "dice"
    target: str = ""
    n_images: int = 0
    split: str = ""
    verdict: str = ""
    kept: str = ""
    candidates: list[CandidateRecord] = Field(default_factory=list)


class TrialRecord(Record):
    """What one step after the threshold would do to the mean Dice of images."""

    target: str = ""
    class_name: str = Field("", alias="class")
    step: str = ""
    area: int = 0
    better: Number = None
    low: Number = None
    high: Number = None
    n: int = 0
    taken: bool = False


class PostProcessingRecord(Record):
    """`post_processing.json`: steps after the threshold that were tried on out-of-fold predictions."""

    n_images: int = 0
    trials: list[TrialRecord] = Field(default_factory=list)
    steps: list[dict[str, Any]] = Field(default_factory=list)
