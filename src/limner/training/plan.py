"""The plan: every automatic choice of a training, with the reason for it.

Layer: training.

A choice the settings name is taken from there; the rest follow from the data's fingerprint and the
machine. `plan.yaml` in the run folder lists all of them as `{value, because}`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_type_hints

import torch
import yaml

from limner.augment import Augmentation, create_augmentation
from limner.config import AugmentConfig, Config, ModelConfig, parse_duration
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.errors import ConfigError
from limner.inference.hardware import choose_device, choose_precision
from limner.models import model_settings
from limner.types import Size

_MANY_OBJECTS = 4
_LONGEST_SIDE = {"cpu": 256, "cuda": 512, "mps": 256}
_UNET_SIZES = {"cpu": [16, 32, 64, 128, 256], "cuda": [32, 64, 128, 256, 512], "mps": [16, 32, 64, 128, 256]}
_PUBLISHED_LOSSES = {"improved_unet": "dice"}
_PIXELS_PER_STEP = {"cpu": 8 * 256**2, "cuda": 16 * 512**2, "mps": 8 * 256**2}
_STEPS_PER_EPOCH = 50
_STRIDE = 32
_VAL_SAMPLES = 500


@dataclass(frozen=True)
class Plan:
    """What a training does. Sizes in pixels, `(height, width)`."""

    device: str
    precision: Literal["bf16", "float32"]
    memory_format: Literal["channels_last", "contiguous"]
    fit: Literal["resize", "native"]
    size: Size
    batch: int
    passes: int
    """Times an epoch visits every sample."""
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
    lr: float
    ema: float
    augment: dict[str, Any]
    val_samples: int
    """Validation samples scored after each epoch."""
    tile: int
    """Pictures with a longer side are predicted in tiles of this size."""
    because: dict[str, str]

    def to_yaml(self) -> str:
        """Every choice as `{value, because}`."""
        choices = {
            item.name: {"value": _plain(getattr(self, item.name)), "because": self.because[item.name]}
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
        if not isinstance(choices, dict) or set(choices) != names:
            odd = sorted(set(choices) ^ names) if isinstance(choices, dict) else []
            raise ConfigError(
                "a plan of this version of Limner", f"plan.yaml differs in {', '.join(odd) or 'form'}", "Train anew."
            )
        tuples = {name for name, kind in get_type_hints(cls).items() if getattr(kind, "__origin__", None) is tuple}
        values: dict[str, Any] = {
            name: tuple(choice["value"]) if name in tuples else choice["value"] for name, choice in choices.items()
        }
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
    train_count, val_count = counts["train"], counts["val"]
    training = config.training
    device = _device(training.device)
    chosen["device"] = device
    chosen["precision"] = _precision(training.precision, device[0])
    chosen["conv_sizes"], chosen["network"] = _network(config.model, device[0])
    chosen["encoder_weights"] = _encoder_weights(config.model)
    chosen["memory_format"] = _memory_format(training.memory_format, chosen["network"][0].get("norm", "batch"))
    chosen["fit"], chosen["size"] = _fit_and_size(config, fingerprint, device[0])
    size: Size = chosen["size"][0]
    chosen["batch"] = _batch(training.batch, size, train_count, device[0])
    chosen["passes"] = _passes(training.steps_per_epoch, train_count, chosen["batch"][0])
    chosen |= _length(config)
    chosen["losses"] = _losses(training.loss, label_maps, config.model.name)
    chosen["lr"] = _lr(training.lr, training.optimizer)
    chosen["ema"] = _ema(training.ema)
    chosen["augment"] = _augment(config.augment)
    chosen["val_samples"] = _val_samples(training.val_samples, val_count)
    chosen["tile"] = (
        max(1024, 2 * max(size)) if device[0] == "cpu" else max(2048, 2 * max(size)),
        "whole pictures up to this size fit in memory; larger ones are predicted in overlapping tiles",
    )
    values: Any = {name: value for name, (value, _) in chosen.items()}
    return Plan(**values, because={name: because for name, (_, because) in chosen.items()})


def _device(asked: str) -> tuple[str, str]:
    return choose_device(asked).type, "the fastest device of this machine" if asked == "auto" else "set"


def _precision(asked: str, device: str) -> tuple[str, str]:
    precision = choose_precision(asked, torch.device(device))
    if asked != "auto":
        return precision, "set"
    if precision == "bf16":
        return precision, f"the {device} computes bf16 in hardware; losses and metrics stay float32"
    return precision, f"the {device} has no bf16 arithmetic"


def _memory_format(asked: str, norm: str) -> tuple[str, str]:
    if asked != "auto":
        return asked, "set"
    if norm == "batch":
        return "channels_last", "convolutions and batch norm are fastest in this layout"
    return "contiguous", f"{norm} norm is fastest in this layout"


def _fit_and_size(config: Config, data: Fingerprint, device: str) -> tuple[tuple[str, str], tuple[Size, str]]:
    limit = _LONGEST_SIDE[device]
    median = data.median
    longest = max(median)
    if config.data.fit:
        fit = (config.data.fit, "set")
    elif data.uniform_size and longest <= limit:
        fit = ("resize", f"all pictures are {median[0]}×{median[1]}")
    elif data.objects_per_picture > _MANY_OBJECTS:
        fit = (
            "native",
            f"pictures hold many objects (median {data.objects_per_picture:g}) whose size in pixels means something: "
            "trained on crops at their own scale",
        )
    else:
        fit = (
            "resize",
            f"pictures hold few objects (median {data.objects_per_picture:g}), framed by the picture: "
            "trained whole, at one size",
        )
    if config.data.size:
        return fit, (config.data.size, "set")
    if fit[0] == "native":
        side = (min(limit, _up(median[0])), min(limit, _up(median[1])))
        return fit, (side, f"crops of at most {limit} pixels on the {device}; the median picture is {_times(median)}")
    scale = min(1.0, limit / longest)
    if scale == 1.0 and data.uniform_size:
        return fit, (median, "the pictures' own size")
    size = (_nearest(median[0] * scale), _nearest(median[1] * scale))
    return fit, (size, f"the median picture, {_times(median)}, with its longest side at most {limit} on the {device}")


def _batch(asked: int | None, size: Size, count: int, device: str) -> tuple[int, str]:
    if asked:
        return asked, "set"
    batch = max(2, min(64, round(_PIXELS_PER_STEP[device] / (size[0] * size[1]))))
    if batch > count:
        return max(1, count), "all training samples at once: there are few"
    return batch, f"about {_PIXELS_PER_STEP[device] / 1e6:.1f} million pixels a step keep the {device} busy"


def _passes(asked: int | None, count: int, batch: int) -> tuple[int, str]:
    least = asked or _STEPS_PER_EPOCH
    passes = max(1, math.ceil(least * batch / max(count, 1)))
    if passes == 1:
        return 1, f"{count} training samples give {max(1, count // batch)} steps an epoch"
    return passes, f"an epoch of at least {least} steps passes the {count} training samples several times"


def _length(config: Config) -> dict[str, tuple[Any, str]]:
    training = config.training
    seconds = parse_duration(training.time) if training.time else None
    if training.epochs:
        epochs = (training.epochs, "set")
    elif seconds:
        epochs = (100_000, "the time budget ends the training")
    else:
        epochs = (50, "enough for most data sets; early stopping ends it sooner")
    if training.patience is not None:
        patience = (training.patience, "set")
    elif seconds:
        patience = (0, "the schedule is fitted to the time budget and needs all of it")
    else:
        patience = (15, "stops after this many epochs without a better validation score")
    budget = (seconds, "set" if seconds else "no time budget was given")
    return {"epochs": epochs, "seconds": budget, "patience": patience}


def _val_samples(asked: int | None, count: int) -> tuple[int, str]:
    if asked:
        return min(asked, count), "set"
    if count <= _VAL_SAMPLES:
        return count, "all of them"
    return _VAL_SAMPLES, f"evenly spread over the {count}: enough to tell which epoch is best"


def _network(asked: ModelConfig, device: str) -> tuple[tuple[tuple[int, ...], str], tuple[dict[str, Any], str]]:
    """Widths, and all other keyword arguments of the model's class."""
    given = asked.model_dump(exclude={"name", "pretrained", "encoder_weights"}, exclude_defaults=True)
    settings = model_settings(asked.name, given)
    own = tuple(settings.pop("conv_sizes", ()))
    if given.pop("conv_sizes", None):
        sizes = (own, "set")
    elif asked.name == "unet":
        sizes = (tuple(_UNET_SIZES[device]), f"a width the {device} trains in reasonable time")
    else:
        sizes = (own, f"as {asked.name} was published" if own else f"{asked.name} has no such setting")
    usual = f"what is usual for {asked.name}"
    return sizes, (settings, f"set: {', '.join(given)}; else {usual}" if given else usual)


