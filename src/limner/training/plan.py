"""The plan: every automatic choice of a training, with the reason for it.

Layer: training.

A choice the settings name is taken from there; the rest follow from the data's fingerprint and the
machine. `plan.yaml` in the run folder lists all of them as `{value, because}`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_type_hints

import yaml

from limner.augment import Augmentation
from limner.config import Config
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.errors import ConfigError
from limner.training.augment_choices import decide_augment
from limner.training.choices import (
    decide_channels,
    decide_depth,
    decide_device,
    decide_ema,
    decide_encoder_weights,
    decide_fit_and_size,
    decide_foreground_crops,
    decide_length,
    decide_masks,
    decide_memory_format,
    decide_network,
    decide_precision,
    decide_val_samples,
    plain,
)
from limner.training.phase_choices import decide_phase, decide_phases
from limner.training.phases import Course, Phase
from limner.types import Size

_LATER: dict[str, Any] = {"masks": {}, "pace": {}, "accumulate": 1, "recompute": False, "foreground_crops": 0.33}
"""Choices that the first plans did not name, as they were then."""


@dataclass(frozen=True)
class Plan:
    """What a training does. Sizes in pixels, `(height, width)`."""

    device: str
    precision: Literal["bf16", "float32"]
    memory_format: Literal["channels_last", "contiguous"]
    masks: dict[str, str]
    """By target: stored value → class."""
    fit: Literal["resize", "native"]
    size: Size
    channels: int
    """Of the pictures as the network sees them."""
    batch: int
    accumulate: int
    """Pieces that a batch is computed in, one after the other."""
    recompute: bool
    """Whether activations are computed again for the backward pass."""
    passes: int
    """Times an epoch visits every sample."""
    steps: int
    """Steps per epoch."""
    epochs: int
    seconds: float | None
    """Time budget; the schedule follows the clock where there is one."""
    patience: int
    conv_sizes: tuple[int, ...]
    """Widths of the network's levels; empty where the network has none to choose."""
    network: dict[str, Any]
    """The network's other keyword arguments."""
    encoder_weights: str | None
    """Pretrained weights the encoder starts from: a file, or `timm` for those it fetches; None for random ones."""
    losses: dict[str, str]
    """By target."""
    target_weights: dict[str, float]
    """By target."""
    freeze: tuple[str, ...]
    """Targets whose branch does not learn, and perhaps `encoder`."""
    lr: float
    ema: float
    augment: dict[str, Any]
    foreground_crops: float
    """Share of crops that lie around foreground."""
    val_samples: int
    """Validation samples scored after each epoch."""
    pace: dict[str, float]
    """Seconds of a `step` and of validating a `sample`, and that measuring `took`; empty where no clock asks for it."""
    tile: int
    """Pictures with a longer side are predicted in tiles of this size."""
    phases: tuple[Phase, ...]
    """Where there are phases; then the choices above that a phase may make are those of the last."""
    because: dict[str, str]

    @property
    def course(self) -> Course:
        """The phases, of which a training without any is one."""
        if self.phases:
            return Course(self.phases)
        return Course((Phase(**{item.name: getattr(self, item.name) for item in fields(Phase)}),))

    def lengthened(self, epochs: int | None, seconds: float | None, patience: int | None) -> Plan:
        """The same training with another length; None leaves a number as it is. `epochs` is that of the last phase."""
        plan = self
        if epochs is not None and self.phases:
            last = replace(self.phases[-1], epochs=epochs)
            plan = replace(plan, phases=(*self.phases[:-1], last))
            plan = replace(plan, epochs=plan.course.epochs)
        elif epochs is not None:
            plan = replace(plan, epochs=epochs)
        if seconds is not None:
            plan = replace(plan, seconds=seconds)
        return plan if patience is None else replace(plan, patience=patience)

    def to_yaml(self) -> str:
        """Every choice as `{value, because}`."""
        choices = {
            item.name: {"value": plain(getattr(self, item.name)), "because": self.because[item.name]}
            for item in fields(self)
            if item.name != "because"
        }
        return yaml.safe_dump(choices, sort_keys=False, allow_unicode=True, width=100)

    @classmethod
    def from_yaml(cls, text: str) -> Plan:
        """Read a plan back.

        Raises:
            ConfigError: The text is damaged, or a choice is missing or unknown.
        """
        try:
            choices = yaml.safe_load(text)
        except yaml.YAMLError:
            choices = None
        names = {item.name for item in fields(cls)} - {"because"}
        if isinstance(choices, dict):
            # A choice that was cut short is as good as missing.
            whole = {"value", "because"}
            choices = {
                name: entry for name, entry in choices.items() if isinstance(entry, dict) and set(entry) == whole
            }
            # Runs from before plans said so can be gone on with.
            for name, value in _LATER.items():
                choices.setdefault(name, {"value": value, "because": "not recorded"})
        if not isinstance(choices, dict) or set(choices) != names:
            odd = sorted(set(choices) ^ names) if isinstance(choices, dict) else []
            raise ConfigError(
                "a plan of this version of Limner", f"plan.yaml differs in {', '.join(odd) or 'form'}", "Train anew."
            )
        tuples = {name for name, kind in get_type_hints(cls).items() if getattr(kind, "__origin__", None) is tuple}
        values: dict[str, Any] = {
            name: tuple(choice["value"]) if name in tuples else choice["value"] for name, choice in choices.items()
        }
        values["phases"] = tuple(_phase(item) for item in values["phases"])
        return cls(**values, because={name: choice["because"] for name, choice in choices.items()})

    def augmentation(self) -> Augmentation:
        """The specification that `augment` lists."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.augment.items()}
        return Augmentation(**values)


def make_plan(
    config: Config, fingerprint: Fingerprint, label_maps: dict[str, LabelMap], counts: dict[str, int]
) -> Plan:
    """Decide everything the settings leave open.

    Args:
        config: Settings; what they name is taken as it is.
        fingerprint: What the data look like.
        label_maps: What each target's masks mean.
        counts: Samples per split.

    Raises:
        ConfigError: Settings that contradict the machine or each other.
    """
    chosen: dict[str, tuple[Any, str]] = {}
    training = config.training
    device = decide_device(training.device)
    chosen["device"] = device
    chosen["precision"] = decide_precision(training.precision, device[0])
    widths, chosen["network"] = decide_network(config.model, device[0])
    chosen["encoder_weights"] = decide_encoder_weights(config.model)
    chosen["memory_format"] = decide_memory_format(training.memory_format, chosen["network"][0].get("norm", "batch"))
    chosen["masks"] = decide_masks(label_maps)
    chosen["fit"], size = decide_fit_and_size(config, fingerprint, label_maps, device[0])
    chosen["conv_sizes"] = decide_depth(config.model, widths, size[0])
    pretrained = chosen["encoder_weights"][0] is not None
    chosen["channels"] = decide_channels(config, fingerprint, pretrained=pretrained)
    chosen |= decide_length(config)
    whole = decide_phase(config, size, label_maps, counts["train"], device[0])
    chosen["phases"], last = decide_phases(config, size, whole, label_maps, counts["train"], device[0])
    chosen |= last
    chosen["accumulate"] = (training.accumulate or 1, "set" if training.accumulate else "a batch is computed at once")
    chosen["recompute"] = (
        bool(training.recompute),
        "set" if training.recompute is not None else "activations are kept for the backward pass",
    )
    chosen["ema"] = decide_ema(training.ema)
    chosen["augment"] = decide_augment(config.augment, fingerprint, label_maps)
    chosen["foreground_crops"] = decide_foreground_crops(training.foreground_crops, chosen["fit"][0])
    chosen["val_samples"] = decide_val_samples(training.val_samples, counts["val"])
    chosen["pace"] = ({}, "not measured: no time budget decides how long an epoch is")
    longest = max(chosen["size"][0])
    chosen["tile"] = (
        max(1024, 2 * longest) if device[0] == "cpu" else max(2048, 2 * longest),
        "whole pictures up to this size fit in memory; larger ones are predicted in overlapping tiles",
    )
    values: Any = {name: value for name, (value, _) in chosen.items()}
    return Plan(**values, because={name: because for name, (_, because) in chosen.items()})


def _phase(values: dict[str, Any]) -> Phase:
    try:
        return Phase(**{**values, "size": tuple(values["size"]), "freeze": tuple(values["freeze"])})
    except (TypeError, KeyError):
        raise ConfigError(
            "a plan of this version of Limner", f"plan.yaml has the phase {values}", "Train anew."
        ) from None
