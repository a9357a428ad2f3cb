"""Looks at every file of a catalog once: header, content hash, and the values of the masks.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from limner.data.catalog import Catalog
from limner.data.digests import digest
from limner.data.memory import Look, Memory
from limner.data.stored_masks import is_folder, mask_files, read_stored, split_planes
from limner.data.values import ValueTable, outline_numbers, tabulate
from limner.errors import DataError
from limner.images import PictureInfo, read_image, read_info, reading_once
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
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> list[Scanned]:
    """Look at all files, on a few threads, and read each once.

    Args:
        catalog: The samples.
        numbers: Targets of measured numbers, whose values are not counted.
        decode: Decode the images too, not their headers alone; finds every damaged file.
        digests: Read every file to hash its contents; without, digests are empty.
        memory: What earlier looks found, and who else wants to see the files.
        progress: Told about every sample.

    Returns:
        One result per sample, in order; unreadable files are among the `problems`, not raised.
    """

    def scan_sample(index: int) -> Scanned:
        files = _Files(catalog, index, frozenset(numbers), decode)
        return files.remembered(memory) if digests else files.look()

    results = []
    for result in ordered_map(scan_sample, range(len(catalog))):
        results.append(result)
        if progress is not None:
            progress("scan", len(results), len(catalog))
    return results


@dataclass(frozen=True)
class _Files:
    """The files of one sample, and what is to be found out about them."""

    catalog: Catalog
    index: int
    numbers: frozenset[str]
    decode: bool

    @property
    def inputs(self) -> dict[str, str]:
        return {name: locations[self.index] for name, locations in self.catalog.inputs.items()}

    @property
    def targets(self) -> dict[str, str]:
        found = {name: locations[self.index] for name, locations in self.catalog.targets.items()}
        return {name: location for name, location in found.items() if location}

    def remembered(self, memory: Memory | None) -> Scanned:
        """What is known of them, else a look, which is remembered unless there are problems."""
        with reading_once():
            try:
                of = digest if memory is None else memory.digest
                found = of(self.inputs.values()), of(self.targets.values())
            except DataError as error:
                looked = self.look()
                return looked if looked.problems else replace(looked, problems=(error,))
            if memory is None:
                looked = self.look()
                return looked if looked.problems else replace(looked, input_digest=found[0], target_digest=found[1])
            known = memory.recall(key := self._key(found), self.targets)
            if known is not None:
                return Scanned(known.infos, known.tables, *found, ())
            looked = self._seen(memory, found[0])
            if not looked.problems:
                memory.remember(key, Look(looked.infos, looked.tables))
                looked = replace(looked, input_digest=found[0], target_digest=found[1])
            return looked

    def _key(self, contents: tuple[str, str]) -> str:
        """All that a look depends on; the same files may be planes of a mask, or make it up together."""
        forms = [(name, is_folder(location), len(split_planes(location))) for name, location in self.targets.items()]
        return json.dumps([contents, list(self.inputs), forms, sorted(self.numbers), self.decode])

    def _seen(self, memory: Memory, input_digest: str) -> Scanned:
        """A look, in which whoever wants to see the files sees them too."""
        looked = replace(self, decode=False).look()
        if looked.problems:
            return looked
        sizes = {info.size for info in looked.infos.values()} | {table.size for table in looked.tables.values()}
        try:
            # A picture of another size than its mask will be refused: it may say that it is huge.
            decoded = len(sizes) == 1 and memory.see is not None and memory.see(self.catalog, self.index, input_digest)
            for location in self.inputs.values() if self.decode and not decoded else ():
                read_image(location)
        except DataError as error:
            return replace(looked, problems=(error,)) if self.decode else looked
        return looked

    def look(self) -> Scanned:
        """Headers, and values of the masks."""
        problems: list[DataError] = []
        infos: dict[str, PictureInfo] = {}
        tables: dict[str, ValueTable] = {}
        for name, location in self.inputs.items():
            try:
                infos[name] = read_info(location)
                if self.decode:
                    read_image(location)
            except DataError as error:
                problems.append(error)
        for name, location in self.targets.items():
            try:
                _refuse_bomb(location, infos)
                outline = outline_numbers if name in self.numbers else tabulate
                tables[name] = outline(read_stored(location), location)
            except DataError as error:
                problems.append(error)
        return Scanned(infos, tables, "", "", tuple(problems))


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
