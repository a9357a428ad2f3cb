"""A picture on its way into the network: checked, and at the right scale.

Layer: inference. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped

from limner.bundle import InputSpec
from limner.data.inputs import check_same_size, join_pictures
from limner.errors import DataError, did_you_mean
from limner.images import read_image, resize_image, to_channels
from limner.types import Size

Given: TypeAlias = np.ndarray | str | Path
"""A picture: a file or another location, or its pixels."""


@dataclass(frozen=True, eq=False)
class ModelInput:
    """One picture, as it was and as the network wants it.

    Attributes:
        picture: As given, `height width channels`; several inputs joined, see `split_parts`.
        pixels: The same with the network's channels, dtype and scale, `height width channels`.
        where: The picture's name in messages.
    """

    picture: Shaped[np.ndarray, "height width channels"]
    pixels: Shaped[np.ndarray, "scaled_height scaled_width model_channels"]
    where: str

    @property
    def size(self) -> Size:
        """Size of the picture as given, which is the size of its prediction."""
        return self.picture.shape[0], self.picture.shape[1]


def read_input(picture: Given | Mapping[str, Given], inputs: InputSpec, where: str = "the picture") -> ModelInput:
    """Read a picture, or the several pictures of one sample, and bring it to what the network was trained on.

    Args:
        picture: A file or another location, or pixels; by name where the network has several inputs.
        inputs: What the network was trained on.
        where: Name of an array in messages; a file is called by its own.

    Raises:
        DataError: It cannot be read, or as `make_input`.
    """
    if not isinstance(picture, Mapping):
        array, name = _read(picture, where)
        return make_input(array, inputs, name)
    check_parts(picture, inputs)
    read = {part: _read(given, f"{where}, {part}") for part, given in picture.items()}
    arrays = {part: array for part, (array, _) in read.items()}
    return make_input(arrays, inputs, {part: name for part, (_, name) in read.items()})


def make_input(
    picture: np.ndarray | Mapping[str, np.ndarray], inputs: InputSpec, where: str | Mapping[str, str]
) -> ModelInput:
    """Bring a picture, or the several pictures of one sample, to what the network was trained on.

    Grey becomes colour by repetition, colour becomes grey only when its channels are identical, alpha
    is dropped; a picture is never converted to another range of values, because that cannot be known.

    Args:
        picture: `height width` or `height width channels`; by name where the network has several inputs.
        inputs: What the network was trained on.
        where: The picture's name in messages, likewise.

    Raises:
        DataError: Another dtype, other channels, values that are not finite, or no pixels; one picture
            where there are several inputs, or the reverse; inputs of different sizes.
    """
    check_parts(picture if isinstance(picture, Mapping) else None, inputs)
    if not isinstance(picture, Mapping):
        assert isinstance(where, str)
        picture, pixels = _checked(picture, inputs, inputs.channels, where)
    else:
        names = where if isinstance(where, Mapping) else {part: f"{where}, {part}" for part in inputs.parts}
        checked = [_checked(picture[part], inputs, count, names[part])[1] for part, count in inputs.parts.items()]
        check_same_size(
            {names[part]: (array.shape[0], array.shape[1]) for part, array in zip(inputs.parts, checked, strict=True)}
        )
        picture = pixels = join_pictures(checked)
        where = names[list(inputs.parts)[-1]]
    return ModelInput(picture, scaled(pixels, inputs), where)


def scaled(
    pixels: Shaped[np.ndarray, "height width channels"], inputs: InputSpec
) -> Shaped[np.ndarray, "scaled_height scaled_width channels"]:
    """Pixels with the network's channels and numbers at its scale."""
    if inputs.fit == "resize" and inputs.size is not None and pixels.shape[:2] != inputs.size:
        return resize_image(pixels, inputs.size)
    return pixels


def _read(given: Given, where: str) -> tuple[np.ndarray, str]:
    return (given, where) if isinstance(given, np.ndarray) else (read_image(str(given)), str(given))


