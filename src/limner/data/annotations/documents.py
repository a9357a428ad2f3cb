"""Files of annotations, read safely: JSON, XML, and archives of ImageJ's outlines.

Layer: data. Whatever is wrong with a file's form becomes a `DataError` that names it: cut short, too
deep, of numbers that are none, or XML that declares entities, which can grow without bound.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeAlias
from xml.etree import ElementTree as ET

import numpy as np
import pydantic_core
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from limner.data.annotations.shapes import Ring
from limner.errors import DataError
from limner.images import Source, archive_contents, parse_location, read_bytes

SUFFIXES = frozenset({".json", ".geojson", ".xml", ".roi", ".zip"})
"""Suffixes, in lower case, of files that may hold annotations."""

_MOST_OUTLINES = 200_000
_MOST_BYTES = 2**28
_FARTHEST = 1e7

Coordinate: TypeAlias = Annotated[FiniteFloat, Field(ge=-_FARTHEST, le=_FARTHEST)]
"""A number of pixels or per cent, for models of formats; larger ones would overflow in sums."""


def read_document(location: str) -> Any:
    """What a file holds: of JSON its values, of XML its root, of ImageJ's files `{name: bytes}`.

    Raises:
        DataError: It is missing, damaged, or hostile.
    """
    place = parse_location(location)
    changed = (0, 0)
    if "://" not in location and Path(location).is_file():
        state = Path(location).stat()
        changed = (state.st_mtime_ns, state.st_size)
    suffix = PurePosixPath(place.path).suffix.lower()
    return _read(location, suffix, changed)


def forget_documents() -> None:
    """Let go of the last document, which may take much memory."""
    _read.cache_clear()


@functools.lru_cache(maxsize=1)  # recognised first, then read: one file's worth
def _read(location: str, suffix: str, changed: tuple[int, int]) -> Any:
    del changed  # part of the key
    if suffix == ".zip":
        return _read_outlines(location)
    data = read_bytes(location)
    if suffix == ".xml":
        return _read_xml(data, location)
    if suffix == ".roi":
        return {PurePosixPath(parse_location(location).path).name: data}
    try:
        return pydantic_core.from_json(data.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"whole JSON in '{location}'", str(error)[:200], "Export the annotations again, or remove the file."
        ) from None


class _Builder(ET.TreeBuilder):
    """Builds a tree, and refuses a document type: where entities would be declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse; no program writes one into annotations."""
        del pubid, system
        raise ValueError(f"it declares a document type '{name}', in which entities can grow without bound")


def _read_xml(data: bytes, location: str) -> ET.Element:
    try:
        return ET.fromstring(data, ET.XMLParser(target=_Builder()))  # noqa: S314 - no doctype passes
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DataError(
            f"whole XML without a document type in '{location}'",
            str(error)[:200],
            "Export the annotations again, or remove the file.",
        ) from None


def _read_outlines(location: str) -> dict[str, bytes]:
    """The outlines in an archive; none if it holds something else."""
    source = Source.open(location)
    names = [name for name in source.files() if name.lower().endswith(".roi")]
    members = [source.location(name) for name in names]
    if len(names) > _MOST_OUTLINES or archive_contents(source.place, names)[:, 1].sum() > _MOST_BYTES:
        raise DataError(
            f"at most {_MOST_OUTLINES:,} outlines of {_MOST_BYTES:,} bytes together in '{location}'",
            f"{len(names):,} outlines",
            "Save the outlines of each picture into an archive of its own.",
        )
    return {name: read_bytes(member) for name, member in zip(names, members, strict=True)}


def validate(kind: Any, value: Any, where: str, what: str) -> Any:
    """A value as the model of a format has it.

    Args:
        kind: A pydantic model, or a type of its fields.
        value: What the document holds.
        where: File, and place in it.
        what: The format, in words.

    Raises:
        DataError: It has not that form; says where and how.
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        # Of a value that may be of several kinds, the kind that it nearly is.
        nearest = max(error.errors(include_url=False, include_input=False), key=lambda one: len(one["loc"]))
        place = ".".join(str(part) for part in nearest["loc"] if not _is_kind(part))
        raise DataError(
            f"{what} in '{where}'",
            f"at {place or 'the top'}: {nearest['msg']}"[:200],
            "Export the annotations again, correct the entry, or remove the file.",
        ) from None


def _is_kind(part: int | str) -> bool:
    """Whether a part of a place is not a key but the name of a kind of value."""
    return isinstance(part, str) and (part.startswith(("_", "function-")) or "[" in part or part in ("str", "int"))


@functools.lru_cache(maxsize=64)
def _adapter(kind: Any) -> Any:
    return TypeAdapter(kind)


def to_ring(points: Iterable[Iterable[float]] | np.ndarray, where: str) -> Ring:
    """Points as an outline; a last one that repeats the first is left out.

    Raises:
        DataError: A coordinate is no number of a picture.
    """
    ring = np.asarray(points, np.float64).reshape(-1, 2)
    if not (np.abs(ring) <= _FARTHEST).all():
        raise DataError(
            f"coordinates within ±{_FARTHEST:,.0f} pixels at {where}",
            "one that is not",
            "Correct the shape, or remove it.",
        )
    if len(ring) > 1 and (ring[0] == ring[-1]).all():
        ring = ring[:-1]
    return ring
