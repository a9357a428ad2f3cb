"""The API's values about a run that is shown.

Layer: serving.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from limner.serving.schemas import Values


class Trouble(BaseModel):
    """Why something cannot be shown."""

    expected: str
    found: str
    remedy: str


class RatingState(BaseModel):
    """How far the scoring of a group is."""

    state: Literal["idle", "running", "done", "failed"]
    done: int
    error: Trouble | None


class Group(BaseModel):
    """Samples of one split."""

    name: str
    title: str
    count: int
    rating: RatingState


class Run(BaseModel):
    """A run."""

    name: str
    status: str = Field(description="training, finished, failed, …")
    epochs: int
    note: str
    measure: str = Field(description="What scores are: Dice, or score where there are numbers.")
    report: str = Field(description="Path of the report; whoever knows it may read it.")
    groups: list[Group]
    inputs: list[str]
    trouble: Trouble | None = Field(description="Why pictures cannot be shown.")
    no_model: Trouble | None = Field(description="Why there is no model.")


class Sample(BaseModel):
    """A sample, and how it did."""

    number: int
    name: str
    group: str
    model: str = Field(description="That did not learn from it.")
    score: float | None
    expected: float | None = Field(description="The score that the model expected.")
    rank: int | None = Field(description="1 is the best.")
    kind: Literal["worst", "median", "best", "doubtful"] | None


class Samples(BaseModel):
    """Some samples; `total` counts those that were not asked for, too."""

    group: str
    total: int
    samples: list[Sample]


class TruthValues(Values):
    """Numbers; `known` is a 1-bit PNG, where some are not."""

    known: str | None = None


class TruthTarget(BaseModel):
    """The truth of a target."""

    task: Literal["binary", "multiclass", "multilabel", "regression"]
    height: int
    width: int
    mask: str | list[str] | None = Field(
        None, description="Grey PNG of class ids, of multilabel one of 0 and 1 for each class; 255 is not known."
    )
    values: TruthValues | None = None


class Truth(BaseModel):
    """What is known of a sample."""

    name: str
    inputs: list[str]
    targets: dict[str, TruthTarget]


def rate_body() -> dict[str, Any]:
    """The body of `POST /v1/run/rate`."""
    schema = {
        "type": "object",
        "properties": {"group": {"type": "string", "description": "Of /v1/run."}},
        "required": ["group"],
        "additionalProperties": False,
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
