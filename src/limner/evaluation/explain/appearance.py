"""What a picture looks like, in numbers that change where a picture is given wrongly.

Layer: part of `evaluation`. Pure NumPy on the picture alone. There are more numbers than in
`limner.inference.familiarity`, which raises alarms: these tell faults from one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float32, Float64, Shaped
from scipy import ndimage

from limner.bundle import InputSpec
from limner.images import resize_image
from limner.types import Size

Unit = Float32[np.ndarray, "height width channels"]
"""A picture with the lowest value of the training at 0 and the highest at 1."""

_FINE, _WHOLE, _SEEN = 128, 256, 128
_MOST_CHANNELS = 4
_LEAST = 2e-3
"""Differences of this share of the range are none."""
_OCTAVES, _FINE_OCTAVES = 5, 2
_DARKEST, _LIGHTEST = 0.004, 0.996
_PARTS = 4
_SOME = 2048
_SMALLEST = 8


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture in two views, small enough to be changed often.

    Attributes:
        fine: Its middle, pixel by pixel.
        whole: All of it, made smaller.
        seen: Size at which all of it is measured.
        side: Longer side of the picture itself, in pixels.
    """

    fine: Float32[np.ndarray, "fine_height fine_width channels"]
    whole: Float32[np.ndarray, "height width channels"]
    seen: Size
    side: int


