"""Predict a picture that is read by window: tiles are summed in the rows that still grow, and finished rows are given.

Layer: inference. The numbers are those of the picture predicted at once, since tiles, weights and scale are the same.

     columns of a strip →
    ┌────────────────────────────┐
    │ finished: given as a band  │
    ├──────┬──────┬──────┬───────┤ ← start of the row of tiles after this one
    │ row of tiles  ◊  its sums  │     memory: one row of tiles, whatever the height
    └──────┴──────┴──────┴───────┘
      not yet read

What a network wants at a size of its own (`fit: resize`) is made small while it is read, predicted once, and made large
again row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Shaped
from torch import Tensor
from torch.nn import functional

from limner.bundle import BundleMeta, InputSpec
from limner.errors import ConfigError
from limner.images import TILE, RowReader, Windows, missing, resize_image
from limner.inference.empty import is_empty
from limner.inference.inputs import ModelInput, make_input
from limner.inference.opinion import Opinion
from limner.inference.predicting import Predicting
from limner.inference.predictor import Logits, Predictor
from limner.inference.tiling import Span, Strip, Tile, final_rows, plan_spans, plan_strips
from limner.threads import ordered_map
from limner.types import Size

BUDGET = 2**29
"""Bytes that sums and windows of one strip may take; wider pictures are cut into several."""

_ROWS_AT_ONCE = 256
_COPIES = 4  # of a window: read, kept for the next, checked, read ahead


@dataclass(frozen=True, eq=False)
class Band:
    """Rows of a strip that are done.

    Attributes:
        rows: Which.
        columns: Which.
        opinion: What the network says there, at the picture's scale.
        picture: Its pixels, as read.
        missing: Where the picture says that there is nothing; None if nowhere.
        skipped: Pixels of tiles that were not predicted, because they are empty; None if there are none.
        tiles: Tiles that were finished with it.
        empty: How many of these were not predicted.
    """

    rows: slice
    columns: slice
    opinion: Opinion
    picture: Shaped[np.ndarray, "rows columns channels"]
    missing: Bool[np.ndarray, "rows columns"] | None
    skipped: Bool[np.ndarray, "rows columns"] | None
    tiles: int
    empty: int

    @property
    def size(self) -> Size:
        """`(height, width)`."""
        return self.picture.shape[0], self.picture.shape[1]


def predict_bands(
    predictor: Predictor,
    windows: Windows,
    where: str,
    *,
    skip_empty: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[Band, None, None]:
    """Predict a picture by window: strips of columns from left to right, each from top to bottom.

    Args:
        predictor: Predicts.
        windows: The picture.
        where: What to call it in messages.
        skip_empty: Leave out tiles of background, see `limner.inference.empty.is_empty`. Tiles in which the picture
            says that there is nothing are always left out.
        progress: Told how many tiles are done, and of how many.

    Raises:
        ConfigError: The model cannot predict by window.
        DataError: The picture is damaged, or of another kind than the training pictures.
        ResourceError: Memory does not suffice for a single tile.
    """
    check_streamable(predictor)
    if predictor.meta.inputs.fit == "resize":
        yield from _resized_bands(predictor, windows, where, progress)
        return
    plan = _Plan.of(predictor, windows)
    total = len(plan.rows) * sum(len(strip.spans) for strip in plan.strips)
    done = 0
    for strip in plan.strips:
        sums = _Sums(predictor, strip)
        reader = _StripReader(windows, strip, plan, predictor.meta.inputs, where)
        for place, given in enumerate(ordered_map(reader.read, plan.rows, threads=1, ahead=1)):
            tiles = given.tiles(plan.rows[place], strip, skip_empty=skip_empty, inputs=predictor.meta.inputs)
            for look, one in enumerate(predictor.looks):
                found = predictor.logits_of_tiles(one, [pixels for _, pixels in tiles])
                for (tile, _), logits in zip(tiles, found, strict=True):
                    sums.add(look, tile, logits)
                    if look + 1 == len(predictor.looks) and progress is not None:
                        done += 1
                        progress(done, total)
            for tile, _ in tiles:
                sums.count(tile)
            skipped = len(strip.spans) - len(tiles)
            if skipped and progress is not None:
                done += skipped
                progress(done, total)
            rows = final_rows(plan.rows, place)
            rows = slice(rows.start, min(rows.stop, windows.size[0]))
            yield sums.take(rows, given, skipped)


def check_streamable(predictor: Predicting) -> Predictor:
    """Refuse a model that needs the whole picture; gives the one it is.

    Raises:
        ConfigError: As said.
    """
    meta = predictor.meta
    why = ""
    if not isinstance(predictor, Predictor):
        why = "several models are asked, each in its own way"
    elif meta.inputs.parts:
        why = f"it takes several pictures for each sample: {', '.join(meta.inputs.parts)}"
    elif meta.post_processing:
        steps = ", ".join(dict.fromkeys(step.step for step in meta.post_processing))
        why = f"steps after its threshold look at whole objects: {steps}"
    elif any(look.view.zoom != 1 for look in predictor.looks):
        why = "its views zoom the picture"
    if why:
        raise ConfigError(
            "a model that can predict a picture by window",
            why,
            "Cut the picture into parts, or add --stream never if it fits in memory.",
        )
    assert isinstance(predictor, Predictor)
    return predictor


@dataclass(frozen=True)
class _Plan:
    """Tiles of a picture: those of the picture predicted at once."""

    size: Size
    rows: Sequence[Span]
    strips: Sequence[Strip]

    @classmethod
    def of(cls, predictor: Predictor, windows: Windows) -> _Plan:
        stride, tile, tiling = predictor.engine.stride, predictor.tile_side(), predictor.meta.tiling
        rows, columns = (
            plan_spans(-(-length // stride) * stride, tile, tiling.overlap, predictor.window) for length in windows.size
        )
        most = BUDGET // _bytes_per_column(predictor, windows, tile)
        return cls(windows.size, rows, plan_strips(columns, windows.size[1], most, TILE))


def _bytes_per_column(predictor: Predictor, windows: Windows, tile: int) -> int:
    meta = predictor.meta
    planes = sum(_planes(meta, name) for name in meta.targets)
    numbers = (len(predictor.looks) + 2) * planes * tile * 4
    pixels = _COPIES * (tile + windows.chunk_rows) * max(windows.channels, meta.inputs.channels)
    return numbers + pixels * np.dtype(windows.dtype).itemsize


def _planes(meta: BundleMeta, name: str) -> int:
    spec = meta.targets[name]
    return 1 if spec.task in ("binary", "regression") else len(spec.names)


@dataclass(frozen=True, eq=False)
class _Window:
    """Rows of a strip: as read, and as the network wants them, filled up beyond the picture's edges."""

    top: int
    left: int
    picture: np.ndarray
    pixels: np.ndarray
    missing: np.ndarray | None

    def tiles(self, row: Span, strip: Strip, *, skip_empty: bool, inputs: InputSpec) -> list[tuple[Tile, np.ndarray]]:
        """Tiles that are to be predicted."""
        found = []
        for span in strip.spans:
            columns = slice(span.start - self.left, span.stop - self.left)
            nothing = self.missing is not None and bool(self.missing[:, columns].all())
            pixels = self.pixels[:, columns]
            if not nothing and not (skip_empty and is_empty(pixels, inputs)):
                found.append((Tile(row, span), pixels))
        return found


