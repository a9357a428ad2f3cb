"""Faults planted in training pictures, so that a picture with the same fault can be told by them.

Layer: part of `evaluation`. How strong a fault is, is drawn anew for every picture, so that its kind is learned and not
its strength. Pictures of another kind are drawn: leaves that cover one another, clouds, boards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float32
from scipy import fft, ndimage

from limner.evaluation.explain.appearance import Portrait, Unit
from limner.evaluation.explain.findings import Kind
from limner.images import resize_image
from limner.inference.views import View, symmetric_views
from limner.types import Size, Symmetry

Random = np.random.Generator
_JITTERED, _DRAWN = 3, 2
_BLOCK = 8


@dataclass(frozen=True, eq=False)
class Planted:
    """A picture with a fault, made when it is asked for.

    Attributes:
        kind: Of the fault; None where there is none.
        words: The fault in words.
        make: Makes it.
    """

    kind: Kind | None
    words: str
    make: Callable[[], Portrait]


def planted(
    portrait: Portrait, symmetries: Sequence[Symmetry], random: Random, *, ordered: bool = True
) -> Iterator[Planted]:
    """A picture without a fault in some ways, first as it is, and with every fault that its model would mind.

    Args:
        portrait: The picture.
        symmetries: In which the model has learned it.
        random: Draws how strong faults are.
        ordered: Whether its channels could be in another order, as those of a colour picture.
    """
    yield Planted(None, "as given", lambda: portrait)
    for _ in range(_JITTERED):
        yield Planted(None, "as given", partial(_jittered, portrait, symmetries, random))
    if ordered:
        yield from _of_channels(portrait, random)
    yield from _of_values(portrait, random)
    yield from _of_sizes(portrait, random)
    yield from _of_detail(portrait, random)
    yield from _turned(portrait, symmetries)
    for _ in range(_DRAWN):
        yield Planted("another kind", "of another kind", partial(_another_kind, portrait, random))


def _jittered(portrait: Portrait, symmetries: Sequence[Symmetry], random: Random) -> Portrait:
    """As another picture of the kind might be: mirrored, a little brighter or darker, a little nearer."""
    learned = symmetric_views(symmetries)
    view = learned[random.integers(len(learned))]
    gain, gamma = random.uniform(0.93, 1.07), random.uniform(0.93, 1.07)
    nearer = _larger(portrait, random.uniform(1, 1.2), random, sharp=True)
    return _each(_viewed(nearer, view), lambda unit: (unit.clip(0, None) * gain) ** gamma)


def _of_channels(portrait: Portrait, random: Random) -> Iterator[Planted]:
    channels = portrait.whole.shape[2]
    if channels > 1 and not bool((portrait.whole == portrait.whole[..., :1]).all()):
        # Back to front, as BGR is; one place further; any order.
        orders = [
            list(range(channels))[::-1],
            np.roll(range(channels), 1).tolist(),
            random.permutation(channels).tolist(),
        ]
        for order in orders:
            if order != list(range(channels)):
                yield _valued("channels", "with channels in another order", portrait, partial(_ordered, order=order))


def _of_values(portrait: Portrait, random: Random) -> Iterator[Planted]:
    yield _valued("inverted", "inverted", portrait, lambda unit: 1 - unit)
    for low, high in ((0.06, 0.25), (0.2, 0.5)):
        gain = _between(low, high, random)
        yield _valued("exposure", "much darker", portrait, partial(_linear, gain=gain))
    for lift in (0.0, 0.25):
        change = partial(_linear, gain=_between(1.6, 4.0, random), base=random.uniform(0, lift))
        yield _valued("exposure", "overexposed", portrait, change)
    for low, high, words in ((2.0, 4.0, "with dark middle tones"), (0.2, 0.5, "with bright middle tones")):
        yield _valued("exposure", words, portrait, partial(_bent, gamma=_between(low, high, random)))
    gain, middle = _between(0.12, 0.4, random), float(portrait.whole.mean())
    change = partial(_linear, gain=gain, base=random.uniform(0.15, 0.75) - middle * gain)
    yield _valued("exposure", "with little contrast", portrait, change)


def _of_sizes(portrait: Portrait, random: Random) -> Iterator[Planted]:
    for sharp in (True, True, False):
        times = _between(1.8, 5.0, random)
        yield Planted("size", "with larger objects", partial(_larger, portrait, times, random, sharp=sharp))
    for same_file in (True, True, False):
        times = _between(1.8, 5.0, random)
        yield Planted("size", "with smaller objects", partial(_smaller, portrait, times, random, same_file=same_file))


def _of_detail(portrait: Portrait, random: Random) -> Iterator[Planted]:
    for _ in range(2):
        yield Planted("blurred", "out of focus", partial(_defocused, portrait, _between(0.008, 0.05, random)))
    share, axis = _between(0.04, 0.15, random), int(random.integers(2))
    yield Planted("blurred", "blurred by motion", partial(_moved, portrait, share, axis))
    for colored in (True, False):
        deviation = _between(0.06, 0.4, random)
        yield Planted("noisy", "noisy", partial(_noisy, portrait, deviation, random, colored=colored))
    yield _valued("noisy", "with specks", portrait, partial(_specked, share=random.uniform(0.03, 0.2), random=random))
    step = _between(0.1, 0.4, random)
    yield _valued("noisy", "compressed too strongly", portrait, partial(_compressed, step=step))


def _turned(portrait: Portrait, symmetries: Sequence[Symmetry]) -> Iterator[Planted]:
    learned = symmetric_views(symmetries)
    for view in (View(True, False), View(True, True), View(False, True, True), View(True, False, True)):
        if view not in learned:
            yield Planted("turned", "turned or mirrored", partial(_viewed, portrait, view))


def _valued(kind: Kind, words: str, portrait: Portrait, change: Callable[[Unit], Unit]) -> Planted:
    return Planted(kind, words, partial(_each, portrait, change))


def _another_kind(portrait: Portrait, random: Random) -> Portrait:
    """A drawn picture that shows nothing of the kind, at the size of one that does."""
    size, channels = (portrait.whole.shape[0], portrait.whole.shape[1]), portrait.whole.shape[2]
    draw = (_leaves, _clouds, _board)[random.integers(3)]
    drawn = draw(size, channels, random)
    if random.random() < 0.5:
        drawn = _blurred(drawn, _between(0.5, 4.0, random))
    if random.random() < 0.5:
        drawn = drawn + random.normal(0, _between(0.005, 0.05, random), drawn.shape).astype(np.float32)
    middle, spread = random.uniform(0.15, 0.85), _between(0.05, 0.4, random)
    drawn = (middle + (drawn - drawn.mean()) / (drawn.std() + 1e-3) * spread).astype(np.float32).clip(0, 1)
    fine = drawn[: portrait.fine.shape[0], : portrait.fine.shape[1]]
    return replace(portrait, whole=drawn, fine=np.ascontiguousarray(fine))


def _leaves(size: Size, channels: int, random: Random) -> Unit:
    """Discs and rectangles of all sizes that cover one another (dead leaves)."""
    rows, columns = np.indices(size)
    drawn = np.empty((*size, channels), np.float32)
    drawn[:] = random.random(channels)
    for _ in range(int(random.integers(4, 90))):
        radius = max(size) * _between(0.02, 0.3, random)
        row, column = random.uniform(0, size)
        if random.random() < 0.5:
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        else:
            inside = (np.abs(rows - row) < radius) & (np.abs(columns - column) < radius * random.uniform(0.2, 2))
        drawn[inside] = random.random(channels)
    return drawn


def _clouds(size: Size, channels: int, random: Random) -> Unit:
    """Noise whose amplitude falls with some power of the frequency."""
    rows, columns = (np.fft.fftfreq(length)[:, None] * length for length in size)
    frequency = np.hypot(rows, columns.T)
    frequency[0, 0] = 1
    power = random.uniform(0.3, 2.2)
    planes = [np.fft.ifft2(np.fft.fft2(random.normal(size=size)) / frequency**power).real for _ in range(channels)]
    unit = np.stack([plane / (plane.std() + 1e-9) for plane in planes], axis=2)
    mixed = random.random()
    return np.asarray(mixed * unit[..., :1] + (1 - mixed) * unit, np.float32)


def _board(size: Size, channels: int, random: Random) -> Unit:
    """Tiles of random colours, or stripes."""
    count = [int(random.integers(2, 24)) if random.random() < 0.8 else 1 for _ in size]
    tiles = random.random((*count, channels))
    rows, columns = (np.arange(length) * number // length for length, number in zip(size, count, strict=True))
    return np.asarray(tiles[np.ix_(rows, columns)], np.float32)


def _each(portrait: Portrait, change: Callable[[Unit], Unit]) -> Portrait:
    """The same change of both views; what is beyond the range is cut off, as a file would."""
    fine, whole = (np.asarray(change(unit), np.float32).clip(0, 1) for unit in (portrait.fine, portrait.whole))
    return replace(portrait, fine=fine, whole=whole)


def _ordered(unit: Unit, order: Sequence[int]) -> Unit:
    return np.ascontiguousarray(unit[..., list(order)])


def _linear(unit: Unit, gain: float, base: float = 0.0) -> Unit:
    return unit * np.float32(gain) + np.float32(base)


def _bent(unit: Unit, gamma: float) -> Unit:
    return np.asarray(unit.clip(0, 1) ** gamma, np.float32)


def _defocused(portrait: Portrait, share: float) -> Portrait:
    """Blurred by a share of the side of the picture."""
    whole = _blurred(portrait.whole, share * max(portrait.whole.shape[:2]))
    return replace(portrait, fine=_blurred(portrait.fine, share * portrait.side), whole=whole)


def _moved(portrait: Portrait, share: float, axis: int) -> Portrait:
    """Drawn out along an axis by a share of the side of the picture."""
    sides = (portrait.side, max(portrait.whole.shape[:2]))
    fine, whole = (
        np.asarray(ndimage.uniform_filter1d(unit, max(3, round(share * side)), axis), np.float32)
        for unit, side in zip((portrait.fine, portrait.whole), sides, strict=True)
    )
    return replace(portrait, fine=fine, whole=whole)


def _larger(portrait: Portrait, times: float, random: Random, *, sharp: bool) -> Portrait:
    """A part of the picture: as if taken nearer (sharp), or enlarged."""
    height, width = portrait.whole.shape[:2]
    rows, columns = (max(2, int(length / times)) for length in (height, width))
    top, left = (int(free * random.uniform(0.2, 0.8)) for free in (height - rows, width - columns))
    whole = resize_image(np.ascontiguousarray(portrait.whole[top : top + rows, left : left + columns]), (height, width))
    return replace(portrait, whole=whole, fine=portrait.fine if sharp else _enlarged(portrait.fine, times))


def _enlarged(fine: Unit, times: float) -> Unit:
    height, width = fine.shape[:2]
    rows, columns = (max(2, int(length / times)) for length in (height, width))
    return resize_image(np.ascontiguousarray(fine[:rows, :columns]), (height, width))


def _smaller(portrait: Portrait, times: float, random: Random, *, same_file: bool) -> Portrait:
    """A larger field of view: at the size of the picture (whose pixels then show more), or in a larger file."""
    whole = _repeated(portrait.whole, times, random)
    return replace(portrait, whole=whole, fine=_repeated(portrait.fine, times, random) if same_file else portrait.fine)


def _repeated(unit: Unit, times: float, random: Random) -> Unit:
    """Made smaller and continued, by mirroring or by repetition."""
    height, width = unit.shape[:2]
    rows, columns = (max(1, int(length / times)) for length in (height, width))
    small = resize_image(unit, (rows, columns))
    top, left = (int(free * random.random()) for free in (height - rows, width - columns))
    margins = ((top, height - rows - top), (left, width - columns - left), (0, 0))
    return np.pad(small, margins, mode="symmetric" if random.random() < 0.7 else "wrap")


def _blurred(unit: Unit, sigma: float) -> Unit:
    return np.asarray(ndimage.gaussian_filter(unit, (sigma, sigma, 0), truncate=3), np.float32)


def _noisy(portrait: Portrait, deviation: float, random: Random, *, colored: bool) -> Portrait:
    """Noise pixel by pixel, of which less is left where the picture was made smaller."""

    def add(unit: Unit, deviation: float) -> Unit:
        shape = unit.shape if colored else (*unit.shape[:2], 1)
        return np.asarray(unit + random.standard_normal(shape, np.float32) * np.float32(deviation)).clip(0, 1)

    smaller = max(portrait.whole.shape[:2]) / portrait.side
    return replace(portrait, fine=add(portrait.fine, deviation), whole=add(portrait.whole, deviation * smaller))


def _specked(unit: Unit, share: float, random: Random) -> Unit:
    drawn = random.random(unit.shape[:2])
    return np.where((drawn < share / 2)[..., None], 0, np.where((drawn > 1 - share / 2)[..., None], 1, unit))


def _compressed(unit: Unit, step: float) -> Unit:
    """As JPEG does: cosines of 8×8 pixels in coarse steps, coarser for the finer ones."""
    height, width, channels = unit.shape
    margins = [(0, -length % _BLOCK) for length in (height, width)]
    padded = np.pad(unit, [*margins, (0, 0)], mode="edge")
    rows, columns = padded.shape[0] // _BLOCK, padded.shape[1] // _BLOCK
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK, channels)
    steps = _steps(step)[None, :, None, :, None]
    found = fft.idctn(np.rint(fft.dctn(blocks, axes=(1, 3), norm="ortho") / steps) * steps, axes=(1, 3), norm="ortho")
    return np.asarray(found.reshape(padded.shape)[:height, :width], np.float32)


def _steps(step: float) -> Float32[np.ndarray, "8 8"]:
    row, column = np.indices((_BLOCK, _BLOCK))
    return np.asarray(step * (1 + (row + column) / 2), np.float32)


def _viewed(portrait: Portrait, view: View) -> Portrait:
    fine, whole = (np.ascontiguousarray(view.show(unit)) for unit in (portrait.fine, portrait.whole))
    seen = (portrait.seen[1], portrait.seen[0]) if view.transpose else portrait.seen
    return replace(portrait, fine=fine, whole=whole, seen=seen)


def _between(low: float, high: float, random: Random) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
