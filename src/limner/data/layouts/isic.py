"""The layout of the ISIC challenges on skin lesions (2016 to 2018), and of copies of their data.

Layer: data.

    ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg
    ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png

or everything in one folder. Names alone say what a file is, so copies with other folders, such as
`…_Input_x2`, are read as well. Superpixels, maps of attributes and tables lie among them unread.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from limner.data.layouts.found import Found
from limner.data.layouts.halves import Half, found_in_halves
from limner.data.layouts.listing import Listing
from limner.data.layouts.options import Options, check_options
from limner.data.naming import stem_of
from limner.types import Progress

EXPECTED = "pictures named as ISIC_0000000.jpg, with masks ISIC_0000000_segmentation.png, in one folder or several"

_NAME = re.compile(r"ISIC_[0-9]{7}(?:_downsampled)?(?P<kind>_\w+)?", re.IGNORECASE)
_MASK = "_segmentation"
_SHARE = 0.9  # of the pictures bear such names, or it is another data set


def find_isic(listing: Listing, options: Options, progress: Progress) -> Found | None:
    """Pictures with the masks of their lesions; None where the names are others.

    Raises:
        ConfigError: Options, of which it has none.
        DataError: Nothing pairs.
    """
    kinds = {name: match["kind"] or "" for name in listing.pictures if (match := _NAME.fullmatch(stem_of(name)))}
    images = [name for name, kind in kinds.items() if not kind]
    masks = [name for name, kind in kinds.items() if kind.lower() == _MASK]
    if not (images and masks) or len(kinds) < _SHARE * len(listing.pictures):
        return None
    check_options(options, (), "isic")
    notes = [*listing.notes(), *_left_out(listing, kinds)]
    # Folders tell splits alone: their names differ for images and masks in more than that.
    folders = {path: replace(folder, short="", full="") for path, folder in listing.folders.items()}
    halves = Half(listing.source, images, folders), Half(listing.source, masks, folders)
    found = found_in_halves(*halves, presplit=None, notes=notes)
    return replace(found, layout="isic")


def _left_out(listing: Listing, kinds: dict[str, str]) -> list[str]:
    """Notes on pictures that are neither photographs nor masks."""
    notes = []
    attributes = Counter(kind for kind in kinds.values() if kind and kind.lower() != _MASK)
    if attributes:
        words = ", ".join(f"{count:,} '{kind}'" for kind, count in sorted(attributes.items()))
        notes.append(f"Pictures that are no masks of lesions were left out: {words}.")
    if len(listing.pictures) > len(kinds):
        others = len(listing.pictures) - len(kinds)
        notes.append(f"Pictures with names of another kind, which were left out: {others:,}.")
    return notes
