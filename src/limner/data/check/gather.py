"""One pass over the decoded pictures and masks, from which all detectors live.

Layer: data. Imports no torch.

A picture is described while its file is open for the first time (see `Memory`), its mask once it is known what
the values of all masks mean. Both are kept by content, so that only what changed is decoded again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from limner.data.catalog import Catalog
from limner.data.check.features import Features, MaskFeatures, describe, describe_mask
from limner.data.digests import digest, digest_text, is_stated
from limner.data.file_hashes import FileHashes
from limner.data.inputs import check_same_size, join_pictures
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location, image_locations, picture_size
from limner.data.store import Store
from limner.data.stored_masks import mask_files
from limner.errors import DataError
from limner.images import read_image, read_info, reading_once
from limner.threads import ordered_map
from limner.types import Progress, Size

_WORDS = dict.fromkeys(("names", "colors", "because", "unit", "low", "high"))  # of a label map; they change no pixel
_FACTS = "facts."
_FEW = 16  # rows and columns from one pixel to the next that is looked at first

Arrays: TypeAlias = dict[str, np.ndarray]


@dataclass(frozen=True)
class FileFacts:
    """What the files of samples say beside their pixels.

    Attributes:
        orientation: EXIF orientation of the image, 1 to 8; of several inputs that of the first.
        mask_orientation: EXIF orientation of its first mask, 1 where there is none.
        grey: Whether the image has no colours: fewer than three channels, or red, green and blue the same.
        flat: Channels that hold one value alone, where others do not.
    """

    orientation: Int64[np.ndarray, " *samples"]
    mask_orientation: Int64[np.ndarray, " *samples"]
    grey: Bool[np.ndarray, " *samples"]
    flat: Int64[np.ndarray, " *samples"]


@dataclass(frozen=True)
class Gathered:
    """What one pass over the samples gave.

    Attributes:
        catalog: The samples that could be decoded.
        features: Their features, in the same order.
        facts: What their files say, in the same order.
        problems: Id of each other sample, and why it could not be decoded.
    """

    catalog: Catalog
    features: Features
    facts: FileFacts
    problems: tuple[tuple[str, DataError], ...]


def gather(
    catalog: Catalog, label_maps: Mapping[str, LabelMap], store: Store, progress: Progress | None = None
) -> Gathered | list[tuple[str, DataError]]:
    """Take what is known of every sample, and decode the others.

    Args:
        catalog: The samples; with facts `hash` and `target_hash`, entries of the store are used.
        label_maps: Label map per target to read.
        store: Where features are kept.
        progress: Told about every sample, as stage `check`.

    Returns:
        What was gathered; the problems alone where no sample could be decoded.
    """
    look = _looker(catalog, label_maps, store)
    kept: list[int] = []
    columns: Arrays = {}
    problems: list[tuple[str, DataError]] = []
    for index, result in enumerate(ordered_map(look, range(len(catalog)))):
        if isinstance(result, DataError):
            problems.append((catalog.ids[index], result))
        else:
            _set_row(columns, len(kept), result, len(catalog))
            kept.append(index)
        if progress is not None:
            progress("check", index + 1, len(catalog))
    if not kept:
        return problems
    columns = {name: column[: len(kept)] for name, column in columns.items()}
    return Gathered(
        catalog=catalog if len(kept) == len(catalog) else catalog.subset(kept),
        features=Features.from_arrays(columns),
        facts=FileFacts(**{part.name: columns[_FACTS + part.name] for part in fields(FileFacts)}),
        problems=tuple(problems),
    )


def _set_row(columns: Arrays, row: int, values: Arrays, rows: int) -> None:
    """Write a sample straight into the columns of all: a list of samples would take the memory twice."""
    for name, value in values.items():
        if name not in columns:
            columns[name] = np.empty((rows, *value.shape), value.dtype)
        columns[name][row] = value


def _looker(catalog: Catalog, label_maps: Mapping[str, LabelMap], store: Store) -> Callable[[int], Arrays | DataError]:
    maps = {name: json.dumps(label_map.to_dict() | _WORDS, sort_keys=True) for name, label_map in label_maps.items()}
    hashes = FileHashes(store)

    def look(index: int) -> Arrays | DataError:
        try:
            with reading_once():
                contents = _contents(catalog, index, hashes)
                found = picture_of(catalog, index, contents[0], store)
                for name, label_map in label_maps.items():
                    found = found | _mask_of(catalog, index, contents[1], name, label_map, maps[name], store)
                return found | {_FACTS + "mask_orientation": _mask_orientation(catalog, index, found)}
        except DataError as error:
            return error

    return look


def _contents(catalog: Catalog, index: int, hashes: FileHashes) -> tuple[str, str]:
    """Hashes of what the images and the masks of a sample hold; empty where they are not known."""
    if not {"hash", "target_hash"} <= set(catalog.facts) or not catalog.facts["hash"][index]:
        return "", ""
    image, mask = (catalog.facts[name][index] for name in ("hash", "target_hash"))
    if is_stated(image) or is_stated(mask):
        image, mask = (
            digest((column[index] for column in kind.values()), hashes) for kind in (catalog.inputs, catalog.targets)
        )
    return image, mask


def picture_of(catalog: Catalog, index: int, content: str, store: Store) -> Arrays:
    """What is kept of the image of a sample, as named arrays: from the store, or decoded and put there.

    Args:
        catalog: The samples.
        index: Position of the sample.
        content: Hash of its inputs; empty where it is not known, and nothing is to be kept.
        store: Where it is kept.

    Raises:
        DataError: An input cannot be decoded, or inputs differ in size.
    """
    key = f"picture {content}"
    known = store.get(key) if content else None
    if known is not None:
        return known
    locations = image_locations(catalog, index)
    images = [without_opacity(read_image(location)) for location in locations.values()]
    check_same_size({where: picture_size(image) for where, image in zip(locations.values(), images, strict=True)})
    image = join_pictures(images)
    found = describe(image, {}, {}).to_arrays() | {
        _FACTS + "orientation": np.array(read_info(image_location(catalog, index)).orientation, np.int64),
        _FACTS + "grey": np.array(all(map(_is_grey, images))),
        _FACTS + "flat": np.array(_flat_channels(image), np.int64),
    }
    if content:
        store.put(key, found)
    return found


def _mask_of(
    catalog: Catalog, index: int, content: str, target: str, label_map: LabelMap, map_text: str, store: Store
) -> Arrays:
    """What is kept of one mask of a sample, likewise; the name of its target is part of the names."""
    present = [name for name, locations in catalog.targets.items() if locations[index]]
    if target not in present:
        return _named(MaskFeatures.absent(label_map.num_classes), target)
    key = f"mask {digest_text(json.dumps([content, present, target, map_text]))}"
    known = store.get(key) if content else None
    if known is not None:
        return known
    location = catalog.targets[target][index]
    orientation = read_info(mask_files(location)[0]).orientation
    mask = read_target(location, label_map)
    # The headers agreed when they were read; the file may have changed since.
    check_same_size({image_location(catalog, index): _stated_size(catalog, index, mask), location: picture_size(mask)})
    found = _named(describe_mask(mask, label_map), target) | {
        f"{_FACTS}orientation.{target}": np.array(orientation, np.int64)
    }
    if content:
        store.put(key, found)
    return found


def _stated_size(catalog: Catalog, index: int, mask: np.ndarray) -> Size:
    """Size of the image as its header said; the mask's where that was not noted."""
    if not {"height", "width"} <= set(catalog.facts):
        return picture_size(mask)
    return int(catalog.facts["height"][index]), int(catalog.facts["width"][index])


