"""`traces`: experts' traced copies, turned into masks.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.data.traces.convert import Converted, convert_traces
from limner.data.traces.inks import DEFAULT_INKS, parse_inks
from limner.errors import ConfigError
from limner.types import Progress, no_progress


def traces(
    traced: str | Path,
    *,
    out: str | Path,
    originals: str | Path | None = None,
    inks: Sequence[str] = DEFAULT_INKS,
    gap: float = 6.0,
    progress: Progress = no_progress,
) -> Converted:
    """Turn copies on which experts drew coloured outlines into filled masks.

    Args:
        traced: Folder or zip of the traced copies; it may hold the originals too.
        out: A new or empty folder.
        originals: Folder or zip of the untraced originals, if they lie elsewhere.
        inks: Colours, or `colour=structure`; a colour is a name or `#rrggbb`.
        gap: Gaps up to this many pixels are closed.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. A copy that fails is among the outcomes instead.
    """
    if not 0 <= gap <= 50:
        raise ConfigError("a gap of 0 to 50 pixels", f"{gap:g}", "Choose a smaller one: 6 is usual.")
    return convert_traces(traced, Path(out), originals=originals, inks=parse_inks(inks), gap=gap, progress=progress)
