"""Which of many predictions to look at: a table, the most doubtful first.

Layer: inference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.files import write_rows
from limner.inference.familiarity import Strangeness
from limner.inference.prediction import Prediction

FOLDER = "doubtful"
"""Sub-folder of the results of doubtful pictures."""

TABLE_NAME = "doubts.csv"


@dataclass(frozen=True)
class Doubt:
    """How sure the prediction of one picture is.

    Attributes:
        picture: Its name.
        expected: Dice to expect, see `Prediction.score`; NaN where there is nothing to expect it of.
        by_class: The same by target and class, such as `mask.lesion`.
        strangeness: How far the picture is from the training pictures; None where the model does not know them.
        doubtful: Whether it is to be looked at.
    """

    picture: str
    expected: float
    by_class: Mapping[str, float]
    strangeness: Strangeness | None
    doubtful: bool

    def row(self) -> dict[str, str | float | None]:
        """The line of the table; what is undefined is empty."""
        strange = self.strangeness
        return {
            "picture": self.picture,
            "doubtful": "yes" if self.doubtful else "no",
            "expected_dice": None if math.isnan(self.expected) else round(self.expected, 4),
            **{name: round(value, 4) for name, value in self.by_class.items()},
            "unlike_training": None if strange is None else round(strange.ratio, 3),
            "because": strange.because if strange is not None and strange.alarming else "",
        }


def doubt_about(
    picture: str,
    prediction: Prediction,
    targets: Mapping[str, TargetSpec],
    strangeness: Strangeness | None,
    flag_below: float | None,
) -> Doubt:
    """Judge one prediction.

    Args:
        picture: Its name.
        prediction: It, with doubts.
        targets: What was predicted.
        strangeness: Of the picture.
        flag_below: Expected Dice below which it is doubtful, as it is where the picture is unlike the training
            pictures; None finds none doubtful.
    """
    by_class = {
        f"{target}.{name}": float(value)
        for target, found in prediction.expected_dice.items()
        for name, value in zip(targets[target].names, found, strict=True)
        if not math.isnan(value)
    }
    expected = prediction.score
    alarming = strangeness is not None and strangeness.alarming
    doubtful = flag_below is not None and (alarming or (not math.isnan(expected) and expected < flag_below))
    return Doubt(picture, expected, by_class if len(by_class) > 1 else {}, strangeness, doubtful)


def write_doubts(path: Path, doubts: Sequence[Doubt]) -> None:
    """Write the table, the most doubtful pictures first: the unlike ones, then by expected Dice.

    Raises:
        OutputError: It cannot be written.
    """

    def order(doubt: Doubt) -> tuple[bool, bool, float]:
        alarming = doubt.strangeness is not None and doubt.strangeness.alarming
        return not doubt.doubtful, not alarming, 2.0 if math.isnan(doubt.expected) else doubt.expected

    rows = [doubt.row() for doubt in sorted(doubts, key=order)]
    write_rows(path, tuple(rows[0]) if rows else ("picture",), rows)


def check_flag(flag_below: float | None, targets: Mapping[str, TargetSpec]) -> None:
    """Refuse a limit that is no Dice, or a model without one.

    Raises:
        ConfigError: As said.
    """
    if flag_below is None:
        return
    if not 0 < flag_below <= 1:
        raise ConfigError("a Dice above 0, at most 1, for --flag-below", f"{flag_below:g}", "Such as --flag-below 0.8.")
    if all(spec.task == "regression" for spec in targets.values()):
        raise ConfigError(
            "a model that predicts masks, for --flag-below", f"one of {', '.join(targets)}", "Leave --flag-below out."
        )
