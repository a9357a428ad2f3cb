"""Many predictions as a zip, with the files that `limner predict` writes.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from limner.bundle import TargetSpec
from limner.inference.object_tables import COCO_NAME, OBJECTS_NAME, CocoTable, ObjectTable
from limner.inference.outputs import Outputs
from limner.inference.sources import Picture
from limner.inference.tables import Done
from limner.serving.working import Predicted
from limner.types import Spacing

PACKED = ("mask", "overlay", "probabilities", "polygons", "coco", "objects", "uncertainty")
"""What a client may ask for."""

FAILED = "failed.json"


class Package:
    """Gathers the results of one request in a folder; safe to call from several threads.

    Args:
        folder: An empty one.
        targets: What the model predicts.
        parts: See `Outputs`.
        answers: Of `PACKED`.
        spacing: Size of a pixel in mm; None where sizes are in pixels.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, TargetSpec],
        parts: Mapping[str, int],
        answers: Collection[str],
        spacing: Spacing | None,
    ) -> None:
        self._folder, self._spacing = folder, spacing
        self._outputs = Outputs(
            folder / "masks",
            targets,
            probabilities="npz" if "probabilities" in answers else "",
            overlays="overlay" in answers,
            parts=parts,
            uncertainty="uncertainty" in answers,
            contours=("geojson",) if "polygons" in answers else (),
        )
        several = len(targets) > 1
        tables: list[ObjectTable | CocoTable] = []
        if "objects" in answers:
            tables.append(ObjectTable(folder / OBJECTS_NAME, targets))
        if "coco" in answers:
            tables += [
                CocoTable(folder / (f"{name}_{COCO_NAME}" if several else COCO_NAME), name, spec)
                for name, spec in targets.items()
                if spec.task != "regression"
            ]
        self._tables = tables
        self._records: dict[str, dict[str, Any]] = {table.key: {} for table in tables}
        self._failed: dict[str, Any] = {}
        self._lock = threading.Lock()

    def add(self, name: str, called: str, found: Predicted) -> None:
        """Write the results of one picture.

        Args:
            name: Of the results.
            called: What the client calls it, for tables.
            found: What the model says.
        """
        self._outputs.write(name, Picture(called, called), found.picture.picture, found.prediction)
        done = Done(called, found.prediction, spacing=self._spacing)
        records = {table.key: table.record(done) for table in self._tables}
        with self._lock:
            for key, record in records.items():
                self._records[key][name] = record

    def fail(self, called: str, problem: Mapping[str, Any]) -> None:
        """Remember that a picture could not be predicted."""
        with self._lock:
            self._failed[called] = problem

    def close(self, names: Collection[str], path: Path) -> None:
        """Write the tables, in the order of the names, and all of it as a zip."""
        for table in self._tables:
            records = self._records[table.key]
            table.write([records[name] for name in names if name in records])
        if self._failed:
            (self._folder / FAILED).write_text(json.dumps(self._failed, indent=2, ensure_ascii=False), "utf-8")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(self._folder.rglob("*")):
                if file.is_file():
                    text = file.suffix in (".json", ".csv", ".geojson")
                    archive.write(
                        file, file.relative_to(self._folder).as_posix(), zipfile.ZIP_DEFLATED if text else None
                    )
