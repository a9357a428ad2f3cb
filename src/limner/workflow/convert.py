"""`convert`: annotations of other programs, turned into masks.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.data.annotations.convert import Wishes, convert_annotations
from limner.data.annotations.output import Converted
from limner.data.annotations.overlaps import Policy
from limner.types import Progress, no_progress


def convert(
    annotations: str | Path,
    *,
    out: str | Path,
    images: str | Path | None = None,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    overlap: Policy = "auto",
    instances: bool = False,
    copy: bool = False,
    progress: Progress = no_progress,
) -> Converted:
    """Draw the annotations of another program as masks, into a folder that `train` takes as it is.

    Args:
        annotations: File, folder of files, or zip: COCO, labelme, CVAT, Label Studio, GeoJSON, ImageJ.
        out: A new or empty folder.
        images: Folder or zip of the pictures, if they lie elsewhere.
        kind: The format, to settle what could be read as several.
        classes: Names to take, by class id from 1.
        overlap: Who gets the pixels that shapes of different classes share (see `Wishes`).
        instances: Also write the number of each object.
        copy: Copy the pictures instead of naming where they lie.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. What is left out is among the doubts instead.
    """
    wishes = Wishes(kind, None if classes is None else tuple(classes), overlap, instances, copy)
    return convert_annotations(annotations, Path(out), images=images, wishes=wishes, progress=progress)
