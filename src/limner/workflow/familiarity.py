"""What a model's training pictures look like, kept in its bundle, so that it can tell pictures unlike them.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limner.bundle import describe_anew, read_meta
from limner.data.catalog import Catalog, spread
from limner.data.prepare import Prepared
from limner.data.samples import image_location, image_locations
from limner.inference.familiarity import MOST_PICTURES, features, learn
from limner.inference.inputs import read_input
from limner.threads import ordered_map
from limner.types import Progress, Split, no_progress


def learn_pictures(
    bundle: Path, data: Prepared, *, known: Sequence[Split] = ("train",), progress: Progress = no_progress
) -> None:
    """Keep in a bundle what its training pictures look like.

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
        given = image_locations(catalog, index) if meta.inputs.parts else image_location(catalog, index)
        return features(read_input(given, meta.inputs).pixels, meta.inputs)

    samples = [(part, index) for part in (train, others) for index in range(len(part))]
    found = []
    for numbers in ordered_map(look, samples):
        found.append(numbers)
        progress("familiarise", len(found), len(samples))
    table = np.array(found)
    familiar = learn(table[: len(train)], train.groups, table[len(train) :])
    # What a run that had finished before says of itself stays as it is, byte for byte.
    if familiar is not None and familiar != meta.familiar:
        describe_anew(bundle, meta.model_copy(update={"familiar": familiar}))
