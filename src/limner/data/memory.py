"""What earlier looks at the files of samples found, so that files that have not changed are not opened again.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.data.catalog import Catalog
from limner.data.digests import digest
from limner.data.file_hashes import FileHashes
from limner.data.store import Store
from limner.data.values import Value, ValueTable
from limner.images import PictureInfo


@dataclass(frozen=True)
class Look:
    """What a look at the files of one sample gave, all of which could be read.

    Attributes:
        infos: Header per input.
        tables: Values per target that has a mask.
    """

    infos: dict[str, PictureInfo]
    tables: dict[str, ValueTable]


class Memory:
    """Headers and mask values by the contents of files, and these by what the file system states.

    Args:
        store: Where they are kept.
        see: Called with every sample whose files are open, by its position and the hash of its inputs, to
            find out more while they are. It says whether the images were decoded, and may raise a `DataError`.
    """

    def __init__(self, store: Store, see: Callable[[Catalog, int, str], bool] | None = None) -> None:
        self.see = see
        self._store = store
        self._hashes = FileHashes(store)

    def digest(self, locations: Iterable[str]) -> str:
        """As `digests.digest`."""
        return digest(locations, self._hashes)

    def recall(self, key: str, targets: Mapping[str, str]) -> Look | None:
        """What was found in the same files; None where that is not known.

        Args:
            key: What `remember` was given: the contents, and how they were looked at.
            targets: Location of each target's mask, now.
        """
        text = self._store.get_text(f"look {key}")
        if text is None:
            return None
        found = json.loads(text)
        infos = {name: _info(values) for name, values in found["infos"].items()}
        return Look(infos, {name: _table(values, targets[name]) for name, values in found["tables"].items()})

    def remember(self, key: str, look: Look) -> None:
        """Keep what was found."""
        infos = {name: _values(info) for name, info in look.infos.items()}
        tables = {name: _table_values(table) for name, table in look.tables.items()}
        self._store.put_text(f"look {key}", json.dumps({"infos": infos, "tables": tables}))


def _values(record: PictureInfo | ValueTable) -> dict[str, Any]:
    return {part.name: getattr(record, part.name) for part in dataclasses.fields(record)}


def _info(values: Mapping[str, Any]) -> PictureInfo:
    return PictureInfo(**{**values, "size": tuple(values["size"])})


def _table_values(table: ValueTable) -> dict[str, Any]:
    values = list(table.counts)
    places = [place for place, value in enumerate(values) if value in table.solid]
    return {**_values(table), "where": "", "counts": [values, list(table.counts.values())], "solid": places}


def _table(found: Mapping[str, Any], where: str) -> ValueTable:
    numbers, pixels = found["counts"]
    values: Sequence[Value] = [tuple(value) if isinstance(value, list) else value for value in numbers]
    palette = found["palette"]
    return ValueTable(
        **{
            **found,
            "where": where,
            "size": tuple(found["size"]),
            "counts": dict(zip(values, pixels, strict=True)),
            "solid": frozenset(values[place] for place in found["solid"]),
            "palette": None if palette is None else tuple(map(tuple, palette)),
        }
    )
