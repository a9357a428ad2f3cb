"""Many pictures on one: a plain grid, and a sheet with headings, captions and a legend.

Layer: render.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from limner.types import Color

_WHITE: Color = (255, 255, 255)

_DPI = 160
# Inches.
_MARGIN = 0.2
_GAP = 0.12
_HEADING = 0.36
_TITLE = 0.24
_CAPTION = 0.2
_LEGEND_LINE = 0.2
# Pictures higher than this times their width are shrunk, so that one tower does not stretch its row.
_TALLEST = 1.6
_INK = "#1b1b1f"
_FADED = "#55555f"
_FRAME = "#d5d5da"
# Mean width of a character of matplotlib's font, in units of its size.
_CHARACTER = 0.58


def grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]], gap: int = 6, background: Color = _WHITE
) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures in rows and columns, each in the middle of its cell; sizes may differ.

    Args:
        rows: RGB pictures; rows may be of different lengths.
        gap: Pixels between pictures and around them.
        background: Colour of gaps and of cells that are not filled.
    """
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    count = max((len(row) for row in rows), default=0)
    widths = [max((row[column].shape[1] for row in rows if column < len(row)), default=0) for column in range(count)]
    sheet = np.empty((sum(heights) + gap * (len(rows) + 1), sum(widths) + gap * (count + 1), 3), dtype=np.uint8)
    sheet[:] = background
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=False):
            y, x = top + (height - picture.shape[0]) // 2, left + (width - picture.shape[1]) // 2
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            left += width + gap
        top += height + gap
    return sheet


def contact_sheet(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]],
    *,
    heading: str = "",
    titles: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    legend: Sequence[tuple[str, Color]] = (),
    cell: float = 2.1,
) -> bytes:
    """A PNG of labelled pictures.

    Args:
        rows: RGB pictures of any sizes; rows may be of different lengths.
        heading: Above everything.
        titles: Above each column.
        captions: Below each picture, nested as `rows`; what is too long is cut in its middle.
        legend: Names and colours, below everything.
        cell: Width of a picture in inches of 160 pixels.
    """
    sheet = _Sheet(rows, cell, heading=bool(heading), titles=bool(titles), captions=bool(captions), legend=legend)
    if heading:
        sheet.text(_MARGIN, _MARGIN + _HEADING / 2 - 0.05, heading, size=12.0, weight="bold")
    for column, title in enumerate(titles):
        middle = sheet.left(column) + cell / 2
        sheet.text(middle, sheet.top - _TITLE / 2 - 0.01, title, size=9.5, weight="bold", ha="center", inches=cell)
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.picture(number, column, picture)
            if number < len(captions) and column < len(captions[number]):
                middle, below = sheet.left(column) + cell / 2, sheet.tops[number] + sheet.heights[number]
                label = captions[number][column]
                sheet.text(middle, below + _CAPTION / 2 + 0.02, label, size=8.0, color=_FADED, ha="center", inches=cell)
    sheet.legend(legend)
    return sheet.png()


class _Sheet:
    """A white page measured in inches from its top left corner."""

    def __init__(
        self,
        rows: Sequence[Sequence[np.ndarray]],
        cell: float,
        *,
        heading: bool,
        titles: bool,
        captions: bool,
        legend: Sequence[tuple[str, Color]],
    ) -> None:
        # Here, because matplotlib takes long to import and most callers of this package draw no text.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._cell = cell
        columns = max((len(row) for row in rows), default=1)
        self.width = 2 * _MARGIN + columns * cell + (columns - 1) * _GAP
        self.top = _MARGIN + heading * _HEADING + titles * _TITLE
        shapes = [[picture.shape[0] / picture.shape[1] for picture in row] for row in rows]
        self.heights = [cell * min(max(row, default=0.0), _TALLEST) for row in shapes]
        step = captions * _CAPTION + _GAP
        self.tops = [self.top + sum(self.heights[:number]) + number * step for number in range(len(rows))]
        self._legend_columns, lines = self._plan_legend(legend)
        self._legend_top = self.top + sum(self.heights) + len(rows) * step
        self.height = self._legend_top - _GAP + lines * _LEGEND_LINE + (lines > 0) * _GAP + _MARGIN
        self._figure = Figure(figsize=(self.width, self.height), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(self._figure)

    def _plan_legend(self, legend: Sequence[tuple[str, Color]]) -> tuple[int, int]:
        """Columns and lines of the legend."""
        widest = max((len(name) for name, _ in legend), default=0) * _CHARACTER * 8.5 / 72 + 0.45
        lines = math.ceil(len(legend) / max(1, int((self.width - 2 * _MARGIN) / widest)))
        return math.ceil(len(legend) / max(lines, 1)), lines

    def left(self, column: int) -> float:
        """Left side of a column."""
        return _MARGIN + column * (self._cell + _GAP)

    def text(self, x: float, y: float, text: str, *, size: float, inches: float = math.inf, **style: Any) -> None:
        """Write one line with its middle at height `y`, at most `inches` long."""
        text = _cut(_drawable(text), inches / (_CHARACTER * size / 72))
        style = {"color": _INK, "va": "center", **style}
        self._figure.text(x / self.width, 1 - y / self.height, text, fontsize=size, parse_math=False, **style)

    def picture(self, row: int, column: int, picture: np.ndarray) -> None:
        """Show a picture in the middle of its cell."""
        scale = min(self._cell / picture.shape[1], self.heights[row] / picture.shape[0])
        width, height = scale * picture.shape[1], scale * picture.shape[0]
        left = self.left(column) + (self._cell - width) / 2
        top = self.tops[row] + (self.heights[row] - height) / 2
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(box, xticks=[], yticks=[])
        axes.imshow(picture, aspect="auto", interpolation="antialiased", interpolation_stage="rgba")
        for spine in axes.spines.values():
            spine.set(color=_FRAME, linewidth=0.5)

    def legend(self, entries: Sequence[tuple[str, Color]]) -> None:
        """Squares of colour with their names."""
        if not entries:
            return
        from matplotlib.patches import Patch

        columns = self._legend_columns
        handles = [
            Patch(
                facecolor="#{:02x}{:02x}{:02x}".format(*color), edgecolor=_FADED, linewidth=0.4, label=_drawable(name)
            )
            for name, color in entries
        ]
        legend = self._figure.legend(
            # matplotlib fills columns; people read lines.
            handles=[handle for column in range(columns) for handle in handles[column::columns]],
            loc="upper left",
            bbox_to_anchor=(_MARGIN / self.width, 1 - self._legend_top / self.height),
            ncols=columns,
            frameon=False,
            fontsize=8.5,
            labelcolor=_INK,
            handlelength=1.1,
            handleheight=1.1,
            handletextpad=0.5,
            columnspacing=1.6,
            borderpad=0.0,
            borderaxespad=0.0,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)

    def png(self) -> bytes:
        """The page as a PNG."""
        stream = io.BytesIO()
        self._figure.savefig(stream, format="png", metadata={"Software": None})
        return stream.getvalue()


def _drawable(text: str) -> str:
    """The text with a mark for each character that the font lacks, of which matplotlib would warn."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(
        character if font.get_char_index(ord(character)) else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _cut(text: str, most: float) -> str:
    """Shorten to about `most` characters by leaving out the middle, where file names differ least."""
    if len(text) <= most:
        return text
    keep = max(2, int(most) - 1)
    return f"{text[: keep - keep // 2]}…{text[-(keep // 2) :]}"
