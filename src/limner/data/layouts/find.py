"""Find the samples of a data set, however it lies on disk.

Layer: data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from limner.data.catalog import Catalog
from limner.data.layouts.converted import with_labels
from limner.data.layouts.folders import common_depth, read_folder
from limner.data.layouts.found import Found
from limner.data.layouts.halves import Half, found_in_halves
from limner.data.layouts.listing import Listing, folder_of
from limner.data.layouts.manifest import find_manifest, find_manifest_in, names_samples
from limner.data.layouts.options import Options, check_options
from limner.data.layouts.pages import choose_page, expand_pages
from limner.data.layouts.projects import PROJECTS
from limner.data.layouts.readings import read_listing
from limner.data.layouts.scans import find_channels, join_scans, part_scans
from limner.data.pairing import match_within
from limner.data.patients import group_patients
from limner.data.placement import refuse_unfinished
from limner.data.volumes import AskedPlane, slice_volumes
from limner.errors import ConfigError, DataError
from limner.types import Progress, no_progress

ANNOTATIONS = ("coco", "labelme", "cvat", "labelstudio", "geojson", "imagej")
"""Layouts of other programs' annotations."""

LAYOUTS = ("auto", "pairs", "presplit", "instances", "manifest", *PROJECTS, *ANNOTATIONS)
"""Names of layouts; `auto` takes the first that fits."""

_EXPECTED = {
    "instances": "one folder per picture with folders 'images' and 'masks' in it",
    "manifest": "a CSV with columns image and mask",
}
_TABLES = (".csv", ".tsv")
_ANNOTATIONS = (".json", ".geojson", ".xml", ".roi")


