"""Pictures of a run folder as data URIs, made small enough for a page.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from limner.images import encode_webp, read_image, resize_image, to_channels

_KEEP_BYTES = 150_000
_LONGEST_SIDE = 1400
_QUALITIES = (85, 60, 30)
_MOST_BYTES = 350_000
_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Embedded:
    """A picture inside the page; sizes in pixels."""

    uri: str
    height: int
    width: int


def embed(path: Path) -> Embedded:
    """The picture at `path` as a data URI: as it is when small or see-through, else shrunk and as WebP.

    Raises:
        DataError: It cannot be read.
    """
    image = read_image(str(path))
    height, width = image.shape[:2]
    data = path.read_bytes()
    kind = next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), None)
    layer = image.ndim == 3 and image.shape[2] == 4
    if kind is None or (len(data) > _KEEP_BYTES and not layer):
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        small = to_channels(resize_image(image, (height, width)), 3)
        kind = "image/webp"
        for quality in _QUALITIES:
            data = encode_webp(small, quality)
            if len(data) <= _MOST_BYTES:
                break
    return Embedded(f"data:{kind};base64,{base64.b64encode(data).decode()}", height, width)
