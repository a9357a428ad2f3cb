"""`predict` on a cluster.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from limner.bundle import read_meta
from limner.errors import ConfigError, did_you_mean
from limner.inference.cluster import Cluster, import_ray
from limner.inference.folder import FolderResult, predict_places
from limner.inference.shards import Shard
from limner.inference.tasks import Places
from limner.inference.worker import Assignment
from limner.workflow.models import is_exported

CLUSTERS = ("ray",)


def predict_on_cluster(
    kind: str,
    address: str,
    models: Sequence[Path],
    pictures: Places,
    out: str | Path | None,
    assignment: Assignment,
    *,
    overwrite: bool,
    resume: bool,
    shard: Shard,
    made: Mapping[str, Any],
    progress: Callable[[int, int], None],
) -> FolderResult:
    """As `limner.workflow.predict.predict`, with predictors on all machines of a cluster.

    Args:
        kind: Of the cluster, one of `CLUSTERS`.
        address: See `Cluster`.
        models: Files of models, of which there must be one, and a bundle.
        pictures: See `predict`.
        out: Folder that all machines share, or URL of a store.
        assignment: What is wanted and how; where to write is filled in.
        overwrite: See `predict`.
        resume: See `predict`.
        shard: Which part of the pictures.
        made: See `predict_places`.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        ConfigError: What is asked for cannot be done on a cluster, or there is none.
        LimnerError: See `predict`.
    """
    if kind not in CLUSTERS:
        raise ConfigError(f"--cluster {', '.join(CLUSTERS)}", f"'{kind}'", f"{did_you_mean(kind, CLUSTERS)}Correct it.")
    import_ray()
    _check_choices(models, assignment)
    return predict_places(
        read_meta(models[0]),
        Cluster(address, models[0], assignment),
        pictures,
        out,
        assignment.wanted,
        overwrite=overwrite,
        resume=resume,
        shard=shard,
        made=made,
        progress=progress,
    )


def _check_choices(models: Sequence[Path], assignment: Assignment) -> None:
    """Refuse what is decided on one machine, or needs one."""
    if len(models) != 1 or is_exported(models[0]):
        raise ConfigError(
            "one model on a cluster, a run folder or bundle",
            ", ".join(map(str, models)),
            "Name one; an ensemble of a training in folds is one bundle.",
        )
    if assignment.engine == "auto":
        raise ConfigError(
            "one engine for all machines of a cluster",
            "--engine auto, which may choose another on each",
            "Name it: --engine torch, onnxruntime or openvino.",
        )
    if assignment.tta == "auto" or assignment.precision == "int8":
        found = "--tta auto" if assignment.tta == "auto" else "--precision int8"
        raise ConfigError(
            "views and precision that need no measuring, on a cluster",
            f"{found}, which is measured on the training's own pictures",
            "Name the views or another precision, or use --shard NUMBER/COUNT.",
        )
    if assignment.wanted.form in ("nifti", "dicom-seg"):
        raise ConfigError(
            "pictures that can be predicted apart, on a cluster",
            f"--format {assignment.wanted.form}, whose files may be made of many pictures",
            "Share volumes among machines with --shard NUMBER/COUNT, or choose another --format.",
        )
