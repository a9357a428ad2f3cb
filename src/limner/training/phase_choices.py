"""What each phase of a training does: given, or chosen as for a training without phases.

Layer: training, below `plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from limner.config import Config, PhaseConfig
from limner.data.labels import LabelMap
from limner.errors import ConfigError, did_you_mean
from limner.training.choices import decide_batch, decide_lr, decide_passes
from limner.training.phases import Phase, steps_per_epoch
from limner.types import Size

Choice = tuple[Any, str]

ENCODER = "encoder"
"""What `training.freeze` calls the part that all targets share."""

_PUBLISHED_LOSSES = {"improved_unet": "dice"}
_USUAL_LOSSES = {"binary": "bce+dice", "multiclass": "ce+dice", "multilabel": "bce+dice", "regression": "l1"}
_OF_A_PHASE = ("size", "batch", "passes", "steps", "lr", "losses", "target_weights", "freeze")


def decide_phase(
    config: Config,
    size: tuple[Size, str],
    label_maps: Mapping[str, LabelMap],
    count: int,
    device: str,
    phase: PhaseConfig | None = None,
) -> dict[str, Choice]:
    """Every choice of one phase but its epochs; what `phase` leaves out is decided by the training's settings.

    Args:
        config: Settings.
        size: Working size of a training without phases.
        label_maps: What each target's masks mean.
        count: Training samples.
        device: Where the training runs.
        phase: Settings of the phase.

    Raises:
        ConfigError: A target that does not exist, or nothing that learns.
    """
    training = config.training
    own = phase or PhaseConfig(epochs=1)
    if own.size is not None:
        size = ((own.size, own.size) if isinstance(own.size, int) else own.size), "set"
    batch = decide_batch(own.batch or training.batch, size[0], count, device)
    passes = decide_passes(training.steps_per_epoch, count, batch[0])
    loss = training.loss if own.loss is None else own.loss
    weights = training.target_weights if own.target_weights is None else own.target_weights
    return {
        "size": size,
        "batch": batch,
        "passes": passes,
        "steps": (
            steps_per_epoch(count, batch[0], passes[0]),
            "training samples × passes / batch; what fills no batch begins the next epoch",
        ),
        "lr": decide_lr(own.lr or training.lr, training.optimizer),
        "losses": decide_losses(loss, label_maps, config.model.name),
        "target_weights": decide_weights(weights, label_maps),
        "freeze": decide_freeze(training.freeze if own.freeze is None else own.freeze, label_maps),
    }


def decide_phases(
    config: Config,
    size: tuple[Size, str],
    whole: dict[str, Choice],
    label_maps: Mapping[str, LabelMap],
    count: int,
    device: str,
) -> tuple[Choice, dict[str, Choice]]:
    """The phases, and the choices that stand for the whole training: those of its last phase.

    Args:
        config: Settings.
        size: See `decide_phase`.
        whole: What `decide_phase` says of a training without phases.
        label_maps: See `decide_phase`.
        count: See `decide_phase`.
        device: See `decide_phase`.

    Raises:
        ConfigError: Settings of the training that contradict those of the phases.
    """
    if not config.training.phases:
        return ((), "the whole training is one phase"), whole
    _check_phases(config)
    phases, reasons = [], []
    for number, settings in enumerate(config.training.phases, start=1):
        choices = decide_phase(config, size, label_maps, count, device, settings)
        values = {name: value for name, (value, _) in choices.items()}
        phases.append(Phase(**values, epochs=settings.epochs))
        chosen = [name for name in ("size", "batch", "lr") if choices[name][1] != "set"]
        reasons += [f"{name} of phase {number}: {choices[name][1]}" for name in chosen]
    because = "set; each goes on with the weights, their moving average and the optimiser of the one before"
    last = {name: (getattr(phases[-1], name), "as in the last phase") for name in _OF_A_PHASE}
    return (tuple(phases), "; ".join([because, *reasons])), last


def decide_losses(asked: str | Mapping[str, str] | None, label_maps: Mapping[str, LabelMap], model: str) -> Choice:
    """Loss by target. A text is for targets of masks, if there are any; what nobody asked for has its usual loss.

    Raises:
        ConfigError: A target that does not exist.
    """
    usual = dict(_USUAL_LOSSES)
    because = "cross-entropy learns every pixel, Dice keeps small classes in sight"
    if published := _PUBLISHED_LOSSES.get(model):
        usual = {task: loss if task == "regression" else published for task, loss in usual.items()}
        because = f"the loss {model} was published with"
    losses = {name: usual[label_map.task] for name, label_map in label_maps.items()}
    masks = [name for name, label_map in label_maps.items() if label_map.task != "regression"]
    if isinstance(asked, str):
        losses |= dict.fromkeys(masks or label_maps, asked)
    elif asked:
        _check_targets("training.loss", asked, label_maps)
        losses |= asked
    if len(masks) < len(label_maps):
        because += "; the absolute error of numbers is not led by a few far ones"
    return losses, "set" if asked else because


def decide_weights(asked: Mapping[str, float] | None, label_maps: Mapping[str, LabelMap]) -> Choice:
    """Weight of each target's loss.

    Raises:
        ConfigError: A target that does not exist.
    """
    _check_targets("training.target_weights", asked or {}, label_maps)
    return dict.fromkeys(label_maps, 1.0) | dict(asked or {}), "set" if asked else "all targets count alike"


def decide_freeze(asked: Iterable[str], label_maps: Mapping[str, LabelMap]) -> Choice:
    """What does not learn.

    Raises:
        ConfigError: A target that does not exist, or all of them.
    """
    frozen = tuple(dict.fromkeys(asked))
    _check_targets("training.freeze", frozen, {**label_maps, ENCODER: None})
    if set(label_maps) <= set(frozen):
        raise ConfigError(
            "a target that learns", f"training.freeze={list(frozen)} holds all targets", "Take one of them out."
        )
    return frozen, "set" if frozen else "everything learns"


def _check_targets(setting: str, names: Iterable[str], known: Mapping[str, Any]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{setting} names targets: {', '.join(known)}",
                f"'{name}'",
                f"{did_you_mean(name, known)}Change {setting}.",
            )


def _check_phases(config: Config) -> None:
    """Refuse settings that the phases leave without effect, or that need one phase."""
    training = config.training
    assert training.phases is not None
    if training.lr == "find":
        raise ConfigError(
            "a training of one phase to find its learning rate for",
            "training.lr=find and training.phases",
            "Leave one of them out, or give the phases rates.",
        )
    useless = [name for name in ("epochs", "time", "patience") if getattr(training, name) is not None]
    given = {"training.batch": training.batch, "training.lr": training.lr, "data.size": config.data.size}
    for name, value in given.items():
        key = name.rpartition(".")[2]
        if value is not None and all(getattr(phase, key) is not None for phase in training.phases):
            useless.append(key)
    if useless:
        names = ", ".join(useless)
        raise ConfigError(
            "phases that say themselves how they train",
            f"training.phases, each with its own settings, and besides them {names}",
            f"Leave out {names}, or change the phases: training.phases=[{{size: 64, batch: 128, epochs: 3}}, …]. "
            "training.phases=null trains without phases.",
        )
