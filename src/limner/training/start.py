"""Starting from a trained bundle: its settings, its meaning of the data, its weights.

Layer: training. A bundle is only ever read.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limner.bundle import BundleMeta, load_bundle, read_meta
from limner.config import Config, ModelConfig, config_from, load_config
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared
from limner.errors import ConfigError, DataError, shorten
from limner.models import model_settings

_FREE = ("dropout", "freeze_encoder", "deep_supervision")
"""Settings of a network that may differ: they change how it learns, not what its weights mean."""


@dataclass(frozen=True)
class Carried:
    """What a training took over.

    Attributes:
        carried: Weights of the bundle that the network starts with.
        new: Weights that start at random, because the bundle has none for them.
        left: Weights of the bundle that the network has no place for.
    """

    carried: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]

    def summary(self, path: str) -> str:
        """In one sentence."""
        parts = [f"Started from '{path}': {len(self.carried)} of its {len(self.carried) + len(self.left)} tensors"]
        parts += [f"new at random: {', '.join(shorten(list(self.new), 4))}"] if self.new else []
        parts += [f"left out: {', '.join(shorten(list(self.left), 4))}"] if self.left else []
        return "; ".join(parts) + "."


def adopt_settings(config: Config, bundle: Path) -> Config:
    """Settings that fit a bundle: its architecture and scale, where the settings do not name their own.

    Samples of the run that the bundle lies in keep their split, so that none it was trained on is scored.
    Settings that name no data take those of that run.

    Args:
        config: Settings.
        bundle: The file.

    Raises:
        BundleError: It cannot be used.
        ConfigError: A setting asks for another network than the bundle holds.
    """
    meta = read_meta(bundle)
    if meta.model.members > 1:
        raise ConfigError(
            "one network to start from",
            f"an ensemble of {meta.model.members}: '{bundle}'",
            "Name the run of one of its members, such as folds/0 beside it.",
        )
    values = config.model_dump(mode="json", exclude_unset=True)
    values["model"] = _model_values(config.model, meta, bundle)
    data = values["data"] = _data_values(config, values.get("data", {}), bundle.parent / "config.yaml")
    if data.get("fit") is None:
        data["fit"] = meta.inputs.fit
    if _may_differ(meta):
        data["channels"] = _channels(config.data.channels, meta, bundle)
    if data.get("size") is None and not config.training.phases and data["fit"] == meta.inputs.fit:
        data["size"] = meta.inputs.size and list(meta.inputs.size)
    samples = bundle.parent / "samples.csv"
    if data.get("keep_splits") is None and samples.is_file():
        data["keep_splits"] = str(samples.resolve())
    values.setdefault("training", {})["start_from"] = str(bundle.resolve())
    return config_from(values)


def known_numbers(bundle: Path) -> dict[str, LabelMap]:
    """Label maps of a bundle's regression targets: that a target holds numbers cannot be seen from its files."""
    return {name: known for name, known in _label_maps(read_meta(bundle)).items() if known.task == "regression"}


def adopt_data(data: Prepared, bundle: Path, *, given: Collection[str]) -> Prepared:
    """Data with a bundle's classes, ranges and normalisation.

    A target whose classes are other ones keeps its own label map, and gets a new head. Where classes of
    the bundle do not occur, the class ids change: then `data` must be prepared anew with the label maps.

    Args:
        data: What was found.
        bundle: The file.
        given: Targets whose classes the settings give.

    Raises:
        DataError: The pictures are of another kind than those the bundle was trained on.
        ConfigError: Another unit of a regression target; classes of one name that have other ids.
    """
    meta = read_meta(bundle)
    _check_pictures(data, meta, bundle)
    label_maps = dict(data.label_maps)
    for name, known in _label_maps(meta).items():
        if name in label_maps:
            label_maps[name] = agreed(label_maps[name], known, given=name in given) or label_maps[name]
    inputs = meta.inputs
    fingerprint = replace(
        data.fingerprint, low=inputs.low, high=inputs.high, mean=tuple(inputs.mean), std=tuple(inputs.std)
    )
    note = f"Intensities are scaled as in '{bundle}', which the training starts from."
    return replace(data, label_maps=label_maps, fingerprint=fingerprint, notes=(*data.notes, note))


def agreed(found: LabelMap, known: LabelMap, *, given: bool) -> LabelMap | None:
    """The label map under which a target has the classes a network knows; None if it has other ones.

    Args:
        found: Label map of the data.
        known: Label map of the network.
        given: The classes in `found` were given, and not found by inspection.

    Raises:
        ConfigError: Another unit of a regression target; classes of one name that have other ids.
    """
    if "regression" in (found.task, known.task):
        if found.task != known.task:
            return None
        if found.unit != known.unit and found.unit:
            raise ConfigError(
                f"numbers in {known.unit or 'no unit'}, as in the bundle the training starts from",
                f"numbers in {found.unit}",
                "Set unit and factor so that the values are in the same unit.",
            )
        return replace(found, unit=known.unit, low=known.low, high=known.high)
    if found.task == known.task == "binary":
        # Foreground and background, however they are stored.
        return found if given else replace(found, names=known.names, colors=known.colors)
    if (found.task, found.encoding, found.reading, found.values) == (
        known.task,
        known.encoding,
        known.reading,
        known.values,
    ):
        _check_order(found, known)
        # The ids are the same; the data alone know which pixels of them take no part.
        return found if given else replace(known, ignore=tuple(dict.fromkeys((*known.ignore, *found.ignore))))
    same = (found.encoding, found.reading) == (known.encoding, known.reading) and found.encoding != "planes"
    return known if same and not given and _stored(found) <= _stored(known) else None


