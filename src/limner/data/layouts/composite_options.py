"""Options of the layout of composed data, and the tables they name.

Layer: data.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limner.data.layouts.composite_orders import ORDERS
from limner.data.layouts.listing import Listing
from limner.data.layouts.options import Options, check_options
from limner.errors import ConfigError, DataError, did_you_mean, shorten
from limner.images import read_bytes

OPTIONS = ("background", "ratio", "order", "csv", "foregrounds", "foreground_name", "split", "unit", "factor")
"""Keys of `data.layout_options`."""

_WAYS = ("auto", "index", "name", "csv")
_SPLITS = ("apart", "background", "random")


def check_composite_options(options: Options) -> None:
    """Refuse options that are unknown, impossible or lack another.

    Raises:
        ConfigError: As said.
    """
    check_options(options, OPTIONS, "composites")
    for key, known in (("background", _WAYS), ("order", tuple(ORDERS)), ("split", _SPLITS)):
        if key in options and options[key] not in known:
            raise ConfigError(
                f"`{key}` in data.layout_options is one of {', '.join(known)}",
                f"{options[key]!r}",
                f"{did_you_mean(str(options[key]), known)}Correct it.",
            )
    for key in ("ratio", "foregrounds"):
        value = options.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"`{key}` in data.layout_options is a whole number from 1", f"{value!r}", "Correct it.")
    factor = options.get("factor", 1)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or factor <= 0:
        raise ConfigError("`factor` in data.layout_options is a number above 0", f"{factor!r}", "Correct it.")
    if options.get("background") == "csv" and "csv" not in options:
        raise ConfigError("the table of backgrounds", "none is named", "Add csv: FILE to data.layout_options.")


def compile_foreground(pattern: Any) -> re.Pattern[str]:
    """The expression of `foreground_name`.

    Raises:
        ConfigError: It is none, or has not one group.
    """
    try:
        compiled = re.compile(str(pattern))
    except re.error as error:
        raise ConfigError("a regular expression in `foreground_name`", f"{pattern!r}: {error}", "Correct it.") from None
    if compiled.groups != 1:
        raise ConfigError(
            "one group in `foreground_name`, which holds the foreground's name",
            f"{pattern!r} has {compiled.groups}",
            "Put parentheses around that part, such as '_(fg\\d+)_'.",
        )
    return compiled


def name_foregrounds(stems: Sequence[str], pattern: re.Pattern[str]) -> list[str]:
    """The last group of the expression in each name.

    Raises:
        DataError: It does not fit some name.
    """
    found = [pattern.search(stem) for stem in stems]
    missing = [stem for stem, match in zip(stems, found, strict=True) if match is None]
    if missing:
        raise DataError(
            f"a foreground in every composite's name, by '{pattern.pattern}'",
            f"none in {len(missing):,} of {len(stems):,}",
            "Correct `foreground_name`.",
            details=shorten(missing, 4),
        )
    shared: dict[str, str] = {}
    names = (match[match.lastindex or 0] for match in found if match is not None)
    return [shared.setdefault(name, name) for name in names]


def read_background_table(path: str, listing: Listing) -> dict[str, str]:
    """Composite → background of a CSV, which may lie inside the place.

    Raises:
        DataError: It is missing, no CSV, or lacks a column.
    """
    file = Path(path).expanduser()
    where = str(file) if file.exists() else next((listing.source.location(n) for n in listing.tables if n == path), "")
    if not where:
        raise DataError(f"a table of backgrounds at '{path}'", "nothing is there", "Check the path.")
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(where).decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"a CSV in UTF-8 at '{path}'", str(error), "Save it as 'CSV UTF-8'.") from None
    if not rows or not {"composite", "background"} <= rows[0].keys():
        raise DataError(
            f"columns composite and background in '{path}'",
            ", ".join(rows[0]) if rows else "no rows",
            "Name the columns so.",
        )
    return {row["composite"] or "": row["background"] or "" for row in rows}
