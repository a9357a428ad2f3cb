"""The collapse guard: a network that predicts one class alone is found while it trains, and told why.

Layer: training.

What no loss curve shows, and all that a collapse takes to be seen, is measured for each target of masks at every
validation: the share of pixels that is predicted as foreground beside the true one, the spread of the logits, and the
norm of the gradients of the head; the last two in the last step of the epoch, so that no other step costs more.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from limner.config import Config
from limner.data.prepare import Prepared
from limner.errors import DataError, TrainingError
from limner.files import write_text
from limner.training.choices import decide_lr
from limner.training.loader import Batch
from limner.training.module import SegmentationModule
from limner.training.plan import Plan
from limner.training.state import TrainingState
from limner.training.validation import Validation

COLLAPSE_NAME = "collapse.json"

_FEWEST = 3  # validations in a row
_SHARE_OF_EPOCHS = 0.1
_WARMED_UP = 0.15  # share of the training: the rate of the default schedule has had its highest value
_FEWEST_STEPS = 100
_HALF = 0.5  # of the training, after which nobody waits any longer
_NONE = 0.01  # predicted share over the true one
_ALL = 0.99  # predicted share
_LEARNING = 0.02  # relative fall of the loss per epoch
_RARE = 0.05
_OVERLAP = {"dice", "tversky", "lovasz"}


@dataclass(frozen=True)
class Seen:
    """What a validation showed of a target.

    Attributes:
        epoch: From 1.
        predicted: Share of pixels predicted as foreground, 0 to 1; of several planes their mean.
        true: Share that is.
        spread: Standard deviation of the logits over the pixels of a batch; None where it was not measured.
        gradient: Norm of the gradients of the target's head in that batch, likewise.
        loss: Training loss of the epoch.
    """

    epoch: int
    predicted: float
    true: float
    spread: float | None = None
    gradient: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class Collapse:
    """A target of which one class alone is predicted.

    Attributes:
        target: Its name.
        seen: The validations that showed it.
        causes: What is likely the reason, as sentences.
        changes: Settings that are likely to help, by name.
        because: A reason for each.
    """

    target: str
    seen: Sequence[Seen]
    causes: Sequence[str] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)

    @property
    def diagnosis(self) -> str:
        """What was seen, in sentences."""
        first, last = self.seen[0], self.seen[-1]
        text = (
            f"In {len(self.seen)} validations in a row, of epochs {first.epoch} to {last.epoch}, "
            f"{last.predicted:.2%} of the pixels were predicted as foreground of '{self.target}', "
            f"where {last.true:.2%} are."
        )
        if last.spread is not None and last.gradient is not None:
            text += f" Logits spread by {last.spread:.3g}, and the gradient of the head is {last.gradient:.2g}."
        return " ".join([text, *self.causes])

    def error(self, run: Path, *, again: bool = False) -> TrainingError:
        """That the training was stopped; `again` where the remedies were tried already."""
        if again:
            remedy = "The remedies were tried and did not help: look at masks and pictures with limner check"
        else:
            remedy = f"Train anew with --auto-fix, which tries {shlex.join(overrides(self.changes))}"
        return TrainingError(
            "a network that tells foreground from background",
            f"a collapse: {self.diagnosis}",
            f"{remedy}. Or go on as it is: limner train --resume {shlex.quote(str(run))} training.collapse_guard=false",
        )

    def write(self, run: Path) -> None:
        """Write `collapse.json`."""
        write_text(run / COLLAPSE_NAME, json.dumps(asdict(self) | {"diagnosis": self.diagnosis}, indent=2))

    @classmethod
    def read(cls, run: Path) -> Collapse:
        """Read `collapse.json`.

        Raises:
            DataError: It is missing or damaged.
        """
        try:
            values = json.loads((run / COLLAPSE_NAME).read_text(encoding="utf-8"))
            values.pop("diagnosis")
            return cls(**{**values, "seen": [Seen(**one) for one in values["seen"]]})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"a readable '{run / COLLAPSE_NAME}'",
                str(error),
                "Go on with training.collapse_guard=false, or train anew.",
            ) from error


class Guard(pl.Callback):
    """Measures, and stops the training where a target has collapsed; its place is after `Stop`.

    Args:
        plan: What was decided.
        config: Settings.
        data: What the data look like.
        validation: Has the counts of the last validation.
        run: Run folder, for `collapse.json`.
    """

    def __init__(self, plan: Plan, config: Config, data: Prepared, validation: Validation, run: Path) -> None:
        self._plan = plan
        self._config = config
        self._data = data
        self._validation = validation
        self._run = run
        self._seen: dict[str, list[Seen]] = {}
        self._measured: dict[str, dict[str, Tensor]] | None = None
        self._module: SegmentationModule | None = None
        self.collapse: Collapse | None = None

    def state_dict(self) -> dict[str, Any]:
        # The last step of an epoch is measured, and a checkpoint may come between it and the validation.
        measured = None if self._module is None else self._module.measured
        return {
            "seen": {name: [asdict(one) for one in seen] for name, seen in self._seen.items()},
            "measured": self._measured if measured is None else measured,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seen = {name: [Seen(**one) for one in seen] for name, seen in state_dict["seen"].items()}
        self._measured = state_dict["measured"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SegmentationModule)
        self._module = pl_module
        pl_module.measured, self._measured = self._measured, None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, SegmentationModule)
        state = pl_module.state
        steps = self._plan.course.phases[state.phase].steps
        pl_module.measured = {} if state.batch == steps - 1 else None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SegmentationModule)
        state = pl_module.state
        if state.interrupted:
            return
        frozen = self._plan.course.phases[state.phase].freeze
        shares = {name: found for name, found in self._validation.foreground.items() if name not in frozen}
        for name, (predicted, true) in shares.items():
            found = {key: float(value) for key, value in (pl_module.measured or {}).get(name, {}).items()}
            seen = Seen(state.epoch, predicted, true, **found, loss=_number(state.metrics["train_loss"]))
            self._seen.setdefault(name, []).append(seen)
            self._seen[name] = self._seen[name][-self._window :]
            suffix = f"_{name}" if len(self._data.label_maps) > 1 else ""
            state.metrics |= {
                f"foreground_predicted{suffix}": predicted,
                f"foreground_true{suffix}": true,
                **{f"head_{key}{suffix}": value for key, value in found.items()},
            }
        pl_module.measured = None
        if not self._config.training.collapse_guard:
            return
        for name, history in self._seen.items():
            if len(history) >= self._window and has_collapsed(history, self._done(state), state.step):
                self.collapse = diagnose(name, history, self._plan, self._config, self._data)
                self.collapse.write(self._run)
                if not state.stopped:
                    state.stopped, trainer.should_stop = "collapse", True
                return

    @property
    def _window(self) -> int:
        # Where a clock ends the training, the number of epochs is no measure.
        epochs = 0 if self._plan.seconds else self._plan.epochs
        return max(_FEWEST, math.ceil(_SHARE_OF_EPOCHS * epochs))

    def _done(self, state: TrainingState) -> float:
        passed = state.seconds / self._plan.seconds if self._plan.seconds else 0.0
        return max(self._plan.course.done(state), passed)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def has_collapsed(history: Sequence[Seen], done: float, steps: int) -> bool:
    """Whether validations in a row show a network that predicts one class alone, and is not about to learn.

    Nearly every network predicts background alone at first. So nothing is said before the rate has had its highest
    value and a hundred steps are done; and up to the middle of the training a loss that still falls is waited for.

    Args:
        history: Validations in a row, the last one last.
        done: Share of the training that is done, 0 to 1.
        steps: Steps done.
    """
    if done < _WARMED_UP or steps < _FEWEST_STEPS:
        return False
    nothing = all(seen.true > 0 and seen.predicted < _NONE * seen.true for seen in history)
    everything = all(seen.true < _HALF and seen.predicted > _ALL for seen in history)
    if not (nothing or everything):
        return False
    first, last = history[0].loss, history[-1].loss
    if done >= _HALF or first is None or last is None:
        return True
    return last > first - abs(first) * _LEARNING * (len(history) - 1)


def diagnose(name: str, history: Sequence[Seen], plan: Plan, config: Config, data: Prepared) -> Collapse:
    """What is likely the reason, and which settings are likely to help."""
    loss, usual = plan.losses[name], decide_lr(None, config.training.optimizer)[0]
    terms = set(re.findall("[a-z]+", loss))
    true, causes = history[-1].true, []
    share = 1 - data.fingerprint.class_share[name][0]
    multilabel = data.label_maps[name].task == "multilabel"
    if not multilabel and share == 0:
        causes.append("The training masks hold no foreground at all.")
    if not terms & _OVERLAP and true < _RARE:
        causes.append(f"Foreground is rare, and the loss {loss} is small already where none is predicted.")
    if plan.lr > 2 * usual:
        causes.append(f"The learning rate {plan.lr:.3g} is {plan.lr / usual:,.0f} times the usual one.")
    if history[-1].gradient is not None and history[-1].gradient < 1e-6:
        causes.append("The head has no gradient any more.")
    pixelwise = "ce" if data.label_maps[name].task == "multiclass" else "bce"
    wanted = f"0.5*{pixelwise}+tversky" if terms & _OVERLAP else f"{pixelwise}+dice"
    changes: dict[str, Any] = {"loss": {**plan.losses, name: wanted}}
    because = {
        "loss": "an overlap loss counts the foreground alone"
        + (", and Tversky prices what is missed higher" if terms & _OVERLAP else "")
        + "; beside it cross-entropy lets the head begin at the share of each class"
    }
    changes["lr"] = min(plan.lr / 10, usual)
    because["lr"] = "a tenth, and at most the usual one: large steps saturate the network"
    if not config.training.grad_clip:
        changes["grad_clip"], because["grad_clip"] = 1.0, "single steps may not be large"
    larger = any(side > size for side, size in zip(data.fingerprint.median, plan.size, strict=True))
    if plan.fit == "native" or (larger and config.data.fit is None):
        changes["foreground_crops"] = 0.8
        because["foreground_crops"] = "most crops hold foreground"
    if plan.fit == "resize" and larger and config.data.fit is None:
        changes["data.fit"], because["data.fit"] = "native", "small objects keep their size in crops"
    return Collapse(name, list(history), causes, changes, because)


def overrides(changes: Mapping[str, Any]) -> list[str]:
    """Changes as settings are written on the command line."""
    return [f"{name if '.' in name else f'training.{name}'}={json.dumps(value)}" for name, value in changes.items()]
