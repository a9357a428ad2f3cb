"""What to say when masks can be understood in more than one way, and the line to type then.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

from limner.data.evidence import Evidence
from limner.data.target_options import options_line
from limner.data.values import MOST_VALUES, format_share, format_shares, format_value
from limner.errors import DataError
from limner.types import MAX_CLASSES

_LISTED = 16  # values that are worth listing in a line to type
_HIGHEST = 0xFFFF  # up to which ranges of values can be typed
_FAR = 16  # from the next, where a level begins
_ALIKE = 4  # levels by which colours that are meant to be one may differ

Color: TypeAlias = tuple[int | float, ...]


def describe(evidence: Evidence) -> str:
    """`20 masks hold 0 (94.8 %), 1 (5.2 %)`."""
    return f"{evidence.files:,} {'mask holds' if evidence.files == 1 else 'masks hold'} {_seen(evidence)}"


def refuse_continuous(evidence: Evidence) -> None:
    """Raise a DataError if some mask holds too many values to be a mask."""
    if evidence.continuous:
        raise DataError(
            "masks of a limited number of values",
            f"'{evidence.continuous}' holds more than {MOST_VALUES:,} different ones",
            f"If these are photographs or probabilities, check `data.masks`. {_otherwise(evidence)}",
        )


def refuse_many(evidence: Evidence) -> None:
    """Raise a DataError if there are more values than Limner has class ids."""
    count = evidence.channels if evidence.form == "planes" else len(evidence.counts)
    if count > MAX_CLASSES:
        raise DataError(
            f"at most {MAX_CLASSES} classes",
            f"{count:,}: {describe(evidence)}",
            f"If these are photographs, check `data.masks`. {_otherwise(evidence)}",
        )


def _otherwise(evidence: Evidence) -> str:
    """What may be done about very many values."""
    if evidence.form == "planes":
        return "Save one mask of class numbers."
    if evidence.form == "colors":
        return merge_objects(evidence)
    return f"{merge_objects(evidence)} {cut_levels(evidence)} {measurements(evidence)}"


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


def mixed_kinds(found: Sequence[int | float]) -> str:
    """The lines that settle what 1 and 255 mean that never stand in one mask."""
    others = ",".join(format_value(value) for value in found[1:])
    rows = ",".join(f"[{format_value(value)}]" for value in found)
    last = format_value(found[-1])
    return (
        f"Type `data.values=[[0],[{others}]]` if all of them mark the foreground, `data.ignore_values=[{last}]` if "
        f"{last} marks pixels to leave out, or `data.values=[{rows}]` if each is a class."
    )


def cut_levels(evidence: Evidence) -> str:
    """The line that cuts smeared values into levels: those that areas of the masks hold, or lower and upper half."""
    found = [value for value in evidence.counts if not isinstance(value, tuple)]
    if not 2 <= found[-1] <= _HIGHEST or not all(isinstance(value, int) for value in found):
        return "Save the masks as PNG with whole numbers and without smoothing."
    top = 255 if found[-1] <= 255 else found[-1]
    levels = _levels(evidence)
    cuts = [(low + high) // 2 for low, high in itertools.pairwise(levels)] if len(levels) > 1 else [int(top) // 2]
    rows = ",".join(
        f'["{low}-{high}"]' for low, high in zip([0, *(cut + 1 for cut in cuts)], [*cuts, top], strict=True)
    )
    what = "background and foreground" if len(cuts) == 1 else f"the levels {', '.join(map(str, levels))}"
    return f"For {what} type `data.values=[{rows}]`; name every class's values in this way if there are others."


def _levels(evidence: Evidence) -> list[int]:
    """The most frequent of the values, each far from the next, that fill a block of 3 × 3 pixels; none if many do."""
    groups: list[list[int]] = []
    for value in evidence.counts:
        if isinstance(value, int) and value in evidence.solid:
            if groups and value - groups[-1][-1] < _FAR:
                groups[-1].append(value)
            else:
                groups.append([value])
    levels = [max(group, key=lambda value: evidence.counts[value]) for group in groups]
    return levels if len(levels) <= _LISTED else []


def measurements(evidence: Evidence) -> str:
    """The line that makes the target one of numbers instead of classes."""
    return f"If they are measurements, such as depths, type {options_line(evidence.target)}."


def merge_objects(evidence: Evidence) -> str:
    """The line that makes objects, each of a number or colour of its own, one class."""
    if evidence.form == "colors":
        black = next((value for value in evidence.counts if isinstance(value, tuple) and not any(value[:3])), None)
        if black is None:
            return "Save the masks as PNG without smoothing."
        line = f'`data.values=[[{format_value(black)}],["other"]]`'
        return (
            "Save the masks as PNG without smoothing. "
            f"If each colour is one object, type {line}: all of them are then one class."
        )
    return 'If each number is one object, type `data.values=[[0],["other"]]`: all of them are then one class.'


def merge_colors(ordered: Sequence[Color]) -> str:
    """The lines that make colours which nearly agree one class, or one each."""
    groups: list[list[Color]] = []
    for color in ordered:
        near = next((group for group in groups if any(nearly_agree(color, other) for other in group)), None)
        if near is None:
            groups.append([color])
        else:
            near.append(color)
    merged, single = (
        ",".join(f"[{','.join(map(format_value, group))}]" for group in rows)
        for rows in (groups, [[color] for color in ordered])
    )
    return f"Type `data.values=[{merged}]` if these are one class, or `data.values=[{single}]` if each is one."


def nearly_agree(one: Color, other: Color) -> bool:
    """Whether two colours look alike: their channels differ by a few levels."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= _ALIKE


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
