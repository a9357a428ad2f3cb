"""`predict` on a cluster.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limner.bundle import read_meta
from limner.errors import ConfigError, did_you_mean
from limner.inference.cluster import Cluster, import_ray
from limner.inference.folder import FolderResult, predict_places
from limner.inference.shards import Shard
from limner.inference.tasks import Places
from limner.inference.wanted import Wanted
from limner.inference.worker import Assignment

CLUSTERS = ("ray",)


def predict_on_cluster(
    kind: str,
    address: str,
    bundle: Path,
    pictures: Places,
    out: str | Path | None,
    wanted: Wanted,
    *,
    overwrite: bool,
    resume: bool,
    shard: Shard,
    made: Mapping[str, Any],
    device: str,
    batch_size: int | None,
    uncertainty: str,
    engine: str,
    progress: Callable[[int, int], None],
) -> FolderResult:
    """As `limner.workflow.predict.predict`, with predictors on all machines of a cluster.

    Args:
        kind: Of the cluster, one of `CLUSTERS`.
        address: See `Cluster`.
        bundle: The model's file.
        pictures: See `predict`, also of the others.
        out: Folder that all machines share, or URL of a store.
        wanted: What to write.
        overwrite: See `predict`.
        resume: See `predict`.
        shard: Which part of the pictures.
        made: See `predict_places`.
        device: See `predict`.
        batch_size: See `predict`.
        uncertainty: Where doubts come from.
        engine: See `predict`; not `auto`.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        ConfigError: What is asked for cannot be done on a cluster, or there is none.
        LimnerError: See `predict`.
    """
    if kind not in CLUSTERS:
        raise ConfigError(f"--cluster {', '.join(CLUSTERS)}", f"'{kind}'", f"{did_you_mean(kind, CLUSTERS)}Correct it.")
    import_ray()
    if engine == "auto":
        raise ConfigError(
            "one engine for all machines of a cluster",
            "--engine auto, which may choose another on each",
            "Name it: --engine torch, onnxruntime or openvino.",
        )
    if wanted.form == "nifti":
        raise ConfigError(
            "pictures that can be predicted apart, on a cluster",
            "--format nifti, which stacks slices that lie on many machines",
            "Share volumes among machines with --shard NUMBER/COUNT, or choose another --format.",
        )
    assignment = Assignment(wanted, None, device=device, batch_size=batch_size, uncertainty=uncertainty, engine=engine)
    return predict_places(
        read_meta(bundle),
        Cluster(address, bundle, assignment),
        pictures,
        out,
        wanted,
        overwrite=overwrite,
        resume=resume,
        shard=shard,
        made=made,
        progress=progress,
    )