def _check_order(found: LabelMap, known: LabelMap) -> None:
    """Refuse classes that the network knows by the same name in another place: they would silently change names."""
    places = {name: place for place, name in enumerate(known.names)}
    moved = [name for place, name in enumerate(found.names) if places.get(name, place) != place]
    if moved:
        raise ConfigError(
            f"classes in the order of the bundle the training starts from: {', '.join(known.names)}",
            f"another one in these data: {', '.join(found.names)}",
            f"Put {' and '.join(moved[:2])} where the bundle has them: the planes or columns of the masks, or the "
            "names in data.class_names.",
        )


def carry_weights(model: nn.Module, bundle: Path, data: Prepared) -> Carried:
    """Copy a bundle's weights into a network, but those of heads whose target has other classes.

    Args:
        model: The network, of the bundle's architecture; changed in place.
        bundle: The file.
        data: Says which classes the targets have.

    Raises:
        BundleError: The bundle cannot be used.
    """
    source = load_bundle(bundle)
    known = _label_maps(source.meta)
    fitting = {
        name
        for name, label_map in data.label_maps.items()
        if name in known and agreed(label_map, known[name], given=True) is not None
    }
    weights = source.model.state_dict()
    own = model.state_dict()
    carried = [name for name in own if name in weights and _fits(name, own[name], weights[name], fitting)]
    with torch.no_grad():
        for name in carried:
            own[name].copy_(weights[name])
    chosen = set(carried)
    return Carried(
        tuple(carried),
        tuple(name for name in own if name not in chosen),
        tuple(name for name in weights if name not in chosen),
    )


def origin(bundle: Path) -> dict[str, Any]:
    """What `run.json` says about the bundle a training started from."""
    meta = read_meta(bundle)
    return {
        "bundle": str(bundle.resolve()),
        "created": meta.created,
        "limner": meta.limner,
        "data_hash": meta.data.hash,
        "scores": meta.scores,
    }


def _model_values(asked: ModelConfig, meta: BundleMeta, bundle: Path) -> dict[str, Any]:
    network = {"name": meta.model.name, **_network(meta)}
    given = {
        key: value for key, value in asked.model_dump(mode="json", exclude_unset=True).items() if value is not None
    }
    for key, value in given.items():
        if key in _FREE or (key == "pretrained" and value is False):
            continue
        known = json.loads(json.dumps(network.get(key)))
        if value != known:
            shown = "the bundle's own weights" if key in ("pretrained", "encoder_weights") else f"model.{key}={known}"
            raise ConfigError(
                f"the network of '{bundle}': {shown}",
                f"the setting model.{key}={value}",
                f"Leave model.{key} out, or train without --from.",
            )
    kept = {key: value for key, value in network.items() if key in ModelConfig.model_fields and value is not None}
    kept |= {"pretrained": False} if meta.model.name == "encoder_unet" else {}
    return kept | {key: value for key, value in given.items() if key in _FREE}


def _data_values(config: Config, given: dict[str, Any], source: Path) -> dict[str, Any]:
    """The data section: as given, or where it names no data, with those of the run the bundle lies in."""
    if config.data.path is not None or config.data.images is not None or not source.is_file():
        return given
    known = load_config(source).data.model_dump(mode="json", exclude_unset=True)
    if config.training.phases:
        known.pop("size", None)
    return {**known, **given}


def _network(meta: BundleMeta) -> dict[str, Any]:
    kwargs = {key: value for key, value in meta.model.kwargs.items() if key not in ("in_channels", "out_channels")}
    return model_settings(meta.model.name, kwargs)


def _label_maps(meta: BundleMeta) -> dict[str, LabelMap]:
    return {name: LabelMap.from_dict(spec.label_map) for name, spec in meta.targets.items() if spec.label_map}


def _check_pictures(data: Prepared, meta: BundleMeta, bundle: Path) -> None:
    found, inputs = data.fingerprint, meta.inputs
    wanted = (inputs.channels, inputs.dtype, inputs.parts)
    # Whether the channels of a single picture can become those of the network, the plan decides.
    channels = inputs.channels if _may_differ(meta) and not found.parts else found.channels
    same = list(found.parts.items()) == list(inputs.parts.items())  # in this order they are joined
    if not same or (channels, found.dtype) != wanted[:2]:
        raise DataError(
            f"pictures of {_kind(*wanted)}, which '{bundle}' was trained on",
            f"pictures of {_kind(found.channels, found.dtype, found.parts)}",
            "Convert them, or train without --from.",
        )


def _may_differ(meta: BundleMeta) -> bool:
    """Whether pictures can be brought to the network's number of channels."""
    return not meta.inputs.parts and meta.inputs.channels in (1, 3, 4)


def _channels(asked: int | None, meta: BundleMeta, bundle: Path) -> int:
    if asked not in (None, meta.inputs.channels):
        raise ConfigError(
            f"the network of '{bundle}', which takes {meta.inputs.channels} channels",
            f"the setting data.channels={asked}",
            "Leave data.channels out, or train without --from.",
        )
    return meta.inputs.channels


def _kind(channels: int, dtype: str, parts: dict[str, int]) -> str:
    joined = f" ({', '.join(f'{name}: {count}' for name, count in parts.items())})" if parts else ""
    return f"{channels} channel{'s' * (channels > 1)} of {dtype}{joined}"


def _stored(label_map: LabelMap) -> set[Any]:
    return {value for row in (*label_map.values, label_map.ignore) for value in row}


def _fits(name: str, own: torch.Tensor, known: torch.Tensor, fitting: Collection[str]) -> bool:
    parts = name.split(".")
    if "convs" in parts[:-1] and (target := parts[parts.index("convs") + 1]).startswith("to_"):
        return own.shape == known.shape and target.removeprefix("to_") in fitting
    return own.shape == known.shape
