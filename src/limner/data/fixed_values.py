"""Stored mask values as the user names them in `data.values` and `data.ignore_values`.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from limner.data.evidence import Evidence
from limner.data.labels import OTHER
from limner.data.values import MOST_VALUES, Value, format_value, plain_number
from limner.errors import ConfigError, DataError, shorten
from limner.types import MAX_CLASSES

_LARGEST = 0xFFFF


def parse_values(values: Sequence[Sequence[Any]], ignore: Sequence[Value]) -> tuple[tuple[Value | str, ...], ...]:
    """Stored values per class id.

    Example:
        >>> parse_values([[0], ["1-3", 7], ["other"]], [])
        ((0,), (1, 2, 3, 7), ('other',))
        >>> parse_values([["#000000"], [[255, 0, 0]]], [])
        (((0, 0, 0),), ((255, 0, 0),))

    Raises:
        ConfigError: An entry cannot be understood, a value stands twice, colours are mixed with numbers,
            or there are too few or too many classes.
    """
    rows = tuple(tuple(part for entry in row for part in _parse(entry)) for row in values)
    if not 2 <= len(rows) <= MAX_CLASSES or not all(rows):
        raise ConfigError(
            f"`data.values` with 2 to {MAX_CLASSES} classes, each with stored values, background first",
            f"{values!r}",
            "Write for example data.values=[[0],[255]].",
        )
    named = [value for row in rows for value in row]
    twice = [value for value, count in Counter([*named, *ignore]).items() if count > 1]
    if twice:
        raise ConfigError(
            "every stored value in one class of `data.values`, or in `data.ignore_values`",
            f"{format_value(twice[0])} stands twice",
            "Name it once.",
        )
    if len({len(value) if isinstance(value, tuple) else 0 for value in [*named, *ignore] if value != OTHER}) > 1:
        raise ConfigError("`data.values` of numbers alone or of colours alone", f"{values!r}", "Name one or the other.")
    return rows


def parse_ignored(values: Sequence[Any]) -> tuple[Value, ...]:
    """Stored values to ignore.

    Raises:
        ConfigError: An entry cannot be understood.
    """
    parsed = [part for entry in values for part in _parse(entry)]
    if OTHER in parsed:
        raise ConfigError("stored values in `data.ignore_values`", f"'{OTHER}'", "Name the values.")
    return tuple(value for value in parsed if not isinstance(value, str))


def cover(evidence: Evidence, rows: Sequence[Sequence[Value | str]], ignore: Sequence[Value]) -> None:
    """Make sure that every stored value has a class or is ignored.

    Raises:
        DataError: Some have none, or there are too many to know.
    """
    named = {value for row in rows for value in row} | set(ignore)
    if evidence.form == "planes":
        raise ConfigError(
            "`data.values` for masks of one number or colour per pixel",
            f"masks of {evidence.channels} planes",
            "Leave `data.values` out; plane k is class k.",
        )
    if OTHER in named:
        return
    if evidence.continuous:
        raise DataError(
            "masks whose values `data.values` names",
            f"'{evidence.continuous}' holds more than {MOST_VALUES:,} different ones",
            f'Let ["{OTHER}"] stand for all that no class names.',
        )
    lines = [
        f"{format_value(value)} in {count:,} pixel(s), first in '{evidence.example[value]}'"
        for value, count in evidence.counts.items()
        if value not in named
    ]
    if lines:
        raise DataError(
            "every stored value in a class of `data.values` or in `data.ignore_values`",
            f"{len(lines):,} more in the masks",
            "Add them.",
            details=shorten(lines),
        )


def _parse(entry: Any) -> list[Value | str]:
    if isinstance(entry, bool):
        return [int(entry)]
    if isinstance(entry, int | float):
        return [plain_number(entry)]
    if isinstance(entry, list | tuple) and len(entry) in (3, 4) and all(_is_byte(part) for part in entry):
        return [tuple(entry)]
    if isinstance(entry, str):
        return _parse_text(entry.strip().lower())
    raise _unclear(entry)


def _is_byte(part: Any) -> bool:
    return isinstance(part, int) and 0 <= part <= 255


def _parse_text(text: str) -> list[Value | str]:
    if text == OTHER:
        return [OTHER]
    if re.fullmatch(r"#([0-9a-f]{6}|[0-9a-f]{8})", text):
        return [tuple(bytes.fromhex(text[1:]))]
    if re.fullmatch(r"\d+-\d+", text):
        low, high = (int(part) for part in text.split("-"))
        if low <= high <= _LARGEST:
            return list(range(low, high + 1))
    raise _unclear(text)


def _unclear(entry: Any) -> ConfigError:
    return ConfigError(
        'numbers, ranges such as "3-9", colours such as "#ff0000" or [255,0,0], or "other"',
        f"{entry!r}",
        "Correct `data.values` or `data.ignore_values`.",
    )
