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
