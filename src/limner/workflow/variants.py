"""What candidates are written as, and the settings each of them means.

Layer: workflow, below `candidates`.

A candidate is words: at most one name of a network (a key of `MODELS`) or of an encoder (timm's), and `key=value`
settings. They are put over the settings that all share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.config import Config, change, config_from, parse_override, split_outside
from limner.data.prepare import Prepared
from limner.errors import ConfigError, LimnerError, did_you_mean
from limner.models import MODELS, find_encoder, model_settings, near_encoders
from limner.training.fit import check_settings

_ENCODER_MODEL = "encoder_unet"
_ENCODER_KEYS = ("pretrained", "encoder_weights")
"""Settings of `encoder_unet` beside the arguments of its class."""
_OWN = ("model", "augment", "training")
_ALSO = (("data", "size"), ("data", "fit"), ("data", "channels"))
_SHARED = {
    "time": "every candidate gets the same share of it",
    "seed": "every candidate has the same; for several use repeats",
    "device": "every candidate is trained on the same",
    "start_from": "every candidate starts alike",
}
_LONGEST = 80


@dataclass(frozen=True, eq=False)
class Variant:
    """A candidate.

    Attributes:
        name: Of its folder and in tables: its words, with what no file is called taken out.
        text: As it was written.
        config: Settings of its own run, but for the share of the time.
    """

    name: str
    text: str
    config: Config


def variants(config: Config) -> tuple[Variant, ...]:
    """The candidates that the settings name, each with its settings; none where they compare nothing.

    Raises:
        ConfigError: An unknown name or key, with the nearest known one; a setting that candidates must share; two
            that are alike; or a setting of the network that none of them has.
    """
    texts = [" ".join(split_outside(text, " ")) for text in config.experiment.compare or ()]
    twice = next((text for place, text in enumerate(texts) if text in texts[:place]), None)
    if twice is not None:
        raise ConfigError("candidates that differ", f"'{twice}' twice", "Leave one out, or change a setting of it.")
    names: list[str] = []
    for text in texts:
        name = _folder_name(text)
        taken = {known.casefold() for known in names}
        names.append(next(n for n in (name, *(f"{name}-{k}" for k in range(2, 99))) if n.casefold() not in taken))
    found = tuple(Variant(name, text, _settings(config, text)) for name, text in zip(names, texts, strict=True))
    _check_model_keys(config, found)
    _check_start(config, found)
    return found


def check_variants(found: tuple[Variant, ...], data: Prepared) -> None:
    """Refuse candidates that do not fit the data or the machine, before the first is trained.

    Raises:
        LimnerError: As `check_settings`, with the name of the candidate.
    """
    for variant in found:
        try:
            check_settings(variant.config, data)
        except LimnerError as error:
            raise type(error)(
                error.expected,
                f"candidate '{variant.text}': {error.found}",
                f"{error.remedy} What is for this candidate alone stands behind its name: '{variant.text} KEY=VALUE'.",
                details=error.details,
            ) from error


def _settings(config: Config, text: str) -> Config:
    words = split_outside(text, " ")
    given = [word for word in words if "=" in word]
    named = [word for word in words if "=" not in word]
    if len(named) > 1:
        raise ConfigError(
            "one network or encoder for each candidate, and settings as key=value",
            f"'{text}' names {' and '.join(named)}",
            "Put a comma between candidates.",
        )
    for word in given:
        _check_own(word, text)
    network = _network(named[0]) if named else {}
    values = config.model_dump(mode="json", exclude_unset=True)
    values.get("experiment", {}).pop("compare")
    if network:
        own = _keys(network["name"])
        values["model"] = {key: value for key, value in values.get("model", {}).items() if key in own} | network
    own_config = change(config_from(values), given)
    if own_config.training.time != config.training.time:
        raise ConfigError(
            "the same time for all candidates",
            f"a time of {config.training.time}, and '{text}'",
            "Leave out the time or what sets another length.",
        )
    return own_config


def _network(word: str) -> dict[str, Any]:
    """Settings of the model that a name means."""
    if word in MODELS:
        return {"name": word}
    encoder = find_encoder(word)
    if encoder is None:
        near = did_you_mean(word, MODELS) or near_encoders(word)
        raise ConfigError(
            f"candidates that are networks ({', '.join(MODELS)}), encoders of timm, or settings as key=value",
            f"'{word}'",
            f"{near}limner train --compare takes for example unet,improved_unet,resnet34.",
        )
    return {"name": _ENCODER_MODEL, "encoder": encoder}


def _keys(network: str) -> set[str]:
    return {"name", *model_settings(network, {}), *(_ENCODER_KEYS if network == _ENCODER_MODEL else ())}


def _check_own(word: str, text: str) -> None:
    """Refuse a setting by which candidates would not be compared alone, or not on the same samples."""
    (section, key), _ = parse_override(word)
    if section == "training" and key in _SHARED:
        raise ConfigError(
            "settings that candidates may differ in",
            f"training.{key} in '{text}'",
            f"Give training.{key} for all: {_SHARED[key]}.",
        )
    if section not in _OWN and (section, key) not in _ALSO:
        raise ConfigError(
            f"settings of {', '.join(_OWN)}, or {', '.join('.'.join(keys) for keys in _ALSO)}",
            f"{section}.{key} in '{text}'",
            "Give it for all candidates: they are compared on the same samples.",
        )


def _check_model_keys(config: Config, found: tuple[Variant, ...]) -> None:
    """Refuse a setting of the network that no candidate has a use for."""
    given = config.model.model_dump(exclude_unset=True)
    unused = [key for key, value in given.items() if value is not None and key != "name"]
    unused = [key for key in unused if found and not any(key in _keys(each.config.model.name) for each in found)]
    if unused:
        raise ConfigError(
            "settings of the network that some candidate has",
            f"model.{unused[0]}",
            "Leave it out or set it to null, or add a candidate that has it.",
        )


def _check_start(config: Config, found: tuple[Variant, ...]) -> None:
    """Refuse another network than that of the weights to start from."""
    other = [each.text for each in found if each.config.model != config.model]
    if config.training.start_from is not None and other:
        raise ConfigError(
            "candidates with the network that they start from",
            f"'{other[0]}', and the weights of '{config.training.start_from}'",
            "Compare settings of training or augment, or leave out what to start from.",
        )


def _folder_name(text: str) -> str:
    """A candidate's words as the name of a folder; of a path its last part."""
    words = []
    for word in split_outside(text, " "):
        key, equals, value = word.partition("=")
        words.append(f"{key}{equals}{Path(value).name if '/' in value else value}")
    return re.sub(r"[^\w.=+-]+", "-", "-".join(words), flags=re.ASCII).strip("-.")[:_LONGEST] or "candidate"
