"""`POST /v1/predict`: one picture.

Layer: serving.
"""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import FastAPI, Request, Response

from limner.serving import schemas
from limner.serving.answers import ANSWERS, needs, preview_of, strange_of, targets_of
from limner.serving.context import Context
from limner.serving.reading import choose_answers, choose_page, choose_spacing, read_request
from limner.serving.refusals import unprocessable
from limner.serving.waiting import patiently
from limner.serving.working import Predicted
from limner.types import Spacing


def add_predict(app: FastAPI, context: Context) -> None:
    """Add the endpoint."""

    @app.post(
        "/v1/predict", summary="Predict one picture.", response_model=schemas.Answer,
        responses=schemas.refused(400, 401, 404, 413, 415, 422, 500, 503, 504),
        openapi_extra={"requestBody": schemas.predict_body()},
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        started = time.perf_counter()

        async def answer() -> bytes:
            sent = await read_request(request, context.settings)
            sent.check(None, ("model", "answers", "spacing", "page"))
            served = context.models.find(sent.fields.get("model"))
            answers = choose_answers(sent.fields.get("answers"), ANSWERS)
            spacing = choose_spacing(sent.fields.get("spacing"))
            if not sent.files:
                raise unprocessable("a picture in the field 'image'", "none", "Send one.")
            if len({one.field for one in sent.files}) < len(sent.files):
                raise unprocessable("one picture in a field", "several", "Use /v1/batch for many pictures.")
            probabilities, doubts = needs(answers)
            page = choose_page(sent.fields.get("page"))
            found = await context.work.predict(
                served, sent.files, page=page, probabilities=probabilities, doubts=doubts
            )
            return await context.work.run(_encode, served.name, found, answers, spacing, started)

        body = await patiently(request, answer(), context)
        return Response(body, media_type="application/json")


def _encode(name: str, found: Predicted, answers: tuple[str, ...], spacing: Spacing | None, started: float) -> bytes:
    height, width = found.picture.size
    answer: dict[str, Any] = {
        "model": name,
        "width": width,
        "height": height,
        "engine": found.model.engine_name,
        "strange": strange_of(found.strange),
        "targets": targets_of(found.prediction, found.model.meta.targets, answers, spacing),
    }
    if "preview" in answers:
        answer["preview"] = preview_of(found.picture, found.model.meta.inputs.parts)
    answer["seconds"] = round(time.perf_counter() - started, 4)
    return json.dumps(answer, allow_nan=False).encode()