class _StripReader:
    """Reads and checks the rows of tiles of a strip, from top to bottom."""

    def __init__(self, windows: Windows, strip: Strip, plan: _Plan, inputs: InputSpec, where: str) -> None:
        self._windows, self._where = windows, where
        self._inputs = inputs
        width = plan.size[1]
        # Beyond the edge the picture is mirrored, as if it were read at once.
        beyond = max(0, strip.reads.stop - width)
        self._columns = slice(max(0, min(strip.reads.start, width - beyond)), min(strip.reads.stop, width))
        self._left, self._beyond = strip.reads.start, beyond
        self._reader = RowReader(windows, self._columns)

    def read(self, rows: Span) -> _Window:
        height = self._windows.size[0]
        picture = self._reader.rows(rows.start, min(rows.stop, height))
        nothing = missing(picture, self._windows)
        pixels = as_input(picture, nothing, self._inputs, _named(self._where, rows.start, rows.stop))
        pixels = _mirrored(pixels, rows.stop - rows.start, self._beyond)
        edge = self._left - self._columns.start
        return _Window(
            rows.start,
            self._left,
            picture[:, edge:],
            pixels[:, edge:],
            nothing if nothing is None else nothing[:, edge:],
        )


def as_input(
    picture: Shaped[np.ndarray, "rows columns channels"],
    nothing: Bool[np.ndarray, "rows columns"] | None,
    inputs: InputSpec,
    where: str,
) -> Shaped[np.ndarray, "rows columns model_channels"]:
    """A window as the network wants it, at its own scale; where there is nothing, at least a number."""
    if nothing is not None and picture.dtype.kind == "f":
        picture = np.where(nothing[..., None] & ~np.isfinite(picture), np.float32(inputs.low), picture)
    return make_input(picture, inputs.model_copy(update={"fit": "native"}), where).pixels


