"""Experts' traced copies: outlines drawn in colour on pictures, turned into masks.

Layer: data. Imports no torch.

    convert ─ experts (who traced what)
       ├ picture ─ registration, agreement, finished (what was read before)
       │    └ tracing ─ ink (how much lies where) ─ inks, chroma
       │         ├ regions (what strokes enclose, roughly)
       │         ├ contours (the middle of the stroke, nearly) ─ outlines
       │         └ fitting (the strokes that explain the pixels) ─ strokes, splines, lossy
       │              └ refining (and the numbers that a JPEG file stores) ─ blocks
       └ sheets
"""

from limner.data.traces.agreement import Agreement, mean_dice
from limner.data.traces.convert import Converted, Outcome, convert_traces
from limner.data.traces.inks import DEFAULT_INKS, Ink, parse_inks
from limner.data.traces.tracing import Doubt, Traced, read_tracing

__all__ = [
    "DEFAULT_INKS",
    "Agreement",
    "Converted",
    "Doubt",
    "Ink",
    "Outcome",
    "Traced",
    "convert_traces",
    "mean_dice",
    "parse_inks",
    "read_tracing",
]
