"""`/v1/dataset`: saving pictures with their masks, where the server was started with a folder for it.

Layer: serving.
"""

from __future__ import annotations

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from jaxtyping import UInt8

from limner.bundle import TargetSpec
from limner.errors import DataError
from limner.images import decode_mask_upload, decode_upload
from limner.serving import schemas
from limner.serving.context import Context
from limner.serving.models import Served
from limner.serving.reading import Sent, SentFile, read_request
from limner.serving.refusals import Refusal, unknown, unprocessable
from limner.serving.saving import Dataset
from limner.serving.waiting import patiently
from limner.types import IGNORE

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def add_dataset(app: FastAPI, context: Context) -> None:
    """Add the endpoints."""

    @app.get(
        "/v1/dataset", summary="The pairs that were saved.", response_model=schemas.Saved,
        responses=schemas.refused(401, 404),
    )  # fmt: skip
    async def listed() -> Response:
        names = await context.work.run(_dataset(context).names)
        return JSONResponse({"count": len(names), "names": names})

    @app.post(
        "/v1/dataset", summary="Save a picture with its mask.", status_code=201, response_model=schemas.SavedPair,
        responses=schemas.refused(400, 401, 404, 409, 413, 415, 422, 500, 503, 504, 507),
        openapi_extra={"requestBody": schemas.dataset_body()},
    )  # fmt: skip
    async def save(request: Request) -> Response:
        async def answer() -> str:
            dataset = _dataset(context)
            sent = await read_request(request, context.settings)
            sent.check(("image", "mask"), ("name", "model", "target", "replace"))
            files = {one.field: one for one in sent.files}
            if len(files) != 2 or len(sent.files) != 2:
                found = ", ".join(one.field for one in sent.files) or "none"
                raise unprocessable("one file 'image' and one file 'mask'", found, "Send both, each once.")
            replace = _FLAGS.get(sent.fields.get("replace", "false").lower())
            if replace is None:
                raise unprocessable("replace as true or false", f"'{sent.fields['replace'][:100]}'", "Correct it.")
            spec = _target(context.models.find(sent.fields.get("model")), sent)
            name = sent.fields.get("name") or files["image"].name
            async with context.work.room(sent.files, None):
                return await context.work.run(_save, dataset, name, files["image"], files["mask"], spec, replace)

        name = await patiently(request, answer(), context)
        context.counting.saved()
        return JSONResponse({"name": name}, 201)


def _dataset(context: Context) -> Dataset:
    if context.dataset is None:
        raise Refusal(
            404, "NotFound", "a server that was started with a folder to save into", "one without",
            "Start it with limner serve --save DIR.",
        )  # fmt: skip
    return context.dataset


def _target(served: Served, sent: Sent) -> TargetSpec:
    """What the mask shows."""
    targets = served.predictor.meta.targets
    name = sent.fields.get("target") or ("mask" if "mask" in targets else next(iter(targets)))
    if name not in targets:
        raise unknown("a target of the model", name, list(targets))
    if targets[name].task not in ("binary", "multiclass"):
        raise unprocessable(
            "a target whose mask is one picture of class ids", f"'{name}', which is {targets[name].task}",
            "Name another target, or save masks of this one by hand.",
        )  # fmt: skip
    return targets[name]


def _save(dataset: Dataset, name: str, image: SentFile, mask: SentFile, spec: TargetSpec, replace: bool) -> str:
    picture = decode_upload(image.data, "image")
    ids = _ids(decode_mask_upload(mask.data, "mask"), spec)
    if ids.shape != picture.shape[:2]:
        raise DataError(
            f"a mask has the size of its image ({picture.shape[0]}×{picture.shape[1]})",
            f"'mask' is {ids.shape[0]}×{ids.shape[1]}",
            "Send the mask of this picture.",
        )
    return dataset.save(name, picture, ids, spec.colors, replace=replace)


def _ids(stored: np.ndarray, spec: TargetSpec) -> UInt8[np.ndarray, "height width"]:
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    most = len(spec.names) - 1
    expected = f"a mask of class ids from 0 to {most}, or {IGNORE} where nothing is known, in one channel"
    if stored.ndim != 2 or stored.dtype.kind not in "bui":
        shape = "×".join(map(str, stored.shape))
        raise DataError(expected, f"'mask' has the shape {shape} and the type {stored.dtype}", "Save it as grey PNG.")
    wrong = np.setdiff1d(np.unique(stored), [*range(most + 1), IGNORE])
    if len(wrong):
        found = ", ".join(map(str, wrong[:5].tolist()))
        raise DataError(expected, f"'mask' holds {found}", "Save class ids, not colours or shades.")
    return stored.astype(np.uint8)
