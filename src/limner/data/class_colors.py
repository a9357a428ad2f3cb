"""Colours for classes, told apart by colour-blind people too.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import colorsys

from limner.types import Color

BACKGROUND: Color = (0, 0, 0)

# Okabe and Ito (2008), "Color Universal Design", without black, which is the background's.
_OKABE_ITO: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_GOLDEN_RATIO = 0.618034


def class_colors(count: int, *, background: bool = True) -> tuple[Color, ...]:
    """Colours of `count` classes.

    Seven are by Okabe and Ito; beyond them hues a golden-ratio turn apart, of changing lightness,
    so that neighbours differ.

    Args:
        count: Number of class ids.
        background: Class 0 is background and black.

    Example:
        >>> class_colors(2)
        ((0, 0, 0), (230, 159, 0))
    """
    first = (BACKGROUND,) if background else ()
    needed = count - len(first)
    more = (_hue(number) for number in range(needed - len(_OKABE_ITO)))
    return (*first, *_OKABE_ITO[:needed], *more)


def _hue(number: int) -> Color:
    lightness = (0.65, 0.45, 0.8)[number % 3]
    red, green, blue = colorsys.hls_to_rgb((0.13 + number * _GOLDEN_RATIO) % 1, lightness, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)
