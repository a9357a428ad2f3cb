"""How candidates are written: words between commas, each a name or `key=value`.

Layer: config.
"""

from __future__ import annotations

_CLOSES = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}


def split_outside(text: str, separators: str) -> list[str]:
    """The pieces of a text between separators that stand in no brackets or quotes; empty ones are left out.

    Example:
        >>> split_outside("unet, unet conv_sizes=[8, 16]", ",")
        ['unet', 'unet conv_sizes=[8, 16]']
        >>> split_outside("unet  loss='ce + dice'", " ")
        ['unet', "loss='ce + dice'"]
    """
    pieces, awaited = [""], ""
    for letter in text:
        quoted = awaited[-1:] in ('"', "'")
        if awaited and letter == awaited[-1]:
            awaited = awaited[:-1]
        elif not quoted and letter in _CLOSES:
            awaited += _CLOSES[letter]
        if letter in separators and not awaited:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces if piece.strip()]
