"""Maps of numbers, such as depths, as people see them: in colour, with a scale.

Layer: render.
"""

from __future__ import annotations

import functools
import threading
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, UInt8

from limner.types import Color

ColorMap: TypeAlias = Literal["viridis", "magma"]

# Every fifteenth colour of matplotlib's maps of these names (van der Walt & Smith 2015, CC0); between them is a line.
_STOPS: dict[str, str] = {
    "viridis": "440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1f978b 21a585 2eb37c 46c06f 65cb5e "
    "89d548 b0dd2f d8e219 fde725",
    "magma": "000004 090720 1a1042 311165 4a1079 621980 792282 912b81 aa337d c23b75 d9466b ec5860 f7725c fc8e64 "
    "feaa74 fec68a fde2a3 fcfdbf",
}
_UNKNOWN: Color = (128, 128, 128)
_DPI = 100
_LEAST_HEIGHT = 32
_DRAWING = threading.Lock()


def color_stops(name: ColorMap) -> list[str]:
    """Evenly spaced colours of a map from low to high, as `#rrggbb`."""
    return [f"#{stop}" for stop in _STOPS[name].split()]


@functools.cache
def color_table(name: ColorMap) -> UInt8[np.ndarray, "256 3"]:
    """A perceptual map of 256 colours from low to high; each is lighter than the one before it."""
    stops = np.array([tuple(bytes.fromhex(stop)) for stop in _STOPS[name].split()], np.float64)
    places = np.linspace(0, 255, len(stops))
    columns = [np.interp(np.arange(256), places, stops[:, channel]) for channel in range(3)]
    return np.stack(columns, axis=1).round().astype(np.uint8)


def color_numbers(
    values: Float[np.ndarray, "height width"], low: float | int, high: float | int, *, table: ColorMap = "viridis"
) -> UInt8[np.ndarray, "height width 3"]:
    """Numbers in colour; those beyond `low` and `high` in the last colours, those that are none in grey.

    Example:
        >>> color_numbers(np.array([[0.0, 10.0, np.nan]]), 0, 10)[0].tolist()
        [[68, 1, 84], [253, 231, 37], [128, 128, 128]]
    """
    unknown = ~np.isfinite(values)
    share = (np.where(unknown, low, values) - low) / (high - low)
    picture = color_table(table)[(share.clip(0, 1) * 255).round().astype(np.uint8)]
    picture[unknown] = _UNKNOWN
    return picture


def number_errors(
    truth: Float32[np.ndarray, "height width"], prediction: Float32[np.ndarray, "height width"], most: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Absolute errors from 0 to `most`, dark to light; grey where the truth is unknown."""
    return color_numbers(np.abs(prediction - truth), 0.0, most, table="magma")


def with_scale(
    picture: UInt8[np.ndarray, "height width 3"],
    low: float | int,
    high: float | int,
    unit: str,
    *,
    table: ColorMap = "viridis",
) -> UInt8[np.ndarray, "height width_with_scale 3"]:
    """A coloured map with its scale of colours beside it, on the right; a low one has no room and comes back alone."""
    if picture.shape[0] < _LEAST_HEIGHT:
        return picture
    # One at a time: matplotlib's fonts are not for several threads.
    with _DRAWING:
        scale = _scale(picture.shape[0], low, high, unit, table)
    return np.concatenate([picture, scale], axis=1)


@functools.lru_cache(maxsize=64)
def _scale(
    height: int, low: float | int, high: float | int, unit: str, table: ColorMap
) -> UInt8[np.ndarray, "height _ 3"]:
    # Here, because matplotlib takes long to import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = min(11.0, max(5.0, height / 18))  # of the print, in pixels
    width = round(5 * size + 0.06 * height)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    margin = 1.2 * size / height
    above = 2 * margin if unit else margin
    axes = figure.add_axes((size / width, margin, (0.04 * height + 0.3 * size) / width, 1 - margin - above))
    axes.imshow(color_table(table)[::-1, None], aspect="auto", extent=(0, 1, low, high))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.locator_params(axis="y", nbins=max(2, min(6, round(height / (4 * size)))))
    axes.tick_params(labelsize=size * 72 / _DPI, length=size / 4, width=0.5, pad=size / 4)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
    if unit:
        x, y = size / width, 1 - margin
        figure.text(x, y, unit, fontsize=size * 72 / _DPI, va="center", parse_math=False)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: np.ndarray = np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[:height, :, :3].copy()