def check_parts(given: Collection[str] | None, inputs: InputSpec) -> None:
    """Refuse one picture for a network of several inputs, and the reverse.

    Args:
        given: Names of several pictures; None for one without a name.
        inputs: What the network was trained on.

    Raises:
        DataError: As said, or names that are missing or unknown.
    """
    wanted = list(inputs.parts)
    if given is None and wanted:
        python = ", ".join(f'"{part}": …' for part in wanted)
        raise DataError(
            f"{len(wanted)} pictures for each sample: {', '.join(wanted)}",
            "one",
            f"Type {' '.join(f'--input {part}=PLACE' for part in wanted)}, or in Python predict({{{python}}}).",
        )
    if given is not None and not wanted:
        raise DataError(
            "one picture for each sample, as the model was trained on",
            f"several: {', '.join(given)}",
            "Name the pictures without --input, or in Python without a dictionary.",
        )
    if given is not None and set(given) != set(wanted):
        unknown = [name for name in given if name not in wanted]
        missing = [name for name in wanted if name not in given]
        found = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(missing)
        raise DataError(
            f"the pictures {', '.join(wanted)}",
            "; ".join(found),
            f"{did_you_mean(unknown[0], wanted) if unknown else ''}Name each of them once.",
        )


def split_parts(
    picture: Shaped[np.ndarray, "height width channels"], parts: Mapping[str, int]
) -> dict[str, Shaped[np.ndarray, "height width _"]]:
    """The inputs that a joined picture is made of, by name; one picture alone is called `image`.

    Example:
        >>> {name: part.shape for name, part in split_parts(np.zeros((2, 3, 4)), {"a": 3, "b": 1}).items()}
        {'a': (2, 3, 3), 'b': (2, 3, 1)}
    """
    if not parts:
        return {"image": picture}
    ends = np.cumsum(list(parts.values())).tolist()
    return {name: picture[..., end - count : end] for (name, count), end in zip(parts.items(), ends, strict=True)}


def _checked(
    picture: np.ndarray, inputs: InputSpec, channels: int, where: str
) -> tuple[Shaped[np.ndarray, "height width _"], Shaped[np.ndarray, "height width channels"]]:
    """One picture as it is, and with the network's dtype and channels."""
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or 0 in picture.shape:
        raise DataError(
            f"'{where}' has height, width and channels",
            f"an array of shape {picture.shape}",
            "Give one picture at a time, channels last.",
        )
    pixels = _checked_dtype(picture, inputs, where)
    return picture, to_channels(pixels, channels, where=f"'{where}'")


def stack_padded(pictures: Sequence[np.ndarray], size: Size) -> Shaped[np.ndarray, "batch height width channels"]:
    """Pictures of one shape as one array of `size`, filled at the right and bottom by mirroring.

    Mirroring repeats where a picture is smaller than its margin, so every size from 1×1 works.
    """
    height, width = pictures[0].shape[:2]
    batch = np.stack(list(pictures))
    if (height, width) == size:
        return batch
    return np.pad(batch, ((0, 0), (0, size[0] - height), (0, size[1] - width), (0, 0)), mode="symmetric")


def _checked_dtype(picture: np.ndarray, inputs: InputSpec, where: str) -> np.ndarray:
    wanted = np.dtype(inputs.dtype)
    # Floating-point numbers of another width say the same; of other dtypes the scale is unknown.
    if picture.dtype != wanted and not (wanted.kind == "f" and picture.dtype.kind == "f"):
        raise DataError(
            f"'{where}' holds {inputs.dtype} values like the training pictures ({inputs.low:g} to {inputs.high:g})",
            f"{picture.dtype} values from {picture.min():g} to {picture.max():g}",
            f"Convert it to {inputs.dtype} the way the training pictures were made, or train on pictures like it.",
        )
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        raise DataError(
            f"'{where}' holds numbers",
            f"{int((~np.isfinite(picture)).sum()):,} values are NaN or infinite",
            "Replace them, for example by the picture's lowest value.",
        )
    return picture.astype(wanted, copy=False)
