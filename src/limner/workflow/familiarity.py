"""What a model's training pictures look like, kept in its bundle, so that it can tell pictures unlike them, and why.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limner.bundle import InputSpec, describe_anew, read_meta
from limner.data.catalog import Catalog, spread
from limner.data.prepare import Prepared
from limner.data.samples import image_location, image_locations
from limner.evaluation.explain import suspects
from limner.inference.familiarity import MOST_PICTURES, features, learn
from limner.inference.inputs import read_input, scaled
from limner.threads import ordered_map
from limner.types import Progress, Split, no_progress


def learn_pictures(
    bundle: Path, data: Prepared, *, known: Sequence[Split] = ("train",), progress: Progress = no_progress
) -> None:
    """Keep in a bundle what its training pictures look like, as they are and with faults planted in them.

    Args:
        bundle: The file; its weights stay as they are.
        data: The samples of its run; those of `val` say how much pictures of one kind differ.
        known: Splits whose samples it was trained on.
        progress: Told of the progress.

    Raises:
        DataError: A picture can no longer be read.
    """
    meta = read_meta(bundle)
    train = data.catalog.subset([index for index, split in enumerate(data.catalog.splits) if split in known])
    others = data.catalog.subset(data.catalog.indices("val")) if "val" not in known else train.subset([])
    train, others = (part.subset(spread(np.arange(len(part)), MOST_PICTURES)) for part in (train, others))

    def look(sample: tuple[Catalog, int]) -> np.ndarray:
        catalog, index = sample
        return features(scaled(_read(catalog, index, meta.inputs), meta.inputs), meta.inputs)

    samples = [(part, index) for part in (train, others) for index in range(len(part))]
    chosen = train.subset(spread(np.arange(len(train)), suspects.MOST_PICTURES))

    def plant(index: int) -> list[suspects.Row]:
        original = _read(chosen, index, meta.inputs)
        return suspects.rows_of(original, meta.inputs, meta.symmetries, index, len(chosen))

    found, total = [], len(samples) + len(chosen)
    for numbers in ordered_map(look, samples):
        found.append(numbers)
        progress("familiarise", len(found), total)
    rows = []
    if len(chosen) >= suspects.FEWEST_PICTURES:
        for of_one in ordered_map(plant, range(len(chosen))):
            rows.append(of_one)
            progress("familiarise", len(found) + len(rows), total)
    table = np.array(found)
    familiar = learn(table[: len(train)], train.groups, table[len(train) :])
    planted = suspects.learn(rows, chosen.groups if rows else [])
    known_now = {"familiar": familiar or meta.familiar, "planted": planted or meta.planted}
    # What a run that had finished before says of itself stays as it is, byte for byte.
    if known_now != {"familiar": meta.familiar, "planted": meta.planted}:
        describe_anew(bundle, meta.model_copy(update=known_now))


def _read(catalog: Catalog, index: int, inputs: InputSpec) -> np.ndarray:
    """A picture with the network's channels and numbers, at its own size."""
    given = image_locations(catalog, index) if inputs.parts else image_location(catalog, index)
    return read_input(given, inputs.model_copy(update={"fit": "native"})).pixels
