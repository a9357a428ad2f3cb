"""Specifications with names, and how to change one.

Layer: augment, above `specification`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from limner.augment.specification import Augmentation
from limner.errors import ConfigError, did_you_mean

NO_AUGMENTATION = Augmentation.none()

PRESETS: dict[str, Augmentation] = {
    # Thousands of varied pictures, or a check that training works at all.
    "none": NO_AUGMENTATION,
    # Pictures taken alike: a fixed camera, aligned scans.
    "light": Augmentation(
        rotate=7.0, scale=(0.9, 1.1), shift=0.03, brightness=0.05, contrast=0.1, gamma=0.1, noise=0.01, blur=0.5
    ),
    # Tens to thousands of pictures of one kind. Nothing is turned upside down: switch on `flip_v`
    # and `rotate90` where pictures have no up, as in microscopy.
    "default": Augmentation(),
    # A few dozen pictures, or pictures from many devices.
    "strong": Augmentation(
        rotate=30.0,
        scale=(0.65, 1.5),
        shift=0.1,
        elastic=0.05,
        brightness=0.2,
        contrast=0.4,
        gamma=0.4,
        noise=0.06,
        blur=1.5,
    ),
}


def create_augmentation(preset: str = "default", **changes: Any) -> Augmentation:
    """A preset with some values changed.

    Args:
        preset: A name in `PRESETS`.
        **changes: Fields of `Augmentation`; None keeps the preset's value.

    Raises:
        ConfigError: Unknown preset or field (the nearest is named), or an impossible value.

    Example:
        >>> create_augmentation("light", flip_v=True, rotate=None).rotate
        7.0
    """
    if preset not in PRESETS:
        raise _unknown("preset of the augmentation", preset, list(PRESETS))
    names = [field.name for field in dataclasses.fields(Augmentation)]
    for name in changes:
        if name not in names:
            raise _unknown("setting of the augmentation", name, names)
    return dataclasses.replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})


def _unknown(kind: str, name: str, known: list[str]) -> ConfigError:
    remedy = did_you_mean(name, known, cutoff=0.5).rstrip() or f"Choose one of {', '.join(known)}."
    return ConfigError(f"the name of a {kind}", f"'{name}'", remedy)