def _named(where: str, start: int, stop: int) -> str:
    return f"{where} (rows {start:,} to {stop:,})"


def _mirrored(pixels: np.ndarray, height: int, beyond: int) -> np.ndarray:
    below = height - pixels.shape[0]
    return np.pad(pixels, ((0, below), (0, beyond), (0, 0)), mode="symmetric") if below or beyond else pixels


class _Sums:
    """Weighted sums of the tiles' logits in the rows that still grow."""

    def __init__(self, predictor: Predictor, strip: Strip) -> None:
        self._predictor, self._strip = predictor, strip
        self._device = predictor.engine.device
        self._reads = strip.reads
        self._totals: list[Logits] = [{} for _ in predictor.looks]
        self._shares = torch.zeros((0, 0))
        self._first = 0
        self._gaps = False

    def add(self, look: int, tile: Tile, logits: Logits) -> None:
        """Add a tile as one look sees it."""
        weights = torch.from_numpy(tile.weights()).to(self._device)
        index = self._index(tile)
        for name, numbers in logits.items():
            total = self._totals[look]
            if name not in total:
                shape = numbers.shape[0], tile.size[0], self._reads.stop - self._reads.start
                total[name] = torch.zeros(shape, device=self._device)
            total[name][:, *index].addcmul_(numbers, weights)

    def count(self, tile: Tile) -> None:
        """Note that a tile was predicted."""
        if not self._shares.numel():
            self._shares = torch.zeros(tile.size[0], self._reads.stop - self._reads.start)
        self._shares[self._index(tile)] += torch.from_numpy(tile.weights())

    def take(self, rows: slice, given: _Window, empty: int) -> Band:
        """The rows that no further tile adds to; the others move up."""
        count = rows.stop - rows.start
        columns = slice(self._strip.start - self._reads.start, self._strip.stop - self._reads.start)
        here = slice(rows.start - given.top, rows.stop - given.top)
        edge = slice(self._strip.start - given.left, self._strip.stop - given.left)
        shares = (
            self._shares[:count, columns] if self._shares.numel() else torch.zeros(count, columns.stop - columns.start)
        )
        opinion = Opinion()
        for look in range(len(self._totals)):
            logits = {name: self._mean(look, name, shares, columns, count) for name in self._predictor.meta.targets}
            opinion.add(logits, self._predictor.meta.targets)
        skipped = shares == 0
        band = Band(
            rows,
            slice(self._strip.start, self._strip.stop),
            opinion,
            given.picture[here, edge],
            None if given.missing is None else given.missing[here, edge],
            skipped.numpy().copy() if bool(skipped.any()) else None,
            len(self._strip.spans),
            empty,
        )
        for total in self._totals:
            for name, numbers in total.items():
                total[name] = _moved_up(numbers, count)
        if self._shares.numel():
            self._shares = _moved_up(self._shares, count)
        self._first = rows.stop
        return band

    def _mean(
        self, look: int, name: str, shares: Tensor, columns: slice, count: int
    ) -> Float32[Tensor, "classes rows columns"]:
        total = self._totals[look]
        if name not in total:  # every tile so far is empty
            planes = _planes(self._predictor.meta, name)
            return torch.zeros((planes, count, columns.stop - columns.start), device=self._device)
        numbers = total[name][:, :count, columns]
        # Where all tiles were predicted their weights sum to 1 already, up to rounding.
        part = (shares < 1 - 1e-4) & (shares > 0)
        if bool(part.any()):
            part, shares = part.to(self._device), shares.to(self._device)
            return torch.where(part, numbers / shares.clamp_min(1e-6), numbers)
        return numbers

    def _index(self, tile: Tile) -> tuple[slice, slice]:
        top, left = tile.rows.start - self._first, tile.columns.start - self._reads.start
        return slice(top, top + tile.size[0]), slice(left, left + tile.size[1])


