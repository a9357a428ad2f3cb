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
from limner.data.digests import digest_text
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location
from limner.data.scan import Progress
from limner.data.stored_masks import mask_files
from limner.errors import DataError
from limner.images import read_image, read_info
from limner.threads import ordered_map

_WORDS = dict.fromkeys(("names", "colors", "because"))  # of a label map; they change no pixel
_PREFIX = "facts."

Result: TypeAlias = "tuple[Features, FileFacts] | DataError"


@dataclass(frozen=True)
class FileFacts:
    """What the files of a sample say beside their pixels; with a leading axis, of many samples.

    Attributes:
        orientation: EXIF orientation of the image, 1 to 8.
        mask_orientation: EXIF orientation of its first mask, 1 where there is none.
        grey: Whether the image has three channels or more and red, green and blue are the same.
        flat: Channels that hold one value alone, where others do not.
        alpha: Whether it has an opacity channel that is not opaque throughout.
    """

    orientation: Int64[np.ndarray, " *samples"]
    mask_orientation: Int64[np.ndarray, " *samples"]
    grey: Bool[np.ndarray, " *samples"]
    flat: Int64[np.ndarray, " *samples"]
    alpha: Bool[np.ndarray, " *samples"]

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
        key = _key(catalog, index, maps)
        known = store.get(key) if key else None
        if known is not None:
            return Features.from_arrays(known), _facts_from(known)
        try:
            features, facts = _describe(catalog, index, label_maps)
        except DataError as error:
            return error
        if key:
            store.put(key, features.to_arrays() | {_PREFIX + name: value for name, value in _columns(facts).items()})
        return features, facts

    return look


def _key(catalog: Catalog, index: int, maps: str) -> str:
    contents = [catalog.facts[name][index] for name in ("hash", "target_hash") if name in catalog.facts]
    return digest_text(" ".join([*contents, maps])) if len(contents) == 2 and contents[0] else ""


def _describe(catalog: Catalog, index: int, label_maps: Mapping[str, LabelMap]) -> tuple[Features, FileFacts]:
    location = image_location(catalog, index)
    image = read_image(location)
    masks = {
        name: read_target(catalog.targets[name][index], label_map) if catalog.targets[name][index] else None
        for name, label_map in label_maps.items()
    }
    files = [locations[index] for locations in catalog.targets.values() if locations[index]]
    return describe(image, masks, label_maps), FileFacts(
        orientation=np.array(read_info(location).orientation, np.int64),
        mask_orientation=np.array(read_info(mask_files(files[0])[0]).orientation if files else 1, np.int64),
        **_channel_facts(image),
    )


def _channel_facts(image: Shaped[np.ndarray, "height width channels"]) -> dict[str, Any]:
    channels = image.shape[2]
    alpha = image[..., -1] if channels in (2, 4) and image.dtype == np.uint8 else None
    colors = image[..., : channels - (alpha is not None)]
    flat = sum(bool((plane == plane.flat[0]).all()) for plane in np.moveaxis(colors, 2, 0))
    first = colors[..., 0]
    return {
        "grey": np.array(colors.shape[2] == 3 and all(np.array_equal(first, colors[..., k]) for k in (1, 2))),
        "flat": np.array(flat if flat < colors.shape[2] else 0, np.int64),
        "alpha": np.array(alpha is not None and bool((alpha != alpha.flat[0]).any())),
    }


def _columns(facts: FileFacts) -> dict[str, Any]:
    return {part.name: getattr(facts, part.name) for part in fields(facts)}


def _facts_from(arrays: Mapping[str, np.ndarray]) -> FileFacts:
    return FileFacts(**{part.name: arrays[_PREFIX + part.name] for part in fields(FileFacts)})
