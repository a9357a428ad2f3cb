"""From an exported file's probabilities to what the predictor makes of a network's logits, with NumPy alone.

Layer: exporting. Imports no torch. The twin of `limner.inference.answers`, held to it by tests.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Float32, UInt8

from limner.bundle import TargetSpec
from limner.images import resize_image
from limner.metrics.thresholds import raise_odds
from limner.types import Size

# As near to 0 and 1 as float32 comes without being it.
_LEAST = 2.0**-24


def to_logits(given: Float32[np.ndarray, "classes height width"], spec: TargetSpec) -> np.ndarray:
    """The network's numbers behind a file's answers: logits, up to a constant of all classes, or regression's own."""
    if spec.task == "regression":
        return np.asarray((given - np.float32(spec.low)) / np.float32(spec.high - spec.low))
    if spec.task == "multiclass":
        return np.asarray(np.log(np.maximum(given, 1e-30)) * np.float32(spec.temperature))
    return np.asarray(scipy.special.logit(np.clip(given, _LEAST, 1 - _LEAST)) * np.float32(spec.temperature))


def to_probs(
    logits: Float32[np.ndarray, "classes height width"], spec: TargetSpec, temperature: float = 1.0
) -> Float32[np.ndarray, "classes height width"]:
    """Probabilities of logits divided by a temperature; the numbers of a regression target are left as they are."""
    if spec.task == "regression":
        return logits
    scaled = logits / np.float32(temperature)
    found = scipy.special.softmax(scaled, axis=0) if spec.task == "multiclass" else scipy.special.expit(scaled)
    return found.astype(np.float32, copy=False)


def decide(
    probs: Float32[np.ndarray, "classes height width"], spec: TargetSpec
) -> UInt8[np.ndarray, "height width *classes"]:
    """Masks of probabilities that were not tempered."""
    cuts = [raise_odds(threshold, spec.temperature) for threshold in spec.thresholds]
    if spec.task == "multiclass":
        if cuts:
            probs = probs * np.array([(1 - cut) / cut for cut in cuts], np.float32)[:, None, None]
        return np.asarray(probs.argmax(axis=0), np.uint8)
    own = cuts[1:] if spec.task == "binary" else cuts
    above = np.array(own or [0.5] * len(probs), np.float32)[:, None, None]
    planes = (probs > above).astype(np.uint8)
    return planes[0] if spec.task == "binary" else np.ascontiguousarray(planes.transpose(1, 2, 0))


def resize(
    numbers: Float32[np.ndarray, "classes height width"], size: Size
) -> Float32[np.ndarray, "classes new_height new_width"]:
    """Planes at another size: bilinear when growing, antialiased when shrinking."""
    resized = resize_image(np.ascontiguousarray(numbers.transpose(1, 2, 0)), size)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))
