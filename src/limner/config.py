"""Settings: what they are called, what they may be, and where a mistake in them stands.

Layer: above `files`. Imports no torch. Only `training`, `workflow` and `cli` know the config object;
every other module takes plain arguments.

`None` means that the plan chooses and says why (`plan.yaml`). Settings come from a YAML file, then
from `section.key=value` overrides, which win. Every key is strict: an unknown one is an error that
names the nearest, a value of another type is not converted.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from limner.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Section):
    """Where the samples are, how they are read, and how they are split."""

    path: str | None = Field(None, description="Folder, .csv or .zip that holds pictures and masks.")
    images: str | None = Field(None, description="Folder of pictures, when it is not inside `path`.")
    masks: str | None = Field(None, description="Folder of masks, when it is not inside `path`.")
    layout: str = Field("auto", description="How samples lie on disk: auto, or a layout's name.")
    page: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        None, description="Which page of multi-page files: a number from 0, or `all` for one sample each."
    )
    unmatched: Literal["stop", "skip"] = Field("stop", description="Files without a partner: stop, or leave them out.")
    unreadable: Literal["stop", "skip"] = Field("stop", description="Damaged files: stop, or leave them out.")
    split: str | None = Field(None, description="Shares as `train:val:test`, such as `70:15:15`, or `train:val`.")
    val: float | None = Field(None, ge=0, description="Validation samples: a share below 1, or a count. Default 0.15.")
    test: float | None = Field(None, ge=0, description="Test samples: a share below 1, or a count. Default 0.15.")
    seed: Seed = Field(0, description="Seed of the split.")
    keep_splits: str | None = Field(
        None, description="Run folder or `samples.csv` of an earlier run: samples it has keep their split."
    )
    class_names: list[str] | None = Field(None, description="Names by class id, background first.")
    values: list[list[Any]] | None = Field(
        None, description="Stored mask values of each class id, such as `[[0], [255]]`; found by inspection if absent."
    )
    ignore_values: list[int] = Field([], description="Stored mask values that take no part in training or scores.")
    fit: Literal["resize", "native"] | None = Field(
        None, description="`resize`: every picture to `size`. `native`: own scale, trained on crops of `size`."
    )
    size: tuple[Count, Count] | None = Field(None, description="Working size or crop, `[height, width]` in pixels.")
    cache: bool = Field(True, description="Keep decoded pictures in a memory-mapped cache.")
    cache_dir: str | None = Field(None, description="Folder of the cache. Default: the user's cache folder.")
    cache_limit_gb: Positive = Field(20.0, description="Most disk space the cache may take, in 10⁹ bytes.")


class ModelConfig(_Section):
    """The network. A key left out has the value that is usual for the architecture."""

    name: str = Field("unet", description="Architecture: `unet`, `improved_unet` or `encoder_unet`.")
    conv_sizes: list[Count] | None = Field(
        None,
        min_length=1,
        description="Filters of each encoder level, finest first. `unet` doubles the last for its bottleneck; "
        "`improved_unet` has none below the last.",
    )
    norm: Literal["batch", "instance", "group"] | None = Field(
        None, description="Normalisation. `unet`: batch; `improved_unet`: instance."
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="Dropout between the convolutions of each pair. `unet`: 0; `improved_unet`: 0.3."
    )
    up: Literal["transpose", "bilinear"] | None = Field(
        None, description="Up-sampling of `unet`: transpose unless set. `improved_unet` has one way only."
    )
    deep_supervision: bool = Field(False, description="Also train the coarser decoder levels.")
    encoder: str | None = Field(None, description="Encoder of `encoder_unet`: a timm model. Default mobilenetv2_100.")
    encoder_options: dict[str, Any] | None = Field(None, description="Further arguments of the timm model.")
    decoder: Literal["unet", "pix2pix"] | None = Field(None, description="Decoder of `encoder_unet`: unet unless set.")
    decoder_sizes: list[Count] | None = Field(
        None, min_length=1, description="Filters of each decoder level of `encoder_unet`, coarsest first."
    )
    freeze_encoder: bool | None = Field(None, description="Leave the encoder of `encoder_unet` as it is.")
    input_mean: float | list[float] | None = Field(
        None, description="Mean that pretrained weights want, on the scale 0 to 1. Default: what timm says."
    )
    input_std: float | list[float] | None = Field(
        None, description="Standard deviation that pretrained weights want. Default: what timm says."
    )
    pretrained: bool | None = Field(
        None, description="Start `encoder_unet` from weights that timm fetches: yes, unless set."
    )
    encoder_weights: str | None = Field(
        None, description="File of pretrained encoder weights (safetensors or state dict), instead of fetching them."
    )


class TrainingConfig(_Section):
    """How the network learns."""

    epochs: Count | None = Field(None, description="Passes over the training samples.")
    time: str | None = Field(None, description="Time budget, such as `90s`, `15m`, `2h`; the schedule fits into it.")
    batch: Count | None = Field(None, description="Samples per step.")
    steps_per_epoch: Count | None = Field(
        None, description="Least steps per epoch: small data sets are passed several times, augmented anew."
    )
    loss: str | None = Field(None, description="Losses joined by +, such as `ce+dice`, `0.5*bce+tversky`, `focal`.")
    class_weights: list[Positive] | None = Field(None, description="Weight of each class in the loss.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    lr: Positive | None = Field(None, description="Highest learning rate.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay, on convolution kernels only.")
    momentum: Fraction = Field(0.9, description="Momentum of SGD (Nesterov).")
    schedule: Literal["onecycle", "cosine", "polynomial", "exponential", "constant"] = Field(
        "onecycle", description="How the learning rate runs over the training."
    )
    gamma: Fraction = Field(0.985, description="Factor per epoch of the exponential schedule.")
    ema: Fraction | None = Field(None, description="Decay of the weights' moving average; 0 switches it off.")
    grad_clip: float = Field(1.0, ge=0, description="Largest gradient norm; 0 switches clipping off.")
    patience: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Epochs without improvement before stopping; 0 never stops early."
    )
    foreground_crops: Fraction = Field(
        0.33, description="Share of crops centred on foreground, when pictures are trained on crops."
    )
    precision: Literal["auto", "bf16", "float32"] = Field("auto", description="Arithmetic of the network.")
    memory_format: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="Order in memory.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    compile: bool = Field(False, description="Compile the network with torch.compile before training.")
    previews: int = Field(4, ge=0, description="Validation samples drawn after each epoch.")
    seed: Seed = Field(0, description="Seed of weights, order, augmentation and dropout.")

    @field_validator("time", mode="before")
    @classmethod
    def _bare_number_is_seconds(cls, value: Any) -> Any:
        return f"{value}s" if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("time")
    @classmethod
    def _time_is_readable(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                parse_duration(value)
        except ConfigError as error:
            raise ValueError(f"must be {error.expected}") from None
        return value


class AugmentConfig(_Section):
    """Random changes to training samples. A key left out keeps the preset's value."""

    preset: Literal["none", "light", "default", "strong"] | None = Field(None, description="Starting point.")
    flip_h: bool | None = Field(None, description="Mirror left and right.")
    flip_v: bool | None = Field(None, description="Mirror top and bottom.")
    rotate90: bool | None = Field(None, description="Quarter turns (half turns where pictures are not square).")
    rotate: float | None = Field(None, ge=0, le=180, description="Largest rotation in degrees.")
    scale: tuple[Positive, Positive] | None = Field(None, description="Smallest and largest zoom.")
    shift: Fraction | None = Field(None, description="Largest shift as a share of the picture.")
    elastic: float | None = Field(None, ge=0, description="Elastic deformation as a share of the picture.")
    brightness: Fraction | None = Field(None, description="Largest change of brightness, of the full range.")
    contrast: Fraction | None = Field(None, description="Largest relative change of contrast.")
    gamma: Fraction | None = Field(None, description="Largest relative change of gamma.")
    noise: Fraction | None = Field(None, description="Largest standard deviation of noise, of the full range.")
    blur: float | None = Field(None, ge=0, description="Largest sigma of blur in pixels.")


