"""Looks at every file of a catalog once: header, content hash, and the values of the masks.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from limner.data.catalog import Catalog
from limner.data.digests import digest
from limner.data.stored_masks import mask_files, read_stored
from limner.data.values import ValueTable, outline_numbers, tabulate
from limner.errors import DataError
from limner.images import PictureInfo, read_image, read_info
from limner.threads import ordered_map
from limner.types import Progress

_LARGE = 2**24  # pixels of a mask that are decoded in any case
_FAR = 64  # times its image's pixels, beyond which a larger mask is not decoded


@dataclass(frozen=True)
class Scanned:
    """What a look at the files of one sample gave.

    Attributes:
        infos: Header per input; without those that could not be read.
        tables: Values per target that has a mask; without those that could not be read.
        input_digest: Hash of the contents of the inputs.
        target_digest: Hash of the contents of the masks.
        problems: Why files could not be read.
    """

    infos: dict[str, PictureInfo]
    tables: dict[str, ValueTable]
    input_digest: str
    target_digest: str
    problems: tuple[DataError, ...]


def scan(
    catalog: Catalog,
    *,
    numbers: Collection[str] = (),
    decode: bool = False,
    digests: bool = True,
    progress: Progress | None = None,
) -> list[Scanned]:
    """Look at all files, on a few threads.

    Args:
        catalog: The samples.
        numbers: Targets of measured numbers, whose values are not counted.
        decode: Decode the images too, not their headers alone; finds every damaged file.
        digests: Read every file to hash its contents; without, digests are empty.
        progress: Told about every sample.

    Returns:
        One result per sample, in order; unreadable files are among the `problems`, not raised.
    """
    results = []
    for result in ordered_map(
        lambda index: _scan_sample(catalog, index, numbers, decode, digests), range(len(catalog))
    ):
        results.append(result)
        if progress is not None:
            progress("scan", len(results), len(catalog))
    return results


def _scan_sample(catalog: Catalog, index: int, numbers: Collection[str], decode: bool, digests: bool) -> Scanned:
    problems: list[DataError] = []
    infos: dict[str, PictureInfo] = {}
    tables: dict[str, ValueTable] = {}
    for name, locations in catalog.inputs.items():
        try:
            infos[name] = read_info(locations[index])
            if decode:
                read_image(locations[index])
        except DataError as error:
            problems.append(error)
    for name, locations in catalog.targets.items():
        try:
            if locations[index]:
                _refuse_bomb(locations[index], infos)
                look = outline_numbers if name in numbers else tabulate
                tables[name] = look(read_stored(locations[index]), locations[index])
        except DataError as error:
            problems.append(error)
    inputs = [locations[index] for locations in catalog.inputs.values()]
    targets = [locations[index] for locations in catalog.targets.values()]
    found = (digest(inputs), digest(targets)) if digests and not problems else ("", "")
    return Scanned(infos, tables, *found, tuple(problems))


def _refuse_bomb(location: str, infos: Mapping[str, PictureInfo]) -> None:
    """Refuse to decode a mask whose header says that it is far larger than its image."""
    sizes = [info.size for info in infos.values()]
    height, width = read_info(mask_files(location)[0]).size
    if height * width > _LARGE and sizes and height * width > _FAR * sizes[0][0] * sizes[0][1]:
        raise DataError(
            f"a mask has the size of its image ({sizes[0][0]:,}×{sizes[0][1]:,})",
            f"'{location}' says it is {height:,}×{width:,}",
            "Correct the mask, or leave the sample out.",
        )


def target_tables(scans: Sequence[Scanned], target: str) -> list[ValueTable]:
    """The tables of one target, of the samples that have a mask."""
    return [scanned.tables[target] for scanned in scans if target in scanned.tables]
