"""Backgrounds and cut-outs for `compose`, checked before anything is written.

Layer: workflow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.errors import DataError, shorten
from limner.images import read_image, read_info, resize_image, to_channels
from limner.inference.sources import Picture, find_pictures, result_names
from limner.render import LARGEST, shrink, trim
from limner.threads import ordered_map
from limner.types import Size

_ODD = re.compile(r"[/\\]+|_{2,}")


@dataclass(frozen=True)
class Background:
    """A background to place cut-outs on.

    Attributes:
        name: What composites call it.
        location: Where it lies.
        size: Height and width that it is cut and scaled to.
    """

    name: str
    location: str
    size: Size

    def read(self) -> UInt8[np.ndarray, "height width 3"]:
        """Its colours, cut around the middle to the proportions of `size` and scaled to it.

        Raises:
            DataError: It cannot be read.
        """
        image = _eight_bits(read_image(self.location))
        image = to_channels(image[..., :1] if image.shape[2] < 3 else image[..., :3], 3)
        height, width = image.shape[:2]
        share = min(height / self.size[0], width / self.size[1])
        rows, columns = round(self.size[0] * share), round(self.size[1] * share)
        top, left = (height - rows) // 2, (width - columns) // 2
        return resize_image(np.ascontiguousarray(image[top : top + rows, left : left + columns]), self.size)


@dataclass(frozen=True)
class Cutout:
    """A thing to place, without the transparent border around it."""

    name: str
    pixels: UInt8[np.ndarray, "height width 4"]


def find_backgrounds(place: str | Path, out: Path, size: Size | None) -> list[Background]:
    """The backgrounds of a place, in natural order.

    Raises:
        DataError: There is none, or one cannot be read.
    """
    pictures = find_pictures([place], leave_out=out).pictures
    infos = ordered_map(lambda picture: read_info(picture.location), pictures)
    return [
        Background(name, picture.location, size or info.size)
        for name, picture, info in zip(_names(pictures), pictures, infos, strict=True)
    ]


def find_cutouts(place: str | Path, out: Path, background: Size) -> list[Cutout]:
    """The cut-outs of a place, in natural order, decoded and no larger than the largest background needs.

    Raises:
        DataError: There is none, some have no opacity channel, or one cannot be read.
    """
    pictures = find_pictures([place], leave_out=out).pictures
    decoded = list(ordered_map(lambda picture: _cutout(picture, background), pictures))
    wrong = [f"'{picture.name}'" for picture, pixels in zip(pictures, decoded, strict=True) if pixels is None]
    if wrong:
        raise DataError(
            "cut-outs: pictures whose opacity channel is transparent outside the thing",
            f"{len(wrong):,} of {len(pictures):,} without transparency",
            "Remove their background and save them as PNG or WebP with transparency, or leave them out.",
            details=shorten(wrong),
        )
    return [Cutout(name, pixels) for name, pixels in zip(_names(pictures), decoded, strict=True) if pixels is not None]


def _cutout(picture: Picture, background: Size) -> UInt8[np.ndarray, "height width 4"] | None:
    image = _eight_bits(read_image(picture.location))
    if image.shape[2] == 2:
        image = np.concatenate([np.repeat(image[..., :1], 3, axis=2), image[..., 1:]], axis=2)
    if image.shape[2] != 4 or (image[..., 3] == 255).all():
        return None
    pixels = trim(image, picture.name)
    largest = (max(1, round(LARGEST * background[0])), max(1, round(LARGEST * background[1])))
    return shrink(pixels, largest)


def _eight_bits(image: Shaped[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width channels"]:
    if image.dtype == np.uint16:
        return (image // 257).astype(np.uint8)
    if image.dtype == np.float32:
        return np.asarray(np.clip(np.nan_to_num(image), 0, 1) * 255, np.uint8)
    return image


def _names(pictures: Sequence[Picture]) -> list[str]:
    """Names for composites to be made of: without folders, and without the '__' that parts them.

    Raises:
        DataError: Two would be the same.
    """
    names = [_ODD.sub("-", name).strip("_") for name in result_names(pictures)]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            "pictures that can be told apart by name", f"{len(twice):,} names twice", "Rename them.", details=twice[:8]
        )
    return names
