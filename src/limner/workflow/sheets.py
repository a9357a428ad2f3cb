"""Contact sheets of a data set: its samples, and what augmentation makes of them.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from limner.config import Config
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap, read_target
from limner.data.prepare import Prepared
from limner.images import read_image, resize_image, resize_mask
from limner.inference.inputs import to_unit_range
from limner.render import contact_sheet, overlay
from limner.training.build import open_batches
from limner.training.loader import EpochOrder
from limner.training.plan import make_plan
from limner.training.state import TrainingState
from limner.types import Color

_SAMPLES = 8
_COLUMNS = 4
_VARIANTS = 3
_LONGEST = 512


def sample_sheet(catalog: Catalog, label_maps: Mapping[str, LabelMap]) -> bytes:
    """PNG of training samples, spread over the data set, with the outlines of their masks."""
    chosen = spread(catalog.indices("train"), _SAMPLES)
    name, label_map = next(iter(label_maps.items()))
    pictures = [
        _outlined(
            read_image(_first_input(catalog, index)), read_target(catalog.targets[name][index], label_map), label_map
        )
        for index in chosen
    ]
    ids = [catalog.ids[index] for index in chosen]
    return contact_sheet(
        [pictures[start : start + _COLUMNS] for start in range(0, len(pictures), _COLUMNS)],
        captions=[ids[start : start + _COLUMNS] for start in range(0, len(ids), _COLUMNS)],
        legend=legend(label_map),
    )


def augmented_sheet(data: Prepared, config: Config, *, count: int) -> bytes:
    """PNG with a row per training sample: as training reads it, then three times augmented."""
    train = data.catalog.subset(data.catalog.indices("train"))
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    order = EpochOrder(len(train), batch=1, passes=1, seed=config.training.seed)
    batches = open_batches(config, plan, data, order, TrainingState())
    augmentation = plan.augmentation()
    label_map = next(iter(data.label_maps.values()))
    chosen = spread(np.arange(len(train)), count)
    rows = []
    for key in chosen:
        batch = batches.make(0, np.array([key]))
        images = to_unit_range(batch["images"], data.fingerprint.low, data.fingerprint.high)
        row = [_draw(images, batch["targets"], label_map)]
        for epoch in range(_VARIANTS):
            draw = augmentation.draw(config.training.seed, epoch, np.array([key]), plan.size)
            row.append(_draw(*augmentation.apply(images, batch["targets"], draw), label_map))
        rows.append(row)
    return contact_sheet(
        rows,
        titles=["as read", *(f"augmented {number}" for number in range(1, _VARIANTS + 1))],
        captions=[[train.ids[key]] for key in chosen],
        legend=legend(label_map),
    )


def legend(label_map: LabelMap) -> list[tuple[str, Color]]:
    """Names and colours of the classes that are drawn."""
    entries = list(zip(label_map.names, label_map.colors, strict=True))
    return entries if label_map.task == "multilabel" else entries[1:]


def _first_input(catalog: Catalog, index: int) -> str:
    return next(iter(catalog.inputs.values()))[index]


def _outlined(image: np.ndarray, mask: np.ndarray, label_map: LabelMap) -> np.ndarray:
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    return overlay(resize_image(image, size), resize_mask(mask, size), label_map.colors)


def _draw(images: torch.Tensor, targets: Mapping[str, torch.Tensor], label_map: LabelMap) -> np.ndarray:
    image = (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    mask = next(iter(targets.values()))[0]
    ids = mask.permute(1, 2, 0) if mask.ndim == 3 else mask
    return overlay(image, ids.contiguous().numpy(), label_map.colors)
