"""What masks were understood to mean, why, and how sure that is.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from limner.data.check.findings import Finding
from limner.data.evidence import runs_backwards
from limner.data.labels import LabelMap
from limner.data.scan import Scanned, target_tables
from limner.data.values import Value, ValueTable, format_value

Sureness: TypeAlias = Literal["certain", "likely", "as told"]

_DTYPES = {"bool": "1-bit", "uint8": "8-bit", "uint16": "16-bit", "int32": "32-bit", "float32": "floating-point"}
_PLAIN = ({0, 1}, {0, 255}, {0, 65535})


@dataclass(frozen=True)
class Verdict:
    """What is made of the masks of one target.

    Attributes:
        target: Its name.
        storage: How the files hold their values, in words; empty where the files are not at hand.
        mapping: Stored value → class, in words.
        sureness: `certain`, `likely`, or `as told` where the settings or the layout say so.
        line: The setting that fixes the mapping, ready to type; empty where none can.
    """

    target: str
    storage: str
    mapping: str
    sureness: Sureness
    line: str

    def to_finding(self, label_map: LabelMap) -> Finding:
        """The verdict as a finding."""
        kind = ", ".join(filter(None, (label_map.task, self.storage)))
        sure = {
            "certain": "sure: certain",
            "likely": "sure: likely" + ("; the line below fixes it for good" if self.line else ""),
            "as told": "sure: as told",
        }[self.sureness]
        shifted = self.sureness == "likely" and _lowest(label_map) not in (0, None)
        return Finding(
            kind="mask-values",
            level="doubt" if shifted else "note",
            title=f"Masks of '{self.target}' ({kind}): {self.mapping}.",
            evidence=(
                f"because {label_map.because or 'the layout says so'}",
                *(["no mask holds 0, so the lowest number was taken for the background"] if shifted else []),
                sure,
            ),
            remedy=f"To fix this: `{self.line}`" if self.line and self.sureness == "likely" else "",
        )


def _lowest(label_map: LabelMap) -> int | float | None:
    """The number that was taken for the background; None where classes are told apart otherwise."""
    first = label_map.values[0][0] if label_map.encoding == "values" else None
    return first if isinstance(first, int | float) else None


def verdicts(
    scans: Sequence[Scanned], label_maps: Mapping[str, LabelMap], *, told: Collection[str] = ()
) -> list[Finding]:
    """A finding per target on what its masks mean.

    Args:
        scans: The samples' files.
        label_maps: Label map per target.
        told: Targets whose values the settings name.
    """
    return [
        judge(name, target_tables(scans, name), label_map, told=name in told).to_finding(label_map)
        for name, label_map in label_maps.items()
    ]


def judge(target: str, tables: Sequence[ValueTable], label_map: LabelMap, *, told: bool = False) -> Verdict:
    """The verdict on one target.

    Args:
        target: Its name.
        tables: Values of its masks.
        label_map: What was decided.
        told: The settings name the values.
    """
    return Verdict(
        target=target,
        storage=_storage(tables, label_map),
        mapping=_mapping(label_map),
        sureness="as told" if told or not label_map.because else _sureness(tables, label_map),
        line=_line(label_map),
    )


def _storage(tables: Sequence[ValueTable], label_map: LabelMap) -> str:
    """`8-bit palette`, `one-hot floating-point`, … of most files, and of others if there are any."""
    kinds = Counter(_kind(table, label_map) for table in tables)
    return " and ".join(kind for kind, _ in kinds.most_common(3))


def _kind(table: ValueTable, label_map: LabelMap) -> str:
    depth = _DTYPES.get(table.dtype, table.dtype)
    if label_map.encoding == "planes":
        return f"{depth}, {table.channels} planes" + (", one-hot" if label_map.task != "multilabel" else "")
    if table.palette is not None:
        return f"{depth} palette" + (" read as its colours" if label_map.reading == "palette" else "")
    if label_map.reading == "alpha":
        return f"{depth} opacity channel"
    return f"{depth} {'colours' if table.channels >= 3 else 'numbers'}"


def _mapping(label_map: LabelMap) -> str:
    if label_map.task == "regression":
        return "numbers"
    if label_map.encoding == "planes":
        return ", ".join(f"plane {number} → {name}" for number, name in enumerate(label_map.names))
    if label_map.encoding == "threshold":
        return ", ".join(
            f"from {format_value(row[0])} → {name}" for row, name in zip(label_map.values, label_map.names, strict=True)
        )
    parts = [
        f"{' '.join(format_value(value) for value in row[:4])}{' …' if len(row) > 4 else ''} → {name}"
        for row, name in zip(label_map.values, label_map.names, strict=True)
    ]
    parts += [f"{format_value(value)} → ignored" for value in label_map.ignore]
    return ", ".join(parts)


def _sureness(tables: Sequence[ValueTable], label_map: LabelMap) -> Sureness:
    values = [value for row in label_map.values for value in row]
    if label_map.encoding == "planes":
        return "certain"
    backwards = label_map.reading == "palette" and any(map(runs_backwards, tables))
    if label_map.encoding == "values" and not backwards:
        numbers: set[Any] = {value for value in values if not isinstance(value, tuple)}
        return "certain" if numbers in _PLAIN or numbers == set(range(len(numbers))) else "likely"
    return "likely"


def _line(label_map: LabelMap) -> str:
    if label_map.encoding == "planes" or label_map.task == "regression":
        return ""
    rows: list[list[Any]]
    if label_map.encoding == "threshold":
        cut = label_map.values[1][0]
        if not isinstance(cut, int):
            return ""
        rows = [[f"0-{cut - 1}"], [f"{cut}-{255 if cut <= 255 else 65535}"]]
    else:
        rows = [[_typed(value) for value in row] for row in label_map.values]
    return f"data.values={json.dumps(rows, separators=(',', ':'))}"


def _typed(value: Value | str) -> Any:
    return list(value) if isinstance(value, tuple) else value
