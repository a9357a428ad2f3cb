"""Settings from a file, a command line and Python, with the place of every mistake.

Layer: config.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from limner.config.sections import Config, TargetConfig
from limner.config.yaml12 import parse_yaml
from limner.errors import ConfigError, did_you_mean

_REPLACES = {
    "data.split": ("val", "test"),
    "data.val": ("split",),
    "data.test": ("split",),
    "training.epochs": ("phases", "time"),
    "training.time": ("phases", "epochs"),
    "training.phases": ("epochs", "time", "patience"),
}
"""Settings that say the same thing otherwise: whoever gives one does not want the base's other."""


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    *,
    base: str | Path | None = None,
) -> Config:
    """Read a YAML file, apply overrides, and check everything.

    Args:
        path: YAML file; None starts from the defaults.
        overrides: Such as `training.epochs=5` or, where only one section has the key, `epochs=5`.
            Values are read as YAML.
        settings: The same from Python, as `{"training.epochs": 5}`; they win over `overrides`.
        base: YAML file, such as a recipe's, whose settings hold where none of the above says otherwise.

    Raises:
        ConfigError: With file and line where the mistake stands in a file.
    """
    values: dict[str, Any] = {}
    lines: dict[tuple[str, ...], int] = {}
    if path is not None:
        values, lines = _read_yaml(Path(path))
    changes = [parse_override(override) for override in overrides]
    changes += [(_find_key(name), value) for name, value in (settings or {}).items()]
    for keys, value in changes:
        section = values[keys[0]] = values.get(keys[0]) or {}
        if not isinstance(section, dict):
            raise ConfigError(f"'{keys[0]}' holds settings", f"{section!r} in {path}", "Indent its keys below it.")
        section[keys[1]] = value
        lines[keys] = 0  # it no longer stands in the file
    if base is not None:
        values = _merged(_read_yaml(Path(base))[0], values)
    return config_from(values, where=str(path) if path else "", lines=lines)


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of `base`, each with the keys of `values` over its own."""
    merged = dict(base)
    for name, section in values.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(section, dict):
            replaced = {key for given in section for key in _REPLACES.get(f"{name}.{given}", ())}
            merged[name] = {key: value for key, value in below.items() if key not in replaced} | section
        elif section is not None:
            merged[name] = section
    return merged


def change(config: Config, overrides: Sequence[str]) -> Config:
    """Settings with others over them; what says the same thing otherwise is left out, as of a recipe.

    Args:
        config: Settings.
        overrides: Such as `training.epochs=5` or `epochs=5`.

    Raises:
        ConfigError: As `load_config`.

    Example:
        >>> change(Config(), ["loss=dice", "model.norm=group"]).to_yaml().splitlines()
        ['model:', '  norm: group', 'training:', '  loss: dice']
    """
    values: dict[str, Any] = {}
    for keys, value in map(parse_override, overrides):
        values.setdefault(keys[0], {})[keys[1]] = value
    return config_from(_merged(config.model_dump(mode="json", exclude_unset=True), values))


def config_from(
    values: Mapping[str, Any], *, where: str = "", lines: Mapping[tuple[str, ...], int] | None = None
) -> Config:
    """Check nested values, as from YAML or from Python.

    Raises:
        ConfigError: An unknown key (the nearest is named), a wrong type or an impossible value.
    """
    # A section whose keys are all commented out reads as None.
    given = {key: {} if value is None else value for key, value in values.items()}
    text = json.dumps(given, default=str)
    try:
        # JSON mode: strict about scalars (no "5" for 5), yet lists pass for tuples.
        return Config.model_validate_json(text, strict=True)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":  # what is no text, such as a path in another encoding
            raise ConfigError("settings and paths in UTF-8", text, "Rename what is called so.") from None
        raise _explain(error, where, lines or {}) from None


def parse_override(text: str) -> tuple[tuple[str, str], Any]:
    """Split `training.epochs=5` or `epochs=5` into its keys and its YAML value.

    Raises:
        ConfigError: No `=`, an unknown key, or a short key that several sections have.
    """
    name, equals, raw = text.partition("=")
    if not equals:
        raise ConfigError("settings as key=value", f"{text!r}", "Write for example training.epochs=5.")
    try:
        value, _ = parse_yaml(raw)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"a YAML value for {name}", f"{raw!r}", "Quote it if it is text.") from None
    return _find_key(name.strip()), value


def _find_key(name: str) -> tuple[str, str]:
    keys = tuple(name.split("."))
    if len(keys) == 1:
        owners = [section for section, key in _all_keys() if key == name]
        if len(owners) > 1:
            full = " or ".join(f"{owner}.{name}" for owner in owners)
            raise ConfigError("one section for each setting", f"{name!r} could be {full}", "Write the section too.")
        keys = (owners[0], name) if owners else keys
    if len(keys) != 2 or keys not in set(_all_keys()):
        raise _unknown_key(name, "")
    return keys[0], keys[1]


def _all_keys() -> Iterator[tuple[str, str]]:
    for section, field in Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for key in model.model_fields:
            yield section, key


def _unknown_key(name: str, place: str) -> ConfigError:
    section, _, key = name.rpartition(".")
    section = section or (key if key in Config.model_fields else "")
    own = [known for owner, known in _all_keys() if owner == section]
    near = _nearest(section, key)
    remedy = f"Did you mean '{near}'?" if near else f"The sections are {', '.join(Config.model_fields)}."
    if own and not near:
        remedy = f"{section} has {', '.join(own)}."
    return ConfigError("a setting that exists", f"unknown setting '{name}'{place}", remedy)


def _nearest(section: str, key: str) -> str | None:
    """The setting or section meant: the same key elsewhere, else one spelled alike, in its own section first."""
    owners = {known: f"{owner}.{known}" for owner, known in _all_keys()}
    own = {known: f"{owner}.{known}" for owner, known in _all_keys() if owner == section}
    sections = {} if section else {name: name for name in Config.model_fields}
    if key in owners:
        return owners[key]
    for names in (sections, own, owners):
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.7)
        if near:
            return names[near[0]]
    return None


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"a YAML file at '{path}'", reason, "Check the path given to --config.") from None
    try:
        values, root = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError("valid YAML", f"{place}: {problem}", "Check indentation, colons and quotes there.") from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError("sections with settings below them", f"{path} holds {values!r}", "See docs/how-to/config.md.")
    return values, _lines(root, path)


def _lines(root: yaml.MappingNode, path: Path) -> dict[tuple[str, ...], int]:
    """Line number, from 1, of every section and setting."""
    lines: dict[tuple[str, ...], int] = {}
    for section, settings in root.value:
        pairs: list[tuple[tuple[str, ...], yaml.Node]] = [((str(section.value),), section)]
        if isinstance(settings, yaml.MappingNode):
            pairs += [((str(section.value), str(key.value)), key) for key, _ in settings.value]
        for keys, node in pairs:
            line = node.start_mark.line + 1
            if keys in lines and keys[-1] != "<<":
                found = f"'{'.'.join(keys)}' in {path}, line {lines[keys]} and again in line {line}"
                raise ConfigError("each setting once", found, "Remove one of them.")
            lines[keys] = line
    return lines


def _explain(error: ValidationError, where: str, lines: Mapping[tuple[str, ...], int]) -> ConfigError:
    first, *others = error.errors(include_url=False)
    keys = tuple(str(part) for part in first["loc"])[:2]
    name = ".".join(keys)
    line = lines.get(keys, lines.get(keys[:1]))
    place = f" in {where}, line {line}" if where and line else ""
    if keys == ("data", "targets"):
        # Settings within a setting: say which.
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = TargetConfig.model_fields
            remedy = f"{did_you_mean(str(first['loc'][-1]), known)}A target has {', '.join(known)}."
            return ConfigError("a setting that exists", f"unknown setting '{name}'{place}", remedy)
    if first["type"] == "extra_forbidden":
        return _unknown_key(name, place)
    # A value that may be of several types has one message for each.
    alike = [first, *(other for other in others if other["loc"][:-1] == first["loc"][:-1] and len(first["loc"]) > 2)]
    problem = " or ".join(dict.fromkeys(_problem(item["type"], item["msg"]) for item in alike))
    return ConfigError(f"{name}: {problem}", f"{first['input']!r}{place}", f"Change {name}.")


def _problem(kind: str, message: str) -> str:
    if kind == "missing":
        return "needs more values"
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]
