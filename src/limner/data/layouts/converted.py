"""The layout `converted`: what `limner convert` writes, and `limner serve --save` where masks have several planes.

Layer: data.

    samples.csv       columns id, image, mask, and split if the annotations say one
    conversion.json   classes with names and colours, and what their masks hold

What was saved by hand may have several targets. Then the columns are `target.NAME`, and the description has a part
`targets`, with classes for each.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
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
from limner.types import IGNORE, Color, Progress, Task

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
            return replace(_labelled(find_manifest_in(listing, table), content), layout="converted")
    return None


def with_labels(found: Found, folder: Path) -> Found:
    """Samples of a table, with the classes that a conversion left beside it."""
    content = _read(str(folder / CONVERSION))
    return found if content is None else _labelled(found, content)


def _labelled(found: Found, content: Mapping[str, Any]) -> Found:
    """Samples with what the masks of their targets mean, unless the description is of other ones."""
    labels, targets = _label_maps(content), found.catalog.targets
    if not targets.keys() <= labels.keys():
        return found
    return replace(found, labels={name: labels[name] for name in targets})


def describe_saved(targets: Mapping[str, tuple[Task, Sequence[str], Sequence[Color]]]) -> dict[str, Any]:
    """The content of `conversion.json` beside masks that were saved by hand; pixels may be `IGNORE` but in planes.

    Args:
        targets: Task, names and colours by class id of each; a plane of 0 and 255 for each class of a multilabel one.
    """
    parts = {}
    for name, (task, names, colors) in targets.items():
        first = 0 if task == "multilabel" else 1
        classes = [
            {"name": label, "color": list(color)} for label, color in list(zip(names, colors, strict=True))[first:]
        ]
        parts[name] = {"task": task, "classes": classes, "ignored": bool(first)}
    return {"format": SIGNATURE, "version": 1, "targets": parts}


def _read(location: str) -> dict[str, Any] | None:
    """The description of a conversion; None if there is none, or one of something else."""
    try:
        content = json.loads(read_bytes(location))
    except (DataError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == SIGNATURE else None


def _label_maps(content: Mapping[str, Any]) -> dict[str, LabelMap]:
    """What the masks of each target mean."""
    try:
        if content["version"] != 1:
            raise ValueError(f"version {content['version']}")
        if "targets" in content:
            because = "as it was saved with limner serve --save"
            return {str(name): _label_map(part, because) for name, part in content["targets"].items()}
        because = f"as limner convert drew them from annotations ({content['annotations']})"
        return {"mask": _label_map(content, because)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the classes of a conversion in {CONVERSION}",
            f"{type(error).__name__}: {error}",
            "Convert again, or restore the file.",
        ) from None


def _label_map(content: Mapping[str, Any], because: str) -> LabelMap:
    names = [str(one["name"]) for one in content["classes"]]
    colors = [_color(one["color"]) for one in content["classes"]]
    planes = content["task"] == "multilabel"
    return LabelMap(
        task=content["task"],
        names=tuple(names) if planes else ("background", *names),
        colors=tuple(colors) if planes else (BACKGROUND, *colors),
        encoding="planes" if planes else "values",
        values=tuple((number,) for number in range(len(names) + (not planes))),
        ignore=(IGNORE,) if content["ignored"] and not planes else (),
        because=because,
    )


def _color(value: Any) -> Color:
    red, green, blue = (int(part) for part in value)
    return red, green, blue
