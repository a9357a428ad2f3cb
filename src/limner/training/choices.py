"""Automatic choices: each is a value and the reason for it.

Layer: training, below `plan`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Literal

import torch

from limner.config import Config, ModelConfig, parse_duration
from limner.data.check.verdicts import judge
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.errors import ConfigError, shorten
from limner.inference.hardware import choose_device, choose_precision
from limner.models import model_settings
from limner.types import Size

_MANY_OBJECTS = 4
_NARROW = 4.0  # pixels
_LONGEST_SIDE = {"cpu": 256, "cuda": 512, "mps": 256}
_UNET_SIZES = {"cpu": [16, 32, 64, 128, 256], "cuda": [32, 64, 128, 256, 512], "mps": [16, 32, 64, 128, 256]}
_PIXELS_PER_STEP = {"cpu": 8 * 256**2, "cuda": 16 * 512**2, "mps": 8 * 256**2}
_STEPS_PER_EPOCH = 50
_STRIDE = 32
_VAL_SAMPLES = 500
_LEAST_SIDE = 4
_FOREGROUND_CROPS = 0.33
_COLOR = 3


def decide_device(asked: str) -> tuple[str, str]:
    """Where to train."""
    return choose_device(asked).type, "the fastest device of this machine" if asked == "auto" else "set"


def decide_precision(asked: str, device: str) -> tuple[str, str]:
    """Arithmetic of the network."""
    precision = choose_precision(asked, torch.device(device))
    if asked != "auto":
        return precision, "set"
    if precision == "bf16":
        return precision, f"the {device} computes bf16 in hardware; losses and metrics stay float32"
    return precision, f"the {device} has no bf16 arithmetic"


def decide_memory_format(asked: str, norm: str) -> tuple[str, str]:
    """Layout of images and weights."""
    if asked != "auto":
        return asked, "set"
    if norm == "batch":
        return "channels_last", "convolutions and batch norm are fastest in this layout"
    return "contiguous", f"{norm} norm is fastest in this layout"


def decide_fit_and_size(
    config: Config, data: Fingerprint, label_maps: Mapping[str, LabelMap], device: str
) -> tuple[tuple[str, str], tuple[Size, str]]:
    """Whether pictures are resized or cropped, and to which size."""
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
    because = f"the median picture, {_times(median)}, with its longest side at most {limit} on the {device}"
    small = small_objects(data, label_maps, size)
    return fit, (size, f"{because}; very small then: {small}" if small else because)


def small_objects(data: Fingerprint, label_maps: Mapping[str, LabelMap], size: Size) -> str:
    """Classes that are narrower than 4 pixels in the median picture once it is resized, in words; empty if none is.

    Args:
        data: What the data look like.
        label_maps: What each target's masks mean.
        size: That pictures are resized to. What is small in the pictures themselves does not count.
    """
    names = next((label_map.names for label_map in label_maps.values() if label_map.task != "regression"), ())
    scale = min(side / own for side, own in zip(size, data.median, strict=True))
    narrow = [
        f"{name} {width:.3g} pixels wide, {width * scale:.2g} at {_times(size)}"
        for name, width in zip(names, data.object_widths, strict=False)
        if scale < 1 and 0 < width * scale < _NARROW
    ]
    return ", ".join(shorten(narrow, 3))


def decide_channels(config: Config, data: Fingerprint, *, pretrained: bool) -> tuple[int, str]:
    """Channels of the pictures as the network sees them."""
    asked, found = config.data.channels, data.channels
    if asked is None or asked == found:
        if asked is None and pretrained and found == 1:
            return _COLOR, "the pretrained encoder has seen colour pictures: grey is repeated"
        return found, "the pictures' own" if asked is None else "set"
    if data.parts or (found != 1 and asked != 1 and (found, asked) != (4, _COLOR)):
        pictures = f"the inputs {', '.join(data.parts)}, {found} channels together" if data.parts else ""
        raise ConfigError(
            f"data.channels={found}" + ("" if data.parts else ", or 1 if they are all alike"),
            f"data.channels={asked} for {pictures or f'pictures of {found} channels'}",
            "Leave data.channels out, or convert the pictures.",
        )
    return asked, "set"


def decide_batch(asked: int | None, size: Size, count: int, device: str) -> tuple[int, str]:
    """Samples per step."""
    if asked:
        return asked, "set"
    batch = max(2, min(64, round(_PIXELS_PER_STEP[device] / (size[0] * size[1]))))
    if batch > count:
        return max(1, count), "all training samples at once: there are few"
    return batch, f"about {_PIXELS_PER_STEP[device] / 1e6:.1f} million pixels a step keep the {device} busy"


def decide_passes(asked: int | None, count: int, batch: int) -> tuple[int, str]:
    """Times an epoch visits every sample."""
    least = asked or _STEPS_PER_EPOCH
    passes = max(1, math.ceil(least * batch / max(count, 1)))
    if passes == 1:
        return 1, f"{count} training samples give {max(1, count // batch)} steps an epoch"
    return passes, f"an epoch of at least {least} steps passes the {count} training samples several times"


def decide_length(config: Config) -> dict[str, tuple[Any, str]]:
    """Epochs, time budget and patience."""
    training = config.training
    if training.phases:
        return {
            "epochs": (sum(phase.epochs for phase in training.phases), "of all phases"),
            "seconds": (None, "the phases say how long"),
            "patience": (0, "every phase runs to its end"),
        }
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


def decide_masks(label_maps: Mapping[str, LabelMap]) -> tuple[dict[str, str], str]:
    """What stored values stand for, by target, in words, and the evidence; numbers are named by their unit."""
    meant, reasons = {}, []
    for name, label_map in label_maps.items():
        if label_map.task == "regression":
            meant[name] = f"numbers{f' in {label_map.unit}' if label_map.unit else ''}"
        else:
            meant[name] = judge(name, (), label_map).mapping
        reasons.append(f"{name}: {label_map.because or 'the layout says so'}")
    return meant, "; ".join(reasons)


def decide_val_samples(asked: int | None, count: int) -> tuple[int, str]:
    """Validation samples scored after each epoch."""
    if asked:
        return min(asked, count), "set"
    if count <= _VAL_SAMPLES:
        return count, "all of them"
    return _VAL_SAMPLES, f"evenly spread over the {count}: enough to tell which epoch is best"


def decide_network(asked: ModelConfig, device: str) -> tuple[tuple[tuple[int, ...], str], tuple[dict[str, Any], str]]:
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


def decide_depth(asked: ModelConfig, widths: tuple[tuple[int, ...], str], size: Size) -> tuple[tuple[int, ...], str]:
    """Widths of as many levels as the working size has room for.

    A level more would leave less than 4 pixels at the bottom, where a convolution sees padding alone; as in Isensee et
    al. 2021, "nnU-Net" (Nature Methods 18, 203-211).
    """
    sizes, because = widths
    if asked.conv_sizes or asked.name != "unet":
        return widths
    depth = max(1, int(math.log2(max(1, min(size) / _LEAST_SIDE))))
    if depth >= len(sizes):
        return widths
    return sizes[:depth], f"{because}; {depth} levels, so that {_times(size)} leave {_LEAST_SIDE} pixels at the bottom"


def decide_foreground_crops(asked: float | None, fit: str) -> tuple[float, str]:
    """Share of crops around foreground."""
    if asked is not None:
        return asked, "set"
    if fit == "resize":
        return _FOREGROUND_CROPS, "without effect where pictures are seen whole"
    return _FOREGROUND_CROPS, "a third of the crops lie around a class drawn from those of the picture, as in nnU-Net"


def decide_encoder_weights(asked: ModelConfig) -> tuple[str | None, str]:
    """What a pretrained encoder starts from."""
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


def decide_lr(asked: float | Literal["find"] | None, optimizer: str) -> tuple[float, str]:
    """Highest learning rate; the usual one where it is to be found, until it is."""
    if isinstance(asked, float):
        return asked, "set"
    return (0.05 if optimizer == "sgd" else 2e-3), f"a high but stable rate for {optimizer} with warm-up and decay"


def decide_ema(asked: float | None) -> tuple[float, str]:
    """Decay of the weights' moving average."""
    if asked is not None:
        return asked, "set"
    return 0.99, "an average over about 100 steps smooths the last weights"


def plain(value: Any) -> Any:
    """As YAML writes it: tuples as lists, phases as mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _times(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


def _nearest(length: float) -> int:
    return max(_STRIDE, round(length / _STRIDE) * _STRIDE)


def _up(length: int) -> int:
    return math.ceil(length / _STRIDE) * _STRIDE
