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
from limner.data.samples import image_locations
from limner.images import read_image, resize_image, resize_mask
from limner.inference.drawing import draw_target, show_inputs
from limner.inference.numbers import to_unit_range
from limner.render import color_numbers, contact_sheet, overlay, to_display
from limner.training.build import open_batches
from limner.training.plan import make_plan
from limner.training.state import TrainingState
from limner.types import Color, Size

_SAMPLES = 8
_COLUMNS = 4
_VARIANTS = 3
_LONGEST = 512


def sample_sheet(catalog: Catalog, label_maps: Mapping[str, LabelMap]) -> bytes:
    """PNG of training samples, spread over the data set, with the outlines of their masks.

    Where a sample has several inputs or targets, or numbers, it is a row: inputs, then targets.
    """
    chosen = spread(catalog.indices("train"), _SAMPLES)
    name, label_map = next(iter(label_maps.items()))
    if len(catalog.inputs) > 1 or len(label_maps) > 1 or label_map.task == "regression":
        return contact_sheet(
            [_sample_row(catalog, label_maps, index) for index in chosen],
            titles=[*catalog.inputs, *label_maps],
            captions=[[catalog.ids[index]] for index in chosen],
            legend=full_legend(label_maps),
        )
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
    """PNG with a row per training sample and target: as training reads it, then three times augmented."""
    train = data.catalog.subset(data.catalog.indices("train"))
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    batches = open_batches(config, plan, data, plan.course.phases[-1], TrainingState())
    augmentation = plan.augmentation()
    chosen = spread(np.arange(len(train)), count)
    rows, captions = [], []
    for key in chosen:
        batch = batches.make(0, np.array([key]))
        images = to_unit_range(batch["images"], data.fingerprint.low, data.fingerprint.high)
        variants = [(images, batch["targets"])]
        for epoch in range(_VARIANTS):
            draw = augmentation.draw(config.training.seed, epoch, np.array([key]), plan.size)
            variants.append(augmentation.apply(images, batch["targets"], draw))
        for name, label_map in data.label_maps.items():
            rows.append([_draw(one, many[name], label_map, data.fingerprint.parts) for one, many in variants])
            captions.append([train.ids[key]])
    return contact_sheet(
        rows,
        titles=["as read", *(f"augmented {number}" for number in range(1, _VARIANTS + 1))],
        captions=captions,
        legend=full_legend(data.label_maps),
    )


def legend(label_map: LabelMap) -> list[tuple[str, Color]]:
    """Names and colours of the classes that are drawn."""
    entries = list(zip(label_map.names, label_map.colors, strict=True))
    return entries if label_map.task == "multilabel" else entries[1:]


def full_legend(label_maps: Mapping[str, LabelMap]) -> list[tuple[str, Color]]:
    """Names and colours of all that is drawn: classes, and the two ends of each range of numbers."""
    entries = []
    for name, label_map in label_maps.items():
        if label_map.task != "regression":
            entries += legend(label_map)
            continue
        ends = color_numbers(np.array([[label_map.low, label_map.high]]), label_map.low, label_map.high)[0].tolist()
        for value, (red, green, blue) in zip((label_map.low, label_map.high), ends, strict=True):
            entries.append((f"{name} {value:.3g} {label_map.unit}".rstrip(), (red, green, blue)))
    return entries


def _sample_row(catalog: Catalog, label_maps: Mapping[str, LabelMap], index: int) -> list[np.ndarray]:
    """Inputs of a sample, then its targets over the last of them; a target that it lacks is left plain."""
    inputs = [read_image(location) for location in image_locations(catalog, index).values()]
    size = _small(inputs[-1])
    row = [to_display(resize_image(image, size)) for image in inputs]
    shown = row[-1]
    for name, label_map in label_maps.items():
        location = catalog.targets[name][index]
        target = resize_mask(read_target(location, label_map), size) if location else None
        row.append(shown if target is None else draw_target(shown, target, label_map))
    return row


def _first_input(catalog: Catalog, index: int) -> str:
    return next(iter(catalog.inputs.values()))[index]


def _outlined(image: np.ndarray, mask: np.ndarray, label_map: LabelMap) -> np.ndarray:
    size = _small(image)
    return overlay(resize_image(image, size), resize_mask(mask, size), label_map.colors)


def _small(image: np.ndarray) -> Size:
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    return max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))


def _draw(images: torch.Tensor, targets: torch.Tensor, label_map: LabelMap, parts: Mapping[str, int]) -> np.ndarray:
    image = (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    target = targets[0].permute(1, 2, 0) if targets.ndim == 4 else targets[0]
    return draw_target(show_inputs(image, parts).main, target.contiguous().numpy(), label_map)