def _moved_up(numbers: Tensor, count: int) -> Tensor:
    moved = torch.zeros_like(numbers)
    moved[..., : numbers.shape[-2] - count, :] = numbers[..., count:, :]
    return moved


def _resized_bands(
    predictor: Predictor, windows: Windows, where: str, progress: Callable[[int, int], None] | None
) -> Iterator[Band]:
    """The bands of a network that wants pictures of one size."""
    inputs = predictor.meta.inputs
    assert inputs.size is not None
    starts = range(0, windows.size[0], _ROWS_AT_ONCE)
    columns = slice(0, windows.size[1])
    narrow, total = [], 2 * len(starts)
    reader = RowReader(windows, columns)
    for done, start in enumerate(starts, start=1):
        stop = min(start + _ROWS_AT_ONCE, windows.size[0])
        picture = reader.rows(start, stop)
        pixels = as_input(picture, missing(picture, windows), inputs, _named(where, start, stop))
        # Rows are shrunk first, as in a picture that is resized at once.
        narrow.append(resize_image(pixels, (stop - start, inputs.size[1])))
        if progress is not None:
            progress(done, total)
    small = resize_image(np.concatenate(narrow), inputs.size)
    opinion = predictor.opinion(ModelInput(small, small, where))
    reader = RowReader(windows, columns)
    for done, start in enumerate(starts, start=len(starts) + 1):
        stop = min(start + _ROWS_AT_ONCE, windows.size[0])
        picture = reader.rows(start, stop)
        numbers = {name: grown(opinion.mean(name), windows.size, start, stop) for name in predictor.meta.targets}
        yield Band(slice(start, stop), columns, Opinion(1, numbers), picture, missing(picture, windows), None, 1, 0)
        if progress is not None:
            progress(done, total)


def grown(
    numbers: Float32[Tensor, "planes height width"], size: Size, start: int, stop: int
) -> Float32[Tensor, "planes rows columns"]:
    """Rows `start` to `stop` of numbers that are resized to `size`, bilinearly.

    Pixel centres are kept: row `r` of `R` lies at `(r + ½) · height / R − ½`. A side that shrinks is smoothed.
    """
    height, width = numbers.shape[-2:]
    if size[0] < height:
        whole = functional.interpolate(numbers[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
        return whole[:, start:stop]
    place = ((torch.arange(start, stop, dtype=torch.float64) + 0.5) * height / size[0] - 0.5).clamp(0, height - 1)
    above = place.floor().long()
    below = (above + 1).clamp_max(height - 1)
    share = (place - above).float().to(numbers.device)[:, None]
    rows = numbers[:, above] * (1 - share) + numbers[:, below] * share
    wide: Tensor = functional.interpolate(
        rows[None], (stop - start, size[1]), mode="bilinear", align_corners=False, antialias=size[1] < width
    )[0]
    return wide
