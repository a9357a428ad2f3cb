"""Where a confident prediction and a mask disagree, in one sample.

Layer: part of `evaluation`. Arrays in, numbers and regions out.

A pixel disagrees where its class in the mask is not the likeliest one, unless the right class lies within the
tolerance of it in the other map: outlines of experts differ there. How strongly it disagrees is its *surprise*,
the logarithm of how many times likelier the predicted class is than that of the mask. A sample is as doubtful as
its most surprising region and pixels, and as its surprise is much for its foreground: pictures that are hard have
many pixels of little surprise, masks that are wrong have a region of much. That the worst pixels tell more than
the mean of all is what Lad and Mueller found ("Estimating label quality and errors in semantic segmentation data
via any model", 2023), whose score is a soft minimum of the probabilities of the mask's classes. Here regions
stand beside pixels, and the scale is that of log-odds, on which confidence does not saturate;
`benchmarks/review.md` compares them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from scipy import ndimage

from limner.types import IGNORE, Task

LONGEST = 512
"""Longer sides are looked at with every second, third … pixel only."""

TOLERANCE = 0.012
"""Of the square root of the picture's area: 3 pixels of 256×256. Less where objects are thin."""

_REGION = 0.005  # of the picture: smaller regions count less, by the square root of their size
_WORST = 0.002  # of the picture's pixels
_EMPTY = 0.01  # of the picture, added to its foreground
_THICKNESS = 0.2  # of the usual object's half thickness
_LEAST = 1e-5  # probabilities below say no more
_MOST_REGIONS = 5


@dataclass(frozen=True)
class Region:
    """Pixels that hang together and disagree in the same way.

    Attributes:
        mask_class: What the mask has there; of overlapping classes -1 where it lacks the class.
        model_class: What the model is sure of there; -1 where it is sure that the class is not there.
        confidence: Mean probability of what the model says, in [0, 1].
        pixels: Its size in the picture.
        box: Top, left, bottom and right in pixels, the last two exclusive.
    """

    mask_class: int
    model_class: int
    confidence: float
    pixels: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Disagreement:
    """How far one target's mask of a sample is in doubt.

    Attributes:
        score: The surprise of its worst region and pixels, and per foreground pixel, at least 0.
        regions: The most surprising first, a few.
        share: Of the picture's pixels that disagree beyond the tolerance.
    """

    score: float
    regions: tuple[Region, ...]
    share: float


