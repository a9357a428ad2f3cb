"""Pretrained weights for encoders: from a file or fetched by timm, checked key by key, never silently random.

Layer: models.
"""

from __future__ import annotations

import logging
import pickle
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from limner.errors import BundleError, ConfigError, first_line, shorten
from limner.models.encoders import Encoder

_log = logging.getLogger(__name__)

_PREFIXES = ("module.", "encoder.", "network.", "backbone.", "model.")
"""What training programs put before a network's own keys. `encoder.network.` is that of Limner's models."""
_CONTAINERS = ("state_dict", "model")
_FEATURE_OPTIONS = ("out_indices", "feature_cls", "feature_location")
_PATIENCE = 5.0
"""Seconds within which a hub answers, if there is a way to it."""


def load_encoder_weights(model: nn.Module, path: str | Path | None = None) -> None:
    """Give a new model's encoder pretrained weights.

    Call it on models that are about to be trained and on no others: a bundle holds all weights.
    First convolutions for three channels are adapted to other numbers as timm does: summed for one
    channel, repeated and scaled for more.

    Args:
        model: A model with an `Encoder` as its attribute `encoder`.
        path: A safetensors file or PyTorch state dict of the timm network, or a Limner model with the
            same encoder. A classifier in it is ignored. None lets timm fetch its own weights, or take
            them from its cache.

    Raises:
        ConfigError: The model has no such encoder, timm has no weights for it, or they could not be
            fetched; then the message says how to give them as a file.
        BundleError: The file is missing or unreadable, or its keys or shapes are not the encoder's.
    """
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, Encoder):
        raise ConfigError(
            "a model with an encoder that has pretrained weights",
            f"the model {type(model).__name__}, which learns from scratch",
            "Choose the model encoder_unet, or leave out pretrained and encoder_weights.",
        )
    weights = _fetch(encoder) if path is None else _read(Path(path))
    source = f"timm's weights of '{encoder.name}'" if path is None else f"'{path}'"
    _copy(weights, encoder, source)
    _log.info("encoder weights from %s", source)


def _fetch(encoder: Encoder) -> dict[str, Tensor]:
    import timm
    from timm.models import get_pretrained_cfg

    described = get_pretrained_cfg(encoder.name)
    if described is None or not described.has_weights:
        raise ConfigError(
            f"timm has pretrained weights for '{encoder.name}'",
            "it has none",
            "Choose another encoder, give encoder_weights=FILE, or start from random weights with pretrained=false.",
        )
    with _hub() as reachable:
        try:
            # The whole network, because timm loads one strictly, but leaves out what is missing from features.
            network = timm.create_model(encoder.name, pretrained=True, **_network_options(encoder))
        except Exception as error:  # whatever its download libraries raise: it must not end in random weights
            where = f"https://huggingface.co/{described.hf_hub_id}" if described.hf_hub_id else described.url
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise ConfigError(
                f"the pretrained weights of '{encoder.name}' can be fetched",
                f"they could not be: {reason}" if reachable else f"no connection to {where}, and no copy in its cache",
                f"Without internet, fetch them elsewhere ({where}) and give encoder_weights=FILE; "
                "or start from random weights with pretrained=false.",
            ) from error
    weights: dict[str, Tensor] = network.state_dict()
    return weights


@contextmanager
def _hub() -> Iterator[bool]:
    """Whether the hub of weights can be reached; where not, its cache is asked at once, without a minute of retries."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(constants.ENDPOINT)
    try:
        yield not constants.HF_HUB_OFFLINE
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(address: str) -> bool:
    if getproxies():  # which know the way by themselves
        return True
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), timeout=_PATIENCE):
            return True
    except OSError:
        return False


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise BundleError(
            f"'{path}' is a file of weights",
            "a folder" if path.is_dir() else "no such file",
            "Give encoder_weights a safetensors file or a PyTorch state dict.",
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        first_error = error
    except OSError as error:
        raise BundleError(
            f"'{path}' can be read", error.strerror or str(error), "Check its permissions and the disk."
        ) from error
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise BundleError(
            f"'{path}' is a safetensors file or a PyTorch state dict",
            f"neither (safetensors: {first_error}; PyTorch: {first_line(error)})",
            "Give the weights alone. Files that hold Python objects are not opened: they could run code.",
        ) from error
    return _state_dict(stored, path)


def _state_dict(stored: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name, also from within a training program's checkpoint."""
    for key in _CONTAINERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(key), Mapping):
            stored = stored[key]
    if isinstance(stored, Mapping) and stored and all(isinstance(value, Tensor) for value in stored.values()):
        return dict(stored)
    held = f"a mapping with {', '.join(shorten([str(key) for key in stored]))}" if isinstance(stored, Mapping) else ""
    raise BundleError(
        f"'{path}' is a state dict: tensors by name, or one under {' or '.join(map(repr, _CONTAINERS))}",
        held or f"a {type(stored).__name__}",
        "Save model.state_dict() of the timm network with torch.save or safetensors.",
    )


