"""Pieces at the ends of file names, such as `_mask` or `img_`, that tell what a file is.

Layer: data; imports nothing of Limner. Words that are usual are known; others are learned from the
names themselves. A piece never cuts a number in two: `11_mask` is never `1` and `1_mask`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# fmt: off
MASK_WORDS = frozenset(
    {
        "mask", "masks", "msk", "seg", "segm", "segmentation", "segmentations", "label", "labels", "lbl",
        "labelids", "gt", "groundtruth", "manual", "annotation", "annotations", "annot", "anno", "target",
        "outline", "outlines", "contour", "matte", "trimap", "lesion",
    }
)
"""What usually marks a mask, in lower case, without separators and trailing digits."""

IMAGE_WORDS = frozenset(
    {
        "image", "images", "img", "imgs", "im", "picture", "pic", "photo", "raw", "orig", "original", "input",
        "sat", "satellite", "volume", "scan", "rgb", "0000",
    }
)
# fmt: on
"""What usually marks a picture; `0000` is nnU-Net's first channel."""

_SEPARATORS = r"_\-. "  # inside a character class
_CHANGE = r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)|(?<=[a-z])(?=[A-Z])"
_BEFORE_SEPARATOR = re.compile(rf"(?<=[^{_SEPARATORS}])(?=[{_SEPARATORS}])|{_CHANGE}")
_AFTER_SEPARATOR = re.compile(rf"(?<=[{_SEPARATORS}])(?=[^{_SEPARATORS}])|{_CHANGE}")

_SAMPLE = 2000  # names looked at to learn affixes
_LONGEST = 4  # cuts per end: `_gt_fine_label_ids` is learned whole
_MOST = 12  # affixes kept per side
_RARE = 0.1  # share of names below which an unknown piece is no affix

# Words that are also found without separator or change of case, as in `catmask`.
_GLUED = ("mask", "label", "segmentation", "groundtruth", "image")


@dataclass(frozen=True)
class Affix:
    """What stands around a sample's own name: `mask_` in front, or `_mask` behind.

    Attributes:
        prefix: Text in front, `""` for none.
        suffix: Text behind, before the file's ending, `""` for none.
        known: The piece is one of the usual words (or empty).
        share: Share of the names that carry the piece, in [0, 1].
    """

    prefix: str = ""
    suffix: str = ""
    known: bool = True
    share: float = 1.0

    def strip(self, stem: str) -> str | None:
        """The sample's own name in `stem`, or None where the piece is absent; case does not matter.

        Example:
            >>> Affix(suffix="_mask").strip("11_MASK"), Affix(suffix="_mask").strip("11")
            ('11', None)
        """
        start, end = len(self.prefix), len(stem) - len(self.suffix)
        if end < start or stem[:start].lower() != self.prefix.lower() or stem[end:].lower() != self.suffix.lower():
            return None
        core = stem[start:end]
        if not core:
            return core if self.known else None
        cuts_number = (core[-1].isdigit() and self.suffix[:1].isdigit()) or (
            core[0].isdigit() and self.prefix[-1:].isdigit()
        )
        return None if cuts_number else core

    def around(self, name: str) -> str:
        """`name` with the affix around it."""
        return f"{self.prefix}{name}{self.suffix}"

    @property
    def glued(self) -> bool:
        """Whether no separator stands between the affix and the sample's own name."""
        inner = self.prefix[-1:] + self.suffix[:1]
        return any(character not in _SEPARATORS for character in inner)

    def __bool__(self) -> bool:
        return bool(self.prefix or self.suffix)

    def __len__(self) -> int:
        return len(self.prefix) + len(self.suffix)


NO_AFFIX = Affix()


def find_affixes(stems: Sequence[str], words: frozenset[str]) -> list[Affix]:
    """Pieces that may be affixes of these names, usual words first, then by how many carry them.

    The order of `stems` does not matter. At most a dozen, learned from an even sample of the names.

    Args:
        stems: File names without folder and ending.
        words: `MASK_WORDS` or `IMAGE_WORDS`.
    """
    sample = _spread(sorted(stems))
    counts: Counter[tuple[bool, str]] = Counter()
    spelling: dict[tuple[bool, str], str] = {}
    for stem in sample:
        # `007/mask.png`: the whole name is the word, the folder is the sample.
        whole = {(False, stem)} if is_known(stem, words) else set()
        for front, piece in _pieces(stem) | whole:
            key = (front, piece.lower())
            counts[key] += 1
            spelling.setdefault(key, piece)
    ranked = []
    for (front, lower), count in counts.items():
        known = is_known(lower, words)
        if known or (_has_letter(lower) and count >= _RARE * len(sample)):
            ranked.append((not known, -count, len(lower), lower, front))
    return [
        _make(spelling[front, lower], front, known=not unknown, share=-negative / len(sample))
        for unknown, negative, _, lower, front in sorted(ranked)[:_MOST]
    ]


def is_known(piece: str, words: frozenset[str]) -> bool:
    """Whether `piece` is one of `words`, whatever its separators, case and trailing number.

    Example:
        >>> is_known("_Ground_Truth", MASK_WORDS), is_known("_manual1", MASK_WORDS), is_known("_cat", MASK_WORDS)
        (True, True, False)
    """
    word = re.sub(f"[{_SEPARATORS}]", "", piece).lower()
    return word in words or word.rstrip("0123456789") in words


def _make(piece: str, front: bool, *, known: bool, share: float) -> Affix:
    return Affix(piece if front else "", "" if front else piece, known, share)


def _spread(names: list[str]) -> list[str]:
    step = max(1, -(-len(names) // _SAMPLE))
    return names[::step]


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _pieces(stem: str) -> set[tuple[bool, str]]:
    """All (is in front, piece) that could be cut off one name."""
    behind = [match.start() for match in _BEFORE_SEPARATOR.finditer(stem)][-_LONGEST:]
    front = [match.start() for match in _AFTER_SEPARATOR.finditer(stem)][:_LONGEST]
    pieces = {(False, stem[at:]) for at in behind} | {(True, stem[:at]) for at in front}
    lower = stem.lower()
    for word in _GLUED:
        if lower.endswith(word):
            pieces.add((False, stem[-len(word) :]))
        if lower.startswith(word):
            pieces.add((True, stem[: len(word)]))
    return pieces
