"""How much ink of each colour lies on each pixel.

Layer: data. Pure functions on arrays.

A traced picture is `(1 − cover) · untraced + cover · ink`. With the untraced copy, cover follows from
lightness, at full resolution, and from colour, which JPEG blurs and fades but which alone tells the
inks apart and is all there is where ink and picture are equally light. Without it, the lightness
under the ink is filled in from beside the strokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from limner.data.traces.chroma import chroma_of, to_rgb, to_ycc, unmix
from limner.data.traces.inks import Ink
from limner.types import Color

# Beyond this angle from the colour named, a hue is another colour.
_SAME_HUE = np.cos(np.deg2rad(38))
# Colour weaker than this is what JPEG makes of grey.
_NOISE = 14.0
# Lightness counts this much more than its part in red, green and blue: it alone is stored for every pixel.
_LIGHT_WEIGHT = 2.0
# Keeps cover near 0 where neither lightness nor colour could tell.
_DOUBT = 500.0
_OWN = 1.2
_FILL = 3.0


@dataclass(frozen=True)
class Separated:
    """A traced picture taken apart.

    Attributes:
        covers: Share of each pixel that is covered by each ink, 0 to 1.2 (noise).
        drawn: The traced picture, lightness and colour.
        plain: The same without ink; its lightness below the strokes is a guess if there is no original.
        colors: Lightness and colour of each ink, as they are in this picture.
    """

    covers: Float[np.ndarray, "inks height width"]
    drawn: Float[np.ndarray, "height width 3"]
    plain: Float[np.ndarray, "height width 3"]
    colors: Float[np.ndarray, "inks 3"]


def separate(
    traced: UInt8[np.ndarray, "height width 3"],
    untraced: UInt8[np.ndarray, "height width 3"] | None,
    inks: Sequence[Ink],
) -> Separated:
    """Tell ink from picture, and inks from one another.

    Args:
        traced: With ink.
        untraced: The same picture without, in register; None if there is none.
        inks: As named by the user. Their exact colour is taken from the picture.
    """
    drawn = to_ycc(traced)
    plain = to_ycc(untraced) if untraced is not None else _without_ink(drawn)
    difference = drawn - plain
    colors = [_actual(difference[..., 1:], drawn[..., 0], ink.color) for ink in inks]
    amounts = unmix(difference[..., 1:], np.stack([color[1:] for color in colors]))
    nearby = ndimage.gaussian_filter(amounts, (_OWN, _OWN, 0))
    # Colour that is no ink's is a share too: strokes of pens that were not asked for belong to nobody.
    usual = np.mean([np.linalg.norm(color[1:]) for color in colors])
    colored = ndimage.gaussian_filter(np.linalg.norm(difference[..., 1:], axis=2), _OWN)[..., None] / usual
    share = nearby / np.maximum(np.maximum(nearby.sum(axis=2, keepdims=True), colored), 0.02)
    change, below = to_rgb(difference), to_rgb(plain)
    covers = []
    for number, color in enumerate(colors):
        contrast = to_rgb(color) - below
        lighter = color[0] - plain[..., 0]
        told = (contrast * change).sum(axis=2) + _LIGHT_WEIGHT * lighter * difference[..., 0]
        full = (contrast**2).sum(axis=2) + _LIGHT_WEIGHT * lighter**2
        covers.append(np.clip(told * share[..., number] / (full + _DOUBT), 0, 1.2))
    return Separated(np.stack(covers).astype(np.float32), drawn, plain, np.stack(colors).astype(np.float64))


def _actual(
    chroma: Float[np.ndarray, "height width 2"], lightness: Float[np.ndarray, "height width"], color: Color
) -> Float[np.ndarray, " 3"]:
    """Lightness and colour of an ink as it is in this picture; as named where it is not there."""
    named = chroma_of(color)
    strength = np.linalg.norm(chroma, axis=2)
    near = chroma @ (named / np.linalg.norm(named)) > _SAME_HUE * strength
    strong = near & (strength > _NOISE)
    if strong.sum() < 12:
        return np.asarray(to_ycc(np.array([[color]], dtype=np.uint8))[0, 0])
    full = strong & (strength >= np.quantile(strength[strong], 0.85))
    mean = chroma[full].mean(axis=0)
    # Thin strokes never show their full colour; its strength is the named one's then.
    wanted = max(float(np.linalg.norm(mean)), 0.6 * float(np.linalg.norm(named)))
    return np.array([np.median(lightness[full]), *(mean * wanted / np.linalg.norm(mean))])


def _without_ink(drawn: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width 3"]:
    """The picture with coloured places filled in from beside them, and its own tint elsewhere."""
    tint = np.median(drawn[..., 1:].reshape(-1, 2), axis=0)
    colored = np.linalg.norm(drawn[..., 1:] - tint, axis=2) > _NOISE
    clean = (~ndimage.binary_dilation(colored, iterations=2)).astype(np.float32)
    weight = ndimage.gaussian_filter(clean, _FILL)
    filled = ndimage.gaussian_filter(drawn[..., 0] * clean, _FILL) / np.maximum(weight, 1e-3)
    plain = np.empty_like(drawn)
    plain[..., 0] = np.where((clean > 0) | (weight < 1e-3), drawn[..., 0], filled)
    plain[..., 1:] = tint
    return plain
