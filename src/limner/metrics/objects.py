"""Counting objects: which connected regions of the truth were found, and which were made up.

Layer: metrics.

Pixels that touch at a side or a corner belong to one object. Objects match where their IoU is above 0.5, which
at most one can be with each: the matching of Kirillov et al. 2019, "Panoptic segmentation".
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool

from limner.metrics.surface import cropped

_TOUCHING = np.ones((3, 3), bool)


def object_counts(
    truth: Bool[np.ndarray, "height width"], prediction: Bool[np.ndarray, "height width"]
) -> tuple[int, int, int]:
    """Objects found, made up, and not found (tp, fp, fn); `2 tp / (2 tp + fp + fn)` is the objects' F1.

    Example:
        >>> truth = np.array([[1, 1, 1, 0, 1, 0, 0]], bool)
        >>> prediction = np.array([[1, 1, 0, 0, 0, 0, 1]], bool)
        >>> object_counts(truth, prediction)
        (1, 1, 1)
    """
    truth, prediction = cropped(truth, prediction)
    (true, n_true), (found, n_found) = (scipy.ndimage.label(mask, _TOUCHING) for mask in (truth, prediction))
    # Pixels of each pair of objects that overlaps: never more pairs than pixels, however many objects.
    both = truth & prediction
    pairs, shared = np.unique(true[both].astype(np.int64) * (n_found + 1) + found[both], return_counts=True)
    true_area, found_area = np.bincount(true.ravel()), np.bincount(found.ravel())
    union = true_area[pairs // (n_found + 1)] + found_area[pairs % (n_found + 1)] - shared
    matched = int((2 * shared > union).sum())
    return matched, n_found - matched, n_true - matched
