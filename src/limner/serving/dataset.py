"""`/v1/dataset`: saving pictures with their masks, where the server was started with a folder for it.

Layer: serving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from limner.bundle import TargetSpec
from limner.data.inputs import check_same_size
from limner.images import decode_upload
from limner.serving import schemas
from limner.serving.context import Context
from limner.serving.given_masks import group_masks, mask_target, read_given
from limner.serving.reading import SentFile, read_request
from limner.serving.refusals import Refusal, unprocessable
from limner.serving.saved_table import IMAGE, mask_targets
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
            served = context.models.find(sent.fields.get("model"))
            inputs = list(served.predictor.meta.inputs.parts) or [IMAGE]
            sent.check((*inputs, "mask"), ("name", "model", "target", "replace"))
            images = [one for one in sent.files if one.field != "mask"]
            masks = [one.data for one in sent.files if one.field == "mask"]
            if sorted(one.field for one in images) != sorted(inputs) or not masks:
                found = ", ".join(one.field for one in sent.files) or "none"
                wanted = ", ".join(f"one file '{name}'" for name in inputs)
                raise unprocessable(f"{wanted} and one file 'mask'", found, "Send all of them.")
            replace = _FLAGS.get(sent.fields.get("replace", "false").lower())
            if replace is None:
                raise unprocessable("replace as true or false", f"'{sent.fields['replace'][:100]}'", "Correct it.")
            target, spec = mask_target(served, sent.fields.get("target"))
            (files,) = group_masks(masks, spec, 1)
            specs = mask_targets(served.predictor.meta.targets)
            images.sort(key=lambda one: inputs.index(one.field))
            name = sent.fields.get("name") or images[-1].name
            async with context.work.room(sent.files, None):
                return await context.work.run(_save, dataset, name, images, target, files, specs, replace)

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


def _save(
    dataset: Dataset,
    name: str,
    images: Sequence[SentFile],
    target: str,
    files: Sequence[bytes],
    specs: Mapping[str, TargetSpec],
    replace: bool,
) -> str:
    pictures = {one.field: decode_upload(one.data, one.field) for one in images}
    sizes = {name: (picture.shape[0], picture.shape[1]) for name, picture in pictures.items()}
    check_same_size(sizes)
    mask = read_given(files, specs[target], next(iter(sizes.values())), ignore=True)
    return dataset.save(name, pictures, target, mask, specs, replace=replace)
