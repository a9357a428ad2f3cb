"""Volumes become samples: every slice one, and the slices of a volume one group.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from limner.data.catalog import Catalog
from limner.data.stored_masks import is_folder, mask_files
from limner.errors import ConfigError, DataError
from limner.images import Volume, choose_plane, is_volume, page_location, read_series, read_volume
from limner.types import Plane

AskedPlane: TypeAlias = Literal["auto", "sagittal", "coronal", "axial"]


@dataclass(frozen=True, eq=False)
class _Stack:
    """A volume of pictures or masks, whatever it is made of.

    Attributes:
        location: Of the file or folder.
        volume: Its grid.
        slices: Location of each slice of a DICOM series; empty for a volume in one file.
        plane: The only plane in which a series has slices.
        patient: Where files name one.
    """

    location: str
    volume: Volume
    slices: tuple[str, ...] = ()
    plane: Plane | None = None
    patient: str = ""

    def page(self, page: int, plane: Plane) -> str:
        """Location of one slice."""
        return self.slices[page] if self.slices else page_location(self.location, page, plane)


def slice_volumes(catalog: Catalog, plane: AskedPlane = "auto", page: int | None = None) -> tuple[Catalog, list[str]]:
    """The catalog with a sample for every slice of its volumes, called after the volume: `brain_s012`.

    A volume is a NIfTI file, or a folder of slices of a DICOM series that goes with a mask in NIfTI. Slices are
    numbered from the patient's left, back or feet. Slices without foreground are samples like all others.

    Args:
        catalog: Samples, some or none of which are volumes.
        plane: How volumes are cut; `auto` goes by their spacing and shape.
        page: The only slice to take of each.

    Returns:
        The samples, with the facts `volume`, `plane` and `spacing` (millimetres per pixel, height×width) and, where no
        group was known, the volume or its patient as group; and notes.

    Raises:
        DataError: The files of a sample lie on different grids, or are volumes in part only.
        ConfigError: A DICOM series cannot be cut in the plane that was asked for.
    """
    columns = (*catalog.inputs.values(), *catalog.targets.values())
    if not any(".nii" in location.lower() for column in columns for location in column):
        return catalog, []  # told in no time even of a million samples
    rows = [_stacks(catalog, index) for index in range(len(catalog))]
    volumes = [row for row in rows if row]
    if not volumes:
        return catalog, []
    for row in volumes:
        _check_grids(list(row.values()))
    chosen, because = _choose(volumes, plane)
    pages = [_pages(row, chosen, page) for row in rows]
    places = [(index, number) for index, numbers in enumerate(pages) for number in numbers]
    sliced = catalog.subset([index for index, _ in places])
    facts = {name: [""] * len(places) for name in ("volume", "plane", "spacing")}
    for at, (index, number) in enumerate(places):
        row = rows[index]
        if not row:
            continue
        first = next(iter(row.values()))
        sliced.ids[at] += f"_s{number:03}"
        sliced.groups[at] = sliced.groups[at] or first.patient or catalog.ids[index]
        for column in (*sliced.inputs.values(), *sliced.targets.values()):
            if column[at]:
                column[at] = row[column[at]].page(number, chosen)
        facts["volume"][at], facts["plane"][at] = catalog.ids[index], chosen
        facts["spacing"][at] = "×".join(f"{step:.4g}" for step in first.volume.steps(chosen))
    sliced.facts |= facts
    count = sum(1 for volume in facts["volume"] if volume)
    note = f"Volumes: {len(volumes):,}, cut into {count:,} {chosen} slices, because {because}."
    return sliced, [f"{note} No split parts the slices of one volume."]


def _stacks(catalog: Catalog, index: int) -> dict[str, _Stack]:
    """The volumes of a sample by location; empty where it has none."""
    locations = [column[index] for column in (*catalog.inputs.values(), *catalog.targets.values()) if column[index]]
    if not any(map(is_volume, locations)):
        return {}
    flat = [location for location in locations if not (is_volume(location) or is_folder(location))]
    if flat:
        raise DataError(
            "a volume of masks for a volume of pictures",
            f"'{flat[0]}' is none, but belongs to sample '{catalog.ids[index]}', which is one",
            "Give both as NIfTI, or a mask for each slice.",
        )
    return {location: _stack(location) for location in locations}


def _stack(location: str) -> _Stack:
    if is_volume(location):
        return _Stack(location, read_volume(location))
    series = read_series(mask_files(location), location)
    return _Stack(location, series.volume, series.locations, series.plane, series.patient)


def _check_grids(stacks: Sequence[_Stack]) -> None:
    first = stacks[0]
    for other in stacks[1:]:
        if other.volume.lies_on(first.volume):
            continue
        unlike = "shape" if other.volume.shape != first.volume.shape else "affine"
        raise DataError(
            f"pictures and masks of one volume with the same voxels in the same places; the {unlike} differs",
            f"'{other.location}' does not lie on '{first.location}' (axes turned to left–right, back–front, feet–head)",
            "Export the mask on the grid of its picture (nibabel.processing.resample_from_to with order=0). If "
            "voxels do correspond and the affine alone is wrong, save the mask with the affine of the picture.",
            details=[f"'{stack.location}': {stack.volume.describe()}" for stack in (first, other)],
        )


def _choose(rows: Sequence[dict[str, _Stack]], asked: AskedPlane) -> tuple[Plane, str]:
    fixed = {stack.plane: stack for row in rows for stack in row.values() if stack.plane is not None}
    chosen, because = choose_plane([next(iter(row.values())).volume for row in rows])
    if fixed:
        chosen, because = next(iter(fixed)), "the DICOM slices lie so"
    if asked != "auto":
        chosen, because = asked, "it was set"
    other = next((stack for plane, stack in fixed.items() if plane != chosen), None)
    if other is not None:
        raise ConfigError(
            f"DICOM series of {chosen} slices" if asked == "auto" else f"data.plane={other.plane}",
            f"'{other.location}' has {other.plane} ones",
            "Train on one plane at a time, or convert the series to NIfTI, which can be cut in any.",
        )
    return chosen, because


def _pages(row: dict[str, _Stack], plane: Plane, page: int | None) -> Sequence[int]:
    if not row:
        return (0,)
    first = next(iter(row.values()))
    count = first.volume.slices(plane)
    if page is None:
        return range(count)
    if page >= count:
        raise DataError(
            f"a slice {page}, counted from 0, in every volume",
            f"'{first.location}' has {count} {plane} ones",
            "Choose another data.page, or leave it out for all.",
        )
    return (page,)
