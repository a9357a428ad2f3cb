"""From settings, plan and data to the objects of a training.

Layer: training.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec
from limner.config import Config
from limner.data.cache import open_samples
from limner.data.digests import catalog_digest
from limner.data.folds import FOLD
from limner.data.prepare import Prepared
from limner.data.samples import Samples, SomeSamples
from limner.errors import ConfigError
from limner.images import parse_location
from limner.losses import create_loss
from limner.losses.truth import own
from limner.models import EncoderUNet, create_model, load_encoder_weights, set_first_logits
from limner.models.encoders import spread
from limner.training.distributed import ranks
from limner.training.freezing import find_part
from limner.training.loader import Batches, EpochOrder
from limner.training.module import Loss, Objective, SegmentationModule
from limner.training.optimizers import create_optimizer, create_schedule
from limner.training.phases import Phase
from limner.training.plan import Plan
from limner.training.state import TrainingState
from limner.types import PLANES, SYMMETRIES, Plane, Progress, Symmetry

_TILE_OVERLAP = 0.25
_LEAST_SHARE = 0.002
_EVERY_PIXEL = {"bce", "ce", "focal"}


def build_model(config: Config, plan: Plan, data: Prepared, *, fresh: bool = True) -> nn.Module:
    """The network; with the encoder's pretrained weights, if it is to have any and is `fresh`.

    Raises:
        ConfigError: Impossible settings, or pretrained weights that cannot be fetched.
        BundleError: A file of weights that do not fit.
    """
    model = create_model(config.model.name, **_model_arguments(plan, data))
    if fresh:
        set_first_logits(model, _first_logits(plan, data))
    if fresh and plan.encoder_weights:
        load_encoder_weights(model, None if plan.encoder_weights == "timm" else plan.encoder_weights)
    return model


def _first_logits(plan: Plan, data: Prepared) -> dict[str, list[float]]:
    """Logits that say how often each class occurs, for targets whose loss looks at every pixel.

    Else the first steps go into moving all background away from one half, which narrow networks, with
    their few bounded features, do slowly; rare classes are not learned meanwhile. From Lin et al. 2017,
    "Focal Loss for Dense Object Detection" (arXiv 1708.02002), section 3.3. Overlap losses alone, such
    as Dice, have hardly a gradient where everything is background, so they start from one half.
    """
    logits = {}
    for name, label_map in data.label_maps.items():
        if label_map.task == "regression" or not _EVERY_PIXEL.intersection(re.findall("[a-z]+", plan.losses[name])):
            continue
        shares = [min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE) for share in data.fingerprint.class_share[name]]
        if label_map.task == "multiclass":
            logits[name] = [math.log(share) for share in shares]
        else:
            odds = [math.log(share / (1 - share)) for share in shares]
            logits[name] = odds[1:] if label_map.task == "binary" else odds
    return logits


def _intensity(plan: Plan, data: Prepared, model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel: what pretrained weights want, else those of the data."""
    if plan.encoder_weights:
        assert isinstance(model, EncoderUNet)
        return tuple(model.input_mean), tuple(model.input_std)
    return tuple(spread(data.fingerprint.mean, plan.channels)), tuple(spread(data.fingerprint.std, plan.channels))


def _model_arguments(plan: Plan, data: Prepared) -> dict[str, Any]:
    outputs = {
        name: 1 if label_map.task in ("binary", "regression") else label_map.num_classes
        for name, label_map in data.label_maps.items()
    }
    return {
        "in_channels": plan.channels,
        "out_channels": outputs,
        **({"conv_sizes": list(plan.conv_sizes)} if plan.conv_sizes else {}),
        **plan.network,
    }


def build_module(config: Config, plan: Plan, data: Prepared, model: nn.Module) -> SegmentationModule:
    """The network with its losses, optimiser, schedule and augmentation.

    Args:
        config: Settings.
        plan: Choices.
        data: Samples and what they look like.
        model: Network.

    Raises:
        ConfigError: Loss, class weights, optimiser, schedule or freezing do not fit the data or each other.
    """
    training = config.training
    _check_class_weights(training.class_weights, data)
    course = plan.course
    schedule = create_schedule(training.schedule, gamma=training.gamma)
    objectives = [_objective(config, data, model, number, phase) for number, phase in enumerate(course.phases)]
    mean, std = _intensity(plan, data, model)
    return SegmentationModule(
        model,
        lambda epoch: objectives[course.number(epoch)],
        plan.augmentation(),
        value_range=(data.fingerprint.low, data.fingerprint.high),
        mean=mean,
        std=std,
        optimizer=lambda network: create_optimizer(
            training.optimizer,
            network,
            lr=course.phases[0].lr,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
        ),
        rate=lambda state: course.rate(schedule, state, seconds=plan.seconds, spent=plan.pace.get("took", 0.0)),
        ranges={
            name: (label_map.low, label_map.high)
            for name, label_map in data.label_maps.items()
            if label_map.task == "regression"
        },
        seed=training.seed,
        ema=plan.ema,
        grad_clip=training.grad_clip,
        compiled=training.compile,
        accumulate=plan.accumulate,
        recompute=plan.recompute,
        memory_format=torch.channels_last if plan.memory_format == "channels_last" else torch.contiguous_format,
    )


