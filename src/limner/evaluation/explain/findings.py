"""What an explanation is made of.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["fine", "odd", "unknown"]
Kind = Literal[
    "constant",
    "mask file",
    "values",
    "channels",
    "inverted",
    "exposure",
    "size",
    "turned",
    "blurred",
    "noisy",
    "alpha",
    "threshold",
    "steps",
    "tiles",
    "another kind",
    "nothing there",
    "unsure",
    "weak model",
]
"""Names of the causes."""

STRANGE = 1.0
"""Distance to the training pictures, by the limit, above which a picture is unlike them."""
USUAL = 0.8
"""Distance within which 19 of 20 pictures of the kind lie: less is no difference."""


@dataclass(frozen=True)
class Sight:
    """How a model sees a picture.

    Attributes:
        strangeness: Distance to the training pictures by the limit, see `limner.inference.familiarity`; NaN unknown.
        because: In what it differs most.
        promise: Dice to expect of what is answered, 0 where nothing is; NaN of numbers.
        area: Share of the picture that is answered as any class but the background; NaN of numbers.
        highest: Highest probability of such a class; NaN of numbers.
        dice: Real Dice, of classes that are in truth or answer; NaN without a truth.
    """

    strangeness: float
    because: str
    promise: float
    area: float
    highest: float
    dice: float = math.nan

    @property
    def worth(self) -> float:
        """What the answer is worth: the real Dice where it is known, else the promise."""
        return self.promise if math.isnan(self.dice) else self.dice

    @property
    def strange(self) -> bool:
        """Whether the picture is known to be unlike the training pictures."""
        return self.strangeness > STRANGE


@dataclass(frozen=True)
class Trial:
    """A change of the picture, or of what is done with it, and its effect.

    Attributes:
        kind: The cause that it speaks for.
        change: What was changed, as a clause: "channels in the order 3 2 1".
        before: As given.
        after: Changed.
        exact: Whether the change undoes the fault exactly, if it is the fault, or only roughly.
    """

    kind: Kind
    change: str
    before: Sight
    after: Sight
    exact: bool = True

    @property
    def nearer(self) -> float:
        """Share of the distance to the training pictures that the change takes away; below 0 where it adds to it.

        A picture at a usual distance has none to lose.
        """
        before, after = self.before.strangeness, self.after.strangeness
        if math.isnan(before) or math.isnan(after):
            return 0.0
        return 1 - max(after, USUAL) / max(before, USUAL)

    @property
    def surer(self) -> float:
        """By how much the answer is worth more, in Dice; 0 of numbers."""
        rise = self.after.worth - self.before.worth
        return 0.0 if math.isnan(rise) else rise

    @property
    def benefit(self) -> float:
        """What the change brings: the share of the distance that it takes away, and the Dice that it adds."""
        return self.nearer + self.surer

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "change": self.change,
            "benefit": round(self.benefit, 4),
            "strangeness": [number(self.before.strangeness), number(self.after.strangeness)],
            "expected_dice": [number(self.before.promise), number(self.after.promise)],
            "dice": [number(self.before.dice), number(self.after.dice)],
            "area": [number(self.before.area), number(self.after.area)],
        }


@dataclass(frozen=True)
class Rung:
    """One thing that was looked at.

    Attributes:
        name: What.
        found: What was found, in words, with its numbers.
        verdict: `fine`, `odd`, or `unknown` where it cannot be told.
        numbers: The same for programs.
    """

    name: str
    found: str
    verdict: Verdict = "fine"
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "found": self.found, "verdict": self.verdict, "numbers": dict(self.numbers)}


@dataclass(frozen=True)
class Cause:
    """What may be wrong.

    Attributes:
        kind: Which fault.
        title: In words.
        evidence: What speaks for it, with numbers.
        remedy: What to do.
        weight: How much it explains; the highest comes first.
        trial: The change that showed it, if one did.
    """

    kind: Kind
    title: str
    evidence: str
    remedy: str
    weight: float
    trial: Trial | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "title": self.title,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "weight": round(self.weight, 4),
            "trial": self.trial.to_dict() if self.trial else None,
        }


def number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None