def _copy(weights: Mapping[str, Tensor], encoder: Encoder, source: str) -> None:
    own = encoder.network.state_dict()
    names, dispensable = _timm_names(encoder, own)
    found = _bare(weights, {*names.values(), *dispensable, *own})
    # A features network that was saved itself has the keys of `own`.
    found = {names.get(key, key): value for key, value in found.items()}
    _check_keys(found, set(names.values()), dispensable, encoder, source)
    _adapt_first(found, encoder)
    chosen = {key: found[name] for key, name in names.items() if name in found}
    shapes = [
        f"{names[key]}: {tuple(value.shape)}, not {tuple(own[key].shape)}"
        for key, value in chosen.items()
        if value.shape != own[key].shape
    ]
    if shapes:
        raise BundleError(
            f"weights in {source} have the shapes of timm's '{encoder.name}'",
            f"{len(shapes)} have others",
            "Give the weights of this very network, or set encoder to theirs.",
            details=shorten(shapes),
        )
    encoder.network.load_state_dict(own | chosen)


def _timm_names(encoder: Encoder, own: Iterable[str]) -> tuple[dict[str, str], set[str]]:
    """For every key of the encoder the whole network's; and the whole network's other keys.

    timm makes features networks from whole ones, wraps some in a module, and of some it joins the first
    two parts of a name with an underscore.
    """
    import timm

    with torch.device("meta"):
        whole = set(timm.create_model(encoder.name, pretrained=False, **_network_options(encoder)).state_dict())
    names = {}
    for key in own:
        top, _, rest = key.partition(".")
        joined = f"{top.rpartition('_')[0]}.{top.rpartition('_')[2]}.{rest}"
        names[key] = next((name for name in (key, rest, joined) if name in whole), key)
    return names, whole - set(names.values())


def _network_options(encoder: Encoder) -> dict[str, Any]:
    return {key: value for key, value in encoder.options.items() if key not in _FEATURE_OPTIONS}


def _bare(weights: Mapping[str, Tensor], known: set[str]) -> dict[str, Tensor]:
    """The weights under their bare names: of a larger model its encoder's, and without prefixes."""
    found = dict(weights)
    while not known & set(found):
        prefix = next((prefix for prefix in _PREFIXES if any(key.startswith(prefix) for key in found)), None)
        if prefix is None:
            break
        found = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
    return found


def _check_keys(
    found: Mapping[str, Tensor], needed: set[str], dispensable: set[str], encoder: Encoder, source: str
) -> None:
    # Counts of batches seen, which old files lack, change nothing unless a norm averages over all batches.
    missing = sorted(key for key in needed - set(found) if not key.endswith("num_batches_tracked"))
    unexpected = sorted(set(found) - needed - dispensable)
    if missing or unexpected:
        raise BundleError(
            f"weights in {source} are those of timm's '{encoder.name}'",
            f"{len(missing)} of {len(needed)} keys missing, {len(unexpected)} unknown",
            "Give the weights of this very network, or set encoder to theirs. "
            f"Known prefixes ({', '.join(_PREFIXES)}) are taken off where no key is known with them.",
            details=[
                *shorten([f"missing: {key}" for key in missing]),
                *shorten([f"unknown: {key}" for key in unexpected]),
            ],
        )


def _adapt_first(found: dict[str, Tensor], encoder: Encoder) -> None:
    """Fit first convolutions made for three channels to the encoder's number, in place."""
    from timm.models import adapt_input_conv, get_pretrained_cfg

    described = get_pretrained_cfg(encoder.name)
    first = described.first_conv if described is not None else None
    channels = encoder.in_channels
    for name in [first] if isinstance(first, str) else list(first or ()):
        weight = found.get(f"{name}.weight")
        if weight is not None and weight.ndim == 4 and weight.shape[1] == 3 != channels:
            found[f"{name}.weight"] = adapt_input_conv(channels, weight)
