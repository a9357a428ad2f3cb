"""Drawn tracings, as files of drawing programs would hold them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from limner.examples.heart_shapes import draw_heart
from limner.examples.pens import Pen
from limner.examples.traced_hearts import TracedHeart, trace_heart
from limner.types import Size


@pytest.fixture(scope="session")
def heart() -> Callable[..., TracedHeart]:
    """A drawn heart with the tracing of one pen; the same number gives the same heart."""

    def draw(pen: Pen, number: int = 0, *, notes: bool = False, size: Size = (208, 174)) -> TracedHeart:
        rng = np.random.default_rng((9, number))
        outlines, image = draw_heart(rng, size)
        return trace_heart(rng, outlines, image, pen, notes=notes)

    return draw


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """A picture as JPEG; unless told otherwise with half the colour resolution (4:2:0)."""
    from PIL import Image

    def encode(picture: np.ndarray, quality: int, subsampling: int = 2) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=subsampling)
        return stream.getvalue()

    return encode
