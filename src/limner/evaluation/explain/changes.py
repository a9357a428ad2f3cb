"""Ways of giving a picture otherwise, each of which undoes one fault.

Layer: part of `evaluation`. Pure functions on pixels as the network takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import numpy as np
from jaxtyping import Float32, Shaped
from scipy import ndimage

from limner.bundle import InputSpec
from limner.evaluation.explain.findings import Kind
from limner.inference.views import AS_IS, View, symmetric_views
from limner.types import Symmetry

Pixels = Shaped[np.ndarray, "height width channels"]

_GAINS = (1 / 4, 1 / 3, 1 / 2, 2.0, 3.0, 4.0, 6.0)
_GAMMAS = (1 / 4, 0.4, 0.6, 1.6, 2.5, 4.0)
FULL_SCALES: tuple[float, ...] = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Highest numbers of floating-point and of 8-, 10-, 12-, 14- and 16-bit pictures."""
LEAST_FACTOR = 4
"""Between two full scales; less is an exposure."""
_SHARPEN = (1.0, 2.0)
_MOST_PERMUTED = 4


@dataclass(frozen=True, eq=False)
class Change:
    """A change of the pixels.

    Attributes:
        kind: The fault that it undoes.
        words: What is changed, as a clause.
        apply: The change.
        exact: Whether it undoes the fault exactly.
        view: How the result lies in the picture.
    """

    kind: Kind
    words: str
    apply: Callable[[Pixels], Pixels]
    exact: bool = True
    view: View = AS_IS


def value_changes(pixels: Pixels, inputs: InputSpec) -> Iterator[Change]:
    """Changes of numbers that leave every object where it is."""
    yield from _orders(pixels, inputs)
    yield Change("inverted", "light and dark exchanged", partial(_inverted, inputs=inputs))
    yield from _scales(pixels, inputs)
    yield from _exposures(inputs)
    yield from _details(inputs)


def can_be_ordered(inputs: InputSpec) -> bool:
    """Whether the channels of a picture could be in another order, as those of a colour picture."""
    return 2 <= inputs.channels <= _MOST_PERMUTED and not inputs.parts


def turns(symmetries: list[Symmetry]) -> Iterator[Change]:
    """The picture mirrored and turned in the ways that the network has not learned."""
    known = symmetric_views(symmetries)
    names = {
        (True, True, False): "turned by 180°",
        (True, False, True): "turned by 90° to the left",
        (False, True, True): "turned by 90° to the right",
        (True, False, False): "upside down",
    }
    for (flip_v, flip_h, transpose), words in names.items():
        view = View(flip_v, flip_h, transpose)
        # To a network that knows left and right as alike, turning is mirroring.
        if view not in known:
            yield Change("turned", words, view.show, view=view)


def _orders(pixels: Pixels, inputs: InputSpec) -> Iterator[Change]:
    count = inputs.channels
    if not can_be_ordered(inputs) or bool((pixels == pixels[..., :1]).all()):
        return
    for order in permutations(range(count)):
        if list(order) != list(range(count)):
            words = f"channels in the order {' '.join(str(channel + 1) for channel in order)}"
            yield Change("channels", words, partial(_ordered, order=order))


def _scales(pixels: Pixels, inputs: InputSpec) -> Iterator[Change]:
    """Numbers of one full scale taken for those of another."""
    most, dtype = float(pixels.max()), np.dtype(inputs.dtype)
    # 8 bits hold no other scale but 0 and 1.
    full: tuple[float, ...] = (1.0, 255.0) if dtype == np.uint8 else FULL_SCALES
    if most <= 0 or (dtype == np.uint8 and most > 1):
        return
    tried: set[float] = set()
    for stored in [scale for scale in full if most <= scale][:2] or [most]:
        for wanted in (*full, inputs.high):
            factor = round(wanted / stored, 9)
            reaches = most * factor / inputs.high
            # What is near the scale as it is, or ends far from the range of the training, is none of its scales.
            if not (factor >= LEAST_FACTOR or factor <= 1 / LEAST_FACTOR) or not 0.2 <= reaches <= 4 or factor in tried:
                continue
            tried.add(factor)
            words = f"values 0 to {stored:g} as 0 to {wanted:g}"
            yield Change("values", words, partial(_scaled, factor=factor, inputs=inputs))


