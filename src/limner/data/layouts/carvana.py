"""The layout of Kaggle's Carvana Image Masking Challenge, and of projects on its data.

Layer: data. Each car was photographed from 16 sides: `00087a6bd4dc_01.jpg` to `00087a6bd4dc_16.jpg`.

    train/  train_masks/00087a6bd4dc_01_mask.gif      as downloaded
    train_images/  train_masks/  val_images/ …        split into six folders
    train/  train_masks.csv                           the same masks as run lengths, see `images.rle`

Masks and splits are read as in any folder; this adds the cars, which never part, and the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from limner.data.catalog import Catalog
from limner.data.layouts.found import Found, choose_ids
from limner.data.layouts.listing import Listing, folder_of
from limner.data.layouts.options import Options, check_options
from limner.data.layouts.readings import read_listing
from limner.data.naming import stem_of
from limner.data.pairing import Pairing
from limner.errors import DataError
from limner.images import is_rle_table, read_info, rle_names, row_location, without_suffix
from limner.threads import ordered_map
from limner.types import Progress, Size

EXPECTED = (
    "pictures named as 00087a6bd4dc_01.jpg, with masks 00087a6bd4dc_01_mask.gif in a folder such as train_masks, "
    "or a table train_masks.csv with columns img and rle_mask"
)

_VIEW = re.compile(r"(?P<car>[0-9a-f]{12})_(?P<view>0[1-9]|1[0-6])(?P<mask>_mask)?")
_SHARE = 0.9  # of the pictures bear such names, or it is another data set
_UNREADABLE: Size = (0, 0)


def find_carvana(listing: Listing, options: Options, progress: Progress) -> Found | None:
    """Samples with the car as their group; None where the names are others.

    Raises:
        DataError: Masks are there, but pair with no picture; or a broken table.
        ConfigError: Options, of which it has none.
    """
    views = [name for name in listing.pictures if _VIEW.fullmatch(stem_of(name))]
    if not views or len(views) < _SHARE * len(listing.pictures):
        return None
    check_options(options, (), "carvana")
    chosen, notes = _choose(views, len(listing.pictures))
    kept = replace(listing, pictures=chosen)
    has_files = any(_is_mask(kept, name) for name in chosen)
    found = read_listing(kept, "auto") if has_files else _find_in_table(kept)
    if found is None:
        return None
    cars = [_car(name) for name, _ in found.pairing.pairs]
    notes += [f"Samples are grouped by car: {len(set(cars)):,} cars, which stay whole when samples are split."]
    return replace(found, catalog=replace(found.catalog, groups=cars), layout="carvana", notes=(*found.notes, *notes))


def _choose(views: list[str], pictures: int) -> tuple[list[str], list[str]]:
    """The pictures to read, and notes on those that are not."""
    folders = Counter(folder_of(name) for name in views)
    # The download has a lone picture beside its folders, and may have a second, larger copy of each.
    inner = [name for name in views if not _is_lone(folder_of(name), folders)]
    small = [name for name in inner if not (path := folder_of(name)).endswith("_hq") or path[:-3] not in folders]
    notes = []
    if pictures > len(views):
        notes.append(f"Pictures with names of another kind, which were left out: {pictures - len(views):,}.")
    if len(views) > len(inner):
        notes.append(f"Pictures beside the folders, which were left out: {len(views) - len(inner):,}.")
    if len(inner) > len(small):
        notes.append(f"Copies in folders '…_hq', which were left out: {len(inner) - len(small):,}.")
    return small, notes


def _is_lone(path: str, folders: Counter[str]) -> bool:
    below = [other for other in folders if other != path and (not path or other.startswith(f"{path}/"))]
    return folders[path] == 1 and len(below) > 1


def _is_mask(listing: Listing, name: str) -> bool:
    return stem_of(name).endswith("_mask") or listing.folders[folder_of(name)].role == "mask"


def _car(name: str) -> str:
    view = _VIEW.fullmatch(stem_of(name))
    return view["car"] if view else ""


def _find_in_table(listing: Listing) -> Found | None:
    """Samples whose masks are the rows of a table; None where there is no such table."""
    table = _choose_table(listing)
    if table is None:
        return None
    listing = replace(listing, others=listing.others - Counter([PurePosixPath(table).suffix.lower()]))
    where = listing.source.location(table)
    rows = set(rle_names(where))
    of_row: dict[str, list[str]] = {}
    for name in listing.pictures:
        of_row.setdefault(name.rpartition("/")[2], []).append(name)
    pairs = [(names[0], row) for row, names in of_row.items() if row in rows and len(names) == 1]
    others = [name for row, names in of_row.items() if row not in rows for name in names]
    bare = Counter(split for name in others if (split := listing.folders[folder_of(name)].split) not in ("", "train"))
    pairing = Pairing(
        pairs=pairs,
        unmatched_images=[name for name in others if listing.folders[folder_of(name)].split not in bare],
        unmatched_masks=[f"{table}, row {row}" for row in sorted(rows - of_row.keys())],
        ambiguous=[
            (name, [f"{table}, row {row}"])
            for row, names in of_row.items()
            if row in rows and len(names) > 1
            for name in names
        ],
        rule=f"as the rows of '{table}' name them",
    )
    if not pairs:
        raise DataError(
            f"rows of '{where}' named after the pictures",
            f"none of {len(rows):,} rows names any of {len(listing.pictures):,} pictures",
            "Give the table that belongs to these pictures.",
        )
    notes = [f"Masks were read from the run lengths in '{table}'."]
    notes += [f"The {split} folder has no masks; its images were left out: {n:,}." for split, n in bare.items()]
    return Found(_catalog(listing, pairs, where), pairing, "carvana", (*listing.notes(), *notes))


def _choose_table(listing: Listing) -> str | None:
    tables = [name for name in listing.tables if is_rle_table(listing.source.location(name))]
    # The download also has a `sample_submission.csv`, whose rows are no masks.
    tables = [name for name in tables if "submission" not in name.rpartition("/")[2].lower()]
    if len(tables) > 1:
        raise DataError(
            "one table of masks as run lengths",
            f"several in '{listing.source.place}'",
            "Remove all but one.",
            details=tables,
        )
    return tables[0] if tables else None


def _catalog(listing: Listing, pairs: Sequence[tuple[str, str]], where: str) -> Catalog:
    images = [listing.source.location(name) for name, _ in pairs]
    splits = [listing.folders[folder_of(name)].split for name, _ in pairs]
    presplit = "train" in splits and len(set(splits) - {""}) > 1
    sizes = ordered_map(_size, images)
    return Catalog(
        ids=choose_ids(
            len(pairs),
            lambda index: without_suffix(pairs[index][1]),
            lambda index: without_suffix(pairs[index][0]),
            lambda index: pairs[index][0],
        ),
        inputs={"image": images},
        targets={"mask": [row_location(where, row, size) for (_, row), size in zip(pairs, sizes, strict=True)]},
        splits=splits if presplit else [],
    )


def _size(location: str) -> Size:
    try:
        return read_info(location).size
    except DataError:
        return _UNREADABLE  # the checks that follow say what is wrong with the picture
