"""A CSV that names image and mask of every sample.

Layer: data. Columns `image` and `mask`, or one of their other names; `split`, `group`, `id` and `spacing` if
wanted; for several inputs or targets `input.NAME` and `target.NAME`, as in a run's `samples.csv`, or
a column called after a target that the settings name.
Paths are relative to the CSV. Separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from limner.data.catalog import Catalog
from limner.data.layouts.folders import SPLIT_WORDS
from limner.data.layouts.found import Found, choose_ids
from limner.data.layouts.listing import Listing
from limner.data.pairing import Pairing
from limner.data.spacing import SPACING
from limner.data.stored_masks import PLANES, join_planes
from limner.errors import DataError, shorten
from limner.images import parse_location, read_bytes, without_suffix

# fmt: off
_NAMES = {
    "image": (
        "image", "images", "image_path", "image_file", "image_name", "img", "img_path", "picture", "photo", "input",
        "file", "file_path", "filename", "file_name",
    ),
    "mask": (
        "mask", "masks", "mask_path", "mask_file", "mask_name", "label", "label_path", "labels", "segmentation",
        "segmentation_path", "annotation", "annotation_path", "ground_truth", "groundtruth", "gt", "target",
    ),
    "split": ("split", "set", "subset"),
    "group": ("group", "patient", "patient_id", "subject", "subject_id", "case", "case_id", "slide", "video"),
    "id": ("id", "sample", "sample_id", "name"),
}
# fmt: on
_SEPARATORS = ",;\t"
_FACTS = ("hash", "target_hash", "height", "width")  # which Limner finds itself

Resolve: TypeAlias = Callable[[str], str | None]
"""From what a cell says to a location; None where nothing is there."""


@dataclass(frozen=True)
class _Columns:
    """Places of the columns that are used."""

    inputs: dict[str, int]
    targets: dict[str, int]
    others: dict[str, int]
    unused: list[str]


def find_manifest(path: str | Path, targets: Sequence[str] = (), *, labelled: bool = True) -> Found:
    """Read the samples of a CSV file.

    Args:
        path: The file.
        targets: Names of targets that columns may have, besides those that are known.
        labelled: Samples must have a target, and those that have none are left out.

    Raises:
        DataError: It cannot be read, lacks a column, names files that are not there, or an image or
            id twice.
    """
    path = Path(path).expanduser().absolute()
    return _found(
        _decoded(read_bytes(str(path)), str(path)),
        str(path),
        lambda cell: _local(path.parent, cell),
        targets,
        labelled=labelled,
    )


def find_manifest_in(listing: Listing, name: str, targets: Sequence[str] = ()) -> Found:
    """Read the samples of a CSV that lies among the pictures it names, such as in an archive."""
    where = listing.source.location(name)
    folder = posixpath.dirname(name)
    known = set(listing.pictures)

    def resolve(cell: str) -> str | None:
        if _is_elsewhere(cell):
            return cell
        member = posixpath.normpath(posixpath.join(folder, cell))
        return listing.source.location(member) if member in known else None

    return _found(_decoded(read_bytes(where), where), where, resolve, targets)


def names_samples(listing: Listing, name: str, targets: Sequence[str] = ()) -> bool:
    """Whether a CSV has the columns of a table of samples."""
    where = listing.source.location(name)
    try:
        rows = _rows(_decoded(read_bytes(where), where))
    except (DataError, csv.Error):
        return False
    columns = _columns(rows[0] if rows else [], targets)
    return bool(columns.inputs and columns.targets)


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("a table of samples in UTF-8", f"'{where}' is not", "Save it as 'CSV UTF-8'.") from None


def _found(text: str, where: str, resolve: Resolve, wanted: Sequence[str], *, labelled: bool = True) -> Found:
    header, rows = _table(text, where)
    columns = _columns(header, wanted)
    if not columns.inputs or (labelled and not columns.targets):
        raise _missing_column(columns, header, where)
    cells = {name: [row[place].strip() for row in rows] for place, name in enumerate(header)}
    inputs = {name: cells[header[place]] for name, place in columns.inputs.items()}
    targets = {name: cells[header[place]] for name, place in columns.targets.items()}
    others = {name: cells[header[place]] for name, place in columns.others.items()}
    _require_inputs(inputs, where)
    catalog = Catalog(
        ids=_ids(next(iter(inputs.values())), others.get("id"), where),
        inputs={name: _located(column, resolve, name, where) for name, column in inputs.items()},
        targets={name: _located(column, resolve, name, where) for name, column in targets.items()},
        groups=others.get("group", []),
        splits=_splits(others.get("split", []), where),
        facts={name: cells[name] for name in columns.unused if name and name not in _FACTS},
    )
    if not labelled:
        return Found(catalog, Pairing([], [], [], [], ""), "manifest", ())
    kept = [index for index in range(len(rows)) if any(column[index] for column in targets.values())]
    images, masks = next(iter(inputs.values())), next(iter(targets.values()))
    pairing = Pairing(
        pairs=[(images[index], masks[index]) for index in kept],
        unmatched_images=[images[index] for index in sorted(set(range(len(rows))) - set(kept))],
        unmatched_masks=[],
        ambiguous=[],
        rule=f"as listed in '{PurePosixPath(parse_location(where).path).name}'",
    )
    unused = [name for name in columns.unused if name != SPACING]
    notes = [f"Columns that were not used: {', '.join(unused)}."] if unused else []
    return Found(catalog.subset(kept), pairing, "manifest", tuple(notes))


def _rows(text: str) -> list[list[str]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_SEPARATORS, key=first.count)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]


def _table(text: str, where: str) -> tuple[list[str], list[list[str]]]:
    try:
        rows = _rows(text)
    except csv.Error as error:
        raise DataError(f"a table of samples at '{where}'", str(error), "Check that it is a CSV file.") from None
    if len(rows) < 2:
        raise DataError(
            "a row of column names, and one row per sample", f"'{where}' has {len(rows)} rows", "Add the samples."
        )
    header = [name.strip() for name in rows[0]]
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError("columns of different names", f"'{repeated[0]}' twice in '{where}'", "Rename one of them.")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(
                f"{len(header)} cells in each row of '{where}', as many as column names",
                f"row {number} has {len(row)}",
                "Complete the row; put quotes around names with commas.",
            )
    return header, rows[1:]


def _columns(header: Sequence[str], wanted: Sequence[str]) -> _Columns:
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in header]
    places = {kind: [names.index(name) for name in known if name in names] for kind, known in _NAMES.items()}
    inputs = {name.removeprefix("input."): place for place, name in enumerate(header) if name.startswith("input.")}
    targets = {name.removeprefix("target."): place for place, name in enumerate(header) if name.startswith("target.")}
    if not inputs and places["image"]:
        inputs = {"image": places["image"][0]}
    named = {name: list(header).index(name) for name in wanted if name in header and name not in targets}
    masks = [place for place in places["mask"] if place not in named.values()]
    if not targets and masks:
        targets = {"mask": masks[0]}
    targets |= named
    others = {kind: places[kind][0] for kind in ("split", "group", "id") if places[kind]}
    used = {*inputs.values(), *targets.values(), *others.values()}
    return _Columns(inputs, targets, others, [name for place, name in enumerate(header) if place not in used])


def _missing_column(columns: _Columns, header: Sequence[str], where: str) -> DataError:
    kind = "mask" if columns.inputs else "image"
    return DataError(
        f"a column '{kind}' in '{where}'",
        f"the columns {', '.join(header)}",
        f"Rename the column of the {kind}s to '{kind}'. Columns may be: image, mask, split, group, id.",
    )


def _require_inputs(inputs: dict[str, list[str]], where: str) -> None:
    rows = list(zip(*inputs.values(), strict=True))
    empty = [f"row {number}" for number, row in enumerate(rows, start=2) if not all(row)]
    if empty:
        raise DataError("an image in each row", f"none in '{where}'", "Complete the rows.", details=shorten(empty))
    repeated = [", ".join(row) for row, count in Counter(rows).items() if count > 1]
    if repeated:
        raise DataError(
            "every image once, so that none can train and test at a time",
            f"{len(repeated):,} images several times in '{where}'",
            "Remove the additional rows.",
            details=shorten(repeated),
        )


def _located(cells: list[str], resolve: Resolve, column: str, where: str) -> list[str]:
    """Locations; an empty cell stays empty."""
    found = [_resolved(cell, resolve) for cell in cells]
    missing = [
        f"row {number}: {cell}"
        for number, (cell, location) in enumerate(zip(cells, found, strict=True), start=2)
        if location is None
    ]
    if missing:
        raise DataError(
            f"the files that column '{column}' names, relative to '{where}'",
            f"{len(missing):,} of them are not there",
            "Correct the paths: relative to the CSV file, with '/' between folders.",
            details=shorten(missing),
        )
    return [location or "" for location in found]


def _resolved(cell: str, resolve: Resolve) -> str | None:
    """The location of a cell, which may name several planes of one mask; None where one of them is missing."""
    if PLANES not in cell:
        return resolve(cell) if cell else ""
    whole = resolve(cell)
    if whole is not None and Path(whole).exists():
        return whole  # one file of an odd name
    planes = [resolve(plane) for plane in cell.split(PLANES)]
    return None if None in planes else join_planes([plane or "" for plane in planes])


def _splits(cells: list[str], where: str) -> list[str]:
    unknown = sorted({cell for cell in cells if cell and cell.lower() not in SPLIT_WORDS})
    if unknown:
        raise DataError(
            "train, val, test or nothing in the column of splits",
            f"'{unknown[0]}' in '{where}'",
            "Correct the column, or rename it to have Limner split the samples.",
        )
    return [SPLIT_WORDS[cell.lower()] if cell else "" for cell in cells]


def _ids(images: list[str], ids: list[str] | None, where: str) -> list[str]:
    if ids is None:
        return choose_ids(
            len(images),
            lambda index: without_suffix(PurePosixPath(images[index]).name),
            lambda index: without_suffix(_inner(images[index])),
            lambda index: f"row_{index + 2}",
        )
    repeated = [name for name, count in Counter(ids).items() if count > 1 or not name]
    if repeated:
        raise DataError(
            "a different id in each row", f"'{repeated[0]}' several times in '{where}'", "Correct the column of ids."
        )
    # Files of results are called after ids.
    foreign = [name for name in ids if _inner(name) != name]
    if foreign:
        raise DataError(
            "ids that can name files, without '..' or a leading '/'",
            f"'{foreign[0]}' in '{where}'",
            "Correct the column of ids, or leave it out.",
        )
    return ids


def _inner(path: str) -> str:
    """A path without what would lead out of a folder it is put into."""
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _is_elsewhere(cell: str) -> bool:
    return "://" in cell or cell.startswith("/")


def _local(folder: Path, cell: str) -> str | None:
    if "://" in cell:
        return cell
    location = cell if cell.startswith("/") else f"{folder}/{cell}"
    try:
        return location if Path(parse_location(location).path).exists() else None
    except (OSError, ValueError):  # no name that a file could have
        return None
