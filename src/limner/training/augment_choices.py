"""How training samples are changed, and which ways round they are shown, by what was measured of them.

Layer: training, below `plan`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from limner.augment import create_augmentation
from limner.config import AugmentConfig
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.data.symmetry import FEWEST
from limner.training.choices import plain
from limner.types import Symmetry

_ALIKE = 0.85
"""Share of pictures told from themselves changed below which they look like themselves, surely (one-sided 95 %)."""
_SURE = 1.645  # standard deviations
_TURNS: dict[Symmetry, str] = {"flip_v": "upside down", "rotate90": "turned by a quarter"}


def decide_augment(
    asked: AugmentConfig, data: Fingerprint, label_maps: Mapping[str, LabelMap]
) -> tuple[dict[str, Any], str]:
    """Random changes to training samples.

    Args:
        asked: Settings. A preset is taken as it is, but for the changes that are named with it.
        data: What the data look like.
        label_maps: What each target's masks mean.
    """
    changes = asked.model_dump(exclude_none=True, exclude={"preset"})
    if asked.preset:
        return _values(asked.preset, changes), "set"
    reasons = ["changes most pictures can meet without losing their meaning"]
    ways: dict[str, bool] = {}
    if pairs := data.mirrored_classes:
        ways["flip_h"] = False
        names = next(label_map.names for label_map in label_maps.values() if label_map.task != "regression")
        one, other = (names[place] for place in pairs[0])
        if "flip_h" not in changes:
            reasons.append(f"left and right stay, as {one} and {other} look like mirror images of each other")
    if not {"flip_v", "rotate90"} <= set(changes):
        reasons.append(f"nothing is turned upside down: {_about_up(data)}")
    because = "; ".join(reasons)
    if changes:
        because = f"set: {', '.join(changes)}; else {because}"
    return _values("default", {**ways, **changes}), because


def _about_up(data: Fingerprint) -> str:
    """Whether pictures have an up, in words.

    Where they have none, turning them was no better on average (`benchmarks/plan.md`), so that it is left to the user.
    """
    if not data.told_apart:
        return f"whether they have an up is seen from {FEWEST} pictures or groups on, there are {data.independent}"
    told = " and ".join(f"{data.told_apart[change]:.0%} {way}" for change, way in _TURNS.items())
    found = f"a rule tells them from themselves, {told}, chance 50% ({data.independent} pictures or groups)"
    if all(_looks_alike(data, change) for change in _TURNS):
        return f"{found}, so they have no up and flip_v=true rotate90=true may be tried; it was no better on average"
    return f"{found}, so they have an up, or are of one series"


def _looks_alike(data: Fingerprint, change: Symmetry) -> bool:
    told = data.told_apart[change]
    return told + _SURE * math.sqrt(told * (1 - told) / data.independent) < _ALIKE


def _values(preset: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(create_augmentation(preset, **changes)).items()}
