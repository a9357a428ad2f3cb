"""Pictures for people: class colours, outlines, overlays, errors, sheets.

Layer: above `images`, below `examples`. Imports no torch; matplotlib only when a sheet with text is drawn.

    composing cut-outs on backgrounds, with mask and depth (`compose`)
    display   any image as 8-bit RGB (`to_display`)
    masks     masks in colour (`outlines`, `overlay`, `errors`)
    numbers   maps of numbers in colour, with a scale (`color_numbers`, `number_errors`, `with_scale`)
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
    errors,
    outlines,
    overlay,
)
from limner.render.numbers import color_numbers, color_stops, number_errors, with_scale
from limner.render.sheets import contact_sheet, grid

__all__ = [
    "ERROR_LEGEND",
    "FALSE_ALARM",
    "HIT",
    "LARGEST",
    "MISS",
    "WRONG_CLASS",
    "Placement",
    "color_numbers",
    "color_stops",
    "compose",
    "contact_sheet",
    "draw_placement",
    "errors",
    "grid",
    "number_errors",
    "outlines",
    "overlay",
    "plane_depth",
    "shrink",
    "to_display",
    "trim",
    "with_scale",
]
