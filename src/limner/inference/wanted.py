"""What a prediction of many pictures shall leave behind.

Layer: inference. Values only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.bundle import TargetSpec
from limner.data.annotations.writing import FORMATS_WRITTEN
from limner.errors import ConfigError, did_you_mean
from limner.images import is_url
from limner.inference.doubtful import check_flag
from limner.inference.outputs import MASK_FORMS, PROBABILITY_FORMS
from limner.types import Spacing

STREAMING = ("auto", "always", "never")
"""Which pictures are read by window."""


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Attributes:
        form: Of masks, of `limner.inference.outputs.MASK_FORMS`. `nifti` stacks slices into volumes again;
            `dicom-seg` is for DICOM pictures alone.
        probabilities: Also probabilities, as `npz` or `tiff`.
        overlay: Also overlays, to look at.
        uncertainty: Also how unsure each pixel is, and `doubts.csv`: how well each picture may have gone, the most
            doubtful first.
        flag_below: Also `doubts.csv`; results of pictures whose expected Dice is below it, or that are unlike the
            training pictures, go to the sub-folder `doubtful`.
        rle: CSV of all masks as run lengths (see `Submission`), without the pictures that fail.
        contours: Also outlines of objects, in these formats of `FORMATS_WRITTEN`.
        simplify: How far a simpler outline may leave the object's, in pixels; 0 keeps every corner.
        measure: Also `objects.csv`: sizes of every object.
        spacing: Size of the pixels of all pictures in mm, for sizes; None takes what each picture's file says.
        stream: Which pictures are read by window and predicted by tile, of `STREAMING`: `auto` takes those of more
            than `limner.images.STREAM_PIXELS` pixels where all that is wanted can be had so.
        skip_empty: Of these, leave out tiles of background, see `limner.inference.empty`.
    """

    form: str = "png"
    probabilities: str = ""
    overlay: bool = False
    uncertainty: bool = False
    flag_below: float | None = None
    rle: str | Path | None = None
    contours: tuple[str, ...] = ()
    simplify: float = 0.0
    measure: bool = False
    spacing: Spacing | None = None
    stream: str = "auto"
    skip_empty: bool = False

    @property
    def whole_only(self) -> list[str]:
        """What is wanted and needs the whole picture in memory."""
        return [
            option
            for option, given in (
                (f"--format {self.form}", self.form not in ("png", "tiff")),
                ("--probabilities (npz)", self.probabilities == "npz"),
                ("--uncertainty", self.uncertainty),
                ("--flag-below", self.flag_below is not None),
                ("--rle", self.rle is not None),
                ("--contours", bool(self.contours)),
                ("--measure", self.measure),
            )
            if given
        ]

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
        further = self.probabilities or self.overlay or self.doubts or self.contours or self.measure
        if out is None and further:
            raise ConfigError(
                "a folder for overlays, probabilities, doubts, contours and sizes",
                "none was named",
                "Add --out FOLDER.",
            )
        if out is None and self.rle is None:
            raise ConfigError(
                "a folder for the masks, or a file for their run lengths",
                "neither was named",
                "Add --out FOLDER, or --rle FILE.csv.",
            )
        if self.rle is not None and is_url(str(self.rle)):
            raise ConfigError("a file for run lengths", f"'{self.rle}'", "Name a file on this machine for --rle.")
        check_flag(self.flag_below, targets)
        self._check_stream()
        self._check_forms(targets)
        self._check_objects(targets)

    def _check_stream(self) -> None:
        if self.stream not in STREAMING:
            raise ConfigError(
                f"--stream {', '.join(STREAMING)}",
                f"'{self.stream}'",
                f"{did_you_mean(self.stream, STREAMING)}Correct it.",
            )
        if self.stream == "always":
            check_streaming(self.whole_only)
        if self.stream == "never" and self.skip_empty:
            raise ConfigError(
                "pictures read by window, whose empty tiles can be left out",
                "--stream never",
                "Leave out --stream never, or --skip-empty.",
            )

    def _check_forms(self, targets: Mapping[str, TargetSpec]) -> None:
        for option, given, known in (
            ("--format", self.form, tuple(MASK_FORMS)),
            ("--probabilities-as", self.probabilities or PROBABILITY_FORMS[0], PROBABILITY_FORMS),
        ):
            if given not in known:
                raise ConfigError(
                    f"{option} {', '.join(known)}", f"'{given}'", f"{did_you_mean(given, known)}Correct it."
                )
        if self.form not in ("nifti", "dicom-seg"):
            return
        numbers = [name for name, spec in targets.items() if spec.task == "regression"]
        if numbers or (self.form == "nifti" and self.flag_below is not None):
            raise ConfigError(
                f"masks{' of whole volumes' if self.form == 'nifti' else ''}, for --format {self.form}",
                f"numbers: {', '.join(numbers)}" if numbers else "--flag-below, which puts slices apart",
                "Choose another --format" + ("." if numbers else ", or take --uncertainty, which puts none apart."),
            )

    def _check_objects(self, targets: Mapping[str, TargetSpec]) -> None:
        for name in self.contours:
            if name not in FORMATS_WRITTEN:
                raise ConfigError(
                    f"--contours {', '.join(FORMATS_WRITTEN)}",
                    f"'{name}'",
                    f"{did_you_mean(name, FORMATS_WRITTEN)}Correct it.",
                )
        if not 0 <= self.simplify < math.inf:
            raise ConfigError("pixels, 0 or more, for --simplify", f"{self.simplify:g}", "Such as --simplify 1.")
        if self.simplify and not self.contours:
            raise ConfigError("outlines to simplify", "no --contours", "Add --contours, or leave out --simplify.")
        if self.spacing is not None and not self.measure:
            raise ConfigError("sizes to give in mm", "no --measure", "Add --measure, or leave out --spacing.")
        if (self.contours or self.measure) and all(spec.task == "regression" for spec in targets.values()):
            raise ConfigError(
                "a model that predicts masks, for --contours and --measure",
                f"one of {', '.join(targets)}",
                "Leave them out.",
            )

    def judged(self) -> dict[str, Any]:
        """What decides which results a picture gets, beside the model; the rest decides which files there are."""
        made: dict[str, Any] = {"--format": self.form, "--flag-below": self.flag_below}
        # What does not matter must not be the same.
        if self.contours:
            made["--simplify"] = self.simplify
        if self.measure:
            made["--spacing"] = self.spacing
        if self.skip_empty:
            made["--skip-empty"] = True
        return made


def check_streaming(whole_only: Sequence[str]) -> None:
    """Refuse what cannot be had of a picture that is read by window.

    Args:
        whole_only: See `Wanted`.

    Raises:
        ConfigError: There is such.
    """
    if whole_only:
        raise ConfigError(
            "results that can be written by tile: masks as TIFF, --probabilities-as tiff, --overlay",
            f"{', '.join(whole_only)}, which needs the whole picture in memory",
            "Leave it out, or cut the picture into parts.",
        )
