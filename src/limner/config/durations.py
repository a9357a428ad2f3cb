"""Lengths of time as people write them.

Layer: part of `config`.
"""

from __future__ import annotations

import math
import re

from limner.errors import ConfigError


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `15m`, `1.5h`, `1h30m`; a bare number is seconds.

    Example:
        >>> parse_duration("1h30m"), parse_duration("15m"), parse_duration("40")
        (5400.0, 900.0, 40.0)

    Raises:
        ConfigError: The text is not a duration, or is zero.
    """
    parts = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?", text.strip().lower())
    try:
        hours, minutes, seconds = (float(part or 0) for part in parts.groups()) if parts else (0.0, 0.0, 0.0)
    except ValueError:
        hours = minutes = seconds = 0.0
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise ConfigError("a duration such as 90s, 15m, 1h30m", f"{text!r}", "Write the time with s, m or h.")
    return total


def parse_interval(text: str) -> tuple[float, float]:
    """Seconds and steps of an interval in either of them; infinity for the other.

    Example:
        >>> parse_interval("90s"), parse_interval("500 steps")
        ((90.0, inf), (inf, 500.0))

    Raises:
        ConfigError: The text is neither, or zero.
    """
    steps = re.fullmatch(r"([1-9]\d*) ?steps?", text.strip().lower())
    if steps:
        return math.inf, float(steps[1])
    try:
        return parse_duration(text), math.inf
    except ConfigError:
        raise ConfigError(
            "a duration such as 90s, 10m, or a number of steps such as 500 steps",
            f"{text!r}",
            "Write the time with s, m or h.",
        ) from None
