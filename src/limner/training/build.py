"""From settings, plan and data to the objects of a training.

Layer: training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec
from limner.config import Config
from limner.data.cache import open_samples
from limner.data.digests import catalog_digest
from limner.data.prepare import Prepared
from limner.data.scan import Progress
from limner.errors import ConfigError
from limner.losses import create_loss
from limner.models import EncoderUNet, create_model, load_encoder_weights
from limner.training.loader import Batches, EpochOrder
from limner.training.module import SegmentationModule
from limner.training.optimizers import create_optimizer, create_schedule
from limner.training.plan import Plan
from limner.training.state import TrainingState

_TILE_OVERLAP = 0.25


def build_model(config: Config, plan: Plan, data: Prepared, *, fresh: bool = True) -> nn.Module:
    """The network; with the encoder's pretrained weights, if it is to have any and is `fresh`.

    Raises:
        ConfigError: Impossible settings, or pretrained weights that cannot be fetched.
        BundleError: A file of weights that do not fit.
    """
    model = create_model(config.model.name, **_model_arguments(plan, data))
    if fresh and plan.encoder_weights:
        load_encoder_weights(model, None if plan.encoder_weights == "timm" else plan.encoder_weights)
    return model


def _intensity(plan: Plan, data: Prepared, model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel: what pretrained weights want, else those of the data."""
    if plan.encoder_weights:
        assert isinstance(model, EncoderUNet)
        return tuple(model.input_mean), tuple(model.input_std)
    return data.fingerprint.mean, data.fingerprint.std


def _model_arguments(plan: Plan, data: Prepared) -> dict[str, Any]:
    outputs = {
        name: 1 if label_map.task == "binary" else label_map.num_classes for name, label_map in data.label_maps.items()
    }
    return {
        "in_channels": data.fingerprint.channels,
        "out_channels": outputs,
        **({"conv_sizes": list(plan.conv_sizes)} if plan.conv_sizes else {}),
        **plan.network,
    }


def build_module(config: Config, plan: Plan, data: Prepared, model: nn.Module, steps: int) -> SegmentationModule:
    """The network with its losses, optimiser, schedule and augmentation.

    Args:
        config: Settings.
        plan: Choices.
        data: Samples and what they look like.
        model: Network.
        steps: Steps per epoch.

    Raises:
        ConfigError: Loss, class weights, optimiser or schedule do not fit the data or each other.
    """
    training = config.training
    _check_class_weights(training.class_weights, data)
    losses = {
        name: create_loss(plan.losses[name], task=label_map.task, class_weights=training.class_weights)
        for name, label_map in data.label_maps.items()
    }
    total = plan.epochs * steps
    mean, std = _intensity(plan, data, model)

    def progress(state: TrainingState) -> float:
        by_time = state.seconds / plan.seconds if plan.seconds else 0.0
        return min(1.0, max(by_time, state.step / total))

    return SegmentationModule(
        model,
        losses,
        plan.augmentation(),
        value_range=(data.fingerprint.low, data.fingerprint.high),
        mean=mean,
        std=std,
        optimizer=lambda network: create_optimizer(
            training.optimizer,
            network,
            lr=plan.lr,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
        ),
        schedule=create_schedule(training.schedule, epochs=plan.epochs, gamma=training.gamma),
        progress=progress,
        seed=training.seed,
        ema=plan.ema,
        grad_clip=training.grad_clip,
        compiled=training.compile,
        memory_format=torch.channels_last if plan.memory_format == "channels_last" else torch.contiguous_format,
    )


def _check_class_weights(weights: Sequence[float] | None, data: Prepared) -> None:
    for name, label_map in data.label_maps.items():
        if weights is not None and len(weights) != label_map.num_classes:
            raise ConfigError(
                f"{label_map.num_classes} training.class_weights, for {', '.join(label_map.names)} of '{name}'",
                f"{len(weights)}: {weights}",
                "Give a weight per class in this order.",
            )


def build_meta(config: Config, plan: Plan, data: Prepared, model: nn.Module) -> BundleMeta:
    """Everything prediction needs besides the weights."""
    fingerprint = data.fingerprint
    mean, std = _intensity(plan, data, model)
    return BundleMeta(
        model=ModelSpec(name=config.model.name, kwargs=_model_arguments(plan, data)),
        inputs=InputSpec(
            channels=fingerprint.channels,
            dtype=fingerprint.dtype,  # type: ignore[arg-type]  # checked by the model
            low=fingerprint.low,
            high=fingerprint.high,
            mean=list(mean),
            std=list(std),
            fit=plan.fit,
            size=plan.size,
        ),
        targets={
            name: TargetSpec(
                task=label_map.task,
                names=list(label_map.names),
                colors=list(label_map.colors),
                label_map=label_map.to_dict(),
            )
            for name, label_map in data.label_maps.items()
        },
        precision=config.training.precision,
        tiling=TilingSpec(size=plan.tile, overlap=_TILE_OVERLAP),
        data=DataSpec(hash=catalog_digest(data.catalog), count=len(data.catalog), splits=data.catalog.split_counts()),
    )


def open_batches(
    config: Config,
    plan: Plan,
    data: Prepared,
    order: EpochOrder,
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
        order: Which samples come when.
        state: Says which epoch and batch come next.
        cache_dir: Folder of the cache; None decodes whenever a sample is asked for.
        progress: Told while the cache is filled.

    Raises:
        DataError: Files that cannot be decoded.
    """
    samples = open_samples(
        data.catalog.subset(data.catalog.indices("train")),
        data.label_maps,
        channels=data.fingerprint.channels,
        dtype=data.fingerprint.dtype,
        fit=plan.fit,
        size=plan.size if plan.fit == "resize" else None,
        cache_dir=cache_dir,
        limit_bytes=int(config.data.cache_limit_gb * 1e9),
        progress=progress,
    )
    return Batches(
        samples,
        order,
        state,
        size=plan.size,
        foreground=config.training.foreground_crops,
        main_target=next(iter(data.label_maps)),
    )
