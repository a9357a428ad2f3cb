"""What to say when masks can be understood in more than one way, and the line to type then.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from limner.data.evidence import Evidence
from limner.data.target_options import options_line
from limner.data.values import MOST_VALUES, format_share, format_shares, format_value
from limner.errors import DataError
from limner.types import MAX_CLASSES

_LISTED = 16  # values that are worth listing in a line to type


def describe(evidence: Evidence) -> str:
    """`20 masks hold 0 (94.8 %), 1 (5.2 %)`."""
    return f"{evidence.files:,} {'mask holds' if evidence.files == 1 else 'masks hold'} {_seen(evidence)}"


def refuse_continuous(evidence: Evidence) -> None:
    """Raise a DataError if some mask holds too many values to be a mask."""
    if evidence.continuous:
        raise DataError(
            "masks of a limited number of values",
            f"'{evidence.continuous}' holds more than {MOST_VALUES:,} different ones",
            f"{measurements(evidence)} If these are photographs or probabilities, check `data.masks`. "
            f"{merge_objects()}",
        )


def refuse_many(evidence: Evidence) -> None:
    """Raise a DataError if there are more values than Limner has class ids."""
    count = evidence.channels if evidence.form == "planes" else len(evidence.counts)
    if count > MAX_CLASSES:
        found = [value for value in evidence.counts if not isinstance(value, tuple)]
        raise DataError(
            f"at most {MAX_CLASSES} classes",
            f"{count:,}: {describe(evidence)}",
            f"If these are photographs, check `data.masks`. {merge_objects()}"
            + (f" {cut_levels(found)} {measurements(evidence)}" if found else ""),
        )


def constant(evidence: Evidence) -> DataError:
    """All masks hold one value alone."""
    (value,) = evidence.counts or (0,)
    empty = value == 0 or (isinstance(value, tuple) and not any(value[:3]))
    return DataError(
        "masks that mark something: at least two values",
        f"{describe(evidence)}: all are {'empty' if empty else 'foreground'}",
        "Check that `data.masks` names the right folder and that the masks were not saved blank.",
    )


def doubt(evidence: Evidence, why: str, remedy: str) -> DataError:
    """The values can mean several things."""
    return DataError("masks whose values can only mean one thing", f"{describe(evidence)}: {why}", remedy)


def ignore_or_class(evidence: Evidence, special: int | float) -> str:
    """The two lines that settle what a value such as 255 or -1 means."""
    rows = ",".join(f"[{format_value(value)}]" for value in evidence.counts)
    return (
        f"Type `data.ignore_values=[{format_value(special)}]` if {format_value(special)} marks pixels to leave out, "
        f"or `data.values=[{rows}]` if it is a class."
    )


def cut_levels(found: Sequence[int | float]) -> str:
    """The line that cuts smeared values into background and foreground."""
    top = math.ceil(found[-1])
    if top < 2:
        return "Save the masks as PNG with whole numbers and without smoothing."
    return (
        f'For background and foreground type `data.values=[["0-{top // 2}"],["{top // 2 + 1}-{top}"]]`; '
        "name every class's values in this way if there are more."
    )


def measurements(evidence: Evidence) -> str:
    """The line that makes the target one of numbers instead of classes."""
    return f"If they are measurements, such as depths, type {options_line(evidence.target)}."


def merge_objects() -> str:
    """The line that makes numbered objects one class."""
    return 'If each number is one object, type `data.values=[[0],["other"]]`: all of them are then one class.'


def name_classes(evidence: Evidence) -> str:
    """The line that makes each number a class; without numbers where there are many."""
    if len(evidence.counts) > _LISTED:
        return "If each is a class, name its values in `data.values`."
    rows = ",".join(f"[{format_value(value)}]" for value in evidence.counts)
    return f"If each number is a class, type `data.values=[{rows}]`."


def _seen(evidence: Evidence) -> str:
    if evidence.form != "planes":
        return format_shares(list(evidence.counts.items()))
    total = sum(evidence.counts.values())
    rows = [(value, count) for value, count in evidence.counts.items() if isinstance(value, tuple)]
    parts = [
        f"{number} ({format_share(sum(count for value, count in rows if value[number]) / total)})"
        for number in range(evidence.channels)
    ]
    return f"{evidence.channels} planes of 0 and 1, set: {', '.join(parts[:12])}{', …' if len(parts) > 12 else ''}"
