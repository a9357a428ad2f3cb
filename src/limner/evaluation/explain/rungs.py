"""What is looked at, one rung after the other, in words and numbers.

Layer: part of `evaluation`. Pure functions of the picture, of what the model says, and of trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped
from scipy import ndimage

from limner.bundle import BundleMeta, InputSpec, TargetSpec
from limner.errors import DataError
from limner.evaluation.explain.findings import Rung, Sight, Trial, Verdict, number
from limner.evaluation.explain.looking import first_class, foreground, planes
from limner.evaluation.explain.suspects import Suspicion
from limner.inference.familiarity import feature_names, features
from limner.inference.prediction import Prediction
from limner.types import Size

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Tried one after the other."""

_OUTSIDE = 0.05
_UNLIKE_CHANNEL = 3.0
OTHER_SIZE = 3.0
"""Times the sides of the training pictures from which a size is another one."""
_AGREE = 0.8
_MOST_KINDS = 4
# Of Immerkær's estimate of noise (1996), as a share of the training range; of JPEG's grid over other steps.
_NOISY, _BLOCKY = 0.03, 1.4


def given_rung(picture: Shaped[np.ndarray, "height width channels"], error: DataError | None, words: str) -> Rung:
    """What was read, and whether the model takes it."""
    height, width, channels = picture.shape
    known = picture[np.isfinite(picture)] if picture.dtype.kind == "f" else picture
    low, high = (float(known.min()), float(known.max())) if known.size else (math.nan, math.nan)
    found = f"{height}×{width}, {channels} channel{'s' * (channels > 1)}, {picture.dtype} from {low:g} to {high:g}"
    numbers = {"size": [height, width], "channels": channels, "dtype": str(picture.dtype)}
    if error is None:
        return Rung("given", found, numbers=numbers)
    after = f"; looked at with {words}" if words else ""
    return Rung("given", f"{found}; refused: expected {error.expected}, found {error.found}{after}", "odd", numbers)


