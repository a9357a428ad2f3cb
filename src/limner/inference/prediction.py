"""What a user gets: probabilities and masks at the picture's own size.

Layer: inference. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from limner.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one picture; every array has the picture's own height and width.

    Attributes:
        masks: Per target: class ids `height width` (binary, multiclass), or planes of 0 and 1
            `height width classes` (multilabel).
        probs: Per target, in [0, 1]: one plane, of the class (binary); one per class id that together
            sum to 1 (multiclass); one per class (multilabel). Empty if not asked for.
        values: Per regression target: the predicted numbers, in the target's unit.
        uncertainty: Per target, in [0, 1]: the entropy of a pixel's probabilities; of regression the standard
            deviation over the looks, as a share of the range of the training values. Empty if not asked for.
        expected_dice: Per target with classes, by class id: Dice to expect of the mask, without knowing the truth;
            NaN for the background. Empty if not asked for.
    """

    masks: dict[str, UInt8[np.ndarray, "height width *classes"]]
    probs: dict[str, Float32[np.ndarray, "classes height width"]]
    values: dict[str, Float32[np.ndarray, "height width"]]
    uncertainty: dict[str, Float32[np.ndarray, "height width"]] = field(default_factory=dict)
    expected_dice: dict[str, Float64[np.ndarray, " ids"]] = field(default_factory=dict)

    @property
    def mask(self) -> UInt8[np.ndarray, "height width *classes"]:
        """The mask of the target `mask`, or of the only one.

        Raises:
            ConfigError: There are several targets and none is called `mask`, or none has a mask.
        """
        if "mask" in self.masks:
            return self.masks["mask"]
        if len(self.masks) != 1:
            raise ConfigError(
                "one target with a mask", f"{', '.join(self.masks) or 'none'}", "Name the one you want: masks[name]."
            )
        return next(iter(self.masks.values()))

    @property
    def score(self) -> float:
        """Dice to expect of the whole: the mean over foreground classes, then over targets; NaN where unknown."""
        means = [float(np.nanmean(found)) for found in self.expected_dice.values() if not np.isnan(found).all()]
        return sum(means) / len(means) if means else float("nan")
