"""Samples as people see them: inputs, truth and prediction, of masks and of numbers.

Layer: inference. Previews, sheets, example cases and overlays are all drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.data.labels import LabelMap
from limner.inference.inputs import split_parts
from limner.inference.prediction import Prediction
from limner.render import color_numbers, overlay, to_display


@dataclass(frozen=True, eq=False)
class Shown:
    """The pictures of a sample as 8-bit RGB.

    Attributes:
        inputs: By name; masks are drawn over the last.
    """

    inputs: dict[str, UInt8[np.ndarray, "height width 3"]]

    @property
    def main(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture under masks."""
        return list(self.inputs.values())[-1]


def show_inputs(picture: Shaped[np.ndarray, "height width channels"], parts: Mapping[str, int]) -> Shown:
    """The inputs that a picture is joined of, for people.

    Args:
        picture: As in `ModelInput.picture`.
        parts: Channels by input, as in the bundle.
    """
    return Shown({name: to_display(part) for name, part in split_parts(picture, parts).items()})


def draw_target(
    picture: Shaped[np.ndarray, "height width *channels"],
    target: Shaped[np.ndarray, "height width *classes"],
    label_map: LabelMap,
) -> UInt8[np.ndarray, "height width 3"]:
    """A mask over its picture, or numbers in colour over the range of the training samples.

    Args:
        picture: The picture.
        target: Ids, planes or numbers, as the label map encodes them.
        label_map: What they mean.
    """
    if label_map.task == "regression":
        return color_numbers(target, label_map.low, label_map.high)
    return overlay(picture, target, label_map.colors)


def predicted(prediction: Prediction, target: str) -> Shaped[np.ndarray, "height width *classes"]:
    """What is predicted of a target: its mask, or its numbers."""
    return prediction.values[target] if target in prediction.values else prediction.masks[target]


def draw_row(
    picture: Shaped[np.ndarray, "height width channels"],
    truth: Mapping[str, Shaped[np.ndarray, "height width *_"]],
    prediction: Prediction,
    label_maps: Mapping[str, LabelMap],
    parts: Mapping[str, int],
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """One sample in a row: its inputs where there are several, then truth and prediction of each target."""
    shown = show_inputs(picture, parts)
    row = list(shown.inputs.values()) if parts else []
    for name, label_map in label_maps.items():
        if name in truth:
            row += [draw_target(shown.main, array, label_map) for array in (truth[name], predicted(prediction, name))]
    return row
