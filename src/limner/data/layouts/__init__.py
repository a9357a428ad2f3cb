"""The ways in which images and masks lie on disk, and how each is recognised.

Layer: data. A new layout is one module and one line in `readings` or `find`.

    find ─→ manifest | readings ─→ instances | halves ─→ pairing
                          └ listing ─ folders (what names of folders say)
"""

from limner.data.layouts.find import LAYOUTS, find_inputs, find_samples
from limner.data.layouts.found import Found

__all__ = ["LAYOUTS", "Found", "find_inputs", "find_samples"]
