"""Options of a layout, and the check that it has them.

Layer: data, below the layouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.errors import ConfigError, did_you_mean

Options = Mapping[str, Any]
"""What `data.layout_options` holds; each reader checks its own keys with `check_options`."""


def check_options(options: Options, known: tuple[str, ...], layout: str) -> None:
    """Refuse options that a layout does not have.

    Raises:
        ConfigError: Unknown keys; the nearest is named.
    """
    unknown = [key for key in options if key not in known]
    if unknown:
        has = f"It has {', '.join(known)}." if known else "It has none."
        raise ConfigError(
            f"options of the layout '{layout}' in data.layout_options",
            f"unknown: {', '.join(unknown)}",
            f"{did_you_mean(unknown[0], known)}{has}",
        )