def _objective(config: Config, data: Prepared, model: nn.Module, number: int, phase: Phase) -> Objective:
    for name in phase.freeze:
        find_part(model, name)
    losses: dict[str, Loss] = {
        name: create_loss(
            phase.losses[name],
            task=label_map.task,
            class_weights=None if label_map.task == "regression" else config.training.class_weights,
            total=ranks().total if ranks().count > 1 else own,
        )
        for name, label_map in data.label_maps.items()
    }
    return Objective(losses, phase.target_weights, phase.freeze, number)


def _check_class_weights(weights: Sequence[float] | None, data: Prepared) -> None:
    for name, label_map in data.label_maps.items():
        if weights is not None and label_map.task != "regression" and len(weights) != label_map.num_classes:
            raise ConfigError(
                f"{label_map.num_classes} training.class_weights, for {', '.join(label_map.names)} of '{name}'",
                f"{len(weights)}: {weights}",
                "Give a weight per class in this order.",
            )


def build_meta(config: Config, plan: Plan, data: Prepared, model: nn.Module, phase: Phase) -> BundleMeta:
    """Everything prediction needs besides the weights, for a model as it is in `phase`."""
    fingerprint = data.fingerprint
    mean, std = _intensity(plan, data, model)
    return BundleMeta(
        model=ModelSpec(name=config.model.name, kwargs=_model_arguments(plan, data)),
        inputs=InputSpec(
            channels=plan.channels,
            dtype=fingerprint.dtype,  # type: ignore[arg-type]  # checked by the model
            low=fingerprint.low,
            high=fingerprint.high,
            mean=list(mean),
            std=list(std),
            fit=plan.fit,
            size=phase.size,
            parts=fingerprint.parts,
            plane=_plane(data),
        ),
        targets={
            name: TargetSpec(
                task=label_map.task,
                names=list(label_map.names),
                colors=list(label_map.colors),
                label_map=label_map.to_dict(),
                unit=label_map.unit,
                low=label_map.low,
                high=label_map.high,
            )
            for name, label_map in data.label_maps.items()
        },
        precision=config.training.precision,
        symmetries=_symmetries(plan, phase),
        tiling=TilingSpec(size=plan.tile, overlap=_TILE_OVERLAP),
        data=DataSpec(hash=catalog_digest(data.catalog), count=len(data.catalog), splits=data.catalog.split_counts()),
    )


def _symmetries(plan: Plan, phase: Phase) -> list[Symmetry]:
    """Which ways of showing a picture the training drew."""
    drawn = plan.augmentation()
    # Of pictures that are not square only half turns are drawn.
    square = phase.size is None or phase.size[0] == phase.size[1]
    return [name for name in SYMMETRIES if getattr(drawn, name) and (square or name != "rotate90")]


def _plane(data: Prepared) -> Plane | None:
    """The plane of the slices, where the samples are slices of volumes."""
    # A table of samples, such as `limner split` writes, names slices; a DICOM series has its plane among the facts.
    named = {parse_location(location).plane for location in next(iter(data.catalog.inputs.values()))}
    planes = [plane for plane in PLANES if plane in named or plane in data.catalog.facts.get("plane", ())]
    return planes[0] if len(planes) == 1 else None


def open_batches(
    config: Config,
    plan: Plan,
    data: Prepared,
    phase: Phase,
    state: TrainingState,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Batches:
    """Batches of the training samples, in the catalog's order.

    Args:
        config: Settings.
        plan: Choices.
        data: Samples and what they look like.
        phase: Says their size, and how many make a batch.
        state: Says which epoch and batch come next.
        cache_dir: Folder of the cache; None decodes whenever a sample is asked for.
        progress: Told while the cache is filled.

    Raises:
        DataError: Files that cannot be decoded.
    """
    train = data.catalog.indices("train")
    # Of a training in folds every sample but test ones is decoded, once for all folds.
    chosen = np.flatnonzero([split != "test" for split in data.catalog.splits]) if FOLD in data.catalog.facts else train
    samples: Samples = open_samples(
        data.catalog.subset(chosen),
        data.label_maps,
        channels=plan.channels,
        dtype=data.fingerprint.dtype,
        fit=plan.fit,
        size=phase.size if plan.fit == "resize" else None,
        parts=data.fingerprint.parts,
        cache_dir=cache_dir,
        limit_bytes=int(config.data.cache_limit_gb * 1e9),
        progress=progress,
    )
    if len(chosen) != len(train):
        samples = SomeSamples(samples, np.searchsorted(chosen, train))
    return Batches(
        samples,
        EpochOrder(len(train), phase.batch, phase.steps, config.training.seed),
        state,
        size=phase.size,
        foreground=plan.foreground_crops,
        main_target=next((name for name, found in data.label_maps.items() if found.task != "regression"), ""),
        part=ranks().part,
    )
