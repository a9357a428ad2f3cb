"""The layouts of published projects, tried before the general readings of a folder.

Layer: data. A project's layout is one module with a reader, and one row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from limner.data.layouts.found import Found
from limner.data.layouts.listing import Listing
from limner.errors import ConfigError, did_you_mean

Options = Mapping[str, Any]
"""What `data.layout_options` holds; each reader checks its own keys with `check_options`."""


@dataclass(frozen=True)
class ProjectLayout:
    """A layout of its own.

    Attributes:
        read: From a listing and options to samples; None where the files do not bear its signature,
            which must be unmistakable, as every folder passes through here.
        expected: What it expects, in words, for the error when it was asked for by name.
    """

    read: Callable[[Listing, Options], Found | None]
    expected: str


def _read_traces(listing: Listing, options: Options) -> Found | None:
    # Imported late: tracings are found by layouts too, and hardly any data set needs their code.
    from limner.data.layouts.traces import read_traces

    return read_traces(listing, options)


PROJECTS: dict[str, ProjectLayout] = {
    "traces": ProjectLayout(
        _read_traces,
        "folders of traced copies and of untraced ones side by side, such as 'Traced/SQ/Traced' and "
        "'Traced/SQ/Untraced Copies'; or 'images/original' beside a folder of binary masks for each ink",
    )
}
"""Name → layout, in the order in which they are tried."""


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
