"""Counting pixels: true and false positives and negatives per class.

Layer: metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from limner.types import IGNORE, MAX_CLASSES


@dataclass(frozen=True)
class Counts:
    """Pixels per class, each array of the same shape with the classes last.

    Attributes:
        tp: In truth and in prediction.
        fp: In prediction alone.
        fn: In truth alone.
        tn: In neither.
    """

    tp: Int64[np.ndarray, "*images classes"]
    fp: Int64[np.ndarray, "*images classes"]
    fn: Int64[np.ndarray, "*images classes"]
    tn: Int64[np.ndarray, "*images classes"]

    @property
    def table(self) -> Int64[np.ndarray, "*images classes 4"]:
        """All in one array, in the order tp, fp, fn, tn; stack those of many images for `aggregate`."""
        return np.stack([self.tp, self.fp, self.fn, self.tn], axis=-1)

    @classmethod
    def from_table(cls, table: Int64[np.ndarray, "*images classes 4"]) -> Counts:
        """The inverse of `table`."""
        return cls(*np.moveaxis(table, -1, 0))


def counts(
    truth: UInt8[np.ndarray, "height width"],
    prediction: UInt8[np.ndarray, "height width"],
    classes: int,
    ignore: int = IGNORE,
) -> Counts:
    """Counts per class of one image of a binary or multiclass target.

    Args:
        truth: Class ids below `classes`, or `ignore`.
        prediction: Class ids below `classes`.
        classes: Number of classes, background included; 2 for binary.
        ignore: Id in the truth of pixels that take no part.

    Raises:
        ValueError: The shapes differ, an id is not below `classes`, or there are too many classes.

    Example:
        >>> truth = np.array([[1, 1, 0, 255]], dtype=np.uint8)
        >>> prediction = np.array([[1, 0, 1, 1]], dtype=np.uint8)
        >>> counts(truth, prediction, classes=2).table.tolist()
        [[0, 1, 1, 1], [1, 1, 1, 0]]
    """
    _check_shapes(truth, prediction)
    if not 1 <= classes <= MAX_CLASSES:
        raise ValueError(f"Expected 1 to {MAX_CLASSES} classes, but got {classes}")
    _check_ids("prediction", int(prediction.max(initial=0)), classes)
    # Both ids in one number; 255 · classes + classes - 1 still fits 16 bits.
    joined = np.multiply(truth, classes, dtype=np.uint16)
    joined += prediction
    table = np.bincount(joined.ravel(), minlength=256 * classes).reshape(256, classes)
    table[ignore] = 0
    _check_ids("truth", int(np.flatnonzero(table.any(axis=1)).max(initial=0)), classes)
    table = table[:classes]
    tp = table.diagonal()
    fp, fn = table.sum(axis=0) - tp, table.sum(axis=1) - tp
    return Counts(tp.copy(), fp, fn, table.sum() - tp - fp - fn)


def plane_counts(
    truth: UInt8[np.ndarray, "height width classes"],
    prediction: UInt8[np.ndarray, "height width classes"],
    ignore: int = IGNORE,
) -> Counts:
    """Counts per class of one image of a multilabel target, each plane by itself.

    Args:
        truth: Planes of 0, 1, or `ignore` where the pixel takes no part in that class.
        prediction: Planes of 0 or 1.
        ignore: See `truth`.

    Raises:
        ValueError: The shapes differ, or a number is none of these.
    """
    _check_shapes(truth, prediction)
    tables = [
        counts(truth[..., plane], prediction[..., plane], classes=2, ignore=ignore).table[1]
        for plane in range(truth.shape[-1])
    ]
    return Counts.from_table(np.stack(tables))


def _check_shapes(truth: np.ndarray, prediction: np.ndarray) -> None:
    if truth.shape != prediction.shape:
        raise ValueError(f"Expected truth and prediction of one shape, but got {truth.shape} and {prediction.shape}")


def _check_ids(name: str, highest: int, classes: int) -> None:
    if highest >= classes:
        raise ValueError(f"Expected ids below {classes} in the {name}, but got {highest}")
