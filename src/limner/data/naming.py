"""Naming rules: how the name of a mask follows from the name of its image, and how well a rule fits.

Layer: data; imports nothing of Limner but `affixes`. `pairing` decides with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from limner.data.affixes import Affix

_ENDING = re.compile(r"(\.ome(?=\.tiff?$|\.btf$)|\.nii(?=\.gz$))?\.[^./]*$", re.IGNORECASE)
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_PROBES = 1000  # names on which a rule is tried before all names are


def stem_of(name: str) -> str:
    """A name's last part without its ending; `.ome.tif` and `.nii.gz` are one.

    Example:
        >>> stem_of("a/1.mask.png"), stem_of("cell.ome.tif"), stem_of("brain.nii.gz")
        ('1.mask', 'cell', 'brain')
    """
    return _ENDING.sub("", name.rpartition("/")[2])


@dataclass(frozen=True)
class Looseness:
    """What is disregarded when two names are compared."""

    case: bool = False
    zeros: bool = False
    folders: bool = False
    words: str = ""

    def key(self, folder: str, core: str) -> str:
        """The text under which a sample's own name is looked up."""
        key = core if self.folders or not folder else f"{folder}/{core}"
        key = key.lower() if self.case else key
        return _ZEROS.sub("", key) if self.zeros else key


STRICT = Looseness()
LOOSENESS = (
    STRICT,
    Looseness(case=True, words=", upper and lower case disregarded"),
    Looseness(zeros=True, words=", leading zeros disregarded"),
    Looseness(case=True, zeros=True, words=", case and leading zeros disregarded"),
)
"""From strict to loose; a looser one is used only where it pairs more files and confuses none."""

FOLDERS_ASIDE = (Looseness(folders=True, words=", sub-folders disregarded"),)
"""For sub-folders that say nothing: where any file finds its partner in the folder of the same name, they do."""

_LOOSEST = Looseness(case=True, zeros=True, folders=True)


@dataclass(frozen=True)
class Rule:
    """The affixes that images and masks carry around the name that they share.

    Attributes:
        image: Around the names of images.
        mask: Around the names of masks.
        support: Fewer pairs than this could be a coincidence.
        words: The rule in words; empty where the affixes say it.
    """

    image: Affix
    mask: Affix
    support: int = 1
    words: str = ""

    @property
    def rank(self) -> int:
        """0 for equal names, 1 for usual words, 2 for learned ones; the lower is the more trusted."""
        if not (self.image or self.mask):
            return 0
        return 1 if self.image.known and self.mask.known else 2

    def __str__(self) -> str:
        if self.words:
            return self.words
        if self.image:
            return f"image '{self.image.around('*')}' goes with mask '{self.mask.around('*')}'"
        parts = [f"'{self.mask.prefix}'", "image name", f"'{self.mask.suffix}'"]
        return "mask name = " + " + ".join(part for part in parts if part != "''")


@dataclass
class Index:
    """Names by key: those that have their key alone, and those that share it."""

    unique: dict[str, str] = field(default_factory=dict)
    shared: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.unique) + len(self.shared)

    def __iter__(self) -> Iterator[str]:
        yield from self.unique
        yield from self.shared

    def __contains__(self, key: str) -> bool:
        return key in self.unique or key in self.shared

    def add(self, key: str, name: str) -> None:
        """Enter one name."""
        if key in self.shared:
            self.shared[key].append(name)
        elif key in self.unique:
            self.shared[key] = [self.unique.pop(key), name]
        else:
            self.unique[key] = name

    def at(self, key: str) -> list[str]:
        """All names with this key."""
        return [self.unique[key]] if key in self.unique else self.shared.get(key, [])


