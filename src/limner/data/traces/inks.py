"""The colours that experts draw with, and the structures they stand for.

Layer: data; imports nothing of `data`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from limner.data.traces.chroma import chroma_of
from limner.errors import ConfigError
from limner.types import Color

COLORS: Mapping[str, Color] = MappingProxyType(
    {
        "blue": (0, 0, 255),
        "green": (0, 200, 0),
        "red": (255, 0, 0),
        "yellow": (255, 255, 0),
        "cyan": (0, 255, 255),
        "magenta": (255, 0, 255),
        "orange": (255, 128, 0),
        "purple": (128, 0, 192),
        "pink": (255, 105, 180),
        "lime": (128, 255, 0),
        "navy": (0, 0, 128),
        "teal": (0, 128, 128),
        "brown": (140, 70, 20),
    }
)
"""Colours by name. Any other is written `#rrggbb`."""

DEFAULT_INKS = ("blue", "green", "red")

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[\w.-]+( [\w.-]+)*")
# Weaker colours cannot be told from the grey of a picture after JPEG.
_COLORFUL = 40.0


@dataclass(frozen=True)
class Ink:
    """One colour of pen.

    Attributes:
        name: What the user calls the colour; the folder of its masks.
        color: As the user means it; the ink in the pictures may differ in lightness and strength.
        structure: What it outlines.
    """

    name: str
    color: Color
    structure: str


def parse_inks(texts: Sequence[str] = DEFAULT_INKS) -> tuple[Ink, ...]:
    """Inks from `colour` or `colour=structure`; a colour is a name in `COLORS` or `#rrggbb`.

    Raises:
        ConfigError: An unknown colour, one that is grey, two alike, or an impossible name.

    Example:
        >>> [ink] = parse_inks(["#1060ff=left ventricle"])
        >>> ink.name, ink.structure, ink.color
        ('1060ff', 'left ventricle', (16, 96, 255))
    """
    inks = [_parse(text) for text in texts]
    names = [ink.name for ink in inks]
    if not inks or len(set(names)) < len(names) or len({ink.structure for ink in inks}) < len(inks):
        raise ConfigError(
            "different colours for different structures",
            ", ".join(texts) or "no colour",
            "Name each colour once, such as --ink blue=heart --ink green=lv.",
        )
    return tuple(inks)


def is_ink_name(name: str) -> bool:
    """Whether a folder may hold an ink's masks: a colour of `COLORS`, or six hexadecimal digits.

    Example:
        >>> is_ink_name("green"), is_ink_name("1060ff"), is_ink_name("masks")
        (True, True, False)
    """
    return name in COLORS or _HEX.fullmatch(f"#{name}") is not None


def _parse(text: str) -> Ink:
    name, _, structure = (part.strip() for part in text.partition("="))
    structure = structure or name.removeprefix("#")
    if _HEX.fullmatch(name):
        color = (int(name[1:3], 16), int(name[3:5], 16), int(name[5:7], 16))
    elif name.lower() in COLORS:
        color = COLORS[name.lower()]
    else:
        raise ConfigError(
            "the colour of an ink", f"'{name}' in '{text}'", f"Use #rrggbb or one of {', '.join(COLORS)}."
        )
    if float((chroma_of(color) ** 2).sum()) ** 0.5 < _COLORFUL:
        raise ConfigError("an ink with a colour", f"'{name}', a grey", "Ink is told from the picture by its colour.")
    if not _NAME.fullmatch(structure):
        raise ConfigError("a structure's name of letters and digits", f"'{structure}'", "Choose a simpler name.")
    return Ink(name.removeprefix("#").lower(), color, structure)