def _encoder_weights(asked: ModelConfig) -> tuple[str | None, str]:
    if asked.encoder_weights:
        return asked.encoder_weights, "set"
    if asked.name != "encoder_unet":
        if asked.pretrained:
            raise ConfigError(
                "a model with pretrained weights", f"model.name={asked.name}", "Set model.name=encoder_unet."
            )
        return None, f"{asked.name} learns from scratch"
    if asked.pretrained is False:
        return None, "set"
    return "timm", "a pretrained encoder needs fewer pictures"


def _losses(asked: str | None, label_maps: dict[str, LabelMap], model: str) -> tuple[dict[str, str], str]:
    if asked:
        return dict.fromkeys(label_maps, asked), "set"
    default = {"binary": "bce+dice", "multiclass": "ce+dice", "multilabel": "bce+dice"}
    because = "cross-entropy learns every pixel, Dice keeps small classes in sight"
    if published := _PUBLISHED_LOSSES.get(model):
        default = dict.fromkeys(default, published)
        because = f"the loss {model} was published with"
    return {name: default.get(label_map.task, "l1") for name, label_map in label_maps.items()}, because


def _lr(asked: float | None, optimizer: str) -> tuple[float, str]:
    if asked:
        return asked, "set"
    return (0.05 if optimizer == "sgd" else 2e-3), f"a high but stable rate for {optimizer} with warm-up and decay"


def _ema(asked: float | None) -> tuple[float, str]:
    if asked is not None:
        return asked, "set"
    return 0.99, "an average over about 100 steps smooths the last weights"


def _augment(asked: AugmentConfig) -> tuple[dict[str, Any], str]:
    changes = asked.model_dump(exclude_none=True, exclude={"preset"})
    because = "set" if asked.preset or changes else "changes most pictures can meet without losing their meaning"
    values = asdict(create_augmentation(asked.preset or "default", **changes))
    return {name: _plain(value) for name, value in values.items()}, because


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _times(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


def _nearest(length: float) -> int:
    return max(_STRIDE, round(length / _STRIDE) * _STRIDE)


def _up(length: int) -> int:
    return math.ceil(length / _STRIDE) * _STRIDE
