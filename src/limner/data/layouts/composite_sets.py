"""Where the pictures of composed data lie: sets of backgrounds, composites, masks and depths.

Layer: data. A set is a folder or any number of zip archives, read in place: `fg_bg/`, `fg_bg.zip`,
or `fg_bg_1.zip … fg_bg_5.zip`. Each archive and each sub-folder is a block of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64

from limner.data.layouts.found import choose_ids
from limner.data.layouts.listing import Listing
from limner.errors import DataError
from limner.images import IMAGE_SUFFIXES, Source, natural_key, suffix_of, without_suffix

BACKGROUNDS, COMPOSITES, MASKS, DEPTHS, FOREGROUNDS = "bg", "fg_bg", "fg_bg_mask", "fg_bg_depth", "fg"
"""Names of the sets; masks and depths carry the names of their composites."""

_SET = re.compile(
    r"(?P<set>bg|backgrounds?|fg|fg_bg|fg_bg_masks?|fg_bg_depths?|depth_fg_bg|depths?)(?:_?(?:part)?_?\d+)?"
)
_OTHER_NAMES = {"background": BACKGROUNDS, "depth_fg_bg": DEPTHS, "depth": DEPTHS}
# What the names of composites, masks and depths may carry besides what they share.
_AFFIX = re.compile(r"(?<![0-9a-z])(?:fg|bg|masks?|depths?)(?![a-z])")
_SEPARATORS = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True)
class Block:
    """The pictures of one folder or archive, in natural order.

    Attributes:
        label: Its place, such as `fg_bg/part_1` or `fg_bg_1.zip`.
        source: Where it lies.
        folder: Folder of the source, with a slash behind it; empty for the top.
        names: Names of the pictures, without the folder.
    """

    label: str
    source: Source
    folder: str
    names: list[str]

    def locations(self) -> list[str]:
        """Location of every picture."""
        return [self.source.location(self.folder + name) for name in self.names]


@dataclass(frozen=True)
class PictureSet:
    """One set: its blocks in natural order."""

    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return sum(len(block.names) for block in self.blocks)

    @cached_property
    def names(self) -> list[str]:
        """Name of each picture without its folders, block by block."""
        return [name for block in self.blocks for name in block.names]

    @cached_property
    def block_numbers(self) -> Int64[np.ndarray, " pictures"]:
        """Block of each picture."""
        counts = [len(block.names) for block in self.blocks]
        return np.repeat(np.arange(len(counts)), counts)

    def location(self, number: int) -> str:
        """Location of one picture."""
        block = int(self.block_numbers[number])
        first = int(np.searchsorted(self.block_numbers, block))
        place = self.blocks[block]
        return place.source.location(place.folder + place.names[number - first])

    def locations(self) -> list[str]:
        """Location of every picture."""
        return [location for block in self.blocks for location in block.locations()]

    def shown(self, number: int) -> str:
        """A picture in messages: its block and name."""
        return f"{self.blocks[int(self.block_numbers[number])].label}/{self.names[number]}"

    def ids(self) -> list[str]:
        """A name of its own for every picture: without ending, without folders where that will do."""
        stems = [without_suffix(name) for name in self.names]
        numbers = self.block_numbers.tolist()
        labels = [without_suffix(block.label) if block.source.kind == "zip" else block.label for block in self.blocks]
        return choose_ids(
            len(stems),
            lambda index: stems[index],
            lambda index: f"{labels[numbers[index]]}/{stems[index]}",
            lambda index: f"{labels[numbers[index]]}/{self.names[index]}",
        )


def find_sets(listing: Listing) -> tuple[dict[str, PictureSet], list[str]] | None:
    """The sets of a place by name, and notes; None where backgrounds, composites or masks are missing."""
    found = _by_set(listing.source, listing.pictures)
    notes = []
    packed: dict[str, list[Block]] = {}
    for archive in sorted(listing.archives, key=natural_key) if listing.source.kind == "folder" else ():
        inside = _unpacked(listing, archive)
        unread = sorted(name for name in inside if name in found)
        if unread:
            notes.append(f"Of archive '{archive}', {', '.join(unread)} was left unread, as there is a folder of it.")
        for name in inside.keys() - found.keys():
            packed.setdefault(name, []).extend(inside[name])
    sets = {name: PictureSet(tuple(blocks)) for name, blocks in (found | packed).items()}
    return (sets, notes) if {BACKGROUNDS, COMPOSITES, MASKS} <= sets.keys() else None


def _by_set(source: Source, pictures: list[str], archive: str = "") -> dict[str, list[Block]]:
    """Folders of sets, in natural order; pictures of an archive named for a set need no folder of it."""
    names: dict[str, list[str]] = {}
    for name in pictures:
        folder, slash, last = name.rpartition("/")
        names.setdefault(folder + slash, []).append(last)
    found: dict[str, list[Block]] = {}
    for folder in sorted(names, key=natural_key):
        belongs = [known for part in folder.split("/") if (known := _set_of(part))]
        whole = _set_of(without_suffix(archive.rpartition("/")[2]))
        if belongs or whole:
            label = "/".join(part for part in (archive, folder.removesuffix("/")) if part)
            found.setdefault(belongs[-1] if belongs else whole, []).append(Block(label, source, folder, names[folder]))
    return found


def _set_of(name: str) -> str:
    """The set that a folder or archive is named for; empty for another name."""
    match = _SET.fullmatch(_SEPARATORS.sub("_", name.lower()))
    found = match["set"].removesuffix("s") if match else ""
    return _OTHER_NAMES.get(found, found)


def _unpacked(listing: Listing, archive: str) -> dict[str, list[Block]]:
    """The sets inside an archive; none of one that has nothing to do with them."""
    try:
        source = Source.open(listing.source.location(archive))
        files = source.files()
    except DataError:
        if _set_of(without_suffix(archive.rpartition("/")[2])):
            raise
        return {}
    pictures = [name for name in files if suffix_of(name) in IMAGE_SUFFIXES]
    return _by_set(source, pictures, archive)


def match_names(composites: PictureSet, others: PictureSet) -> tuple[Int64[np.ndarray, " composites"], list[int]]:
    """The picture of another set that goes with each composite, by name.

    Block by block where both sets have as many, else over all blocks; what the names of masks and
    depths carry around those of composites (`mask_`, `_depth`) does not count.

    Returns:
        Number in the other set per composite, −1 where there is none; numbers that no composite has.
    """
    if _run_in_step(composites, others):
        return np.arange(len(composites)), []
    blockwise = len(composites.blocks) == len(others.blocks)
    for affixed in (False, True):
        table = {key: number for number, key in enumerate(_keys(others, blockwise, affixed))}
        keys = _keys(composites, blockwise, affixed)
        partners = np.fromiter((table.get(key, -1) for key in keys), np.int64, len(composites))
        # A key of two composites would give both the same picture.
        if len(set(keys)) == len(keys) and (partners >= 0).all():
            break
    partners[_repeated(keys)] = -1
    left = np.setdiff1d(np.arange(len(others)), partners)
    return partners, left.tolist()


def _run_in_step(composites: PictureSet, others: PictureSet) -> bool:
    """Whether both have the same names, each once, in the same blocks; told without a table of a million names."""
    counts = [[len(block.names) for block in pictures.blocks] for pictures in (composites, others)]
    if counts[0] != counts[1]:
        return False
    before = ""
    for left, right in zip(composites.names, others.names, strict=True):
        stem = without_suffix(left)
        if stem != without_suffix(right) or stem == before:
            return False
        before = stem
    return True


def _keys(pictures: PictureSet, blockwise: bool, affixed: bool) -> list[str]:
    stems = [without_suffix(name) for name in pictures.names]
    if affixed:
        stems = [_SEPARATORS.sub("-", _AFFIX.sub("", stem.lower())).strip("-") or stem for stem in stems]
    if blockwise and len(pictures.blocks) > 1:
        return [f"{block}/{stem}" for block, stem in zip(pictures.block_numbers.tolist(), stems, strict=True)]
    return stems


def _repeated(keys: list[str]) -> list[int]:
    if len(set(keys)) == len(keys):
        return []
    seen: dict[str, int] = {}
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
    return [number for number, key in enumerate(keys) if seen[key] > 1]
