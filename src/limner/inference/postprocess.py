"""Steps after the threshold: leave out small objects, keep the largest, fill holes.

Layer: inference. Pixels of an object touch at sides or corners. A hole is what a class encloses; other classes in
it stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, UInt8

from limner.bundle import PostStep, TargetSpec

_TOUCHING = np.ones((3, 3), bool)


def tidy(
    mask: UInt8[np.ndarray, "height width *classes"], spec: TargetSpec, steps: Sequence[PostStep]
) -> UInt8[np.ndarray, "height width *classes"]:
    """A mask after the steps, in their order; what is taken away becomes background.

    Args:
        mask: Class ids, or planes of 0 and 1 (multilabel).
        spec: What it means.
        steps: Of this target.
    """
    if not steps:
        return mask
    mask = mask.copy()
    for step in steps:
        index = spec.names.index(step.label)
        if spec.task == "multilabel":
            plane = mask[..., index] == 1
            mask[..., index] = change(plane, step)
            continue
        plane = mask == index
        changed = change(plane, step)
        mask[plane & ~changed] = 0
        # A hole may hold objects of other classes; those stay.
        mask[changed & (mask == 0)] = index
    return mask


def change(plane: Bool[np.ndarray, "height width"], step: PostStep) -> Bool[np.ndarray, "height width"]:
    """One class after one step."""
    if step.step == "fill_holes":
        return np.asarray(scipy.ndimage.binary_fill_holes(plane))
    objects, count = scipy.ndimage.label(plane, _TOUCHING)
    if not count:
        return plane
    areas = np.bincount(objects.ravel())
    areas[0] = 0
    if step.step == "largest":
        return np.asarray(objects == areas.argmax())
    return np.asarray((areas >= step.area)[objects] & plane)
