"""A bundle's network: its weights to a file and back.

Layer: bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from limner.bundle.description import HEADER_KEY, BundleMeta, read_meta
from limner.errors import BundleError, ConfigError, shorten
from limner.files import write_bytes
from limner.models import Ensemble, create_model


@dataclass(frozen=True)
class Bundle:
    """A network ready to predict (`eval`, float32, on the CPU), and everything needed to use it.

    Where the description names several members, `model` is an `Ensemble` of them.
    """

    model: nn.Module
    meta: BundleMeta


def save_bundle(path: str | Path, model: nn.Module, meta: BundleMeta) -> None:
    """Write a bundle, whole or not at all.

    Args:
        path: The file, usually `model.safetensors`.
        model: The network; its floating-point weights are stored as float32.
        meta: Its description.

    Raises:
        BundleError: `meta.model` describes another network than `model`; the file could not be loaded.
        OutputError: The file cannot be written.
    """
    weights = {name: _stored(tensor) for name, tensor in model.state_dict().items()}
    _check_weights(path, _empty_model(path, meta), weights)
    header = {HEADER_KEY: meta.model_dump_json(), "format": "pt"}
    # Through bytes and not the library's own file writer, so that a full disk is reported as such.
    write_bytes(path, save(weights, metadata=header))


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle; nothing but this one file is needed.

    Raises:
        BundleError: The file is missing, damaged, not a bundle, from a newer Limner, of an unknown
            architecture, or its weights are not those of its architecture.
    """
    meta = read_meta(path)
    model = _empty_model(path, meta)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"the weights in '{path}' can be read", str(error), "Copy the file again.") from error
    _check_weights(path, model, weights)
    model.load_state_dict(weights, assign=True)
    return Bundle(model.eval(), meta)


def describe_anew(path: str | Path, meta: BundleMeta) -> None:
    """Give a bundle another description of the same network; its weights stay as they are.

    Raises:
        BundleError: As `load_bundle` and `save_bundle`.
        OutputError: The file cannot be written.
    """
    save_bundle(path, load_bundle(path).model, meta)


def _empty_model(path: str | Path, meta: BundleMeta) -> nn.Module:
    """The described network without memory for its weights, so that none is filled for nothing."""
    try:
        with torch.device("meta"):
            members = [create_model(meta.model.name, **meta.model.kwargs) for _ in range(meta.model.members)]
            return members[0] if len(members) == 1 else Ensemble(members)
    except ConfigError as error:
        raise BundleError(
            f"Limner knows the network of '{path}': {error.expected}",
            f"{error.found} (written by Limner {meta.limner})",
            f"Upgrade to Limner {meta.limner} or later, or train again.",
            details=error.details,
        ) from error
    except TypeError as error:
        raise BundleError(
            f"'{path}' describes its network",
            str(error),
            "A setting is missing or of another type: make the bundle again.",
        ) from error


def _stored(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()


def _check_weights(path: str | Path, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    wanted = model.state_dict()
    lines = [f"missing: {name}" for name in wanted if name not in weights]
    lines += [f"unexpected: {name}" for name in weights if name not in wanted]
    lines += [
        f"of another shape: {name} is {tuple(weights[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if lines:
        raise BundleError(
            f"the weights of '{path}' are those of the network it describes",
            f"{len(lines)} weights do not fit",
            "The description and the weights are of different networks: save them together, or train again.",
            details=shorten(lines),
        )
