"""Which DICOM pictures show one patient, as the files themselves say.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from limner.data.catalog import Catalog
from limner.data.samples import image_location
from limner.images import is_dicom, read_slice
from limner.threads import ordered_map


def group_patients(catalog: Catalog) -> list[str]:
    """Set the group of DICOM samples without one, in place: their patient, else their series.

    Where all files name one patient but several series, as after a careless anonymisation, the series counts.

    Returns:
        Notes.

    Raises:
        DataError: A file cannot be read.
        MissingExtra: pydicom is not installed.
    """
    free = [index for index, group in enumerate(catalog.groups) if not group]
    chosen = [index for index in free if is_dicom(image_location(catalog, index))]
    if not chosen:
        return []
    slices = list(ordered_map(lambda index: read_slice(image_location(catalog, index)), chosen))
    patients, series = {part.patient for part in slices}, {part.series for part in slices}
    by_series = len(patients) == 1 and len(series) > 1
    for index, part in zip(chosen, slices, strict=True):
        catalog.groups[index] = part.series if by_series else part.patient or part.series
    groups = {catalog.groups[index] for index in chosen}
    if groups == {""}:
        return []
    kind = "series (all name one patient)" if by_series else "patients or, where none is named, series"
    return [f"DICOM files group their pictures into {len(groups):,} {kind}; no split parts them."]
