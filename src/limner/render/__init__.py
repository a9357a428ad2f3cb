"""Pictures for people: class colours, outlines, overlays, errors, sheets.

Layer: above `images`, below `examples`. Imports no torch; matplotlib only when a sheet with text is drawn.

    display   any image as 8-bit RGB (`to_display`)
    masks     masks in colour (`colorize`, `outlines`, `overlay`, `errors`)
    numbers   maps of numbers in colour, with a scale (`color_numbers`, `number_errors`, `with_scale`)
    sheets    many pictures on one (`grid`, `contact_sheet`)
"""

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
from limner.render.numbers import color_numbers, color_stops, number_errors, with_scale
from limner.render.sheets import contact_sheet, grid

__all__ = [
    "ERROR_LEGEND",
    "FALSE_ALARM",
    "HIT",
    "MISS",
    "WRONG_CLASS",
    "color_numbers",
    "color_stops",
    "colorize",
    "contact_sheet",
    "errors",
    "grid",
    "number_errors",
    "outlines",
    "overlay",
    "to_display",
    "with_scale",
]
