"""The layout `converted`: what `limner convert` writes.

Layer: data.

    samples.csv       columns id, image, mask, and split if the annotations say one
    conversion.json   classes with names and colours, and what their masks hold
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from limner.data.annotations.names import CONVERSION, SAMPLES, SIGNATURE
from limner.data.class_colors import BACKGROUND
from limner.data.labels import LabelMap
from limner.data.layouts.found import Found
from limner.data.layouts.listing import Listing, folder_of
from limner.data.layouts.manifest import find_manifest_in
from limner.data.layouts.options import Options, check_options
from limner.errors import DataError
from limner.images import read_bytes
from limner.types import IGNORE, Color, Progress

EXPECTED = f"a folder that limner convert made, with {SAMPLES} and {CONVERSION}"


def find_converted(listing: Listing, options: Options, progress: Progress) -> Found | None:
    """Samples of a conversion; None of any other place.

    Raises:
        ConfigError: Options, of which it has none.
        DataError: A file that the table names is not there, or the description of the classes is damaged.
    """
    for table in listing.tables:
        if posixpath.basename(table) != SAMPLES:
            continue
        content = _read(listing.source.location(posixpath.join(folder_of(table), CONVERSION)))
        if content is not None:
            check_options(options, (), "converted")
            found = find_manifest_in(listing, table)
            return replace(found, layout="converted", labels={"mask": _label_map(content)})
    return None


def with_labels(found: Found, folder: Path) -> Found:
    """Samples of a table, with the classes that a conversion left beside it."""
    content = _read(str(folder / CONVERSION))
    if content is None or list(found.catalog.targets) != ["mask"]:
        return found
    return replace(found, labels={"mask": _label_map(content)})


def _read(location: str) -> dict[str, Any] | None:
    """The description of a conversion; None if there is none, or one of something else."""
    try:
        content = json.loads(read_bytes(location))
    except (DataError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == SIGNATURE else None


def _label_map(content: Mapping[str, Any]) -> LabelMap:
    try:
        names = [str(one["name"]) for one in content["classes"]]
        colors = [_color(one["color"]) for one in content["classes"]]
        planes = content["task"] == "multilabel"
        if content["version"] != 1:
            raise ValueError(f"version {content['version']}")
        return LabelMap(
            task=content["task"],
            names=tuple(names) if planes else ("background", *names),
            colors=tuple(colors) if planes else (BACKGROUND, *colors),
            encoding="planes" if planes else "values",
            values=tuple((number,) for number in range(len(names) + (not planes))),
            ignore=(IGNORE,) if content["ignored"] and not planes else (),
            because=f"as limner convert drew them from annotations ({content['annotations']})",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the classes of a conversion in {CONVERSION}", f"{type(error).__name__}: {error}", "Convert again."
        ) from None


def _color(value: Any) -> Color:
    red, green, blue = (int(part) for part in value)
    return red, green, blue
