"""What a bundle says about itself, and how it is read and refused.

Layer: bundle. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from limner._version import __version__
from limner.errors import BundleError
from limner.types import MAX_CLASSES, Plane, Symmetry, Task, Tta

FORMAT = 1
"""Version of the description. A bundle with a higher one is refused."""

BUNDLE_NAME = "model.safetensors"
"""What the bundle in a run folder is called."""

HEADER_KEY = "limner"

_BLOCK = 1 << 20
_Count = Annotated[int, Field(ge=1)]
_Byte = Annotated[int, Field(ge=0, le=255)]


class _Spec(BaseModel):
    # Non-finite numbers would become null in JSON and come back as something else.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSpec(_Spec):
    """The network: `create_model(name, **kwargs)` builds it."""

    name: str
    kwargs: dict[str, Any]
    members: Annotated[_Count, Field(description="Networks of this kind whose probabilities are averaged.")] = 1


class InputSpec(_Spec):
    """What pictures the network was trained on, and how they become its numbers.

    A pixel `x` enters the network as `((x - low) / (high - low) - mean) / std`.
    """

    channels: _Count
    dtype: Literal["uint8", "uint16", "float32"]
    low: float
    high: float
    mean: Annotated[list[float], Field(description="Per channel, on the [0, 1] scale.")]
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(description="Per channel, on the [0, 1] scale.")]
    fit: Literal["resize", "native"]
    size: Annotated[
        tuple[_Count, _Count] | None,
        Field(description="Height and width pictures are resized to; for `native`, the size of training crops."),
    ] = None
    parts: Annotated[
        dict[str, _Count],
        Field(description="Channels by input, in the order in which they are joined; empty for the usual one picture."),
    ] = {}
    plane: Annotated[Plane | None, Field(description="In which volumes were cut into pictures, if they were.")] = None

    @model_validator(mode="after")
    def _agree(self) -> InputSpec:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std need one number for each of the {self.channels} channels")
        if self.fit == "resize" and self.size is None:
            raise ValueError("fit 'resize' needs a size")
        if self.parts and (len(self.parts) == 1 or sum(self.parts.values()) != self.channels):
            raise ValueError(f"parts are several and have {self.channels} channels together, not {self.parts}")
        return self


class TargetSpec(_Spec):
    """One thing the network predicts.

    `names` and `colors` go by class id; for `binary` and `multiclass` id 0 is the background, for
    `multilabel` they go by plane. `label_map` says which stored mask values the ids stand for.

    For `regression`, the network's number `z` stands for `low + z · (high − low)` in the unit.
    """

    task: Task
    names: list[str]
    colors: list[tuple[_Byte, _Byte, _Byte]]
    label_map: dict[str, Any] = {}
    thresholds: Annotated[
        list[Annotated[float, Field(gt=0, lt=1)]],
        Field(
            description="By class id, 0.5 where empty. A class is answered where its probability is above it; "
            "of several exclusive classes, where its share beside its strongest rival is."
        ),
    ] = []
    temperature: Annotated[
        float,
        Field(gt=0, description="Probabilities are given as if logits were divided by it; masks stay."),
    ] = 1.0
    unit: Annotated[str, Field(description="Of a regression target; may be empty.")] = ""
    dice_curve: Annotated[
        list[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]],
        Field(description="From what probabilities promise to the Dice found with that, rising; linear in between."),
    ] = []
    low: Annotated[float, Field(description="Value of a regression target, in the unit, that 0 stands for.")] = 0.0
    high: Annotated[float, Field(description="Value of a regression target, in the unit, that 1 stands for.")] = 1.0

    @model_validator(mode="after")
    def _agree(self) -> TargetSpec:
        if len(self.names) != len(self.colors):
            raise ValueError(f"{len(self.names)} names but {len(self.colors)} colours")
        if any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.dice_curve)):
            raise ValueError("dice_curve must rise")
        if self.thresholds and len(self.thresholds) != len(self.names):
            raise ValueError(f"{len(self.names)} names but {len(self.thresholds)} thresholds")
        least, most = {"binary": (2, 2), "multiclass": (2, MAX_CLASSES), "multilabel": (1, MAX_CLASSES)}.get(
            self.task, (0, MAX_CLASSES)
        )
        if not least <= len(self.names) <= most:
            raise ValueError(f"{len(self.names)} names do not fit the task {self.task!r}")
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        return self


class TilingSpec(_Spec):
    """How pictures that are too large to predict at once are cut."""

    size: Annotated[int, Field(ge=1, description="Side of a tile; pictures up to it are predicted whole.")]
    overlap: Annotated[float, Field(ge=0, lt=1, description="Least share of a tile over its neighbour.")] = 0.5
    window: Annotated[
        Literal["gaussian", "spline"], Field(description="What weighs a tile's pixels where tiles overlap.")
    ] = "gaussian"


class PostStep(_Spec):
    """A step after the threshold, on one class of one target.

    `largest` keeps its largest object, `fill_holes` fills what it encloses, `min_area` leaves out objects of fewer
    than `area` pixels of the original picture.
    """

    target: str
    label: Annotated[str, Field(description="Name of the class.")]
    step: Literal["largest", "fill_holes", "min_area"]
    area: Annotated[int, Field(ge=0, description="Of `min_area`.")] = 0


class FamiliarSpec(_Spec):
    """What training pictures look like, in the numbers of `limner.inference.familiarity`."""

    features: Annotated[list[list[float]], Field(min_length=1, description="Of some training pictures, a row each.")]
    scale: Annotated[list[Annotated[float, Field(gt=0)]], Field(description="By which each column is divided.")]
    limit: Annotated[
        float, Field(gt=0, description="Distance to the nearest row above which a picture is unlike them.")
    ]

    @model_validator(mode="after")
    def _agree(self) -> FamiliarSpec:
        if any(len(row) != len(self.scale) for row in self.features):
            raise ValueError(f"rows must have the {len(self.scale)} numbers of scale")
        return self


class PlantedSpec(_Spec):
    """How training pictures look as they are and with faults planted in them, to tell the fault of another picture.

    A row of the table is a picture with a fault: the place of the fault in `faults`, the group of the picture, and its
    numbers (`limner.evaluation.explain.appearance`) between `low` and `high` in 255 steps.
    """

    faults: Annotated[
        list[tuple[str, str]], Field(min_length=2, description="Kind of each fault, empty of none, and its words.")
    ]
    low: Annotated[list[float], Field(min_length=1, description="Of each number.")]
    high: Annotated[list[float], Field(min_length=1, description="Likewise.")]
    table: Annotated[str, Field(description="The rows as bytes, compressed by zlib, in base64.")]

    @model_validator(mode="after")
    def _agree(self) -> PlantedSpec:
        if len(self.low) != len(self.high):
            raise ValueError(f"{len(self.low)} numbers have a low but {len(self.high)} a high")
        return self


class ViewsSpec(_Spec):
    """What views of a picture bought on pictures the network did not learn from, compared picture by picture."""

    tta: Annotated[Tta, Field(description="Which views.")]
    measure: Annotated[
        Literal["dice", "error"],
        Field(
            description="Of the gain; `error`: mean absolute error as a share of the range, where there are no classes."
        ),
    ] = "dice"
    gain: Annotated[float, Field(description="Mean over pictures, then over classes; above 0 is better.")]
    low: Annotated[float | None, Field(description="Low end of its 95 % interval; None of too few pictures.")] = None
    high: Annotated[float | None, Field(description="High end.")] = None
    times: Annotated[float, Field(gt=0, description="Of the work of one look: processor time, on a GPU seconds.")]
    images: Annotated[int, Field(ge=1, description="Pictures that were predicted.")]
    source: Annotated[str, Field(description="What these were, in words.")]

    @property
    def helps(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low is not None and self.low > 0


class DataSpec(_Spec):
    """What the network learned from."""

    hash: str
    count: Annotated[int, Field(ge=0, description="Samples in all.")]
    splits: dict[str, int] = {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in ("torch", "numpy")}}


class BundleMeta(_Spec):
    """Everything in a bundle but its weights. `created` is ISO 8601 in UTC."""

    format: int = FORMAT
    limner: str = __version__
    created: str = Field(default_factory=_now)
    model: ModelSpec
    inputs: InputSpec
    targets: Annotated[dict[str, TargetSpec], Field(min_length=1)]
    tiling: TilingSpec
    post_processing: Annotated[list[PostStep], Field(description="Steps after the threshold, in order.")] = []
    symmetries: Annotated[
        list[Symmetry], Field(description="Under which it was trained; only views by these are asked about.")
    ] = []
    views: Annotated[
        list[ViewsSpec], Field(description="What views bought with these thresholds; empty where it was not measured.")
    ] = []
    familiar: Annotated[FamiliarSpec | None, Field(description="To tell pictures unlike the training set.")] = None
    planted: Annotated[PlantedSpec | None, Field(description="To tell why a picture is unlike it.")] = None
    precision: Annotated[
        Literal["auto", "bf16", "float32"],
        Field(description="Arithmetic that was asked for; `auto`: the device's best."),
    ] = "auto"
    data: DataSpec
    scores: dict[str, Any] = {}
    licence: str = ""
    versions: dict[str, str] = Field(default_factory=_versions)

    @model_validator(mode="after")
    def _steps_are_of_classes(self) -> BundleMeta:
        for step in self.post_processing:
            spec = self.targets.get(step.target)
            if spec is None or step.label not in spec.names:
                raise ValueError(f"post-processing of '{step.label}' of '{step.target}', which is not predicted")
        return self


def read_meta(path: str | Path) -> BundleMeta:
    """Read a bundle's description, without its weights and without torch.

    Raises:
        BundleError: The file is missing, damaged, not a bundle, or from a newer Limner.
    """
    header = read_header(Path(path))
    if HEADER_KEY not in header:
        raise BundleError(
            f"'{path}' is a Limner bundle",
            "a safetensors file without Limner's description: weights alone do not say how to use them",
            "Give the model.safetensors of a Limner run.",
        )
    return parse_meta(header[HEADER_KEY], path)


def bundle_digest(path: str | Path) -> str:
    """SHA-256 of all that decides what a bundle answers, in hexadecimal: not of what was measured of its views.

    Raises:
        BundleError: As `read_meta`.
    """
    meta = read_meta(path)
    digest = hashlib.sha256(meta.model_copy(update={"views": []}).model_dump_json().encode())
    with Path(path).open("rb") as file:
        # Eight bytes of length, the JSON header, then the weights.
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def parse_meta(text: str, path: str | Path) -> BundleMeta:
    """Read a description from its JSON.

    Args:
        text: The JSON.
        path: The file it is from, for messages.

    Raises:
        BundleError: It is damaged, or from a newer Limner.
    """
    try:
        described = json.loads(text)
    except ValueError as error:
        raise _damaged(path, f"its description is not JSON ({error})") from error
    if not isinstance(described, dict) or not isinstance(described.get("format"), int):
        raise _damaged(path, "its description has no format number")
    _refuse_newer(path, described)
    try:
        # From the text, because strict models take a JSON list for a tuple but not a Python one.
        return BundleMeta.model_validate_json(json.dumps(_as_now(described)))
    except ValidationError as error:
        raise BundleError(
            f"the description in '{path}' is one that Limner {__version__} understands",
            f"{error.error_count()} settings are unknown or impossible (written by Limner {described.get('limner')})",
            "Upgrade Limner if the bundle is from a newer one; otherwise make the bundle again.",
            details=[f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()],
        ) from error


def _as_now(described: dict[str, Any]) -> dict[str, Any]:
    """A description as this version writes it: before thresholds went by class there was one number for all."""
    targets = described.get("targets")
    for target in targets.values() if isinstance(targets, dict) else ():
        if isinstance(target, dict) and "threshold" in target:
            threshold = target.pop("threshold")
            target["thresholds"] = [] if threshold == 0.5 else [threshold] * len(target.get("names", ()))
    return described


def read_header(path: Path) -> dict[str, str]:
    """The key-value header of a safetensors file, after checking that the file is whole."""
    if not path.is_file():
        raise BundleError(
            f"'{path}' is a bundle",
            "a folder" if path.is_dir() else "no such file",
            "Give the model.safetensors of a run.",
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        if _looks_like_safetensors(path):
            raise _damaged(path, f"it is cut off or changed ({error})") from error
        raise BundleError(
            f"'{path}' is a safetensors file",
            "another kind of file" + (": a pickle, which could run code when opened" if _is_pickle(path) else ""),
            "Give the model.safetensors of a Limner run.",
        ) from error
    except OSError as error:
        raise BundleError(
            f"'{path}' can be read", error.strerror or str(error), "Check its permissions and the disk."
        ) from error


def _refuse_newer(path: str | Path, described: dict[str, Any]) -> None:
    writer = described.get("limner", "a newer version")
    remedy = f"Upgrade to Limner {writer} or later: pip install --upgrade limner"
    if described["format"] > FORMAT:
        raise BundleError(
            f"'{path}' has bundle format {FORMAT} or older", f"format {described['format']}, by Limner {writer}", remedy
        )
    steps = described.get("post_processing")
    known = get_args(PostStep.model_fields["step"].annotation)
    if isinstance(steps, list) and any(isinstance(step, dict) and step.get("step") not in known for step in steps):
        raise BundleError(
            f"Limner {__version__} knows every step of '{path}'",
            f"post-processing it does not know, by Limner {writer}",
            remedy,
        )


def _damaged(path: str | Path, found: str) -> BundleError:
    return BundleError(
        f"'{path}' is a whole bundle", found, "Copy the file again from where it was made, or train again."
    )


def _looks_like_safetensors(path: Path) -> bool:
    # Eight bytes of length, then the JSON header, which always opens with a brace.
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _is_pickle(path: Path) -> bool:
    # Protocol 2 and above start with 0x80; PyTorch wraps its pickles in a zip archive.
    with path.open("rb") as file:
        return file.read(4).startswith((b"\x80", b"PK"))
