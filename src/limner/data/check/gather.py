"""One pass over the decoded pictures and masks, from which all detectors live.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from limner.data.catalog import Catalog
from limner.data.check.features import Features, describe
from limner.data.check.store import Store
from limner.data.digests import digest, digest_text, is_stated
from limner.data.inputs import check_same_size, join_pictures
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location, image_locations, picture_size
from limner.data.stored_masks import mask_files
from limner.errors import DataError
from limner.images import read_image, read_info
from limner.threads import ordered_map
from limner.types import Progress

_WORDS = dict.fromkeys(("names", "colors", "because", "unit", "low", "high"))  # of a label map; they change no pixel
_PREFIX = "facts."

Result: TypeAlias = "tuple[Features, FileFacts] | DataError"


@dataclass(frozen=True)
class FileFacts:
    """What the files of a sample say beside their pixels; with a leading axis, of many samples.

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

    @classmethod
    def stack(cls, samples: Sequence[FileFacts]) -> FileFacts:
        """Of many samples, from one each; there must be at least one."""
        return cls(**{part.name: np.stack([getattr(facts, part.name) for facts in samples]) for part in fields(cls)})


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
    """Decode every sample once, or take what was found before in the same files.

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
    results: list[tuple[Features, FileFacts]] = []
    problems: list[tuple[str, DataError]] = []
    for index, result in enumerate(ordered_map(look, range(len(catalog)))):
        if isinstance(result, DataError):
            problems.append((catalog.ids[index], result))
        else:
            kept.append(index)
            results.append(result)
        if progress is not None:
            progress("check", index + 1, len(catalog))
    if not results:
        return problems
    return Gathered(
        catalog=catalog if len(kept) == len(catalog) else catalog.subset(kept),
        features=Features.stack([features for features, _ in results]),
        facts=FileFacts.stack([facts for _, facts in results]),
        problems=tuple(problems),
    )


def _looker(catalog: Catalog, label_maps: Mapping[str, LabelMap], store: Store) -> Callable[[int], Result]:
    maps = json.dumps({name: label_map.to_dict() | _WORDS for name, label_map in label_maps.items()}, sort_keys=True)

    def look(index: int) -> Result:
        try:
            key = _key(catalog, index, maps)
            known = store.get(key) if key else None
            if known is not None:
                return Features.from_arrays(known), _facts_from(known)
            features, facts = _describe(catalog, index, label_maps)
        except DataError as error:
            return error
        if key:
            store.put(key, features.to_arrays() | {_PREFIX + name: value for name, value in _columns(facts).items()})
        return features, facts

    return look


def _key(catalog: Catalog, index: int, maps: str) -> str:
    """Key in the store: what the files hold and how the masks are read; empty where the files are not known."""
    if not {"hash", "target_hash"} <= set(catalog.facts) or not catalog.facts["hash"][index]:
        return ""
    found = [catalog.facts[name][index] for name in ("hash", "target_hash")]
    if any(map(is_stated, found)):
        found = [digest(column[index] for column in kind.values()) for kind in (catalog.inputs, catalog.targets)]
    return digest_text(" ".join([*found, maps]))


def _describe(catalog: Catalog, index: int, label_maps: Mapping[str, LabelMap]) -> tuple[Features, FileFacts]:
    locations = image_locations(catalog, index)
    images = [without_opacity(read_image(location)) for location in locations.values()]
    check_same_size({where: picture_size(image) for where, image in zip(locations.values(), images, strict=True)})
    image = join_pictures(images)
    masks = {
        name: read_target(catalog.targets[name][index], label_map) if catalog.targets[name][index] else None
        for name, label_map in label_maps.items()
    }
    # The headers agreed when they were read; the files may have changed since.
    check_same_size(
        {image_location(catalog, index): picture_size(image)}
        | {catalog.targets[name][index]: picture_size(mask) for name, mask in masks.items() if mask is not None}
    )
    files = [locations[index] for locations in catalog.targets.values() if locations[index]]
    return describe(image, masks, label_maps), FileFacts(
        orientation=np.array(read_info(image_location(catalog, index)).orientation, np.int64),
        mask_orientation=np.array(read_info(mask_files(files[0])[0]).orientation if files else 1, np.int64),
        grey=np.array(all(map(_is_grey, images))),
        flat=np.array(_flat_channels(image), np.int64),
    )


def without_opacity(image: Shaped[np.ndarray, "height width channels"]) -> Shaped[np.ndarray, "height width _"]:
    """A picture without its opacity channel, which one of 8 bits has that has two channels, or four."""
    return image[..., :-1] if image.shape[2] in (2, 4) and image.dtype == np.uint8 else image


def _is_grey(image: Shaped[np.ndarray, "height width channels"]) -> bool:
    first = image[..., 0]
    return image.shape[2] < 3 or (image.shape[2] == 3 and all(np.array_equal(first, image[..., k]) for k in (1, 2)))


def _flat_channels(image: Shaped[np.ndarray, "height width channels"]) -> int:
    flat = sum(bool((plane == plane.flat[0]).all()) for plane in np.moveaxis(image, 2, 0))
    return flat if flat < image.shape[2] else 0


def _columns(facts: FileFacts) -> dict[str, Any]:
    return {part.name: getattr(facts, part.name) for part in fields(facts)}


def _facts_from(arrays: Mapping[str, np.ndarray]) -> FileFacts:
    return FileFacts(**{part.name: arrays[_PREFIX + part.name] for part in fields(FileFacts)})
