"""Where runs lie.

Layer: workflow, below all others.
"""

from __future__ import annotations

from pathlib import Path

from limner.training.fit import BUNDLE_NAME


def find_run(place: str | Path | None) -> Path | None:
    """The run folder that a place is, or that its bundle lies in; None where it is neither."""
    if place is None:
        return None
    path = Path(place)
    folder = path.parent if path.name == BUNDLE_NAME else path
    return folder if (folder / "data.json").is_file() and (folder / "samples.csv").is_file() else None