def disagree(
    probs: Float32[np.ndarray, "classes height width"], mask: UInt8[np.ndarray, "height width *classes"], task: Task
) -> Disagreement:
    """Compare a prediction with a mask.

    Args:
        probs: As in `Prediction.probs`.
        mask: Class ids, with `IGNORE` where nothing is known; planes of 0 and 1 where classes overlap.
        task: Not `regression`.

    Example:
        >>> probs, mask = np.full((1, 64, 64), 0.001, np.float32), np.zeros((64, 64), np.uint8)
        >>> disagree(probs, mask, "binary").score
        0.0
        >>> mask[20:40, 20:40] = 1
        >>> found = disagree(probs, mask, "binary")
        >>> round(found.score, 1), found.regions[0].mask_class, found.regions[0].box
        (18.4, 1, (20, 20, 40, 40))
    """
    step = max(1, -(-max(probs.shape[1:]) // LONGEST))
    probs, mask = probs[:, ::step, ::step], mask[::step, ::step]
    if task == "multilabel":
        planes = [_plane(probs[index], mask[..., index], index) for index in range(len(probs))]
    else:
        planes = [_Compared.of(probs if task == "multiclass" else np.concatenate([1 - probs, probs]), mask)]
    regions = sorted((pair for plane in planes for pair in plane.regions(step)), key=lambda pair: -pair[0])
    return Disagreement(
        score=max(plane.doubt() for plane in planes),
        regions=tuple(region for _, region in regions[:_MOST_REGIONS]),
        share=float(np.mean(np.any([plane.wrong for plane in planes], axis=0))),
    )


@dataclass(frozen=True, eq=False)
class _Compared:
    """One map of classes against one mask; `classes` gives the numbers that regions speak of."""

    sure: Float32[np.ndarray, "height width"]
    surprise: Float32[np.ndarray, "height width"]
    wrong: Bool[np.ndarray, "height width"]
    mask: UInt8[np.ndarray, "height width"]
    model: UInt8[np.ndarray, "height width"]
    classes: tuple[int, ...]

    @classmethod
    def of(
        cls,
        probs: Float32[np.ndarray, "classes height width"],
        mask: UInt8[np.ndarray, "height width"],
        classes: tuple[int, ...] | None = None,
    ) -> _Compared:
        model = probs.argmax(axis=0).astype(np.uint8)
        sure = probs.max(axis=0)
        known = np.where(mask == IGNORE, 0, mask)
        given = np.take_along_axis(probs, known[None].astype(np.int64), axis=0)[0]
        wrong = _beyond_tolerance(mask, model)
        surprise = np.where(wrong, np.log(np.maximum(sure, _LEAST) / np.maximum(given, _LEAST)), 0)
        return cls(sure, surprise.astype(np.float32), wrong, mask, model, classes or tuple(range(len(probs))))

    def doubt(self) -> float:
        """Worst region and worst pixels, half each, which find objects; and the surprise per foreground, for shapes."""
        if not self.wrong.any():
            return 0.0
        labels, count = ndimage.label(self.wrong)
        sizes = np.bincount(labels.ravel())[1:]
        means = ndimage.mean(self.surprise, labels, np.arange(1, count + 1))
        region = float((means * np.minimum(1, np.sqrt(sizes / (_REGION * labels.size)))).max())
        most = max(1, round(_WORST * labels.size))
        worst = float(np.partition(self.surprise.ravel(), -most)[-most:].mean())
        foreground = (_foreground(self.mask).sum() + (self.model != 0).sum()) / 2
        spread = float(self.surprise.sum() / (foreground + _EMPTY * labels.size))
        return (region + worst) / 2 + spread

    def regions(self, step: int) -> list[tuple[float, Region]]:
        """Regions with their whole surprise."""
        found = []
        kinds = self.mask.astype(np.int64) * 256 + self.model
        for kind in np.unique(kinds[self.wrong]).tolist():
            labels, count = ndimage.label(self.wrong & (kinds == kind))
            numbers = np.arange(1, count + 1)
            weights = ndimage.sum_labels(self.surprise, labels, numbers)
            boxes = ndimage.find_objects(labels)
            for at in np.argsort(-weights)[:_MOST_REGIONS].tolist():
                inside = labels == numbers[at]
                found.append((float(weights[at]), self._region(inside, kind, boxes[at], step)))
        return found

    def _region(self, inside: np.ndarray, kind: int, box: tuple[slice, slice], step: int) -> Region:
        down, across = box
        return Region(
            mask_class=self.classes[kind // 256],
            model_class=self.classes[kind % 256],
            confidence=float(self.sure[inside].mean()),
            pixels=int(inside.sum()) * step**2,
            box=(down.start * step, across.start * step, down.stop * step, across.stop * step),
        )


def _plane(
    probs: Float32[np.ndarray, "height width"], mask: UInt8[np.ndarray, "height width"], index: int
) -> _Compared:
    """One of classes that may overlap, against all that it is not."""
    return _Compared.of(np.stack([1 - probs, probs]), mask, (-1, index))


def _beyond_tolerance(
    mask: UInt8[np.ndarray, "height width"], model: UInt8[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """Pixels of a class in one map that has no pixel of it within the tolerance in the other."""
    known = mask != IGNORE
    differs = (mask != model) & known
    wrong = np.zeros(mask.shape, bool)
    reach = min(TOLERANCE * _side(mask), _THICKNESS * _half_thickness(mask, model))
    classes: Int64[np.ndarray, " classes"] = np.union1d(mask[differs], model[differs]).astype(np.int64)
    for number in classes.tolist():
        for one, other in ((mask == number, model == number), (model == number, mask == number)):
            lone = one & differs
            if lone.any():
                wrong |= lone & (ndimage.distance_transform_edt(~other) > reach) if other.any() else lone
    return wrong


def _half_thickness(mask: UInt8[np.ndarray, "height width"], model: UInt8[np.ndarray, "height width"]) -> float:
    """How far the inmost pixel of the usual object lies from its outline, in the map where it is less."""
    found = [math.inf]
    for there in (_foreground(mask), model != 0):
        if there.any():
            labels, count = ndimage.label(there)
            inmost = ndimage.maximum(ndimage.distance_transform_edt(there), labels, np.arange(1, count + 1))
            found.append(float(np.median(inmost)))
    return min(found)


def _foreground(mask: UInt8[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    return np.asarray((mask != 0) & (mask != IGNORE))


def _side(array: np.ndarray) -> float:
    """Square root of the area."""
    return float(np.sqrt(array.shape[0] * array.shape[1]))