def _exposures(inputs: InputSpec) -> Iterator[Change]:
    for gain in _GAINS:
        words = f"{gain:g} times as bright" if gain >= 1 else f"{1 / gain:g} times darker"
        yield Change("exposure", words, partial(_brightened, gain=gain, inputs=inputs), exact=False)
    for gamma in _GAMMAS:
        words = f"gamma {gamma:g} ({'brighter' if gamma < 1 else 'darker'} middle tones)"
        yield Change("exposure", words, partial(_bent, gamma=gamma, inputs=inputs), exact=False)


def _details(inputs: InputSpec) -> Iterator[Change]:
    for sigma in _SHARPEN:
        words = f"sharpened ({sigma:g} pixels)"
        yield Change("blurred", words, partial(_sharpened, sigma=sigma, inputs=inputs), exact=False)
    yield Change(
        "noisy",
        "smoothed (median of 3×3 pixels)",
        _without_specks,
        exact=False,
    )
    for sigma in (1.0, 2.0):
        words = f"smoothed ({sigma:g} pixel{'s' * (sigma > 1)})"
        yield Change("noisy", words, partial(_blurred, sigma=sigma, inputs=inputs), exact=False)


def _ordered(pixels: Pixels, order: Sequence[int]) -> Pixels:
    return pixels[..., list(order)]


def _inverted(pixels: Pixels, inputs: InputSpec) -> Pixels:
    return _back(1 - _unit(pixels, inputs), inputs)


def _scaled(pixels: Pixels, factor: float, inputs: InputSpec) -> Pixels:
    return typed(pixels.astype(np.float64) * factor, inputs)


def _brightened(pixels: Pixels, gain: float, inputs: InputSpec) -> Pixels:
    return _back(_unit(pixels, inputs) * gain, inputs)


def _bent(pixels: Pixels, gamma: float, inputs: InputSpec) -> Pixels:
    return _back(_unit(pixels, inputs).clip(0, 1) ** gamma, inputs)


def _without_specks(pixels: Pixels) -> Pixels:
    return np.asarray(ndimage.median_filter(pixels, size=(3, 3, 1)))


def _sharpened(pixels: Pixels, sigma: float, inputs: InputSpec) -> Pixels:
    unit = _unit(pixels, inputs)
    return _back(unit + 2 * (unit - ndimage.gaussian_filter(unit, (sigma, sigma, 0))), inputs)


def _blurred(pixels: Pixels, sigma: float, inputs: InputSpec) -> Pixels:
    return _back(ndimage.gaussian_filter(_unit(pixels, inputs), (sigma, sigma, 0)), inputs)


def _unit(pixels: Pixels, inputs: InputSpec) -> Float32[np.ndarray, "height width channels"]:
    """With the lowest value of the training at 0 and the highest at 1."""
    return (pixels.astype(np.float32) - inputs.low) / (inputs.high - inputs.low)


def _back(unit: Float32[np.ndarray, "height width channels"], inputs: InputSpec) -> Pixels:
    return typed(inputs.low + unit.clip(0, 1) * (inputs.high - inputs.low), inputs)


def typed(values: np.ndarray, inputs: InputSpec) -> Pixels:
    """Numbers in the type that the network takes, rounded and cut where it must be."""
    wanted = np.dtype(inputs.dtype)
    if wanted.kind == "f":
        return values.astype(wanted)
    return np.asarray(np.rint(values.clip(0, np.iinfo(wanted).max)), wanted)
