"""Masks that clients send: of which target they are, and whether they can be.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.bundle import TargetSpec
from limner.errors import DataError
from limner.images import decode_mask_upload
from limner.serving.models import Served
from limner.serving.refusals import unknown, unprocessable
from limner.types import IGNORE, Size


def mask_target(served: Served, name: str | None) -> tuple[str, TargetSpec]:
    """The target of a mask: that of the name, else the model's `mask`, else its first.

    Raises:
        Refusal: There is none of that name, or it has numbers instead of classes.
    """
    targets = served.predictor.meta.targets
    name = name or ("mask" if "mask" in targets else next(iter(targets)))
    if name not in targets:
        raise unknown("a target of the model", name, list(targets))
    if targets[name].task == "regression":
        raise unprocessable(
            "a target with masks", f"'{name}', which has numbers", "Name another target, or save maps of it by hand."
        )
    return name, targets[name]


def group_masks(masks: Sequence[bytes], spec: TargetSpec, pictures: int) -> list[Sequence[bytes]]:
    """The files of each picture's mask: one, or of a multilabel target one for each class.

    Args:
        masks: All of them, those of one picture after those of another.
        spec: What they mean.
        pictures: How many there are.

    Raises:
        Refusal: There are more or fewer files.
    """
    each = len(spec.names) if spec.task == "multilabel" else 1
    if len(masks) != each * pictures:
        planes = f", with a plane for each of {', '.join(spec.names)}" if spec.task == "multilabel" else ""
        raise unprocessable(
            f"as many masks as images{planes}: {each * pictures}", str(len(masks)), "Send them in the order of images."
        )
    return [masks[place : place + each] for place in range(0, len(masks), each)]


def read_given(
    files: Sequence[bytes], spec: TargetSpec, size: Size, *, ignore: bool
) -> UInt8[np.ndarray, "height width *classes"]:
    """The mask of a picture: class ids, or planes of 0 and 1 (multilabel).

    Args:
        files: See `group_masks`.
        spec: What they mean.
        size: Of the picture.
        ignore: Whether pixels of class ids may be `IGNORE`.

    Raises:
        DataError: One is no picture, of another size, or holds other numbers.
    """
    if spec.task == "multilabel":
        return np.stack([_read_plane(data, name, size) for data, name in zip(files, spec.names, strict=True)], axis=-1)
    most = len(spec.names) - 1
    rest = f", or {IGNORE} where nothing is known" if ignore else ""
    expected = f"a mask of class ids from 0 to {most}{rest}, in one channel"
    stored = _read(files[0], expected, size)
    wrong = np.setdiff1d(np.unique(stored), [*range(most + 1), *([IGNORE] if ignore else [])])
    if len(wrong):
        found = ", ".join(map(str, wrong[:5].tolist()))
        raise DataError(expected, f"'mask' holds {found}", "Save class ids, not colours or shades.")
    return stored.astype(np.uint8)


def _read_plane(data: bytes, name: str, size: Size) -> UInt8[np.ndarray, "height width"]:
    expected = f"a plane of '{name}' that holds 0, and 1 or 255 where the class is, in one channel"
    stored = _read(data, expected, size)
    values = np.unique(stored).tolist()
    if set(values) - {0, 1} and set(values) - {0, 255}:
        found = ", ".join(map(str, values[:5]))
        raise DataError(expected, f"'mask' holds {found}", "Send a binary mask for each class, in their order.")
    return np.asarray(stored != 0, np.uint8)


def _read(data: bytes, expected: str, size: Size) -> Shaped[np.ndarray, "height width"]:
    """What a mask stores: whole numbers, as many as the picture has pixels."""
    stored = decode_mask_upload(data, "mask")
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    if stored.ndim != 2 or stored.dtype.kind not in "bui":
        shape = "×".join(map(str, stored.shape))
        raise DataError(expected, f"'mask' has the shape {shape} and the type {stored.dtype}", "Save it as grey PNG.")
    if stored.shape != size:
        raise DataError(
            f"a mask has the size of its image ({size[0]}×{size[1]})",
            f"'mask' is {stored.shape[0]}×{stored.shape[1]}",
            "Send the mask of this picture.",
        )
    return stored
