"""Images on one side, masks on the other: pair them, and see which split each pair belongs to.

Layer: data.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from limner.data.catalog import Catalog
from limner.data.layouts.folders import Folder
from limner.data.layouts.found import Found, choose_ids
from limner.data.layouts.listing import folder_of
from limner.data.pairing import Keys, Pairing, match_pairs
from limner.errors import DataError, shorten
from limner.images import Source, without_suffix


@dataclass(frozen=True)
class Half:
    """The images or the masks of a data set.

    Attributes:
        source: Where they lie.
        names: Files, relative to the source.
        folders: What the path of each of their folders says.
    """

    source: Source
    names: list[str]
    folders: dict[str, Folder]

    def folder(self, name: str) -> Folder:
        """What the path of a file says."""
        return self.folders[folder_of(name)]

    def splits(self) -> set[str]:
        """Splits that the paths name; `""` is one of them where a path names none."""
        return {self.folder(name).split for name in self.names}

    def key(self, name: str, *, by_split: bool, full: bool = False) -> str:
        """The path by which files are compared: without the folders that tell the halves apart."""
        folder = self.folder(name)
        parts = (folder.split if by_split else "", folder.full if full else folder.short, name.rpartition("/")[2])
        return "/".join(part for part in parts if part)


def found_in_halves(images: Half, masks: Half, *, presplit: bool | None, notes: list[str]) -> Found:
    """Pair two halves by name.

    Args:
        images: The images.
        masks: The masks.
        presplit: Whether splits named by folders count; None where they do if train is among them.
        notes: What was noted before.

    Raises:
        DataError: Nothing pairs.
    """
    pairing = match_pairs(images.names, masks.names, keys=_keys(images, masks))
    if not (pairing.pairs or pairing.ambiguous):
        raise _no_pairs(images, masks)
    return found_from_pairing(pairing, images, masks, presplit=presplit, notes=notes)


def found_from_pairing(
    pairing: Pairing, images: Half, masks: Half, *, presplit: bool | None, notes: list[str], instances: bool = False
) -> Found:
    """The catalog of a pairing, with the splits that folders name.

    Args:
        pairing: Names in the two halves; a mask may be a folder, with a trailing slash.
        images: The images.
        masks: The masks.
        presplit: As for `found_in_halves`.
        notes: What was noted before.
        instances: Samples are called after their folders, not their files.
    """
    notes = list(notes)
    pairing = _without_bare_splits(pairing, images, masks, notes)
    splits = [images.folder(image).split or masks.folder(mask).split for image, mask in pairing.pairs]
    if presplit is False or not _is_presplit(splits):
        if presplit:
            raise DataError(
                "folders for train and for val or test, with masks",
                f"pairs in {_split_counts(splits)}",
                "Use --layout pairs to have Limner split the samples.",
            )
        splits = [""] * len(splits)
    layout = "instances" if instances else "presplit" if any(splits) else "pairs"
    catalog = Catalog(
        ids=_ids([image for image, _ in pairing.pairs], images, by_folder=instances),
        inputs={"image": [images.source.location(image) for image, _ in pairing.pairs]},
        targets={"mask": [masks.source.location(mask) for _, mask in pairing.pairs]},
        splits=splits,
    )
    return Found(catalog, pairing, layout, tuple(notes))


def _keys(images: Half, masks: Half) -> Keys:
    """Comparable paths; with all that the folders' names hold where files would fall together."""
    by_split = not (images.splits() == {""} or masks.splits() == {""}) or "" in images.splits() & masks.splits()
    keys = tuple({name: half.key(name, by_split=by_split) for name in half.names} for half in (images, masks))
    if any(len(set(key.values())) < len(key) for key in keys):
        keys = tuple(
            {name: half.key(name, by_split=by_split, full=True) for name in half.names} for half in (images, masks)
        )
    return keys[0], keys[1]


def _is_presplit(splits: list[str]) -> bool:
    # Words such as `test` may be part of a sample's name; a split of the data has a train side and another.
    return "train" in splits and not set(splits) <= {"train", ""}


def _without_bare_splits(pairing: Pairing, images: Half, masks: Half, notes: list[str]) -> Pairing:
    """Leave out splits of which no image has a mask, such as a challenge's test set."""
    placed = {image for image, _ in pairing.pairs} | {image for image, _ in pairing.ambiguous}
    used = {images.folder(image).split for image in placed} | (masks.splits() - {""})
    bare = Counter(images.folder(name).split for name in pairing.unmatched_images)
    left_out = {split: count for split, count in bare.items() if split not in ("", "train", *used)}
    notes += [
        f"The {split} folder has no masks; its images were left out: {count:,}." for split, count in left_out.items()
    ]
    return replace(
        pairing,
        unmatched_images=[name for name in pairing.unmatched_images if images.folder(name).split not in left_out],
    )


def _ids(names: list[str], images: Half, *, by_folder: bool) -> list[str]:
    choices = [
        lambda index: images.folder(names[index]).short,
        lambda index: without_suffix(images.key(names[index], by_split=False)),
        lambda index: without_suffix(images.key(names[index], by_split=True)),
        lambda index: without_suffix(names[index]),
        lambda index: names[index],
    ]
    return choose_ids(len(names), *choices[0 if by_folder else 1 :])


def _split_counts(splits: list[str]) -> str:
    return ", ".join(f"{count:,} {split or 'without split'}" for split, count in sorted(Counter(splits).items()))


def _no_pairs(images: Half, masks: Half) -> DataError:
    lines = [f"image {name}" for name in shorten(images.names, 3)] + [
        f"mask {name}" for name in shorten(masks.names, 3)
    ]
    return DataError(
        "each mask named after its image, such as 1.png and 1_mask.png",
        f"no naming rule pairs any of {len(images.names):,} images with any of {len(masks.names):,} masks",
        "Rename the files, or write a CSV with columns image and mask and give that.",
        details=lines,
    )
