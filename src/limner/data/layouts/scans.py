"""Several files that are one volume: channels of nnU-Net, slices of a DICOM series.

Layer: data. Such files are joined under one name before images and masks are paired, and parted again after.

    imagesTr/heart_003_0000.nii.gz, …_0001.nii.gz   channels of imagesTr/heart_003.nii.gz
    images/p1/IM0001, IM0002, …                     slices of images/p1.dcm, where masks are volumes
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from limner.data.catalog import Catalog
from limner.data.layouts.listing import Listing, folder_of
from limner.errors import DataError, shorten
from limner.images import is_dicom, is_volume, natural_key, suffix_of

# As nnU-Net names them; four digits.
_CHANNEL = re.compile(r"(?P<base>.+)_(?P<channel>[0-9]{4})(?P<ending>\.nii(\.gz)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Joined:
    """Files under common names.

    Attributes:
        listing: With the common names in place of the files' own.
        files: By the location of a common name, the locations of its channels; of a series, its folder.
    """

    listing: Listing
    files: Mapping[str, tuple[str, ...]]


def join_scans(listing: Listing, masks: Sequence[str] = ()) -> Joined:
    """Join files that are one volume; none where there is no volume.

    Args:
        listing: What lies there.
        masks: Names of masks that lie elsewhere.

    Raises:
        DataError: A volume lacks a channel that others have.
    """
    volumes = [name for name in (*listing.pictures, *masks) if is_volume(name)]
    if not volumes:
        return Joined(listing, {})
    joined = _series(listing) | _channels(listing, volumes)
    names = {name for files in joined.values() for name in files}
    pictures = [name for name in listing.pictures if name not in names and folder_of(name) + "/" not in names]
    renamed = replace(listing, pictures=sorted([*pictures, *joined], key=natural_key))
    place = listing.source.location
    return Joined(renamed, {place(name): tuple(map(place, files)) for name, files in joined.items()})


def part_scans(catalog: Catalog, joined: Joined) -> Catalog:
    """The catalog with the files themselves; several channels become inputs `channel0`, `channel1` and so on."""
    images = catalog.inputs["image"]
    files = [joined.files.get(location, (location,)) for location in images]
    counts = {len(channels) for channels in files}
    if counts <= {1}:
        return replace(catalog, inputs={"image": [channels[0] for channels in files]})
    if len(counts) > 1:
        odd = next(channels for channels in files if len(channels) == min(counts))
        raise DataError(
            f"{max(counts)} channels of every volume", f"'{odd[0]}' has {len(odd)}", "Add the others, or leave it out."
        )
    return replace(catalog, inputs={f"channel{at}": list(column) for at, column in enumerate(zip(*files, strict=True))})


def find_channels(listing: Listing) -> Catalog | None:
    """Volumes of several channels without masks, to be predicted; None where files are not named so."""
    joined = _complete(_grouped(listing))
    if not joined:
        return None
    place = listing.source.location
    catalog = Catalog([name.removesuffix(suffix_of(name)) for name in joined], {"image": list(map(place, joined))}, {})
    return part_scans(catalog, Joined(listing, {place(name): tuple(map(place, joined[name])) for name in joined}))


def _series(listing: Listing) -> dict[str, tuple[str, ...]]:
    """Folders of DICOM files, called after themselves."""
    folders = {
        folder for folder in map(folder_of, listing.pictures) if folder and listing.folders[folder].role != "mask"
    }
    first = {folder_of(name): name for name in reversed(listing.pictures)}
    found = [folder for folder in sorted(folders) if is_dicom(listing.source.location(first[folder]))]
    return {f"{folder}.dcm": (f"{folder}/",) for folder in found}


def _channels(listing: Listing, volumes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    grouped = _grouped(listing)
    # Numbered cases look alike; that a mask bears the name without the number tells channels.
    plain = {name.rpartition("/")[2].lower() for name in volumes}
    if not any(name.rpartition("/")[2].lower() in plain for name in grouped):
        return {}
    return _complete(grouped)


def _grouped(listing: Listing) -> dict[str, dict[str, str]]:
    """Files by the name without the channel, and by channel."""
    grouped: dict[str, dict[str, str]] = defaultdict(dict)
    for name in listing.pictures:
        if (match := _CHANNEL.fullmatch(name)) and listing.folders[folder_of(name)].role != "mask":
            grouped[match["base"] + match["ending"]][match["channel"]] = name
    return grouped


def _complete(grouped: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    wanted = sorted({channel for files in grouped.values() for channel in files})
    lacking = [
        f"{name}: no _{channel}" for name, files in grouped.items() for channel in wanted if channel not in files
    ]
    if lacking:
        raise DataError(
            f"channels {', '.join(f'_{channel}' for channel in wanted)} of every volume",
            f"{len(lacking):,} that lack one",
            "Add the missing files, or leave these volumes out.",
            details=shorten(lacking),
        )
    return {name: tuple(files[channel] for channel in wanted) for name, files in grouped.items()}
