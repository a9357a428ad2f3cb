"""`/v1/dataset`: saving pictures with their masks, where the server was started with a folder for it.

Layer: serving.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from limner.bundle import TargetSpec
from limner.images import decode_upload
from limner.serving import schemas
from limner.serving.context import Context
from limner.serving.given_masks import mask_target, read_ids
from limner.serving.reading import SentFile, read_request
from limner.serving.refusals import Refusal, unprocessable
from limner.serving.saving import Dataset
from limner.serving.waiting import patiently

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
            _, spec = mask_target(context.models.find(sent.fields.get("model")), sent.fields.get("target"))
            name = sent.fields.get("name") or files["image"].name
            async with context.work.room(sent.files, None):
                return await context.work.run(_save, dataset, name, files["image"], files["mask"], spec, replace)

        name = await patiently(request, answer(), context)
        context.counting.saved()
        return JSONResponse({"name": name}, 201)


def _dataset(context: Context) -> Dataset:
    if context.dataset is None:
        raise no_folder()
    return context.dataset


def no_folder() -> Refusal:
    """The server was started without a folder to save into."""
    return Refusal(
        404,
        "NotFound",
        "a server that was started with a folder to save into",
        "one without",
        "Start it with limner serve --save DIR.",
    )


def _save(dataset: Dataset, name: str, image: SentFile, mask: SentFile, spec: TargetSpec, replace: bool) -> str:
    picture = decode_upload(image.data, "image")
    ids = read_ids(mask.data, spec, (picture.shape[0], picture.shape[1]), ignore=True)
    return dataset.save(name, picture, ids, spec.colors, replace=replace)
