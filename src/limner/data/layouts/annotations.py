"""Layouts of annotations that other programs made: `coco`, `labelme`, `cvat`, `labelstudio`, `geojson`, `imagej`.

Layer: data. Drawn as masks once (`annotations.kept`), then read as the layout `converted`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from limner.data.annotations.convert import Wishes
from limner.data.annotations.formats import find_format
from limner.data.annotations.kept import keep_converted
from limner.data.annotations.overlaps import Policy
from limner.data.annotations.places import open_place
from limner.data.layouts.converted import find_converted
from limner.data.layouts.found import Found
from limner.data.layouts.listing import Listing
from limner.data.layouts.options import Options, check_options
from limner.errors import ConfigError
from limner.types import Progress

_OPTIONS = ("classes", "overlap", "images")


def is_annotated(place: str | Path, *, strict: bool = False) -> bool:
    """Whether a place holds annotations in a known format; a few files are looked at.

    Raises:
        DataError: One of them cannot be read, if `strict`.
    """
    return find_format(open_place(place).files, strict=strict) is not None


def read_annotated(place: str | Path, layout: str, options: Options, progress: Progress) -> Found:
    """Samples of annotated pictures.

    Args:
        place: A file, a folder or a zip.
        layout: A format, or `auto`.
        options: `classes`: names to take, by class id. `overlap`: who gets the pixels that shapes of
            different classes share (see `annotations.convert.Wishes`). `images`: where the pictures lie, if elsewhere.
        progress: Told of the pictures that are drawn.

    Raises:
        ConfigError: An impossible option.
        DataError: As `annotations.convert_annotations`.
    """
    check_options(options, _OPTIONS, "annotations" if layout == "auto" else layout)
    wishes = Wishes(None if layout == "auto" else layout, _classes(options), _overlap(options))
    kept = keep_converted(place, _images(options), wishes, progress)
    found = find_converted(Listing.open(kept.folder), {}, progress)
    assert found is not None
    pairing = replace(
        found.pairing, unmatched_masks=list(kept.missing), rule="pictures by the names that their annotations have"
    )
    return replace(found, layout=kept.kind, pairing=pairing, notes=(*kept.notes, *found.notes))


def _classes(options: Options) -> tuple[str, ...] | None:
    classes: Any = options.get("classes")
    if classes is None:
        return None
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ConfigError("a list of classes, such as [cell, nucleus]", f"{classes!r}", "Correct `classes`.")
    return tuple(classes)


def _overlap(options: Options) -> Policy:
    wanted: Any = options.get("overlap", "auto")
    for policy in get_args(Policy):
        if policy == wanted:
            return policy  # type: ignore[no-any-return]
    raise ConfigError(f"overlap: {', '.join(get_args(Policy))}", f"{wanted!r}", "Correct data.layout_options.")


def _images(options: Options) -> str | None:
    images: Any = options.get("images")
    if images is not None and not isinstance(images, str):
        raise ConfigError("a folder or zip of pictures", f"{images!r}", "Correct `images`.")
    return images