class Side:
    """The images, or the masks, looked up under any rule; each look-up table is built once.

    Args:
        names: The files.
        keys: Text to compare in place of a name; a name that is missing stands for itself.
    """

    def __init__(self, names: Sequence[str], keys: dict[str, str]) -> None:
        # macOS writes an accented letter as two characters, others as one.
        compared = [unicodedata.normalize("NFC", keys.get(name, name)) for name in names]
        self.names = names
        self.stems = [stem_of(key) for key in compared]
        self._folders = [key.rpartition("/")[0] for key in compared]
        self._lower = [stem.lower() for stem in self.stems]
        self._tables: dict[tuple[Affix, Looseness], Index] = {}

    def carriers(self, affix: Affix) -> Iterator[tuple[str, str, str]]:
        """(name, folder, core) of each file that carries the affix."""
        prefix, suffix = affix.prefix.lower(), affix.suffix.lower()
        for name, folder, stem, lower in zip(self.names, self._folders, self.stems, self._lower, strict=True):
            if lower.startswith(prefix) and lower.endswith(suffix):
                core = affix.strip(stem)
                if core is not None:
                    yield name, folder, core

    def index(self, affix: Affix, looseness: Looseness) -> Index:
        """The carriers of the affix by what is left of their names."""
        table = self._tables.get((affix, looseness))
        if table is None:
            table = self._tables[affix, looseness] = Index()
            for name, folder, core in self.carriers(affix):
                # `007/mask.png` is called after its folder; `mask.png` alone after nothing.
                if core or (folder and (not looseness.folders or looseness is _LOOSEST)):
                    table.add(looseness.key(folder, core), name)
        return table


@dataclass(frozen=True)
class Fit:
    """The best rules at one looseness; several only where they pair equally many files.

    Attributes:
        score: Number of files paired one to one.
        rules: Best first; empty when none fits.
        looseness: Under which they were found.
        tried: Every rule in words that paired anything, and how many files it paired; most first.
    """

    score: int = 0
    rules: tuple[Rule, ...] = ()
    looseness: Looseness = STRICT
    tried: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.rules[0]}{self.looseness.words}" if self.rules else "no naming rule fits"

    def candidates(self, images: Side, masks: Side) -> Iterator[tuple[str, str]]:
        """Every (image, mask) that one of the rules puts together."""
        for rule in self.rules:
            left, right = images.index(rule.image, self.looseness), masks.index(rule.mask, self.looseness)
            for key in left:
                for mask in right.at(key):
                    yield from ((image, mask) for image in left.at(key))


def best_fit(
    images: Side, masks: Side, rules: Sequence[Rule], most: int, looseness: Sequence[Looseness] = LOOSENESS
) -> Fit:
    """Compare rules by how many files they pair one to one.

    Args:
        images: One side; may be the same object as `masks`.
        masks: The other side.
        rules: What to try.
        most: Number of pairs that cannot be exceeded; looser comparison stops there.
        looseness: What to disregard, from strict to loose.
    """
    best = Fit()
    tried: dict[str, int] = {}
    hopeful = [rule for rule in rules if _is_hopeful(images, masks, rule)]
    for loose in looseness:
        if best.score == most or not hopeful:
            break
        scored = [(_one_to_one(images, masks, rule, loose), rule) for rule in hopeful]
        for found, rule in scored:
            tried.setdefault(f"{rule}{loose.words}", found)
        score = max((score for score, rule in scored if score >= rule.support), default=0)
        if score > best.score:
            equal = [rule for found, rule in scored if found == score >= rule.support]
            rank = min(rule.rank for rule in equal)
            best = Fit(score, tuple(sorted((rule for rule in equal if rule.rank == rank), key=_simplest)), loose)
    counts = sorted(((rule, found) for rule, found in tried.items() if found), key=lambda pair: (-pair[1], pair[0]))
    return replace(best, tried=tuple(counts))


def _simplest(rule: Rule) -> tuple[int, int, str]:
    return rule.image.glued + rule.mask.glued, len(rule.image) + len(rule.mask), str(rule)


def _is_hopeful(images: Side, masks: Side, rule: Rule) -> bool:
    """Whether any of some evenly spread names finds a partner under the loosest comparison."""
    left, right = images.index(rule.image, _LOOSEST), masks.index(rule.mask, _LOOSEST)
    few, many = (left, right) if len(left) < len(right) else (right, left)
    probes = sorted(few)
    return any(key in many for key in probes[:: max(1, len(probes) // _PROBES)])


def _one_to_one(images: Side, masks: Side, rule: Rule, looseness: Looseness) -> int:
    """How many files the rule pairs one to one, 0 where the looseness confuses two files."""
    left, right = images.index(rule.image, looseness), masks.index(rule.mask, looseness)
    if looseness is not STRICT and (
        len(left) < len(images.index(rule.image, STRICT)) or len(right) < len(masks.index(rule.mask, STRICT))
    ):
        return 0
    return len(left.unique.keys() & right.unique.keys())
