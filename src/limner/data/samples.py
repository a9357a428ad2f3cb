"""Decoded samples by number, whether they come from a cache or from the files.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Integer, Shaped

from limner.data.catalog import Catalog
from limner.data.inputs import check_same_size, join_pictures
from limner.data.labels import LabelMap, read_target
from limner.data.stored_masks import read_stored
from limner.errors import DataError
from limner.images import read_image, read_info, resize_image, resize_mask, to_channels
from limner.threads import THREADS
from limner.types import IGNORE, Size


@dataclass(frozen=True)
class Taken:
    """Some samples, decoded. The arrays may be read-only views of a cache.

    Attributes:
        images: `height width channels` each; the channels of several inputs one after the other.
        targets: Per target `height width` uint8 ids, `height width classes` uint8 planes, or for
            regression `height width` float32 numbers in the unit, NaN where unknown.
    """

    images: list[Shaped[np.ndarray, "_ _ channels"]]
    targets: dict[str, list[Shaped[np.ndarray, "_ _ *classes"]]]

    def stacked(
        self,
    ) -> tuple[
        Shaped[np.ndarray, "batch height width channels"], dict[str, Shaped[np.ndarray, "batch height width *classes"]]
    ]:
        """One contiguous writable array of the images and of each target; sizes must agree."""
        return np.stack(self.images), {name: np.stack(arrays) for name, arrays in self.targets.items()}


@runtime_checkable
class Samples(Protocol):
    """Decoded samples by number, in the order of the catalog."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids."""

    @property
    def uniform(self) -> bool:
        """Whether all samples have one size, so that any of them can be stacked."""

    def __len__(self) -> int: ...

    def size(self, index: int) -> Size:
        """Height and width of a sample as `take` gives it."""

    def take(self, indices: Integer[np.ndarray, " batch"]) -> Taken:
        """The samples with these numbers, in this order.

        Raises:
            DataError: A file cannot be read or holds what the label map does not know.
        """


@dataclass(frozen=True)
class Decoding:
    """How files become arrays.

    Attributes:
        channels: Channels of the images, those of all inputs together.
        dtype: `uint8`, `uint16` or `float32`; images must have it.
        size: Working size; None keeps the size of each image.
        parts: Channels by input, in their order; empty where there is one input.
    """

    channels: int
    dtype: str
    size: Size | None
    parts: Mapping[str, int] = field(default_factory=dict)

    def image(self, location: str, part: str = "") -> Shaped[np.ndarray, "height width channels"]:
        """Read one image.

        Args:
            location: Where it lies.
            part: The input that it is, where there are several.

        Raises:
            DataError: Unreadable, of another dtype, with colours where grey is wanted, or not finite.
        """
        image = read_image(location)
        if str(image.dtype) != self.dtype:
            raise DataError(
                f"images of {self.dtype}, as the others", f"'{location}' is {image.dtype}", "Convert the image."
            )
        if image.dtype == np.float32 and not np.isfinite(image).all():
            raise DataError(
                "finite numbers in images", f"NaN or infinity in '{location}'", "Replace them or leave the image out."
            )
        image = to_channels(image, self.parts.get(part, self.channels), where=f"'{location}'")
        return image if self.size in (None, image.shape[:2]) else resize_image(image, self.size)

    def target(
        self, location: str, label_map: LabelMap, image_size: Size
    ) -> Shaped[np.ndarray, "height width *classes"]:
        """Read one mask as class ids, or one map of numbers; a missing one (an empty location) takes no part.

        Args:
            location: Location of the mask.
            label_map: How its values become class ids or numbers.
            image_size: Size of the image as `image` gave it.

        Raises:
            DataError: Unreadable, an unknown value, or of another size than its image.
        """
        if not location and label_map.task == "regression":
            return np.full(image_size, np.nan, np.float32)
        if not location:
            planes = (label_map.num_classes,) if label_map.task == "multilabel" else ()
            return np.full((*image_size, *planes), IGNORE, np.uint8)
        return self._fitted(read_target(location, label_map), location, image_size)

    def numbers(self, location: str, label_map: LabelMap, image_size: Size) -> Shaped[np.ndarray, "height width"]:
        """Read the stored numbers of a regression target, of the dtype that the label map says holds them all.

        Raises:
            DataError: As `target`, or the numbers are of a wider type.
        """
        numbers = label_map.numbers(read_stored(location), location)
        if not np.can_cast(numbers.dtype, label_map.stored):
            raise DataError(
                f"numbers of {label_map.stored}, as in the others", f"'{location}' holds {numbers.dtype}", "Convert it."
            )
        return self._fitted(numbers.astype(label_map.stored, copy=False), location, image_size)

    def _fitted(
        self, target: Shaped[np.ndarray, "_ _ *classes"], location: str, image_size: Size
    ) -> Shaped[np.ndarray, "height width *classes"]:
        if self.size is not None:
            return target if target.shape[:2] == self.size else resize_mask(target, self.size)
        if target.shape[:2] != image_size:
            raise DataError(
                f"a mask has the size of its image ({image_size[0]}×{image_size[1]})",
                f"'{location}' is {target.shape[0]}×{target.shape[1]}",
                "Correct the mask, or leave the sample out.",
            )
        return target

    def sample(
        self, catalog: Catalog, label_maps: Mapping[str, LabelMap], index: int
    ) -> tuple[Shaped[np.ndarray, "height width channels"], dict[str, Shaped[np.ndarray, "height width *_"]]]:
        """Read the image, which several inputs are joined to, and all masks of one sample.

        Raises:
            DataError: As `image` and `target`, or inputs of different sizes.
        """
        locations = image_locations(catalog, index)
        images = [self.image(location, part) for part, location in locations.items()]
        check_same_size({where: picture_size(image) for where, image in zip(locations.values(), images, strict=True)})
        image = join_pictures(images)
        size = picture_size(image)
        targets = {
            name: self.target(catalog.targets[name][index], label_map, size) for name, label_map in label_maps.items()
        }
        return image, targets


