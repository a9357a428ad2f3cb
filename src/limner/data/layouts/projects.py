"""The layouts of published projects, tried before the general readings of a folder.

Layer: data. A project's layout is one module with a reader, and one row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from limner.data.layouts.carvana import EXPECTED as CARVANA
from limner.data.layouts.carvana import find_carvana
from limner.data.layouts.composites import EXPECTED as COMPOSITES
from limner.data.layouts.composites import read_composites
from limner.data.layouts.converted import EXPECTED as CONVERTED
from limner.data.layouts.converted import find_converted
from limner.data.layouts.found import Found
from limner.data.layouts.isic import EXPECTED as ISIC
from limner.data.layouts.isic import find_isic
from limner.data.layouts.listing import Listing
from limner.data.layouts.options import Options
from limner.types import Progress


@dataclass(frozen=True)
class ProjectLayout:
    """A layout of its own.

    Attributes:
        read: From a listing and options to samples; None where the files do not bear its signature,
            which must be unmistakable, as every folder passes through here. Readers that take long
            tell the last argument of their progress.
        expected: What it expects, in words, for the error when it was asked for by name.
    """

    read: Callable[[Listing, Options, Progress], Found | None]
    expected: str


def _read_traces(listing: Listing, options: Options, progress: Progress) -> Found | None:
    # Imported late: tracings are found by layouts too, and hardly any data set needs their code.
    from limner.data.layouts.traces import read_traces

    return read_traces(listing, options, progress)


PROJECTS: dict[str, ProjectLayout] = {
    "converted": ProjectLayout(find_converted, CONVERTED),
    "traces": ProjectLayout(
        _read_traces,
        "folders of traced copies and of untraced ones side by side, such as 'Traced/SQ/Traced' and "
        "'Traced/SQ/Untraced Copies'; or 'images/original' beside a folder of binary masks for each ink",
    ),
    "carvana": ProjectLayout(find_carvana, CARVANA),
    "isic": ProjectLayout(find_isic, ISIC),
    "composites": ProjectLayout(read_composites, COMPOSITES),
}
"""Name → layout, in the order in which they are tried."""
