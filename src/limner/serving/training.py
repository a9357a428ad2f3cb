"""`/v1/train`: training on what was saved.

Layer: serving.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from limner.config.durations import parse_duration
from limner.errors import ConfigError
from limner.serving import schemas
from limner.serving.context import Context
from limner.serving.dataset import no_folder
from limner.serving.learning import Learning
from limner.serving.reading import read_request
from limner.serving.refusals import unprocessable
from limner.serving.waiting import patiently

_MOST_EPOCHS = 10_000


def add_training(app: FastAPI, context: Context) -> None:
    """Add the endpoints."""

    @app.get(
        "/v1/train", summary="The training, if there is or was one.", response_model=schemas.Training,
        responses=schemas.refused(401, 404),
    )  # fmt: skip
    async def describe() -> Response:
        return JSONResponse(await context.work.run(_learning(context).describe))

    @app.post(
        "/v1/train", summary="Train on what was saved.", status_code=202, response_model=schemas.Training,
        responses=schemas.refused(400, 401, 404, 409, 413, 415, 422, 500, 503, 504, 507),
        openapi_extra={"requestBody": schemas.train_body()},
    )  # fmt: skip
    async def start(request: Request) -> Response:
        learning = _learning(context)
        sent = await patiently(request, read_request(request, context.settings), context)
        sent.check((), ("model", "epochs", "time"))
        served = context.models.find(sent.fields.get("model"))
        epochs, time = sent.fields.get("epochs"), sent.fields.get("time")
        if (epochs is None) == (time is None):
            raise unprocessable("either epochs or time", "neither" if epochs is None else "both", "Send one of them.")
        count = None if epochs is None else _count(epochs)
        await context.work.run(learning.start, served, epochs=count, time=None if time is None else _duration(time))
        return JSONResponse(await context.work.run(learning.describe), 202)

    @app.delete(
        "/v1/train", summary="Stop the training.", response_model=schemas.Training, responses=schemas.refused(401, 404)
    )
    async def stop() -> Response:
        learning = _learning(context)
        await context.work.run(learning.stop)
        return JSONResponse(await context.work.run(learning.describe))


def _learning(context: Context) -> Learning:
    if context.learning is None:
        raise no_folder()
    return context.learning


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:9]) <= _MOST_EPOCHS:
        raise unprocessable(f"epochs from 1 to {_MOST_EPOCHS:,}", f"'{text[:100]}'", "Correct it.")
    return int(text)


def _duration(text: str) -> str:
    """A duration, as it was sent."""
    try:
        seconds = parse_duration(text)
    except ConfigError:
        raise unprocessable("time as 90s, 15m or 2h", f"'{text[:100]}'", "Correct it.") from None
    return f"{seconds:g}s"