def values_rung(pixels: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> Rung:
    """The range of the numbers against that of the training."""
    low, middle, high = (float(value) for value in np.percentile(pixels, (1, 50, 99)))
    outside = float(((pixels < inputs.low) | (pixels > inputs.high)).mean())
    used = (high - low) / (inputs.high - inputs.low)
    odd = outside > _OUTSIDE or used < _OUTSIDE
    found = (
        f"{low:g} to {high:g} (1 % to 99 %, median {middle:g}); training {inputs.low:g} to {inputs.high:g}; "
        f"{used:.0%} of that range is used, {outside:.1%} of the values lie outside"
    )
    numbers = {"low": low, "median": middle, "high": high, "used": number(used), "outside": number(outside)}
    return Rung("values", found, "odd" if odd else "fine", numbers)


def channels_rung(pixels: Shaped[np.ndarray, "height width channels"], meta: BundleMeta) -> Rung:
    """The mean of every channel against the training pictures."""
    inputs = meta.inputs
    unit = (pixels.reshape(-1, pixels.shape[2]).astype(np.float64) - inputs.low) / (inputs.high - inputs.low)
    means = unit.clip(0, 1).mean(axis=0)
    ranges = _ranges(meta)
    shown, odd = [], False
    for index, (mean, usual) in enumerate(zip(means, inputs.mean, strict=True)):
        between = ""
        if ranges is not None and index < 4:
            low, high = ranges[:, index]
            odd |= not low <= mean <= high
            between = f", training pictures {low:.2f} to {high:.2f}"
        else:
            odd |= abs(mean - usual) > _UNLIKE_CHANNEL * inputs.std[index]
        shown.append(f"{index + 1}: {mean:.2f} (training {usual:.2f}{between})")
    return Rung("channels", "mean of " + "; ".join(shown), "odd" if odd else "fine", {"means": means.round(4).tolist()})


def detail_rung(original: np.ndarray, pixels: np.ndarray, meta: BundleMeta) -> Rung:
    """Sharpness and noise against the training pictures."""
    noise, blocks = noise_share(original, meta.inputs), blockiness(original)
    numbers = {"noise": number(noise), "jpeg_blocks": number(blocks)}
    said = f"noise {noise:.1%} of the range{f', JPEG blocks {blocks:.1f}' if blocks > _BLOCKY else ''}"
    ranges = _ranges(meta)
    if ranges is None:
        return Rung("detail", f"{said}; training pictures are not known", "unknown", numbers)
    place = feature_names(meta.inputs.channels).index("fine detail")
    fine = float(features(pixels, meta.inputs)[place])
    low, high = ranges[:, place]
    odd = not low <= fine <= high
    found = f"fine detail {fine:.2f}, training pictures {low:.2f} to {high:.2f}; {said}"
    numbers |= {"fine_detail": number(fine), "lowest": number(low), "highest": number(high)}
    return Rung("detail", found, "odd" if odd else "fine", numbers)


def size_rung(size: Size, meta: BundleMeta, trained: Sequence[Size]) -> Rung:
    """The size of the picture, and what becomes of it, against the training pictures.

    Args:
        size: Of the picture.
        meta: Of the model.
        trained: Sizes of training pictures; empty where they are not known.
    """
    inputs = meta.inputs
    found = f"{size[0]}×{size[1]}"
    numbers: dict[str, object] = {"size": list(size)}
    if inputs.fit == "resize" and inputs.size:
        shrinks = math.sqrt(size[0] * size[1] / (inputs.size[0] * inputs.size[1]))
        found += f", resized to {inputs.size[0]}×{inputs.size[1]} ({_times(shrinks)})"
        numbers["shrinks"] = number(shrinks)
    verdict: Verdict = "unknown"
    if trained:
        sides = [math.sqrt(height * width) for height, width in trained]
        times = times_training(size, trained)
        verdict = "odd" if max(times, 1 / times) > OTHER_SIZE else "fine"
        found += (
            f"; training pictures {min(sides):.0f} to {max(sides):.0f} pixels a side, {times:.2g} times their median"
        )
        numbers["times_training"] = number(times)
    else:
        found += "; sizes of training pictures are not known"
    return Rung("size", found, verdict, numbers)


def times_training(size: Size, trained: Sequence[Size]) -> float:
    """By how much the sides of a picture are longer than those of the middle training picture; NaN unknown."""
    if not trained:
        return math.nan
    return math.sqrt(size[0] * size[1]) / float(np.median([math.sqrt(height * width) for height, width in trained]))


def familiarity_rung(sight: Sight) -> Rung:
    """The distance to the nearest training picture."""
    if math.isnan(sight.strangeness):
        return Rung("familiarity", "the model does not know its training pictures", "unknown")
    said = f"unlike all training pictures: {sight.because}" if sight.strange else "like the training pictures"
    numbers = {"strangeness": number(sight.strangeness), "because": sight.because}
    found = f"{said}; distance {sight.strangeness:.2f}, above 1 is unlike"
    return Rung("familiarity", found, "odd" if sight.strange else "fine", numbers)


def suspicion_rung(suspicion: Suspicion | None) -> Rung:
    """Training pictures with which fault it looks like."""
    if suspicion is None:
        return Rung("looks", "the model does not know how faults look in its training pictures", "unknown")
    ordered = sorted(suspicion.shares.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{kind} {share:.0%}" for kind, share in ordered[:_MOST_KINDS])
    numbers = {kind: number(share) for kind, share in ordered}
    found = f"as training pictures do {suspicion.words}: {shown}"
    return Rung("looks", found, "odd" if suspicion.kind else "fine", numbers)


def answer_rung(sight: Sight, usual: float) -> Rung:
    """Probabilities, area, and what the answer is worth."""
    if math.isnan(sight.promise):
        return Rung("answer", "numbers, which have no probabilities", "unknown")
    worth = f"expected Dice {sight.promise:.2f}" if sight.area > 0 else "nothing is answered"
    worth += "" if math.isnan(sight.dice) else f", real Dice {sight.dice:.2f}"
    worth += "" if math.isnan(usual) else f", usual {usual:.2f}"
    numbers = {
        "highest": number(sight.highest),
        "area": number(sight.area),
        "expected_dice": number(sight.promise),
        "dice": number(sight.dice),
    }
    found = f"highest probability {sight.highest:.2f}, {sight.area:.1%} of the picture answered, {worth}"
    return Rung("answer", found, "odd" if sight.area == 0 else "fine", numbers)


@dataclass(frozen=True)
class Sweep:
    """What other thresholds would answer, of one class.

    Attributes:
        target: Its target.
        label: Its name.
        threshold: The model's.
        areas: Share of the picture by threshold of `THRESHOLDS`.
        promises: Dice that the probabilities promise, likewise.
        promise: That of the model's threshold, 0 where nothing is answered.
    """

    target: str
    label: str
    threshold: float
    areas: tuple[float, ...]
    promises: tuple[float, ...]
    promise: float

    @property
    def best(self) -> int:
        """Place of the most promising threshold."""
        return int(np.argmax(self.promises))

    @property
    def gain(self) -> float:
        """By how much it promises more than the model's."""
        return self.promises[self.best] - self.promise


def sweep(prediction: Prediction, meta: BundleMeta) -> list[Sweep]:
    """Every class at every threshold; of classes that exclude one another, as if each stood alone.

    Args:
        prediction: Without steps after the threshold.
        meta: Of the model.
    """
    found = []
    for name, spec in meta.targets.items():
        if spec.task == "regression":
            continue
        first = first_class(spec)
        answered = planes(prediction.masks[name], spec)
        for index, probs in enumerate(foreground(prediction, name, spec)):
            threshold = spec.thresholds[index + first] if spec.thresholds else 0.5
            masks = [probs > value for value in THRESHOLDS]
            found.append(
                Sweep(
                    name,
                    spec.names[index + first],
                    threshold,
                    tuple(float(mask.mean()) for mask in masks),
                    tuple(_promised(probs, mask) for mask in masks),
                    _promised(probs, answered[index]),
                )
            )
    return found


def threshold_rung(sweeps: Sequence[Sweep]) -> Rung:
    """How much area appears at which threshold."""
    if not sweeps:
        return Rung("threshold", "numbers have no threshold", "unknown")
    shown = []
    for one in sweeps:
        areas = ", ".join(f"{value:g}: {area:.1%}" for value, area in zip(THRESHOLDS, one.areas, strict=True))
        shown.append(f"{one.label} (threshold {one.threshold:.2g}) at {areas}")
    numbers = {
        f"{one.target}/{one.label}": {
            f"{value:g}": number(area) for value, area in zip(THRESHOLDS, one.areas, strict=True)
        }
        for one in sweeps
    }
    return Rung("threshold", "; ".join(shown), numbers=numbers)


def steps_rung(without: Sight, with_steps: Sight, meta: BundleMeta) -> Rung:
    """What the steps after the threshold take away."""
    if not meta.post_processing:
        return Rung("steps", "none after the threshold")
    steps = ", ".join(
        f"{step.step}{f' {step.area}' if step.area else ''} of {step.label}" for step in meta.post_processing
    )
    emptied = without.area > 0 and with_steps.area == 0
    found = f"{steps}: {without.area:.1%} of the picture before, {with_steps.area:.1%} after"
    numbers = {"before": number(without.area), "after": number(with_steps.area)}
    return Rung("steps", found, "odd" if emptied else "fine", numbers)


def agreement_rung(name: str, what: str, one: Prediction, other: Prediction, meta: BundleMeta) -> Rung:
    """How far two answers about one picture agree, as the Dice of the one against the other.

    Args:
        name: Of the rung.
        what: What the other answer is, as a clause.
        one: As usual.
        other: Otherwise.
        meta: Of the model.
    """
    agreed = agreement(one, other, meta.targets)
    numbers = {"dice_between": number(agreed)}
    if math.isnan(agreed):
        return Rung(name, f"{what}: nothing is answered either way", numbers=numbers)
    return Rung(name, f"{what}: Dice {agreed:.2f} with the usual answer", "odd" if agreed < _AGREE else "fine", numbers)


def agreement(one: Prediction, other: Prediction, targets: Mapping[str, TargetSpec]) -> float:
    """Dice of two answers over all classes together; NaN where neither answers anything."""
    both = either = 0
    for name, spec in targets.items():
        if spec.task == "regression":
            continue
        for a, b in zip(planes(one.masks[name], spec), planes(other.masks[name], spec), strict=True):
            both += 2 * int((a & b).sum())
            either += int(a.sum()) + int(b.sum())
    return both / either if either else math.nan


def trials_rung(trials: Sequence[Trial]) -> Rung:
    """How many changes were tried, and the best of them."""
    if not trials:
        return Rung("trials", "none", "unknown")
    best = max(trials, key=lambda trial: trial.benefit)
    return Rung("trials", f"{len(trials)} changes tried; most is gained with {best.change}: {effect(best)}")


def effect(trial: Trial) -> str:
    """What a change does, in words."""
    before, after = trial.before, trial.after
    said = []
    if not math.isnan(before.strangeness):
        said.append(f"distance to the training pictures {before.strangeness:.2f} → {after.strangeness:.2f}")
    if not math.isnan(before.dice):
        said.append(f"real Dice {before.dice:.2f} → {after.dice:.2f}")
    elif not math.isnan(before.promise):
        said.append(f"expected Dice {before.promise:.2f} → {after.promise:.2f}")
    if not math.isnan(before.area):
        said.append(f"area {before.area:.1%} → {after.area:.1%}")
    return ", ".join(said) or "its effect cannot be measured"


def noise_share(original: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> float:
    """Standard deviation of noise as a share of the training range, by Immerkær's operator, which is blind to edges."""
    grey = original.mean(axis=2, dtype=np.float64)
    if min(grey.shape) < 3:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    # Of the median, so that lines and corners do not count; 0.6745 is that of normal numbers.
    found = float(np.median(np.abs(ndimage.convolve(grey, kernel)[1:-1, 1:-1]))) / 0.6745 / 6
    return found / (inputs.high - inputs.low)


def blockiness(original: Shaped[np.ndarray, "height width channels"]) -> float:
    """Mean step across the lines of a grid of 8 pixels, by the mean of all others; about 1 without JPEG's blocks."""
    grey = original.mean(axis=2, dtype=np.float64)
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis)
        on = np.arange(1, len(steps) + 1) % 8 == 0
        if on.any() and steps[~on].mean() > 0:
            found.append(float(steps[on].mean() / steps[~on].mean()))
    return float(np.mean(found)) if found else 1.0


def lost_detail(pixels: np.ndarray, meta: BundleMeta) -> float:
    """By how much fine detail, as such or measured by coarse, is less than in the least sharp training picture.

    0 if it is not, or if contrast is less than a quarter of the lowest, too, which makes all detail faint.
    """
    ranges = _ranges(meta)
    if ranges is None:
        return 0.0
    names, found = feature_names(meta.inputs.channels), features(pixels, meta.inputs)
    contrast = [place for place, name in enumerate(names) if name.startswith("contrast")]
    if (found[contrast] < ranges[0, contrast] / 4).any():
        return 0.0
    places = [names.index(name) for name in ("fine detail", "fine against coarse detail")]
    return max(0.0, *(1 - math.exp(float(found[place] - ranges[0, place])) for place in places))


def is_noisy(original: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> bool:
    """Whether its pixels, not its objects, may be what is unusual: noise, or the blocks of a strong compression."""
    return noise_share(original, inputs) > _NOISY or blockiness(original) > _BLOCKY


def _promised(probs: np.ndarray, mask: np.ndarray) -> float:
    """Twice the expected overlap by the expected areas, see `limner.inference.doubt.promised_dice`; 0 of nothing."""
    answered = int(mask.sum())
    return (
        2 * float(probs[mask].sum(dtype=np.float64)) / (float(probs.sum(dtype=np.float64)) + answered)
        if answered
        else 0.0
    )


def _ranges(meta: BundleMeta) -> Float64[np.ndarray, "2 numbers"] | None:
    """Lowest and highest of each feature of the training pictures."""
    if meta.familiar is None:
        return None
    known = np.array(meta.familiar.features)
    return np.stack([known.min(axis=0), known.max(axis=0)])


def _times(shrinks: float) -> str:
    if abs(shrinks - 1) < 0.05:
        return "as large"
    return f"{shrinks:.2g} times smaller" if shrinks >= 1 else f"{1 / shrinks:.2g} times larger"
