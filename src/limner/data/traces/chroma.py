"""Lightness and colour apart, as JPEG keeps them, and the mixture of inks that a colour is made of.

Layer: data; imports nothing of `data`. Pure functions on arrays.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, UInt8

from limner.types import Color

# ITU-R BT.601 at full range, the colour space of JPEG: Y, Cb, Cr.
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=np.float32)

# Hues at most 40° apart may be the same ink, weak and noisy; inks more than 150° apart mix to grey.
_SAME_HUE, _OPPOSITE = np.cos(np.deg2rad(40)), np.cos(np.deg2rad(150))


def to_ycc(picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width 3"]:
    """Lightness in [0, 255], then two planes of colour in [−128, 128] that are 0 for greys."""
    return np.asarray(picture.astype(np.float32) @ _TO_YCC.T)


def to_rgb(ycc: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """The way back, without rounding and without limits, so that differences may pass too."""
    return np.asarray(ycc @ np.linalg.inv(_TO_YCC).T)


def chroma_of(color: Color) -> Float[np.ndarray, " 2"]:
    """The colour part of one colour."""
    return np.asarray(_TO_YCC[1:] @ np.array(color, dtype=np.float32))


def unmix(
    chroma: Float[np.ndarray, "height width 2"], basis: Float[np.ndarray, "inks 2"]
) -> Float[np.ndarray, "height width inks"]:
    """Amounts of ink, none negative, whose sum comes nearest to the colour of each pixel.

    JPEG stores colour at half the resolution, so neighbouring strokes run into each other; as that
    is linear, their sum can be taken apart again. Two planes determine two amounts, so the best of
    all single inks and pairs is the least-squares solution.
    """
    flat = chroma.reshape(-1, 2).astype(np.float64)
    best = np.zeros((len(flat), len(basis)))
    error = (flat**2).sum(axis=1)
    units = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    pairs = [pair for pair in combinations(range(len(basis)), 2) if units[pair[0]] @ units[pair[1]] > _OPPOSITE]
    choices = [*((number,) for number in range(len(basis))), *pairs]
    for chosen in choices:
        vectors = basis[list(chosen)].astype(np.float64)
        amounts = flat @ np.linalg.pinv(vectors)
        mixed = amounts @ vectors
        residual = ((flat - mixed) ** 2).sum(axis=1)
        # What is far from every ink and every mixture of two is none of them: another pen's colour.
        near = (flat * mixed).sum(axis=1) >= _SAME_HUE * np.linalg.norm(flat, axis=1) * np.linalg.norm(mixed, axis=1)
        better = near & (amounts >= 0).all(axis=1) & (residual < error - 1e-9)
        error[better] = residual[better]
        best[better] = 0
        best[np.ix_(better, chosen)] = amounts[better]
    return np.asarray(best.reshape(*chroma.shape[:2], len(basis)), dtype=np.float32)
