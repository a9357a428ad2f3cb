"""`predict` on a cluster.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from limner.bundle import read_meta
from limner.errors import ConfigError, did_you_mean
from limner.inference.cluster import Cluster, import_ray
from limner.inference.folder import FolderResult, predict_places
from limner.inference.shards import Shard
from limner.inference.tasks import Places
from limner.inference.view_evidence import chosen_views, views_sentence
from limner.inference.wanted import Wanted
from limner.inference.worker import Assignment
from limner.workflow.models import is_exported

CLUSTERS = ("ray",)


def predict_on_cluster(
    kind: str,
    address: str,
    models: Sequence[Path],
    pictures: Places,
    out: str | Path | None,
    wanted: Wanted,
    *,
    overwrite: bool,
    resume: bool,
    shard: Shard,
    made: Mapping[str, Any],
    device: str,
    precision: str,
    batch_size: int | None,
    uncertainty: str,
    tta: str,
    engine: str,
    progress: Callable[[int, int], None],
) -> FolderResult:
    """As `limner.workflow.predict.predict`, with predictors on all machines of a cluster.

    Args:
        kind: Of the cluster, one of `CLUSTERS`.
        address: See `Cluster`.
        models: The model's bundle, alone.
        pictures: See `predict`, also of the others.
        out: Folder that all machines share, or URL of a store.
        wanted: What to write.
        overwrite: See `predict`.
        resume: See `predict`.
        shard: Which part of the pictures.
        made: See `predict_places`.
        device: See `predict`.
        precision: See `predict`; not `int8`.
        batch_size: See `predict`.
        uncertainty: Where doubts come from.
        tta: See `predict`; what `auto` means was measured before.
        engine: See `predict`; not `auto`.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        ConfigError: What is asked for cannot be done on a cluster, or there is none.
        LimnerError: See `predict`.
    """
    if kind not in CLUSTERS:
        raise ConfigError(f"--cluster {', '.join(CLUSTERS)}", f"'{kind}'", f"{did_you_mean(kind, CLUSTERS)}Correct it.")
    import_ray()
    if len(models) > 1 or is_exported(models[0]) or precision == "int8":
        raise ConfigError(
            "one run or bundle in float32 or bf16, on a cluster",
            "int8" if precision == "int8" else ", ".join(map(str, models)),
            "Share the pictures among machines with --shard NUMBER/COUNT, which can do all that one machine can.",
        )
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
    meta = read_meta(models[0])
    views = chosen_views(meta, tta)
    assignment = Assignment(
        wanted,
        None,
        device=device,
        precision=precision,
        batch_size=batch_size,
        uncertainty=uncertainty,
        tta=views,
        engine=engine,
    )
    result = predict_places(
        meta,
        Cluster(address, models[0], assignment),
        pictures,
        out,
        wanted,
        overwrite=overwrite,
        resume=resume,
        shard=shard,
        made={**made, "--tta": views},
        progress=progress,
    )
    return replace(result, engine=engine, views=views_sentence(meta, views))
