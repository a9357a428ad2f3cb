"""Pictures for people: class colours, outlines, overlays, errors, sheets.

Layer: above `images`, below `examples`. Imports no torch; matplotlib only when a sheet with text is drawn.

    composing cut-outs on backgrounds, with mask and depth (`compose`)
    display   any image as 8-bit RGB (`to_display`)
    masks     masks in colour (`colorize`, `outlines`, `overlay`, `errors`)
    sheets    many pictures on one (`grid`, `contact_sheet`)
"""

from limner.render.composing import (
    LARGEST,
    Placement,
    compose,
    draw_placement,
    plane_depth,
    shrink,
    trim,
)
from limner.render.display import to_display
from limner.render.masks import (
    ERROR_LEGEND,
    FALSE_ALARM,
    HIT,
    MISS,
    WRONG_CLASS,
    colorize,
    errors,
    outlines,
    overlay,
)
from limner.render.sheets import contact_sheet, grid

__all__ = [
    "ERROR_LEGEND",
    "FALSE_ALARM",
    "HIT",
    "LARGEST",
    "MISS",
    "WRONG_CLASS",
    "Placement",
    "colorize",
    "compose",
    "contact_sheet",
    "draw_placement",
    "errors",
    "grid",
    "outlines",
    "overlay",
    "plane_depth",
    "shrink",
    "to_display",
    "trim",
]
