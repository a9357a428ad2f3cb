"""The API's values, and its description as OpenAPI.

Layer: serving.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from limner.serving.answers import ANSWERS
from limner.serving.packing import PACKED

DESCRIPTION = """Segments pictures with the models it was started with.

Pictures are sent as files (PNG, JPEG, BMP, GIF, WebP, TIFF, NumPy, DICOM) in a form, or in base64 within JSON. Where
the server has a token, every request to /v1 and /metrics needs the header `Authorization: Bearer TOKEN`. A request that
comes while too many are under way is answered by 503 with `Retry-After`."""


class Health(BaseModel):
    """The server answers."""

    status: Literal["ok"]
    version: str


class Problem(BaseModel):
    """What was expected, what was found, and what to do."""

    kind: str
    expected: str
    found: str
    remedy: str


class Refused(BaseModel):
    """A request that was not done."""

    error: Problem


class ClassOf(BaseModel):
    """A class of a target."""

    id: int
    name: str
    color: tuple[int, int, int]
    threshold: float | None = Field(description="None of the background.")


class Target(BaseModel):
    """What a model predicts."""

    name: str
    task: Literal["binary", "multiclass", "multilabel", "regression"]
    classes: list[ClassOf] = Field(description="None of regression.")
    unit: str = Field(description="Of regression.")
    low: float | None = Field(description="Likewise: the lowest of the training values.")
    high: float | None


class Inputs(BaseModel):
    """Which pictures a model takes."""

    channels: int
    dtype: str
    low: float
    high: float
    fit: Literal["resize", "native"]
    size: tuple[int, int] | None
    parts: list[str] = Field(description="Names of the pictures of one sample, where there are several.")


class Model(BaseModel):
    """A model that is served."""

    name: str
    targets: list[Target]
    inputs: Inputs
    engine: str
    scores: dict[str, Any]
    created: str
    limner: str = Field(description="Version of Limner that made it.")
    version: int = Field(description="1, and one more each time its file has changed and was loaded again.")


class Strange(BaseModel):
    """How far a picture is from the training pictures."""

    alarming: bool
    ratio: float = Field(description="Its distance by the limit.")
    because: str


class Area(BaseModel):
    """How much of a picture a class covers."""

    id: int = Field(alias="class")
    pixels: int
    share: float
    area: float
    unit: str


class Planes(BaseModel):
    """A grey PNG in base64 for each class; 255 is 1."""

    classes: list[int]
    png: list[str]


class Runs(BaseModel):
    """A class as run lengths: pairs of start and length, counted along the rows from 1."""

    id: int = Field(alias="class")
    name: str
    size: tuple[int, int]
    runs: str


class Values(BaseModel):
    """Numbers as 16-bit grey: `low + grey / 65535 · (high − low)`."""

    png16: str
    low: float
    high: float
    unit: str


class TargetAnswer(BaseModel):
    """What a model says of one target."""

    task: Literal["binary", "multiclass", "multilabel", "regression"]
    areas: list[Area]
    expected_dice: dict[str, float | None] | None
    mask: str | list[str] | None = Field(
        None, description="PNG of class ids in base64; of multilabel a 1-bit PNG for each class."
    )
    probabilities: Planes | None = None
    rle: list[Runs] | None = None
    polygons: dict[str, Any] | None = Field(None, description="GeoJSON, in pixels.")
    objects: list[dict[str, Any]] | None = Field(None, description="Sizes of every object.")
    uncertainty: str | None = Field(None, description="Grey PNG in base64; 255 is undecided.")
    values: Values | None = None


class Saved(BaseModel):
    """The pairs in the folder."""

    count: int
    names: list[str]


class SavedPair(BaseModel):
    """A pair that is on the disk."""

    name: str = Field(description="As it was sanitised.")


class Ranked(BaseModel):
    """How much annotating a picture is worth."""

    name: str
    score: float = Field(description="From 0 to 1; the highest first.")
    expected_dice: float | None
    strange: Strange | None


class Ranking(BaseModel):
    """Pictures in the order in which annotating them is worth most."""

    pictures: list[Ranked]
    failed: dict[str, Problem]


class Epoch(BaseModel):
    """What an epoch came to."""

    epoch: int
    loss: float | None
    dice: float | None


class Training(BaseModel):
    """A training."""

    state: Literal["idle", "running", "done", "failed", "stopped"]
    epoch: int
    epochs: int | None = Field(description="That were asked for.")
    metrics: list[Epoch]
    log: list[str] = Field(description="Its last lines.")
    model: str | None = Field(description="Under which the new model is served.")
    error: Problem | None


class Answer(BaseModel):
    """What a model says of a picture."""

    model: str
    width: int
    height: int
    engine: str
    seconds: float
    strange: Strange | None
    targets: dict[str, TargetAnswer]
    preview: str | None = Field(None, description="The picture as 8-bit PNG in base64, for people.")


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How answers of these statuses look."""
    words = {
        400: "The picture or the request is damaged or not of the model's kind.",
        401: "The token is missing or wrong.",
        404: "There is nothing of that name.",
        409: "There is one already.",
        413: "The request or picture is too large.",
        415: "The body is of another kind.",
        422: "An argument is wrong.",
        500: "The server failed.",
        503: "There is no room now; come again after Retry-After.",
        504: "Time was up.",
        507: "The server cannot save.",
    }
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Refused, "description": words[status]} for status in statuses
    }
    if 503 in found:
        found[503]["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return found


def given(content_type: str, binary: bool) -> dict[int | str, dict[str, Any]]:
    """How an answer looks that is no JSON."""
    schema = {"type": "string", "format": "binary"} if binary else {"type": "string"}
    return {200: {"content": {content_type: {"schema": schema}}}}


_FILE = {"type": "string", "format": "binary"}
_MODEL = {"type": "string", "description": "Name of the model; by default the first."}
_SPACING = {"type": "string", "description": "Size of a pixel in mm, as 0.5, or 0.8,0.5 for row and column."}
_PAGE = {"type": "string", "description": "Of a file of several pages, from 0."}
_IN_FORM = {"type": ["string", "number"]}
"""What a number is in a form: the text that it is written as."""


def predict_body() -> dict[str, Any]:
    """The body of `POST /v1/predict`."""
    words = {"type": "string", "description": f"Of {', '.join(ANSWERS)}, parted by commas. Default: mask."}
    listed = {"type": "array", "items": {"type": "string", "enum": list(ANSWERS)}}
    encoded = {"type": "string", "contentEncoding": "base64", "description": "The picture's file in base64."}
    parts = {"type": "object", "additionalProperties": encoded, "description": "By input, where there are several."}
    fields = {"model": _MODEL, "spacing": _SPACING, "page": _PAGE}
    in_form = fields | {name: fields[name] | _IN_FORM for name in ("spacing", "page")}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": _FILE, "answers": words, **in_form},
                    "required": ["image"],
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"oneOf": [encoded, parts]}, "answers": listed, **fields},
                    "required": ["image"],
                    "additionalProperties": False,
                }
            },
        },
    }


