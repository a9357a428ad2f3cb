"""Masks of the slices of a NIfTI volume, stacked into one volume again.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import UInt8

from limner.errors import ConfigError, shorten
from limner.files import write_bytes
from limner.images import encode_volume, is_dicom, is_volume, parse_location, require_segmentations
from limner.inference.outputs import Outputs
from limner.inference.tasks import Task

Masks = Mapping[str, UInt8[np.ndarray, "height width *classes"]]
"""By target, as in `Prediction`."""


class Stacker:
    """Holds the masks of one volume until all its slices are there.

    Args:
        outputs: Knows the files of the volumes.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._slices: dict[int, Masks] = {}

    def add(self, location: str, masks: Masks) -> None:
        """Add a slice."""
        self._slices[parse_location(location).page or 0] = masks

    def finish(self, name: str, location: str, count: int) -> bool:
        """Write the volume of a slice, if there are all of its slices, and make ready for the next.

        Args:
            name: Of the result of any of its slices.
            location: Of any of its slices.
            count: How many slices it has.

        Returns:
            Whether it was written.

        Raises:
            OutputError: It cannot be written.
        """
        slices, self._slices = self._slices, {}
        if len(slices) < count:
            return False
        for target, spec in self._outputs.targets.items():
            stack = np.stack([slices[page][target] for page in range(count)])
            volumes = np.moveaxis(stack, -1, 0) if spec.task == "multilabel" else stack[None]
            for path, volume in zip(self._outputs.mask_paths(name, target), volumes, strict=True):
                write_bytes(path, encode_volume(volume, location))
        return True


def volume_of(task: Task) -> str:
    """Location of the volume of which a task is a slice; empty where it is none."""
    place = parse_location(task.picture.location)
    return place.file if place.page is not None and is_volume(place.file) else ""


def check_dicom(tasks: Iterable[Task]) -> None:
    """Refuse pictures that are no DICOM files of one frame.

    Raises:
        ConfigError: There are some.
        MissingExtra: highdicom is not installed.
    """
    require_segmentations()
    others = [
        task.picture.name
        for task in tasks
        if parse_location(task.picture.location).page is not None or not is_dicom(task.picture.location)
    ]
    if others:
        raise ConfigError(
            "DICOM pictures of one frame, for --format dicom-seg",
            f"{len(others):,} other pictures",
            "Predict DICOM files alone, or choose another --format.",
            details=shorten(others),
        )


def check_slices(tasks: Iterable[Task]) -> None:
    """Refuse pictures that are no slices of NIfTI volumes.

    Raises:
        ConfigError: There are some.
    """
    others = [task.picture.name for task in tasks if not volume_of(task)]
    if others:
        raise ConfigError(
            "slices of NIfTI volumes, for --format nifti",
            f"{len(others):,} other pictures",
            "Predict volumes alone, or choose another --format.",
            details=shorten(others),
        )
