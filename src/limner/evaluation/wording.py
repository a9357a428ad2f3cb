"""Numbers in words: scores, counts, shares, durations, sizes of files.

Layer: part of `evaluation`. Imports nothing of Limner. `DASH` stands for every number that does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

DASH = "–"

Amount: TypeAlias = float | int | None


def score(value: Amount) -> str:
    """A score in [0, 1] with three decimals.

    Example:
        >>> score(0.87654), score(None), score(float("nan"))
        ('0.877', '–', '–')
    """
    return DASH if value is None or math.isnan(value) else f"{value:.3f}"


def count(value: Amount) -> str:
    """A whole number with commas between the thousands.

    Example:
        >>> count(1234567), count(None)
        ('1,234,567', '–')
    """
    return DASH if value is None or not math.isfinite(value) else f"{value:,.0f}"


def number(value: Amount) -> str:
    """Any number with four significant digits.

    Example:
        >>> number(0.0012345), number(31.40001), number(48211.0), number(None)
        ('0.001234', '31.4', '48,211', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share(value: Amount) -> str:
    """A fraction as a percentage that never rounds something to nothing.

    Example:
        >>> share(0.1234), share(0.00002), share(0.0), share(0.99999), share(1.0)
        ('12.3 %', '< 0.1 %', '0 %', '> 99.9 %', '100 %')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if value in (0.0, 1.0):
        return f"{value * 100:.0f} %"
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return f"{value * 100:.1f} %"


def duration(seconds: Amount) -> str:
    """Seconds as people say them.

    Example:
        >>> [duration(value) for value in (0.42, 12.3, 75, 3600, 7384, None)]
        ['0.4 s', '12 s', '1 min 15 s', '1 h 0 min', '2 h 3 min', '–']
    """
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plural(amount: int, one: str, many: str = "") -> str:
    """An amount and its noun.

    Example:
        >>> plural(1, "image"), plural(2000, "image"), plural(0, "class", "classes")
        ('1 image', '2,000 images', '0 classes')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def parameters(amount: int | None) -> str:
    """A network's size.

    Example:
        >>> parameters(31_042_000), parameters(48_500), parameters(812)
        ('31.0 million', '48,500', '812')
    """
    if amount is None:
        return DASH
    return f"{amount / 1e6:.1f} million" if amount >= 1_000_000 else f"{amount:,}"


def file_size(size: int) -> str:
    """Bytes as people say them.

    Example:
        >>> file_size(31_042_000), file_size(48_500)
        ('31.0 MB', '48 kB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{size / 1e3:,.0f} kB"


def plain(value: Any) -> str:
    """Any YAML or JSON value on one line, without its brackets and quotes.

    Example:
        >>> plain([256, 320]), plain(None), plain(True), plain({"mask": "bce+dice"}), plain(0.002)
        ('256, 320', '–', 'yes', 'mask: bce+dice', '0.002')
    """
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return " · ".join(f"{key}: {plain(item)}" for key, item in value.items()) or DASH
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (
            ", ".join(f"({plain(item)})" if isinstance(item, list | tuple) else plain(item) for item in value) or DASH
        )
    return str(value)


_SPELLED_OUT = {
    "lr": "Learning rate",
    "ema": "Average of the weights (EMA)",
    "conv_sizes": "Filters per level",
    "network": "Further settings of the network",
    "gpu": "GPU",
    "seconds": "Time budget in seconds",
    "passes": "Passes per epoch",
}


def words(name: str) -> str:
    """A key as words.

    Example:
        >>> words("memory_format"), words("lr")
        ('Memory format', 'Learning rate')
    """
    spaced = name.replace("_", " ")
    return _SPELLED_OUT.get(name, spaced[:1].upper() + spaced[1:])


def step_words(step: str, area: int = 0) -> str:
    """A step after the threshold, in words.

    Example:
        >>> step_words("largest"), step_words("min_area", 1200)
        ('keep the largest object', 'leave out objects below 1,200 pixels')
    """
    if step == "min_area":
        return f"leave out objects below {count(area)} pixels"
    return {"largest": "keep the largest object", "fill_holes": "fill holes"}.get(step, step)
