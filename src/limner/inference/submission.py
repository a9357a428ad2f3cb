"""Masks of many pictures as one table of run lengths, such as Kaggle's challenges ask for.

Layer: inference.

    img,rle_mask                          one class: a row per picture, empty where nothing was found
    img,class,rle_mask                    several: a row per picture and class, the background left out

Runs are counted along the rows from 1, see `limner.images.rle`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.images import encode_rle
from limner.inference.prediction import Prediction
from limner.inference.tables import Done, Records, open_table


@dataclass(frozen=True)
class Submission:
    """The rows that predictions become.

    Attributes:
        path: The CSV.
        target: Name of the target whose masks go in.
        spec: What the target means.
    """

    path: Path
    target: str
    spec: TargetSpec
    key: ClassVar[str] = "rle"

    @classmethod
    def plan(cls, path: str | Path, targets: Mapping[str, TargetSpec]) -> Submission:
        """Decide what goes in, before anything is predicted.

        Raises:
            ConfigError: The model has no target with masks, or several.
        """
        masks = [name for name, spec in targets.items() if spec.task != "regression"]
        if len(masks) != 1:
            raise ConfigError(
                "a model with one target of masks for run lengths", ", ".join(masks) or "none", "Leave out --rle."
            )
        return cls(Path(path), masks[0], targets[masks[0]])

    def header(self) -> str:
        """The first line."""
        return "img,rle_mask\n" if self.spec.task == "binary" else "img,class,rle_mask\n"

    def record(self, done: Done) -> str:
        """What the journal keeps of a picture: its lines."""
        return self.rows(done.picture, done.prediction)

    def write(self, records: Records) -> None:
        """Write the table.

        Raises:
            OutputError: It cannot be written.
        """
        with open_table(self.path) as stream:
            stream.write(self.header())
            stream.writelines(records)

    def rows(self, picture: str, prediction: Prediction) -> str:
        """The lines of one picture.

        Args:
            picture: Its name, as the table shall have it.
            prediction: Its masks.
        """
        mask = prediction.masks[self.target]
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if self.spec.task == "binary":
            writer.writerow([picture, encode_rle(mask)])
        elif self.spec.task == "multilabel":
            for index, name in enumerate(self.spec.names):
                writer.writerow([picture, name, encode_rle(mask[..., index])])
        else:
            for index, name in enumerate(self.spec.names[1:], start=1):
                writer.writerow([picture, name, encode_rle(mask == index)])
        return lines.getvalue()
