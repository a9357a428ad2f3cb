"""Hearts that two experts traced in colour: pictures, traced copies, and the outlines they drew.

Layer: examples.

The folders are those of a published cardiac project, clutter and all: each expert has a folder of
traced copies and one of untraced ones, under names of their own choosing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, UInt8

from limner.examples.heart_shapes import draw_heart
from limner.examples.pens import Pen, draw_arrow, draw_note, draw_stroke, inside
from limner.files import write_bytes, write_text
from limner.images import encode_jpeg, encode_png
from limner.types import Color, Size

INKS: Mapping[str, Color] = MappingProxyType({"blue": (20, 40, 235), "green": (25, 200, 45), "red": (225, 25, 30)})
"""What the experts' pens look like: blue for the heart, green and red for its ventricles."""

EXPERTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"SQ": ("Traced 4 chamber", "Untraced Copies"), "PI": ("Traced", "Original Untraced")}
)
"""Expert → their folders of traced and of untraced copies, below `Traced/`."""

# What the Finder leaves behind begins so.
_DS_STORE = b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00"
_README = """\
Traced hearts: magnetic resonance pictures of four chambers, traced by two experts.

Traced/SQ/Traced 4 chamber     traced copies: blue round the heart, green and red round its ventricles
Traced/SQ/Untraced Copies      the same pictures without ink
Traced/PI/Traced               the second expert's
Traced/PI/Original Untraced

Drawn by Limner from the seed {seed}; no picture shows a real heart. CC0 1.0: do with them what you like.
"""


@dataclass(frozen=True)
class TracedHeart:
    """One picture with its tracing.

    Attributes:
        image: Untraced, grey stored as colour.
        traced: The same with strokes on it.
        masks: Ink → the inside of the stroke's centre line.
    """

    image: UInt8[np.ndarray, "height width 3"]
    traced: UInt8[np.ndarray, "height width 3"]
    masks: dict[str, Bool[np.ndarray, "height width"]]


def write_traced_hearts(folder: Path, count: int = 60, seed: int = 0, size: Size = (208, 174)) -> None:
    """Traced hearts: colour strokes of two experts, with untraced copies; folders as in Traced/SQ and Traced/PI."""
    for number in range(count):
        outlines, image = draw_heart(np.random.default_rng((seed, 5, number)), size)
        # One in three is traced by both experts; the others in turn.
        experts = tuple(EXPERTS) if number % 3 == 2 else (tuple(EXPERTS)[number % 3],)
        for expert in experts:
            rng = np.random.default_rng((seed, 6, number, *expert.encode()))
            traced = trace_heart(rng, outlines, image, random_pen(rng)).traced
            quality = int(rng.integers(70, 96))
            for part, picture in zip(EXPERTS[expert], (traced, image), strict=True):
                # Drawing programs save as they please: traces and originals may differ in format.
                lossy = (number + (picture is traced)) % 3 > 0
                _write(folder / "Traced" / expert / part / f"heart_{number + 1:03d}", picture, lossy, quality)
    for place in ("", "Traced", *(f"Traced/{expert}/{part}" for expert in EXPERTS for part in ("", *EXPERTS[expert]))):
        write_bytes(folder / place / ".DS_Store", _DS_STORE)
    write_text(folder / "README.txt", _README.format(seed=seed))


def random_pen(rng: np.random.Generator) -> Pen:
    """A pen as experts hold them: 1 to 4 pixels wide, now and then lifted."""
    return Pen(
        width=float(rng.choice([1.0, 1.5, 2.0, 3.0, 4.0])),
        smooth=bool(rng.random() < 0.7),
        gaps=int(rng.integers(3)),
        gap=float(rng.uniform(2, 6)),
        tremor=0.35,
    )


def trace_heart(
    rng: np.random.Generator,
    outlines: Mapping[str, Float[np.ndarray, "points 2"]],
    image: UInt8[np.ndarray, "height width 3"],
    pen: Pen,
    *,
    notes: bool = True,
) -> TracedHeart:
    """Draw the outlines on a picture, as one expert would; `notes` adds writing and an arrow to some."""
    traced, masks = image.copy(), {}
    for ink, color in INKS.items():
        drawn = pen.wavered(rng, outlines[ink])
        masks[ink] = inside(drawn, (image.shape[0], image.shape[1]))
        traced = draw_stroke(rng, traced, drawn, color, pen)
    if notes and rng.random() < 0.4:
        traced = draw_note(rng, traced, INKS["red"], replace(pen, width=1.2, gaps=0))
    if notes and rng.random() < 0.4:
        traced = draw_arrow(rng, traced, INKS["green"], replace(pen, width=1.5, gaps=0))
    return TracedHeart(image, traced, masks)


def _write(path: Path, picture: UInt8[np.ndarray, "height width 3"], lossy: bool, quality: int) -> None:
    if lossy:
        write_bytes(path.with_suffix(".jpg"), encode_jpeg(picture, quality))
    else:
        write_bytes(path.with_suffix(".png"), encode_png(picture))