def batch_body() -> dict[str, Any]:
    """The body of `POST /v1/batch`."""
    words = {"type": "string", "description": f"Of {', '.join(PACKED)}, parted by commas. Default: mask."}
    masks = {
        "type": "array",
        "items": _FILE,
        "description": "Masks of class ids to use in place of predicted ones: as many as images, in their order; of "
        "multilabel targets a plane for each class of an image, then those of the next.",
    }
    target = {"type": "string", "description": "Of these masks; by default mask, or the model's first."}
    return _many({"answers": words, "model": _MODEL, "spacing": _SPACING | _IN_FORM, "masks": masks, "target": target})


def rank_body() -> dict[str, Any]:
    """The body of `POST /v1/rank`."""
    return _many({"model": _MODEL})


def _many(fields: dict[str, Any]) -> dict[str, Any]:
    words = (
        "Of a model of several inputs in place of it a field for each, named as the input: a file for every sample, in "
        "their order, or one that goes with all."
    )
    images = {"type": "array", "items": _FILE, "minItems": 1, "description": words}
    schema = {"type": "object", "properties": {"images": images, **fields}, "required": ["images"]}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def dataset_body() -> dict[str, Any]:
    """The body of `POST /v1/dataset`."""
    fields = {
        "image": {**_FILE, "description": "Of a model of several inputs in place of it a field for each."},
        "mask": {
            "type": "array",
            "items": _FILE,
            "minItems": 1,
            "description": "One file of class ids, of the picture's size; 255 where nothing is known. Of multilabel "
            "targets one for each class, in their order: 0, and 1 or 255 where the class is.",
        },
        "name": {"type": "string", "description": "Default: the name of the picture's file."},
        "model": _MODEL,
        "target": {"type": "string", "description": "Of the model; by default mask, or its first."},
        "replace": {"type": "string", "enum": ["true", "false"]},
    }
    schema = {"type": "object", "properties": fields, "required": ["image", "mask"]}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def train_body() -> dict[str, Any]:
    """The body of `POST /v1/train`."""
    schema = {
        "type": "object",
        "properties": {
            "model": _MODEL,
            "epochs": {"type": "integer", "minimum": 1, "maximum": 10_000},
            "time": {"type": "string", "description": "As 90s, 15m or 2h.", "pattern": "^[1-9][0-9]{0,3}[smh]$"},
        },
        "oneOf": [{"required": ["epochs"]}, {"required": ["time"]}],
        "additionalProperties": False,
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