def find_samples(
    place: str | Path | None,
    *,
    layout: str = "auto",
    images: str | Path | None = None,
    masks: str | Path | None = None,
    page: int | Literal["all"] | None = None,
    plane: AskedPlane = "auto",
    options: Options | None = None,
    targets: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Found:
    """Find images with their masks.

    Tried in this order: a CSV or a file of annotations that is named itself; the layouts of published
    projects; annotations of other programs, unless masks lie beside them; folders named
    for images and masks, with train, val and test honoured and one such pair of folders per picture
    taken as instances; a folder of masks beside images; one folder with both, told apart by name; a
    CSV among the pictures. Files without a partner are reported in the result's `pairing`, not refused.

    Args:
        place: Folder, zip, URL or CSV; may be None if `images` and `masks` are given.
        layout: One of `LAYOUTS`.
        images: Folder of images. A relative path is looked for as it stands, then inside `place`.
        masks: Folder of masks, likewise.
        page: Which page of multi-page files, from 0; `all` makes each page a sample, as it is with volumes anyway.
        plane: How volumes are cut into samples.
        options: Options of the layout, where it has any.
        targets: Names of targets that columns of a CSV may have, besides those that are known.
        progress: Told of what takes long, such as reading tracings.

    Raises:
        DataError: The place is missing or empty, nothing fits, or nothing pairs.
        ConfigError: An unknown layout or option, or only one of `images` and `masks`.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"data.layout is one of {', '.join(LAYOUTS)}", f"'{layout}'", "Correct data.layout.")
    if images is not None or masks is not None:
        found = _find_in_two(place, images, masks, layout)
    elif place is None:
        raise ConfigError("a place with pictures and masks", "none was named", "Name a folder, a zip or a CSV file.")
    else:
        found = _find_in_one(place, layout, options or {}, targets, progress)
    if options and found.layout not in (*PROJECTS, *ANNOTATIONS):
        check_options(options, (), found.layout)
    catalog, notes = slice_volumes(found.catalog, plane, None if page == "all" else page)
    notes += group_patients(catalog)
    if page is not None:
        catalog = expand_pages(catalog) if page == "all" else choose_page(catalog, page)
    return replace(found, catalog=catalog, notes=(*found.notes, *notes))


def find_inputs(place: str | Path, plane: AskedPlane = "auto") -> Catalog:
    """Find samples to predict: as `find_samples`, but a CSV, and volumes of several channels, need no targets.

    Raises:
        DataError: As `find_samples`.
    """
    if str(place).lower().endswith(_TABLES):
        return slice_volumes(find_manifest(place, labelled=False).catalog, plane)[0]
    channels = find_channels(Listing.open(place))
    return find_samples(place, plane=plane).catalog if channels is None else slice_volumes(channels, plane)[0]


def _find_in_one(place: str | Path, layout: str, options: Options, targets: Sequence[str], progress: Progress) -> Found:
    if str(place).lower().endswith(_TABLES):
        return with_labels(find_manifest(place, targets), Path(place).expanduser().absolute().parent)
    if str(place).lower().endswith(_ANNOTATIONS):
        return _find_annotated(place, layout, options, progress)
    listing = Listing.open(place)
    if listing.source.kind == "folder":
        refuse_unfinished(Path(listing.source.place))
    if (project := _find_project(listing, layout, options, progress)) is not None:
        return project
    if layout in ANNOTATIONS or (layout == "auto" and _only_annotations(listing, strict=False)):
        return _find_annotated(place, layout, options, progress)
    found = None if layout == "manifest" else _read(listing, layout)
    if found is None and layout in ("auto", "manifest"):
        found = _find_table(listing, targets)
    if found is None and layout == "auto":
        _only_annotations(listing, strict=True)  # a damaged file of annotations says so itself
    if found is None:
        raise listing.nothing_fits(_EXPECTED.get(layout, ""))
    return found


def _find_project(listing: Listing, layout: str, options: Options, progress: Progress) -> Found | None:
    for name, project in PROJECTS.items():
        if layout in ("auto", name) and (found := project.read(listing, options, progress)) is not None:
            return found
    if layout in PROJECTS:
        raise listing.nothing_fits(PROJECTS[layout].expected)
    return None


def _only_annotations(listing: Listing, *, strict: bool) -> bool:
    """Whether annotations in a known format lie there, and no masks with which they would compete.

    Raises:
        DataError: A file that may hold some cannot be read, if `strict`.
    """
    suffixes = {suffix for suffix in listing.others if suffix in _ANNOTATIONS}
    if not suffixes and not listing.archives:
        return False
    if any(folder.role == "mask" for folder in listing.folders.values()) or match_within(listing.pictures).pairs:
        return False
    from limner.data.layouts.annotations import is_annotated

    return is_annotated(listing.source.place, strict=strict)


def _find_annotated(place: str | Path, layout: str, options: Options, progress: Progress) -> Found:
    # Imported late: hardly any data set needs its code.
    from limner.data.layouts.annotations import read_annotated

    return read_annotated(place, layout, options, progress)


def _read(listing: Listing, layout: str) -> Found | None:
    joined = join_scans(listing)
    found = read_listing(joined.listing, layout)
    return found and replace(found, catalog=part_scans(found.catalog, joined))


def _find_table(listing: Listing, targets: Sequence[str]) -> Found | None:
    tables = [name for name in listing.tables if names_samples(listing, name, targets)]
    if len(tables) > 1:
        raise DataError(
            "one CSV with columns image and mask",
            f"several in '{listing.source.place}'",
            f"Name the one to use, such as '{listing.source.location(tables[0])}'.",
            details=tables,
        )
    return find_manifest_in(listing, tables[0], targets) if tables else None


def _find_in_two(place: str | Path | None, images: str | Path | None, masks: str | Path | None, layout: str) -> Found:
    if images is None or masks is None:
        missing = "images" if images is None else "masks"
        raise ConfigError("both the folder of images and that of masks", f"no {missing}", f"Add --{missing} FOLDER.")
    left, right = Listing.open(_inside(place, images)), Listing.open(_inside(place, masks))
    if left.source.place == right.source.place:
        found = _read(left, "pairs" if layout == "auto" else layout)
        if found is None:
            raise left.nothing_fits()
        return found
    for listing in (left, right):
        if not listing.pictures:
            raise listing.nothing_fits()
    presplit = {"pairs": False, "presplit": True}.get(layout)
    notes = [*left.notes(), *right.notes()]
    joined = join_scans(left, right.pictures)
    found = found_in_halves(_half(joined.listing, right), _half(right, left), presplit=presplit, notes=notes)
    return replace(found, catalog=part_scans(found.catalog, joined))


def _half(listing: Listing, other: Listing) -> Half:
    """All pictures of a listing, but for those of the other one where that lies inside."""
    own, inner = listing.source.place + "/", other.source.place + "/"
    within = inner.removeprefix(own) if inner.startswith(own) else None
    names = [name for name in listing.pictures if within is None or not name.startswith(within)]
    paths = {folder_of(name) for name in names}
    skip = common_depth(paths)
    return Half(listing.source, names, {path: read_folder(path, skip=skip) for path in paths})


def _inside(place: str | Path | None, part: str | Path) -> str | Path:
    if place is not None and "://" not in str(part) and not Path(part).expanduser().exists():
        inside = Path(place).expanduser() / part
        return inside if inside.exists() else part
    return part
