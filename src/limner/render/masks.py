"""Masks as people see them: in colour, as outlines, over their image, against the truth.

Layer: render, above `display`.

A mask is `height width` class ids, of which 0 is background and `IGNORE` takes no part, or
`height width classes` planes that may overlap. Colours are one per id, the background's first, or
one per plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from limner.render.display import to_display
from limner.types import IGNORE, Color

# Okabe & Ito's palette (Color Universal Design, 2008), magenta made stronger: told apart with every
# common colour blindness, and by lightness.
HIT: Color = (0, 158, 115)
"""Green: found, and there."""
FALSE_ALARM: Color = (214, 39, 160)
"""Magenta: found, but not there."""
MISS: Color = (255, 176, 0)
"""Orange: there, but not found."""
WRONG_CLASS: Color = (86, 180, 233)
"""Light blue: there, but found as another class."""

ERROR_LEGEND: tuple[tuple[str, Color], ...] = (
    ("hit", HIT),
    ("false alarm", FALSE_ALARM),
    ("miss", MISS),
    ("wrong class", WRONG_CLASS),
)

_DARK_GREY = 32
_PIXELS_PER_LINE = 300


def outlines(ids: Shaped[np.ndarray, "height width"], width: int = 1) -> Bool[np.ndarray, "height width"]:
    """Pixels of things that lie at most `width` from another id; the picture's border is no outline.

    Args:
        ids: Class ids, or one boolean plane.
        width: Of the line in pixels, at least 1.
    """
    edge = np.zeros(ids.shape, dtype=bool)
    for axis in (0, 1):
        before, after = _both_sides(ids, axis)
        differs = before != after
        for side in _both_sides(edge, axis):
            side |= differs
    return np.asarray(grown(edge, width - 1) & (ids != 0) & (ids != IGNORE))


def overlay(
    image: Shaped[np.ndarray, "height width *channels"],
    mask: UInt8[np.ndarray, "height width *planes"] | Bool[np.ndarray, "height width *planes"],
    colors: Sequence[Color],
    alpha: float = 0.3,
    *,
    outline: bool = True,
) -> UInt8[np.ndarray, "height width 3"]:
    """A mask over its image: tinted areas and, whatever is behind them, visible outlines.

    Args:
        image: Any type and number of channels, shown as by `to_display`.
        mask: Class ids or planes, of the image's height and width.
        colors: Per class id, background first, or per plane.
        alpha: Strength of the tint, 0–1.
        outline: Draw lines round things, thicker in larger pictures, with a contrasting rim.
    """
    picture = to_display(image)
    areas = list(class_areas(mask, colors))
    for area, color in areas:
        _tint(picture, area, color, alpha)
    if outline:
        _draw_outlines(picture, areas)
    return picture


def errors(
    truth: UInt8[np.ndarray, "height width *planes"] | Bool[np.ndarray, "height width *planes"],
    prediction: UInt8[np.ndarray, "height width *planes"] | Bool[np.ndarray, "height width *planes"],
    image: Shaped[np.ndarray, "height width *channels"] | None = None,
    alpha: float = 0.65,
) -> UInt8[np.ndarray, "height width 3"]:
    """Where a prediction is right and wrong, in the colours of `ERROR_LEGEND`.

    Args:
        truth: Class ids or planes. Pixels that are `IGNORE` here are not coloured.
        prediction: In the same form.
        image: Shown grey and dimmed behind the colours; plain dark grey without one.
        alpha: Strength of the colours over an image, 0–1.
    """
    hit, missed, extra = compare_masks(truth, prediction)
    if image is None:
        picture, alpha = np.full((*truth.shape[:2], 3), _DARK_GREY, dtype=np.uint8), 1.0
    else:
        grey = to_display(image) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        picture = np.repeat((0.7 * grey).astype(np.uint8)[..., None], 3, axis=2)
    _tint(picture, hit & ~missed & ~extra, HIT, alpha)
    _tint(picture, extra & ~missed, FALSE_ALARM, alpha)
    _tint(picture, missed & ~extra, MISS, alpha)
    _tint(picture, missed & extra, WRONG_CLASS, alpha)
    return picture


def _draw_outlines(picture: UInt8[np.ndarray, "height width 3"], areas: list[tuple[np.ndarray, Color]]) -> None:
    """Lines in the colours of the areas; a dark or light rim outside keeps them visible on any picture."""
    width = max(1, round(min(picture.shape[:2]) / _PIXELS_PER_LINE))
    lines = [outlines(area, width) for area, _ in areas]
    # All rims before any line, so that no rim covers a neighbour's line.
    for line, (area, color) in zip(lines, areas, strict=True):
        rim = grown(line, max(1, width // 2)) & ~area
        _tint(picture, rim, rim_color(color), 0.6)
    for line, (_, color) in zip(lines, areas, strict=True):
        picture[line] = color


def compare_masks(
    truth: Shaped[np.ndarray, "height width *planes"], prediction: Shaped[np.ndarray, "height width *planes"]
) -> tuple[Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """Per pixel: some class is right, some is missed, some is too many; pixels whose truth is `IGNORE` are neither."""
    if truth.shape != prediction.shape:
        raise ValueError(f"truth is {truth.shape}, prediction {prediction.shape}; they must be alike")
    counts = truth != IGNORE
    if truth.ndim == 3:
        there, found = (truth != 0) & counts, (prediction != 0) & counts
        hit, missed, extra = there & found, there & ~found, found & ~there
        return hit.any(axis=2), missed.any(axis=2), extra.any(axis=2)
    wrong = (truth != prediction) & counts
    return (truth == prediction) & (truth != 0), wrong & (truth != 0), wrong & (prediction != 0)


def class_areas(
    mask: Shaped[np.ndarray, "height width *planes"], colors: Sequence[Color]
) -> Iterator[tuple[Bool[np.ndarray, "height width"], Color]]:
    """Each class of a mask that is there, and each plane, with its colour; background and `IGNORE` are none."""
    if mask.ndim == 3:
        for plane, color in zip(np.moveaxis(mask, 2, 0), colors, strict=True):
            yield plane == 1, color
        return
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=1))
    for number in present[(present != 0) & (present != IGNORE)].tolist():
        yield mask == number, colors[number]


def _tint(picture: UInt8[np.ndarray, "height width 3"], area: np.ndarray, color: Color, alpha: float) -> None:
    mixed = np.arange(256)[:, None] * (1 - alpha) + np.asarray(color) * alpha
    table = np.asarray(mixed + 0.5, dtype=np.uint8)
    picture[area] = table[picture[area], np.arange(3)]


def grown(area: Bool[np.ndarray, "height width"], steps: int) -> Bool[np.ndarray, "height width"]:
    """The area with everything up to `steps` pixels beside it."""
    for _ in range(steps):
        wider = area.copy()
        for axis in (0, 1):
            (before, after), (wider_before, wider_after) = _both_sides(area, axis), _both_sides(wider, axis)
            wider_before |= after
            wider_after |= before
        area = wider
    return area


def _both_sides(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of all but the last, and of all but the first, along an axis."""
    return (array[:-1], array[1:]) if axis == 0 else (array[:, :-1], array[:, 1:])


def rim_color(color: Color) -> Color:
    """Black beside a light colour, white beside a dark one."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)
