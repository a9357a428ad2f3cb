"""Which of many predictions to look at: a table, the most doubtful first.

Layer: inference.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.files import write_rows
from limner.images import is_url, read_bytes
from limner.inference.familiarity import Strangeness
from limner.inference.prediction import Prediction
from limner.inference.tables import Done, Records

FOLDER = "doubtful"
"""Sub-folder of the results of doubtful pictures."""

TABLE_NAME = "doubts.csv"

Row: TypeAlias = dict[str, str | float | None]
"""A line of the table."""

_WORDS = frozenset({"picture", "doubtful", "because"})


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

    def row(self) -> Row:
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


def doubts_in(table: Path | str) -> Iterator[Row]:
    """The rows of a table, a file or URL, with its numbers as numbers and nothing where a cell is empty."""
    data = read_bytes(str(table)) if is_url(str(table)) else Path(table).read_bytes()
    for row in csv.DictReader(io.StringIO(data.decode(errors="surrogateescape"), newline="")):
        yield {name: cell if name in _WORDS else float(cell) if cell else None for name, cell in row.items()}


@dataclass(frozen=True)
class DoubtTable:
    """The table of how sure the predictions are, the most doubtful first: the unlike ones, then by expected Dice.

    Attributes:
        path: The CSV.
    """

    path: Path
    key: ClassVar[str] = "doubt"

    def record(self, done: Done) -> Row:
        """What the journal keeps of a picture."""
        assert done.doubt is not None
        return done.doubt.row()

    def write(self, records: Records) -> None:
        """Write the table.

        Raises:
            OutputError: It cannot be written.
        """
        columns: dict[str, None] = {}
        keys = []
        for row in records:
            columns.update(dict.fromkeys(row))
            keys.append((row["doubtful"] != "yes", not row["because"], _or_last(row["expected_dice"])))
        order = sorted(range(len(records)), key=keys.__getitem__)
        write_rows(self.path, tuple(columns) or ("picture",), (records[place] for place in order))


def _or_last(expected: float | None) -> float:
    return 2.0 if expected is None else expected


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
