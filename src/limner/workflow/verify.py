"""`verify`: repeat the first steps of a training, and compare them bit for bit.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.allocator import keep_large_blocks
from limner.data.digests import digest
from limner.data.prepare import Prepared
from limner.data.samples import image_locations
from limner.errors import shorten
from limner.training.first_steps import FirstSteps
from limner.training.fit import read_plan, repeat_first_steps
from limner.training.loader import EpochOrder
from limner.training.plan import Plan
from limner.training.record import read_data
from limner.workflow.attempts import effective_settings
from limner.workflow.settings import read_settings


@dataclass(frozen=True)
class Verification:
    """What a repetition of the first steps showed.

    Attributes:
        run: The run folder.
        steps: Steps that were repeated.
        same: Whether all losses and the weights after the last step are the same, bit for bit.
        differs_at: First step, from 1, whose loss is another one; None where all losses are the same.
        recorded: The loss of that step in the run.
        repeated: The loss of that step now.
        reasons: What is another than it was: versions, machine, pictures. Empty where nothing is known to be.
    """

    run: Path
    steps: int
    same: bool
    differs_at: int | None = None
    recorded: float | None = None
    repeated: float | None = None
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"run": str(self.run)}


def verify(run: str | Path) -> Verification:
    """Repeat the first steps of a run from its seed, settings, plan and data, and compare losses and weights.

    The run is only read. Pictures are decoded anew, not taken from the cache.

    Args:
        run: Run folder.

    Raises:
        DataError: Not a run folder, its training did not come as far as a first step, or a picture that can no
            longer be read.
        LimnerError: The model that the training started from is gone, or the device is.
    """
    keep_large_blocks()
    folder = Path(run)
    recorded = FirstSteps.read(folder)
    data, plan = read_data(folder), read_plan(folder)
    config = effective_settings(read_settings(folder / "config.yaml", (), None), folder)
    found = repeat_first_steps(config, data, plan, recorded.rates)
    steps = len(recorded.losses)
    pairs = enumerate(zip(recorded.losses, found.losses, strict=True), start=1)
    differs = next(((step, *pair) for step, pair in pairs if pair[0] != pair[1]), None)
    if differs is None and found.weights == recorded.weights:
        return Verification(folder, steps, same=True)
    reasons = (*_other(recorded.made_with, found.made_with), *_changed(data, plan, config.training.seed, steps))
    step, before, now = differs or (None, None, None)
    return Verification(folder, steps, False, step, before, now, reasons)


def _other(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for name in before | now:
        was, is_now = before.get(name, "unknown"), now.get(name, "unknown")
        if was != is_now:
            yield f"{name}: {was} → {is_now}"


def _changed(data: Prepared, plan: Plan, seed: int, steps: int) -> list[str]:
    """Pictures and masks of these steps whose files are no longer those that were trained on."""
    catalog = data.catalog.subset(data.catalog.indices("train"))
    phase = plan.course.phases[0]
    keys = EpochOrder(len(catalog), phase.batch, phase.steps, seed).keys(0)[:steps]
    changed = []
    for index in np.unique(keys % len(catalog)).tolist():
        masks = [locations[index] for locations in catalog.targets.values()]
        for fact, what, locations in (
            ("hash", "picture", list(image_locations(catalog, index).values())),
            ("target_hash", "mask", masks),
        ):
            known = catalog.facts.get(fact)
            if known is not None and digest(locations) != known[index]:
                changed.append(f"another {what} of {catalog.ids[index]} than was trained on: '{locations[0]}'")
    return shorten(changed)
