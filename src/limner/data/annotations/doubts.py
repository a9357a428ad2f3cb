"""What may be doubtful about annotations, in words.

Layer: data; imports nothing of `data`. Values only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Doubt:
    """One thing that is doubtful, or was left out.

    Attributes:
        kind: A key of `KINDS`.
        picture: Name of the picture; may be empty.
        where: File and shape.
        label: Class of the shape; may be empty.
        pixels: How many it is about.
        text: What there is to say beyond the kind.
    """

    kind: str
    picture: str = ""
    where: str = ""
    label: str = ""
    pixels: int = 0
    text: str = ""

    @property
    def lost(self) -> bool:
        """Whether something was left out."""
        return KINDS[self.kind][0]


KINDS: dict[str, tuple[bool, str]] = {
    "unclosed": (True, "lines that enclose nothing: open, or fewer than 3 points"),
    "no-outline": (True, "points, tags and boxes of detection, which have no outline"),
    "rotated": (True, "shapes drawn on a rotated view"),
    "empty-shape": (True, "shapes without area, or too small to hold a pixel's centre"),
    "outside": (True, "shapes outside their picture"),
    "no-label": (True, "shapes without a class"),
    "unknown-label": (True, "shapes of a class that is not among those asked for or declared"),
    "missing-picture": (True, "annotations whose picture is missing"),
    "ambiguous-picture": (True, "annotations that fit several pictures"),
    "repeated-picture": (True, "further annotations of a picture, of which the first was used"),
    "other-size": (True, "annotations of another size than their picture"),
    "unreadable": (True, "annotations whose picture cannot be read"),
    "alike": (False, "classes whose names differ in capitals or spaces alone"),
    "overlap": (False, "overlaps of different classes"),
    "hidden": (False, "shapes that others of another class cover altogether"),
    "clipped": (False, "shapes cut off at the border of their picture"),
    "self-crossing": (False, "outlines that cross themselves, filled by turns"),
    "box": (False, "rectangles, taken for masks as they are"),
    "crowd": (False, "groups of objects marked as one (crowd), taken for their class"),
    "renamed": (False, "pictures found by the name of the annotation's file, not by the name in it"),
    "embedded": (False, "pictures that only the annotation holds, written out"),
    "no-shapes": (False, "pictures annotated with nothing: their masks are empty"),
    "unannotated": (False, "pictures without annotation, left out: nobody says that they are empty"),
    "other-file": (False, "files of another kind, left unread"),
}
"""Kind → whether something is left out, and what it is in words, the plural."""


def count_doubts(doubts: Iterable[Doubt]) -> list[tuple[str, int, int]]:
    """Kind, number and pixels, in the order of `KINDS`."""
    numbers: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    for doubt in doubts:
        numbers[doubt.kind] += 1
        pixels[doubt.kind] += doubt.pixels
    return [(kind, numbers[kind], pixels[kind]) for kind in KINDS if numbers[kind]]