def _named(mask: MaskFeatures, target: str) -> Arrays:
    return {f"mask.{part.name}.{target}": getattr(mask, part.name) for part in fields(mask)}


def _mask_orientation(catalog: Catalog, index: int, found: Arrays) -> Shaped[np.ndarray, ""]:
    """EXIF orientation of the first mask of a sample, 1 where it has none."""
    files = {name: locations[index] for name, locations in catalog.targets.items() if locations[index]}
    if not files:
        return np.array(1, np.int64)
    name, location = next(iter(files.items()))
    known = found.get(f"{_FACTS}orientation.{name}")
    return np.array(read_info(mask_files(location)[0]).orientation, np.int64) if known is None else known


def without_opacity(image: Shaped[np.ndarray, "height width channels"]) -> Shaped[np.ndarray, "height width _"]:
    """A picture without its opacity channel, which one of 8 bits has that has two channels, or four."""
    return image[..., :-1] if image.shape[2] in (2, 4) and image.dtype == np.uint8 else image


def _is_grey(image: Shaped[np.ndarray, "height width channels"]) -> bool:
    # A few pixels settle it for nearly every picture in colour.
    return image.shape[2] < 3 or (image.shape[2] == 3 and all(map(_alike, (image[::_FEW, ::_FEW], image))))


def _alike(image: Shaped[np.ndarray, "height width channels"]) -> bool:
    return all(np.array_equal(image[..., 0], image[..., channel]) for channel in (1, 2))


def _flat_channels(image: Shaped[np.ndarray, "height width channels"]) -> int:
    flat = sum(map(_is_flat, np.moveaxis(image, 2, 0)))
    return flat if flat < image.shape[2] else 0


def _is_flat(plane: Shaped[np.ndarray, "height width"]) -> bool:
    return all(bool((part == plane.flat[0]).all()) for part in (plane[::_FEW, ::_FEW], plane))
