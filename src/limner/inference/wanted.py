"""What a prediction of many pictures shall leave behind.

Layer: inference. Values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.inference.doubtful import check_flag


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Attributes:
        probabilities: Also probabilities.
        overlay: Also overlays, to look at.
        uncertainty: Also how unsure each pixel is, and `doubts.csv`: how well each picture may have gone, the most
            doubtful first.
        flag_below: Also `doubts.csv`; results of pictures whose expected Dice is below it, or that are unlike the
            training pictures, go to the sub-folder `doubtful`.
        rle: CSV of all masks as run lengths (see `Submission`), without the pictures that fail.
    """

    probabilities: bool = False
    overlay: bool = False
    uncertainty: bool = False
    flag_below: float | None = None
    rle: str | Path | None = None

    @property
    def doubts(self) -> bool:
        """Whether there will be a table of doubts."""
        return self.uncertainty or self.flag_below is not None

    def check(self, out: str | Path | None, targets: Mapping[str, TargetSpec]) -> None:
        """Refuse what is impossible before anything is read.

        Args:
            out: Folder of the results; None without one.
            targets: What the model predicts.

        Raises:
            ConfigError: There is nowhere to write, or the model cannot give what is wanted.
        """
        if out is None and (self.probabilities or self.overlay or self.doubts):
            raise ConfigError("a folder for overlays, probabilities and doubts", "none was named", "Add --out FOLDER.")
        if out is None and self.rle is None:
            raise ConfigError(
                "a folder for the masks, or a file for their run lengths",
                "neither was named",
                "Add --out FOLDER, or --rle FILE.csv.",
            )
        check_flag(self.flag_below, targets)

    def judged(self) -> dict[str, Any]:
        """What decides which results a picture gets, beside the model; the rest decides which files there are."""
        return {"--flag-below": self.flag_below}
