"""What all masks of a data set hold together, seen in the one way that fits them all.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from limner.data.values import Reading, Value, ValueTable, plain_number
from limner.errors import DataError, shorten
from limner.types import Color

Form: TypeAlias = Literal["numbers", "colors", "planes"]


@dataclass(frozen=True)
class Evidence:
    """The values of all masks together.

    Attributes:
        files: Number of masks.
        form: Whether a pixel holds a number, a colour (with or without alpha), or a flag per plane.
        reading: Which part of the stored masks that is.
        channels: Channels of a colour or number of planes; 0 for numbers.
        counts: Pixels per value, in ascending order of the values.
        example: Location of one mask that holds the value.
        masks: Number of masks that hold the value.
        solid: Values that fill a block of 3 × 3 pixels in some mask.
        palette: Colour per number, of palette pictures.
        continuous: Location of a mask with too many values to tabulate; empty if there is none.
        target: Name of the target.
        numbered: Every mask holds 1, 2, … k without a gap and k differs: the mark of numbered objects.
        apart: No mask holds two values beside 0.
        backwards: Greys of a palette are read that run against its numbers.
    """

    files: int
    form: Form
    reading: Reading
    channels: int
    counts: dict[Value, int]
    example: dict[Value, str]
    masks: dict[Value, int]
    solid: frozenset[Value]
    palette: dict[Value, Color]
    continuous: str
    numbered: bool
    apart: bool
    backwards: bool
    target: str = "mask"

    def without(self, values: Sequence[Value]) -> Evidence:
        """The same without some values."""
        counts = {value: count for value, count in self.counts.items() if value not in values}
        return replace(self, counts=counts)


def gather(tables: Sequence[ValueTable], *, colors: bool = False) -> Evidence:
    """Put the tables of all masks together.

    Args:
        tables: One per mask.
        colors: See numbers as grey colours, because the user names colours.

    Raises:
        DataError: There is no mask, or some hold planes or colours and others do not.
    """
    if not tables:
        raise DataError("at least one mask", "there is none", "Check `data.masks` and the names of the files.")
    palette, expand = _palettes(tables)
    views = [_expanded(table) if expand else _View(table) for table in tables]
    reading: Reading = "palette" if expand else "stored"
    form, channels = _form(views)
    if form == "colors" and _only_alpha_varies(views):
        form, reading = "numbers", "alpha"
    elif form == "colors" and len({value[-1] for view in views for value in view.tuples if len(value) == 4}) < 2:
        channels = 3
    if form == "colors" and not colors and all(_is_grey(value, channels) for view in views for value in view.tuples):
        form, channels = "numbers", 0
    if colors and form == "numbers":
        form, channels = "colors", 3
    for view in views:
        view.values = [_seen(value, form, reading, channels) for value in view.values]
    return _total(views, form, reading, channels, {} if expand else palette)


class _View:
    """The values of one table, being turned into the form that all masks share."""

    def __init__(self, table: ValueTable) -> None:
        self.table = table
        self.values: list[Value] = list(table.counts)

    @property
    def tuples(self) -> list[tuple[int | float, ...]]:
        return [value for value in self.values if isinstance(value, tuple)]


def _expanded(table: ValueTable) -> _View:
    view = _View(table)
    if table.palette is not None:
        view.values = [table.palette[value] for value in table.counts if isinstance(value, int)]
    return view


def _palettes(tables: Sequence[ValueTable]) -> tuple[dict[Value, Color], bool]:
    """Colour per number, and whether the colours are to be read instead of the numbers.

    They are where files give one number several colours, and where all are grey: then a white 0
    and a black 1 mean what they show.
    """
    colors: dict[Value, Color] = {}
    agree = True
    for table in tables:
        for value in table.counts if table.palette is not None else ():
            assert isinstance(value, int)
            assert table.palette is not None
            agree &= colors.setdefault(value, table.palette[value]) == table.palette[value]
    grey = all(len(set(color)) == 1 for color in colors.values())
    return colors, bool(colors) and (grey or not agree)


def _form(views: Sequence[_View]) -> tuple[Form, int]:
    widths = {len(view.tuples[0]) if view.tuples else 0 for view in views}
    tuples = {value for view in views for value in view.tuples}
    if widths == {0}:
        return "numbers", 0
    widest = max(widths)
    flags = {part for value in tuples for part in value}
    uneven = any(len(set(value)) > 1 for value in tuples)
    if len(widths) == 1 and len(flags) == 2 and 0 in flags and (widest > 4 or (flags == {0, 1} and uneven)):
        return "planes", widest
    if widest > 4:
        wide = next(view.table.where for view in views if view.tuples and len(view.tuples[0]) == widest)
        raise DataError(
            "masks of up to four channels, or planes of 0 and 1 that are alike in number",
            f"'{wide}' has {widest} channels",
            "Save the masks as one number per pixel, or as one plane of 0 and 1 per class.",
        )
    odd = [
        view.table.where for view in views if not all(_is_byte(part) for value in view.values for part in _parts(value))
    ]
    if odd:
        raise DataError(
            "colours of whole numbers from 0 to 255",
            "other numbers in",
            "Save the masks with 8 bits per channel.",
            details=shorten(odd),
        )
    return "colors", 4 if widths & {2, 4} else 3


def _parts(value: Value) -> tuple[int | float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _is_byte(part: int | float) -> bool:
    return isinstance(part, int) and 0 <= part <= 255


def _only_alpha_varies(views: Sequence[_View]) -> bool:
    """Whether every mask has alpha, it varies, and all that is not transparent has one colour."""
    values = {value for view in views for value in view.values}
    if not all(isinstance(value, tuple) and len(value) in (2, 4) for value in values):
        return False
    tuples = {value for view in views for value in view.tuples}
    painted = {value[:-1] for value in tuples if value[-1] > 0}
    return len(painted) <= 1 and len({value[-1] for value in tuples}) > 1


def _is_grey(value: tuple[int | float, ...], channels: int) -> bool:
    return channels == 3 and len(set(value[: 1 if len(value) == 2 else 3])) == 1


def _seen(value: Value, form: Form, reading: Reading, channels: int) -> Value:
    """One value in the form that all masks share."""
    if form == "planes":
        return tuple(int(part > 0) for part in _parts(value))
    if form == "numbers":
        if not isinstance(value, tuple):
            return plain_number(value)
        return value[-1] if reading == "alpha" else value[0]
    parts = _parts(value)
    alpha = parts[-1] if len(parts) in (2, 4) else 255
    color = parts[:3] if len(parts) >= 3 else (parts[0],) * 3
    if channels == 3:
        return color
    return (*color, alpha) if alpha else (0, 0, 0, 0)


def _total(
    views: Sequence[_View], form: Form, reading: Reading, channels: int, palette: dict[Value, Color]
) -> Evidence:
    counts: Counter[Value] = Counter()
    example: dict[Value, str] = {}
    masks: Counter[Value] = Counter()
    solid: set[Value] = set()
    for view in views:
        for value, (stored, pixels) in zip(view.values, view.table.counts.items(), strict=True):
            counts[value] += pixels
            example.setdefault(value, view.table.where)
            if stored in view.table.solid:
                solid.add(value)
        masks.update(set(view.values))
    return Evidence(
        files=len(views),
        form=form,
        reading=reading,
        channels=channels,
        counts={value: counts[value] for value in sorted(counts, key=_place)},
        example=example,
        masks=dict(masks),
        solid=frozenset(solid),
        palette=palette,
        continuous=next((view.table.where for view in views if view.table.continuous), ""),
        numbered=_numbered(views),
        apart=all(len(set(view.values) - {0}) < 2 for view in views),
        backwards=reading == "palette" and any(runs_backwards(view.table) for view in views),
    )


def _place(value: Value) -> tuple[int | float, ...]:
    """By what values are put in order, NaN last."""
    return tuple(math.inf if part != part else part for part in _parts(value))


def runs_backwards(table: ValueTable) -> bool:
    """Whether a palette gives lower numbers lighter greys."""
    numbers = sorted(value for value in table.counts if isinstance(value, int))
    shades = [table.palette[number][0] for number in numbers] if table.palette else []
    return shades != sorted(shades)


def _numbered(views: Sequence[_View]) -> bool:
    most = set()
    for view in views:
        objects = {value for value in view.values if value != 0}
        if objects != set(range(1, len(objects) + 1)):
            return False
        most.add(len(objects))
    return len(most) > 1