class Config(_Section):
    """All settings of a run, as saved in its `config.yaml`."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    augment: AugmentConfig = Field(default_factory=AugmentConfig)

    def to_yaml(self) -> str:
        """YAML of every setting that was given; the plan records what was chosen for the rest."""
        values = self.model_dump(mode="json", exclude_unset=True)
        return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars. By 1.1's rules, `70:15:15` is a number, `1e-3` and `no` are not what they seem."""


class _Dumper(yaml.SafeDumper):
    """Quotes text that `_Loader` would take for a number."""


_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_PLAIN = {
    "null": (re.compile(r"~$|null$|Null$|NULL$|$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")),
    "float": (_FLOAT, list("-+.0123456789")),
    "merge": (re.compile(r"<<$"), ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", *_PLAIN["float"])


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `15m`, `1.5h`, `1h30m`; a bare number is seconds.

    Example:
        >>> parse_duration("1h30m"), parse_duration("15m"), parse_duration("40")
        (5400.0, 900.0, 40.0)

    Raises:
        ConfigError: The text is not a duration, or is zero.
    """
    parts = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?", text.strip().lower())
    try:
        hours, minutes, seconds = (float(part or 0) for part in parts.groups()) if parts else (0.0, 0.0, 0.0)
    except ValueError:
        hours = minutes = seconds = 0.0
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise ConfigError("a duration such as 90s, 15m, 1h30m", f"{text!r}", "Write the time with s, m or h.")
    return total


def load_config(
    path: str | Path | None = None, overrides: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> Config:
    """Read a YAML file, apply overrides, and check everything.

    Args:
        path: YAML file; None starts from the defaults.
        overrides: Such as `training.epochs=5` or, where only one section has the key, `epochs=5`.
            Values are read as YAML.
        settings: The same from Python, as `{"training.epochs": 5}`; they win over `overrides`.

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
    return config_from(values, where=str(path) if path else "", lines=lines)


def config_from(
    values: Mapping[str, Any], *, where: str = "", lines: Mapping[tuple[str, ...], int] | None = None
) -> Config:
    """Check nested values, as from YAML or from Python.

    Raises:
        ConfigError: An unknown key (the nearest is named), a wrong type or an impossible value.
    """
    # A section whose keys are all commented out reads as None.
    given = {key: {} if value is None else value for key, value in values.items()}
    try:
        # JSON mode: strict about scalars (no "5" for 5), yet lists pass for tuples.
        return Config.model_validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
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
        value, _ = _parse(raw)
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


def _parse(text: str) -> tuple[Any, Any]:
    """Value and root node of one YAML document."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"a YAML file at '{path}'", reason, "Check the path given to --config.") from None
    try:
        values, root = _parse(text)
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