def portray(original: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> Portrait:
    """A picture as it is measured.

    Args:
        original: With the network's channels and numbers, at its own size.
        inputs: Of the model.
    """
    height, width = original.shape[:2]
    top, left = (max(0, (length - _FINE) // 2) for length in (height, width))
    original = original[..., :_MOST_CHANNELS]
    fine = np.ascontiguousarray(original[top : top + _FINE, left : left + _FINE])
    shape = inputs.size if inputs.fit == "resize" and inputs.size else (height, width)
    whole = resize_image(np.ascontiguousarray(original), _within((height, width), _WHOLE))
    return Portrait(_unit(fine, inputs), _unit(whole, inputs), _within(shape, _SEEN), max(height, width))


def appearance(portrait: Portrait) -> Float64[np.ndarray, " numbers"]:
    """Numbers that describe a picture: values, colours, detail at several scales, noise, layout.

    Values are given by their percentiles and by how many are cut off; detail by the deviation and the median of what
    differs from the neighbourhood, in octaves (the two part where it is noise rather than edges); layout by means and
    deviations of a grid of parts.
    """
    seen = resize_image(portrait.whole, portrait.seen).clip(0, 1)
    grey = _grey(seen)
    numbers = [*_values(seen), *_detail(grey, _OCTAVES), *_directions(grey), *_layout(grey)]
    numbers += _detail(_grey(portrait.fine.clip(0, 1)), _FINE_OCTAVES)
    numbers += [_log(noise(portrait.fine)), grid(portrait.fine), min(seen.shape[:2]) / max(seen.shape[:2])]
    return np.asarray(numbers, np.float64)


def noise(unit: Unit) -> float:
    """Standard deviation of noise, by Immerkær's operator (1996), which is blind to straight edges."""
    grey = _grey(unit)
    if min(grey.shape) < 3:
        return 0.0
    found = np.abs(np.diff(np.diff(grey, 2, axis=0), 2, axis=1)).ravel()
    # Of the median, so that lines and corners do not count; 0.6745 is that of normal numbers.
    return float(np.median(found[:: max(1, len(found) // _SOME)])) / 0.6745 / 6


def grid(unit: Unit) -> float:
    """Mean step across the lines of a grid of 8 pixels, by the mean of all others, whichever way it lies; log."""
    grey = _grey(unit)
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis)
        if len(steps) < 2 * _SMALLEST:
            continue
        sums = [steps[start::_SMALLEST].mean() for start in range(_SMALLEST)]
        found.append(np.log((_LEAST / 4 + max(sums)) / (_LEAST / 4 + float(np.mean(sums)))))
    return float(np.mean(found)) if found else 0.0


def _values(seen: Unit) -> Iterator[float]:
    planes = np.ascontiguousarray(seen.reshape(-1, seen.shape[2]).T)
    # Sorting all of them would take longer than everything else.
    some = planes[:, :: max(1, planes.shape[1] // _SOME)]
    yield from planes.mean(axis=1)
    yield from np.percentile(some, (1, 10, 50, 90, 99), axis=1).ravel()
    yield from (_log(float(value)) for value in planes.std(axis=1))
    yield from np.sqrt((some <= _DARKEST).mean(axis=1))
    yield from np.sqrt((some >= _LIGHTEST).mean(axis=1))
    for one, other in combinations(planes, 2):
        apart = one - other
        yield from (float(apart.mean()), float(apart.std()))


def _detail(grey: Float32[np.ndarray, "height width"], octaves: int) -> list[float]:
    """Deviation and median by octave, the finest first; then how either falls from octave to octave, and they part."""
    found: list[float] = []
    for _ in range(octaves):
        if min(grey.shape) < _SMALLEST:
            found += found[-2:] or [_log(0.0)] * 2
            continue
        apart = grey - ndimage.uniform_filter(grey, 3, mode="nearest")
        found += [
            _log(float(apart.std())),
            _log(float(np.median(np.abs(apart.ravel()[:: max(1, apart.size // _SOME)])))),
        ]
        height, width = (length // 2 * 2 for length in grey.shape)
        even = grey[:height, :width]
        grey = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    falls = [one - other for one, other in zip(found, found[2:], strict=False)]
    return found + falls + [one - other for one, other in zip(found[::2], found[1::2], strict=True)]


def _directions(grey: Float32[np.ndarray, "height width"]) -> list[float]:
    """Whether edges lie one way: across against down, and the coherence of the structure tensor."""
    across, down = (np.abs(np.diff(grey, axis=axis)) for axis in (1, 0))
    smooth = ndimage.gaussian_filter(grey, 1.0)
    rows, columns = (smooth[2:, 1:-1] - smooth[:-2, 1:-1], smooth[1:-1, 2:] - smooth[1:-1, :-2])
    if not rows.size:
        return [0.0, 0.0]
    xx, yy, xy = (float((a * b).mean()) for a, b in ((columns, columns), (rows, rows), (rows, columns)))
    coherence = float(np.hypot(xx - yy, 2 * xy)) / (xx + yy + 1e-6)
    return [_log(float(across.mean())) - _log(float(down.mean())), coherence]


def _layout(grey: Float32[np.ndarray, "height width"]) -> list[float]:
    """Middle against surroundings, upper against lower, left against right: of brightness and of contrast."""
    edges = [np.linspace(0, length, min(_PARTS, length) + 1).astype(int)[:-1] for length in grey.shape]
    counts, sums, squares = (
        np.add.reduceat(np.add.reduceat(plane, edges[0], axis=0), edges[1], axis=1)
        for plane in (np.ones_like(grey), grey, grey**2)
    )
    means = sums / counts
    spreads = np.log(_LEAST + np.sqrt((squares / counts - means**2).clip(0)))
    found = []
    for table in (means, spreads):
        middle = table[1:-1, 1:-1] if min(table.shape) > 2 else table
        upper, lower = table[: (len(table) + 1) // 2], table[len(table) // 2 :]
        left, right = table[:, : (table.shape[1] + 1) // 2], table[:, table.shape[1] // 2 :]
        found += [float(middle.mean() - table.mean()), float(upper.mean() - lower.mean())]
        found += [float(left.mean() - right.mean()), float(table[0].mean() - table[-1].mean()), float(table.std())]
    return found


def _grey(unit: Unit) -> Float32[np.ndarray, "height width"]:
    # Ten times as fast as a mean over the last axis.
    return np.asarray(unit @ np.full(unit.shape[2], 1 / unit.shape[2], np.float32))


def _log(value: float) -> float:
    return float(np.log(_LEAST + value))


def _unit(pixels: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> Unit:
    return (pixels.astype(np.float32) - np.float32(inputs.low)) / np.float32(inputs.high - inputs.low)


def _within(size: Size, side: int) -> Size:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
