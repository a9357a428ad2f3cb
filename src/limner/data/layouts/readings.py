"""The ways to read a folder of pictures, in the order in which they are tried.

Layer: data.

    1. folders named for images and for masks, wherever they stand: `images/ masks/`, `train/images …`,
       `images/train …`, `train_images …`; with one such pair per picture: instances
    2. a folder of masks beside pictures whose folder has no telling name: `train/ trainannot/`
    3. both kinds in one folder, told apart by their names: `1.png 1_mask.png`
"""

from __future__ import annotations

from collections import Counter, defaultdict

from limner.data.layouts.folders import IMAGE_FOLDERS, MASK_FOLDERS, read_folder
from limner.data.layouts.found import Found
from limner.data.layouts.halves import Half, found_from_pairing, found_in_halves
from limner.data.layouts.instances import containers, found_in_containers, has_instances
from limner.data.layouts.listing import Listing, folder_of
from limner.data.pairing import match_within

_PREFERENCE = {word: place for words in (IMAGE_FOLDERS, MASK_FOLDERS) for place, word in enumerate(words)}


def read_listing(listing: Listing, layout: str) -> Found | None:
    """The first reading that fits; None if none does.

    Args:
        listing: What lies there.
        layout: `auto`, or the only layout to accept: `pairs`, `presplit` or `instances`.

    Raises:
        DataError: Folders are named for images and masks, but nothing in them pairs.
    """
    presplit = {"pairs": False, "presplit": True}.get(layout)
    notes = listing.notes()
    images, masks = _by_role(listing, "image", notes), _by_role(listing, "mask", notes)
    if masks.names and images.names:
        notes += _unread(listing)
        grouped = containers(images, masks)
        if layout == "instances" or (layout == "auto" and has_instances(grouped, images)):
            return found_in_containers(grouped, images, masks, presplit=None, notes=notes)
        return found_in_halves(images, masks, presplit=presplit, notes=notes)
    if layout == "instances":
        return None
    if masks.names:
        beside = _beside(listing, masks)
        if beside.names:
            notes.append("Pictures beside the folder of masks were taken for the images.")
            return found_in_halves(beside, masks, presplit=presplit, notes=notes)
    return _in_one_folder(listing, presplit)


def _by_role(listing: Listing, role: str, notes: list[str]) -> Half:
    """The files in folders of a role; of several names for it, within a split, the preferred one."""
    words: dict[str, set[str]] = defaultdict(set)
    for folder in listing.folders.values():
        if folder.role == role:
            words[folder.split].add(folder.word)
    best = {split: min(found, key=lambda word: _PREFERENCE[word]) for split, found in words.items()}
    others = sorted({word for split, found in words.items() for word in found - {best[split]}})
    if others:
        chosen = " and ".join(f"'{word}'" for word in sorted(set(best.values())))
        ignored = " and ".join(f"'{word}'" for word in others)
        notes.append(f"{role.capitalize()}s were taken from {chosen}, not from {ignored}.")
    names = [
        name
        for name in listing.pictures
        if (folder := listing.folders[folder_of(name)]).role == role and folder.word == best[folder.split]
    ]
    return Half(listing.source, names, listing.folders)


def _unread(listing: Listing) -> list[str]:
    """A note on pictures in folders that have no role."""
    counts = Counter(folder_of(name) for name in listing.pictures if not listing.folders[folder_of(name)].role)
    if not counts:
        return []
    fullest = max(sorted(counts), key=lambda path: counts[path])
    where = f"such as '{fullest}'" if fullest else "such as the top one"
    return [f"Pictures left unread in folders whose names tell nothing, {where}: {counts.total():,}."]


def _beside(listing: Listing, masks: Half) -> Half:
    """Pictures without role; the folder that stands where the masks' folder stands counts as theirs."""
    depth = min(masks.folder(name).depth for name in masks.names)
    names = [name for name in listing.pictures if not listing.folders[folder_of(name)].role]
    paths = {folder_of(name) for name in names}
    folders = {path: read_folder(path, skip=listing.depth, standing_in=depth) for path in paths}
    return Half(listing.source, names, folders)


def _in_one_folder(listing: Listing, presplit: bool | None) -> Found | None:
    pairing = match_within(listing.pictures)
    if not (pairing.pairs or pairing.ambiguous):
        return None
    images = Half(listing.source, [*pairing.unmatched_images, *(image for image, _ in pairing.pairs)], listing.folders)
    masks = Half(listing.source, [*pairing.unmatched_masks, *(mask for _, mask in pairing.pairs)], listing.folders)
    return found_from_pairing(pairing, images, masks, presplit=presplit, notes=listing.notes())
