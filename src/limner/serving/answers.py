"""A prediction as JSON.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from limner.bundle import TargetSpec
from limner.data.annotations.writing import to_geojson
from limner.images import encode_png, encode_rle
from limner.inference.drawing import show_inputs
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import ModelInput
from limner.inference.object_sizes import measure_objects
from limner.inference.object_tables import class_objects, outlines_of
from limner.inference.prediction import Prediction
from limner.metrics import foreground
from limner.types import Spacing

ANSWERS = ("mask", "probabilities", "rle", "polygons", "objects", "uncertainty", "preview")
"""What a client may ask for."""

_DEEP = 65_535


def needs(answers: Collection[str]) -> tuple[bool, bool]:
    """Whether the predictor must keep probabilities, and whether it must say how sure it is."""
    return bool({"probabilities", "objects"} & set(answers)), True


def targets_of(
    prediction: Prediction, specs: dict[str, TargetSpec], answers: Collection[str], spacing: Spacing | None
) -> dict[str, Any]:
    """The part `targets` of an answer.

    Args:
        prediction: Of one picture.
        specs: What the model predicts.
        answers: Of `ANSWERS`.
        spacing: Size of a pixel in mm; None where sizes are in pixels.
    """
    return {
        name: _numbers(prediction, name, spec, answers)
        if spec.task == "regression"
        else _classes(prediction, name, spec, answers, spacing)
        for name, spec in specs.items()
    }


def preview_of(picture: ModelInput, parts: Mapping[str, int]) -> str:
    """The picture as 8-bit PNG in base64, as people see it; of several inputs the last."""
    return _png(show_inputs(picture.picture, parts).main)


def strange_of(strange: Strangeness | None) -> dict[str, Any] | None:
    """The part `strange` of an answer."""
    if strange is None:
        return None
    return {"alarming": strange.alarming, "ratio": round(strange.ratio, 3), "because": strange.because}


def _classes(
    prediction: Prediction, name: str, spec: TargetSpec, answers: Collection[str], spacing: Spacing | None
) -> dict[str, Any]:
    mask = prediction.masks[name]
    answer: dict[str, Any] = {
        "task": spec.task,
        "areas": _areas(mask, spec, spacing),
        "expected_dice": _expected(prediction, name, spec),
    }
    if "mask" in answers:
        planes = [mask[..., index] == 1 for index in range(len(spec.names))] if spec.task == "multilabel" else None
        answer["mask"] = _png(mask) if planes is None else [_png(plane) for plane in planes]
    if "probabilities" in answers:
        probs = prediction.probs[name]
        ids = [1] if spec.task == "binary" else list(range(len(probs)))
        answer["probabilities"] = {"classes": ids, "png": [_png(_grey(plane)) for plane in probs]}
    if "rle" in answers:
        size = list(mask.shape[:2])
        answer["rle"] = [
            {"class": index, "name": spec.names[index], "size": size, "runs": encode_rle(_plane(mask, spec, index))}
            for index in foreground(spec.task, len(spec.names))
        ]
    if "polygons" in answers:
        answer["polygons"] = json.loads(to_geojson(outlines_of(mask, spec, 0.0)))
    if "objects" in answers:
        answer["objects"] = _objects(prediction, name, spec, spacing)
    if "uncertainty" in answers and name in prediction.uncertainty:
        answer["uncertainty"] = _png(_grey(prediction.uncertainty[name]))
    return answer


def _numbers(prediction: Prediction, name: str, spec: TargetSpec, answers: Collection[str]) -> dict[str, Any]:
    """Numbers as 16-bit grey: `low + grey / 65535 · (high − low)`, in the unit."""
    values = prediction.values[name]
    low, high = min(spec.low, float(values.min())), max(spec.high, float(values.max()))
    answer: dict[str, Any] = {"task": spec.task, "areas": [], "expected_dice": None}
    if "mask" in answers or "probabilities" in answers:
        grey = np.rint((values - low) / (high - low) * _DEEP).astype(np.uint16)
        answer["values"] = {"png16": _png(grey), "low": low, "high": high, "unit": spec.unit}
    if "uncertainty" in answers and name in prediction.uncertainty:
        answer["uncertainty"] = _png(_grey(prediction.uncertainty[name]))
    return answer


def _areas(mask: np.ndarray, spec: TargetSpec, spacing: Spacing | None) -> list[dict[str, Any]]:
    unit, pixel = ("px²", 1.0) if spacing is None else ("mm²", spacing[0] * spacing[1])
    total = mask.shape[0] * mask.shape[1]
    if spec.task == "multilabel":
        counts = [int((mask[..., index] == 1).sum()) for index in range(len(spec.names))]
    else:
        counts = np.bincount(mask.ravel(), minlength=len(spec.names)).tolist()
    return [
        {
            "class": index,
            "pixels": counts[index],
            "share": counts[index] / total,
            "area": counts[index] * pixel,
            "unit": unit,
        }
        for index in foreground(spec.task, len(spec.names))
    ]


def _expected(prediction: Prediction, name: str, spec: TargetSpec) -> dict[str, float | None] | None:
    found = prediction.expected_dice.get(name)
    if found is None:
        return None
    return {
        str(index): None if math.isnan(found[index]) else float(found[index])
        for index in foreground(spec.task, len(spec.names))
    }


def _objects(prediction: Prediction, name: str, spec: TargetSpec, spacing: Spacing | None) -> list[dict[str, Any]]:
    unit, size = ("px", (1.0, 1.0)) if spacing is None else ("mm", spacing)
    return [
        {"class": objects.index, "name": spec.names[objects.index], "unit": unit, **asdict(sizes)}
        for objects in class_objects(prediction.masks[name], spec)
        # Of two exclusive classes there is one plane, of the class that is no background.
        for sizes in measure_objects(
            objects, prediction.probs[name][0 if spec.task == "binary" else objects.index], size
        )
    ]


def _plane(mask: np.ndarray, spec: TargetSpec, index: int) -> Shaped[np.ndarray, "height width"]:
    return np.asarray(mask[..., index] if spec.task == "multilabel" else mask == index)


def _grey(shares: Float[np.ndarray, "height width"]) -> Shaped[np.ndarray, "height width"]:
    grey: np.ndarray = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return grey


def _png(picture: np.ndarray) -> str:
    return base64.b64encode(encode_png(picture)).decode()