def image_location(catalog: Catalog, index: int) -> str:
    """Location of a sample's image; of several inputs the first."""
    return next(iter(catalog.inputs.values()))[index]


def image_locations(catalog: Catalog, index: int) -> dict[str, str]:
    """Location of each input of a sample, by the input's name."""
    return {name: column[index] for name, column in catalog.inputs.items()}


def picture_size(picture: Shaped[np.ndarray, "height width *channels"]) -> Size:
    """Height and width of a decoded picture."""
    return picture.shape[0], picture.shape[1]


def working_sizes(catalog: Catalog, size: Size | None) -> Int64[np.ndarray, "samples 2"]:
    """Height and width of every sample once decoded, from the catalog's facts or the files' headers."""
    if size is not None:
        return np.tile(np.array(size, np.int64), (len(catalog), 1))
    if "height" in catalog.facts and "width" in catalog.facts:
        return np.array([catalog.facts["height"], catalog.facts["width"]], dtype=np.int64).T
    sizes = [read_info(image_location(catalog, index)).size for index in range(len(catalog))]
    return np.array(sizes, np.int64).reshape(-1, 2)


class DirectSamples:
    """Samples decoded whenever they are asked for, on a few threads.

    Args:
        catalog: The samples.
        label_maps: Label map per target to read.
        decoding: How files become arrays.
    """

    def __init__(self, catalog: Catalog, label_maps: Mapping[str, LabelMap], decoding: Decoding) -> None:
        self._catalog = catalog
        self._label_maps = dict(label_maps)
        self._decoding = decoding
        self._sizes = working_sizes(catalog, decoding.size)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="limner-decode")

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids."""
        return tuple(self._catalog.ids)

    @property
    def uniform(self) -> bool:
        """Whether all samples have one size."""
        return bool((self._sizes == self._sizes[:1]).all())

    def __len__(self) -> int:
        return len(self._catalog)

    def size(self, index: int) -> Size:
        """Height and width of a sample as `take` gives it."""
        return int(self._sizes[index, 0]), int(self._sizes[index, 1])

    def take(self, indices: Integer[np.ndarray, " batch"]) -> Taken:
        """The samples with these numbers, in this order.

        Raises:
            DataError: A file cannot be read or holds what the label map does not know.
        """
        decoded = list(self._pool.map(self._decode, indices.tolist()))
        return Taken(
            images=[image for image, _ in decoded],
            targets={name: [targets[name] for _, targets in decoded] for name in self._label_maps},
        )

    def _decode(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return self._decoding.sample(self._catalog, self._label_maps, index)


class SomeSamples:
    """Some of decoded samples, which several trainings share.

    Args:
        samples: All of them.
        chosen: Positions of those that are taken, in this order.
    """

    def __init__(self, samples: Samples, chosen: Integer[np.ndarray, " chosen"]) -> None:
        self._samples = samples
        self._chosen = chosen

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids."""
        return tuple(self._samples.ids[index] for index in self._chosen.tolist())

    @property
    def uniform(self) -> bool:
        """Whether all samples have one size, also those that are not taken."""
        return self._samples.uniform

    def __len__(self) -> int:
        return len(self._chosen)

    def size(self, index: int) -> Size:
        """Height and width of a sample."""
        return self._samples.size(int(self._chosen[index]))

    def take(self, indices: Integer[np.ndarray, " batch"]) -> Taken:
        """The samples with these numbers, in this order."""
        return self._samples.take(self._chosen[indices])
