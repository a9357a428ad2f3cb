"""Line charts and histograms as inline SVG.

Layer: part of `evaluation`. The drawings carry classes instead of colours: the report's style
sheet colours them, so that they follow light, dark and print without a second picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 232
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 40
_MOST_DOTS = 60

_Real: TypeAlias = float | int


@dataclass(frozen=True)
class Series:
    """One line of a chart; None leaves a gap."""

    name: str
    values: Sequence[_Real | None]


@dataclass(frozen=True)
class _Axis:
    """Maps values between `low` and `high` to pixels between `start` and `end`."""

    low: _Real
    high: _Real
    start: _Real
    end: _Real

    def __call__(self, value: _Real) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def nice_ticks(low: _Real, high: _Real, most: int = 5) -> list[float]:
    """Round numbers that enclose `low` to `high`: multiples of 1, 2 or 5 times a power of ten.

    Example:
        >>> nice_ticks(0.13, 0.87)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # Rounding hides the error of 3 × 0.1; ten digits below the step lie beyond any drawing.
    digits = 10 - math.floor(math.log10(step))
    return [round(index * step, digits) for index in range(first, last + 1)]


def tick_label(value: _Real) -> str:
    """A short number for an axis.

    Example:
        >>> [tick_label(value) for value in (0.0, 0.25, 1500.0, 2e-05)]
        ['0', '0.25', '1,500', '2e-5']
    """
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2g}".replace("e-0", "e-")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def line_chart(
    epochs: Sequence[int],
    series: Sequence[Series],
    *,
    title: str,
    from_zero: bool = False,
    mark: int | None = None,
    mark_name: str = "",
) -> Markup:
    """Lines over epochs.

    Args:
        epochs: Epoch numbers, ascending.
        series: Lines, as long as `epochs`; the second is dashed, so that colour is not all that tells them apart.
        title: What the chart shows, for screen readers.
        from_zero: Whether the axis begins at 0, so that small changes look small.
        mark: Epoch with a vertical line.
        mark_name: Words at that line.
    """
    known = [value for line in series for value in line.values if value is not None]
    if not known:
        return Markup("")
    ticks = nice_ticks(0 if from_zero else min(known), max(known))
    y = _Axis(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    first, last = epochs[0], epochs[-1]
    x = _Axis(first, last, _LEFT, _WIDTH - _RIGHT) if last > first else _Axis(first - 1, first + 1, _LEFT, _WIDTH)
    parts = [_grid(ticks, y), _epoch_labels(epochs, x), _axis_title("epoch")]
    if mark is not None and first <= mark <= last:
        parts.append(_mark(x(mark), mark_name))
    parts += [_line(index, epochs, line, x, y) for index, line in enumerate(series, start=1)]
    return _svg(title, parts)


def histogram(
    values: Sequence[_Real], *, title: str, bins: int = 20, high: _Real = 1, axis: str = "Dice of an image"
) -> Markup:
    """How many images have which score.

    Args:
        values: Scores from 0 to `high`.
        title: What the chart shows, for screen readers.
        bins: Bars between 0 and `high`; the last one holds `high` too.
        high: End of the axis; the next round number above is taken.
        axis: What the scores are.
    """
    marks = [0, 0.2, 0.4, 0.6, 0.8, 1] if high == 1 else nice_ticks(0, high)
    high = marks[-1]
    counts = histogram_counts([value / high for value in values], bins)
    ticks = [tick for tick in nice_ticks(0, max(counts)) if tick == int(tick)]
    x = _Axis(0, high, _LEFT, _WIDTH - _RIGHT)
    y = _Axis(0, ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(ticks, y)]
    for index, count in enumerate(counts):
        first, last = high * index / bins, high * (index + 1) / bins
        left, right = x(first) + 1, x(last) - 1
        ends = f"{first:.2f} to {last:.2f}" if high == 1 else f"{tick_label(first)} to {tick_label(last)}"
        label = f"{ends}: {count} image{'' if count == 1 else 's'}"
        shape = f'x="{left:.1f}" y="{y(count):.1f}" width="{right - left:.1f}" height="{y(0) - y(count):.1f}"'
        parts.append(f'<rect class="bar" {shape}><title>{label}</title></rect>' if count else "")
    parts += [_x_label(x(value), f"{value:g}") for value in marks]
    return _svg(title, [*parts, _axis_title(escape(axis))])


def reliability_chart(lines: Sequence[tuple[Sequence[float], Series]], *, title: str) -> Markup:
    """How often answers are right, over how sure they were; on the diagonal the one is the other.

    Args:
        lines: Mean confidences of the bins, ascending, and the shares of right answers; the second is dashed.
        title: What the chart shows, for screen readers.
    """
    marks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    x, y = _Axis(0, 1, _LEFT, _WIDTH - _RIGHT), _Axis(0, 1, _HEIGHT - _BOTTOM, _TOP)
    diagonal = f'<line class="mark" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}"/>'
    parts = [_grid(marks, y), diagonal]
    parts += [_line(index, places, line, x, y, "confidence") for index, (places, line) in enumerate(lines, start=1)]
    parts += [_x_label(x(value), f"{value:g}") for value in marks]
    return _svg(title, [*parts, _axis_title("how sure the model was")])


def scatter_chart(
    points: Sequence[tuple[_Real, _Real]], *, title: str, across: str, names: Sequence[str] = ()
) -> Markup:
    """Points between 0 and 1 both ways, and the diagonal on which both are the same.

    Args:
        points: How far across and how far up.
        title: What the chart shows, for screen readers.
        across: What is across.
        names: Of the points, shown where the pointer rests.
    """
    marks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    x, y = _Axis(0, 1, _LEFT, _WIDTH - _RIGHT), _Axis(0, 1, _HEIGHT - _BOTTOM, _TOP)
    diagonal = f'<line class="mark" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}"/>'
    parts = [_grid(marks, y), diagonal]
    for place, (right, up) in enumerate(points):
        name = f"<title>{escape(names[place])}</title>" if names else ""
        parts.append(f'<circle class="dot point" cx="{x(right):.1f}" cy="{y(up):.1f}" r="3.5">{name}</circle>')
    parts += [_x_label(x(value), f"{value:g}") for value in marks]
    return _svg(title, [*parts, _axis_title(across)])


def value_chart(
    edges: Sequence[_Real], shares: Sequence[_Real], *, usual: tuple[_Real, _Real], title: str, axis: str
) -> Markup:
    """How the values of a picture are spread, over the range of what is usual.

    Args:
        edges: Ends of the bins, one more than `shares`, evenly apart.
        shares: Share of the values in each.
        usual: Range that is shaded, cut to the edges.
        title: What the chart shows, for screen readers.
        axis: What the values are.
    """
    x = _Axis(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    ticks = nice_ticks(0, max(shares))
    y = _Axis(0, ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    low, high = (min(max(end, edges[0]), edges[-1]) for end in usual)
    shade = f'x="{x(low):.1f}" y="{_TOP}" width="{x(high) - x(low):.1f}" height="{y(0) - _TOP:.1f}"'
    parts = [f'<rect class="usual" {shade}/>', _grid(ticks, y)]
    for index, share in enumerate(shares):
        left, right = x(edges[index]), x(edges[index + 1])
        shape = f'x="{left:.1f}" y="{y(share):.1f}" width="{right - left:.1f}" height="{y(0) - y(share):.1f}"'
        parts.append(f'<rect class="bar" {shape}/>' if share else "")
    parts += [
        _x_label(x(tick), tick_label(tick)) for tick in nice_ticks(edges[0], edges[-1]) if edges[0] <= tick <= edges[-1]
    ]
    return _svg(title, [*parts, _axis_title(escape(axis))])


def histogram_counts(values: Sequence[_Real], bins: int) -> list[int]:
    """Number of `values` in each of `bins` equal parts of [0, 1].

    Example:
        >>> histogram_counts([0.0, 0.49, 0.5, 1.0], bins=2)
        [2, 2]
    """
    counts = [0] * bins
    for value in values:
        counts[min(int(value * bins), bins - 1)] += 1
    return counts


def _svg(title: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    view = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    # Every part is made of numbers and of text escaped below.
    return Markup(f'<svg {view} class="chart" role="img" aria-label="{escape(title)}">{body}</svg>')  # noqa: S704


def _grid(ticks: Sequence[_Real], y: _Axis) -> str:
    parts = []
    for tick in ticks:
        height = f"{y(tick):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{height}" dy="0.33em" text-anchor="end">{tick_label(tick)}</text>')
    return "".join(parts)


def _x_label(x: _Real, text: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{text}</text>'


def _epoch_labels(epochs: Sequence[int], x: _Axis) -> str:
    first, last = epochs[0], epochs[-1]
    inner = [int(tick) for tick in nice_ticks(first, last) if tick == int(tick)] if last > first else []
    # The two ends are always labelled; a round number too close to one of them would overlap it.
    apart = max(1.0, (last - first) * 0.08)
    labels = [first, *(tick for tick in inner if first + apart <= tick <= last - apart), last]
    return "".join(_x_label(x(label), f"{label}") for label in dict.fromkeys(labels))


def _axis_title(text: str) -> str:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return f'<text class="axis" x="{middle:.0f}" y="{_HEIGHT - 5}" text-anchor="middle">{text}</text>'


def _mark(x: _Real, name: str) -> str:
    # The words stand on the side that has room.
    anchor, shift = ("end", -5) if x > _WIDTH / 2 else ("start", 5)
    base = _HEIGHT - _BOTTOM
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{base}"/>'
        f'<text class="marked" x="{x + shift:.1f}" y="{base - 7}" text-anchor="{anchor}">{escape(name)}</text>'
    )


def _line(index: int, places: Sequence[_Real], series: Series, x: _Axis, y: _Axis, what: str = "epoch") -> str:
    points = [
        None if value is None else (place, value, f"{x(place):.1f}", f"{y(value):.1f}")
        for place, value in zip(places, series.values, strict=True)
    ]
    path, pen_down = [], False
    for point in points:
        if point is not None:
            path.append(f"{'L' if pen_down else 'M'}{point[2]} {point[3]}")
        pen_down = point is not None
    dots = [
        f'<circle class="dot s{index}" cx="{point[2]}" cy="{point[3]}" r="2.6">'
        f"<title>{escape(series.name)}, {what} {point[0]:.4g}: {point[1]:.4g}</title></circle>"
        for point in points
        if point is not None and len(points) <= _MOST_DOTS
    ]
    return f'<path class="line s{index}" d="{"".join(path)}"/>{"".join(dots)}'
