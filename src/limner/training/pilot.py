"""The pilot of a training: does it learn at all, do pictures and masks belong together, and what will it take?

Layer: training. That a network can learn two batches by heart says that losses, rate and classes work; it says
nothing about the pairs, since masks of other pictures can be learned by heart, too. So what it then predicts for
pictures it has not seen is compared with their masks, and with those masks dealt out anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limner.augment import create_augmentation
from limner.config import Config
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared
from limner.training.choices import plain
from limner.training.nonfinite import batch_to
from limner.training.pace import Pace
from limner.training.plan import Plan
from limner.training.trial import Trial, trying
from limner.types import IGNORE

_AT_ONCE = 4  # samples of each of the two batches
_FEWEST, _MOST = 16, 120  # steps
_WARM_UP = 8
_LEARNED = 0.75  # of the loss at first, at which the batches count as learned
_BY_HEART = 0.3  # of it, at which nothing more need be shown
_UNSEEN = 24  # samples
_LOOKED_THROUGH = 64  # likewise
_DEALS = 999
_BELONG, _CHANCE = 0.02, 0.05  # p-values, below and above which pairs fit and do not
SHUFFLED_KINDS = ("shuffled-pairs", "shifted-pairs")
"""Findings of the check that say the same."""

Cause = Literal["", "label map", "lr", "shuffled pairs", "unknown"]


@dataclass(frozen=True)
class Learning:
    """What two batches showed.

    Attributes:
        first: Loss before the first step.
        last: Lowest loss of two steps in a row.
        steps: Steps taken.
        foreground: Share of the known pixels of these batches that are foreground; NaN for numbers.
        pairs: Probability that masks dealt out at random fit the predictions for unseen pictures as well as the
            given ones; NaN where it could not be found out.
    """

    first: float
    last: float
    steps: int
    foreground: float = math.nan
    pairs: float = math.nan

    @property
    def learned(self) -> bool:
        """Whether the loss fell as it does where there is something to learn."""
        return math.isfinite(self.last) and self.last < _LEARNED * self.first

    @property
    def told(self) -> bool:
        """Whether there were steps enough to tell."""
        return self.learned or self.steps >= _FEWEST or not math.isfinite(self.last)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        values = {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}
        return values | {"learned": self.learned if self.told else None}


def learn_two_batches(
    config: Config, data: Prepared, plan: Plan, *, seconds: float, lr: float | None = None
) -> Learning:
    """Learn two small batches by heart, without augmentation, then look at what other samples' predictions fit.

    Args:
        config: Settings.
        data: Samples.
        plan: What was decided.
        seconds: Time for the steps; one that is under way is finished.
        lr: Learning rate, after a warm-up. Default: the plan's.

    Raises:
        LimnerError: As `fit`.
    """
    rows = min(_AT_ONCE, plan.batch)
    still = replace(plan, augment={name: plain(value) for name, value in asdict(create_augmentation("none")).items()})
    top = plan.lr if lr is None else lr
    with trying(config, data, replace(still, accumulate=1)) as trial:
        name, label_map = next(iter(data.label_maps.items()))
        keys = _with_foreground_first(trial, 2 * rows, name)
        batches = [trial.batches.make(0, keys[start : start + rows]) for start in (0, rows) if start < len(keys)]
        losses: list[float] = []
        begin = time.monotonic()
        while len(losses) < _MOST and (len(losses) < 2 * len(batches) or time.monotonic() - begin < seconds):
            rate = top * min(1.0, (1 + len(losses)) / _WARM_UP)
            losses.append(float(trial.step(batches[len(losses) % len(batches)], lr=rate)))
            enough = len(losses) >= _FEWEST and sum(losses[-2:]) < _BY_HEART * sum(losses[:2])
            if enough or not math.isfinite(losses[-1]):
                break
        pairs = [sum(losses[at : at + 2]) / 2 for at in range(len(losses) - 1)] or losses
        last = min(pairs) if all(map(math.isfinite, losses)) else math.nan
        foreground = p_value = math.nan
        if label_map.task != "regression":
            foreground = _foreground([batch["targets"][name] for batch in batches])
            # The first ones have been learned by heart.
            unseen = keys[len(batches) * rows :][:_UNSEEN]
            if math.isfinite(last) and len(unseen) >= 8:
                p_value = _unseen_pairs(trial, unseen, rows, name, label_map)
        return Learning(losses[0], last, len(losses), foreground, p_value)


def find_cause(learning: Learning, gentler: Learning | None, findings: Collection[str] | None) -> Cause:
    """Why a training is likely to come to nothing; empty where it is not.

    Pairs are called shuffled where both the check and the network say so; the network alone where there was no check.

    Args:
        learning: Of two batches.
        gentler: The same with a lower rate, where that was tried.
        findings: Kinds of the check's findings that are doubts; None where nothing was checked.
    """
    doubted = findings is not None and bool(set(SHUFFLED_KINDS) & set(findings))
    if doubted and not learning.pairs < _BELONG:
        return "shuffled pairs"
    if findings is None and learning.told and learning.pairs > _CHANCE:
        return "shuffled pairs"
    if learning.learned or not learning.told:
        return ""
    if learning.foreground in (0.0, 1.0):
        return "label map"
    if gentler is not None and gentler.learned:
        return "lr"
    return "unknown"


def explain(cause: Cause, learning: Learning, plan: Plan) -> str:
    """In sentences, with what to do; empty where there is no cause."""
    went = f"the loss of two batches went from {learning.first:.3g} to {learning.last:.3g} in {learning.steps} steps"
    match cause:
        case "shuffled pairs":
            chance = "" if math.isnan(learning.pairs) else f" (probability of chance {learning.pairs:.2f})"
            return (
                "Your pairs look shuffled: what the network predicts for pictures it has not seen fits their masks no "
                f"better than masks dealt out at random{chance}. Look at samples.png and at limner check."
            )
        case "label map":
            what = "no foreground at all" if learning.foreground == 0 else "nothing but foreground"
            return f"The label map may be wrong: {went}, and their masks hold {what}. See `masks` in plan.yaml."
        case "lr":
            return (
                f"The learning rate {plan.lr:.3g} is too high: {went}, and with a tenth of it they are learned. Set lr."
            )
        case "unknown":
            return f"Two batches are not learned by heart: {went}. Look at samples.png, at the loss and at the network."
    return ""


def try_to_learn(
    config: Config, data: Prepared, plan: Plan, findings: Collection[str] | None, *, seconds: float
) -> tuple[Learning, Cause]:
    """Learn two batches, once more at a tenth of the rate where that fails, and say why it may have.

    Args:
        config: Settings.
        data: Samples.
        plan: What was decided.
        findings: Kinds of the check's findings that are doubts; None where nothing was checked.
        seconds: Time for the steps of each.
    """
    learning = learn_two_batches(config, data, plan, seconds=seconds)
    gentler = None
    if learning.told and not learning.learned:
        gentler = learn_two_batches(config, data, plan, seconds=seconds, lr=plan.lr / 10)
    return learning, find_cause(learning, gentler, findings)


def forecast_seconds(plan: Plan, pace: Pace) -> float:
    """How long a training takes at most: its steps and validations, or its time budget."""
    if plan.seconds is not None:
        return plan.seconds
    course = plan.course
    return course.steps * pace.step + course.epochs * plan.val_samples * pace.sample


def _with_foreground_first(trial: Trial, wanted: int, name: str) -> np.ndarray:
    """Keys of all samples in a random order, but so many of the first ones with foreground come before the rest."""
    order = trial.batches.order
    keys = replace(order, batch=1, steps=order.count).keys(0).ravel()
    found: list[int] = []
    for place, key in enumerate(keys[:_LOOKED_THROUGH]):
        if len(found) == wanted:
            break
        mask = trial.batches.make(0, keys[place : place + 1])["targets"][name]
        if mask.dtype != torch.uint8 or ((mask > 0) & (mask != IGNORE)).any():
            found.append(int(key))
    return np.concatenate([np.array(found, np.int64), keys[~np.isin(keys, found)]])


def _foreground(masks: list[Tensor]) -> float:
    known = sum(int((mask != IGNORE).sum()) for mask in masks)
    inside = sum(int(((mask > 0) & (mask != IGNORE)).sum()) for mask in masks)
    return inside / known if known else 0.0


@torch.no_grad()
def _unseen_pairs(trial: Trial, keys: np.ndarray, rows: int, name: str, label_map: LabelMap) -> float:
    """The p-value of `Learning.pairs`, by correlation over pixels, with what all samples have in common taken away."""
    predicted, true = [], []
    for start in range(0, len(keys), rows):
        batch = batch_to(trial.batches.make(0, keys[start : start + rows]), trial.device)
        images, targets = trial.module.prepare(batch)
        logits = trial.module.model(images)[name].float()
        probs = 1 - logits.softmax(dim=1)[:, 0] if label_map.task == "multiclass" else logits.sigmoid().amax(dim=1)
        mask = targets[name]
        inside = (mask > 0) & (mask != IGNORE)
        predicted.append(probs.cpu())
        true.append((inside.amax(dim=1) if mask.ndim == 4 else inside).float().cpu())
    return pairing_p_value(torch.cat(predicted).numpy(), torch.cat(true).numpy())


def pairing_p_value(
    predicted: Float[np.ndarray, "samples height width"], true: Float[np.ndarray, "samples height width"]
) -> float:
    """Share of random pairings, the given one among them, that fit at least as well; NaN where all are alike.

    Args:
        predicted: Probability of foreground.
        true: Whether it is.
    """
    one, other = (
        array.reshape(len(array), -1) - array.reshape(len(array), -1).mean(axis=0) for array in (predicted, true)
    )
    norms = [np.linalg.norm(array, axis=1, keepdims=True) for array in (one, other)]
    kept = (norms[0] > 1e-6).ravel() & (norms[1] > 1e-6).ravel()
    if kept.sum() < 8:
        return math.nan
    likeness = (one[kept] / norms[0][kept]) @ (other[kept] / norms[1][kept]).T
    rng, count = np.random.default_rng(0), int(kept.sum())
    given = np.trace(likeness)
    dealt = [likeness[np.arange(count), rng.permutation(count)].sum() for _ in range(_DEALS)]
    return float((1 + np.sum(np.array(dealt) >= given)) / (1 + _DEALS))
