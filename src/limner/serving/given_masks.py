"""Masks that clients send: of which target they are, and whether they can be.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from limner.bundle import TargetSpec
from limner.errors import DataError
from limner.images import decode_mask_upload
from limner.serving.models import Served
from limner.serving.refusals import unknown, unprocessable
from limner.types import IGNORE, Size


def mask_target(served: Served, name: str | None) -> tuple[str, TargetSpec]:
    """The target of a mask: that of the name, else the model's `mask`, else its first.

    Raises:
        Refusal: There is none of that name, or its mask is no picture of class ids.
    """
    targets = served.predictor.meta.targets
    name = name or ("mask" if "mask" in targets else next(iter(targets)))
    if name not in targets:
        raise unknown("a target of the model", name, list(targets))
    if targets[name].task not in ("binary", "multiclass"):
        raise unprocessable(
            "a target whose mask is one picture of class ids",
            f"'{name}', which is {targets[name].task}",
            "Name another target, or save masks of this one by hand.",
        )
    return name, targets[name]


def read_ids(data: bytes, spec: TargetSpec, size: Size, *, ignore: bool) -> UInt8[np.ndarray, "height width"]:
    """The class ids of a mask.

    Args:
        data: Its file.
        spec: What they mean.
        size: Of the picture.
        ignore: Whether pixels may be `IGNORE`.

    Raises:
        DataError: It is no picture, of another size, or holds other numbers.
    """
    stored = decode_mask_upload(data, "mask")
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    most = len(spec.names) - 1
    rest = f", or {IGNORE} where nothing is known" if ignore else ""
    expected = f"a mask of class ids from 0 to {most}{rest}, in one channel"
    if stored.ndim != 2 or stored.dtype.kind not in "bui":
        shape = "×".join(map(str, stored.shape))
        raise DataError(expected, f"'mask' has the shape {shape} and the type {stored.dtype}", "Save it as grey PNG.")
    wrong = np.setdiff1d(np.unique(stored), [*range(most + 1), *([IGNORE] if ignore else [])])
    if len(wrong):
        found = ", ".join(map(str, wrong[:5].tolist()))
        raise DataError(expected, f"'mask' holds {found}", "Save class ids, not colours or shades.")
    if stored.shape != size:
        raise DataError(
            f"a mask has the size of its image ({size[0]}×{size[1]})",
            f"'mask' is {stored.shape[0]}×{stored.shape[1]}",
            "Send the mask of this picture.",
        )
    return stored.astype(np.uint8)
