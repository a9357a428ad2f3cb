"""`/v1/batch` and `/v1/rank`: many pictures in one request.

Layer: serving.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from limner.bundle import TargetSpec
from limner.errors import LimnerError
from limner.inference.prediction import Prediction
from limner.serving import schemas
from limner.serving.answers import strange_of
from limner.serving.context import Context
from limner.serving.given_masks import group_masks, mask_target, read_given
from limner.serving.models import Served
from limner.serving.naming import unlike
from limner.serving.packing import PACKED, Package
from limner.serving.reading import choose_answers, choose_spacing, read_request
from limner.serving.refusals import Refusal, refusal_of
from limner.serving.samples import SentSample, check_fields, samples_of
from limner.serving.waiting import patiently
from limner.serving.working import Predicted

MASKS = "masks"
"""Field of the masks to use in place of predicted ones."""

_STATUSES = (400, 401, 404, 413, 415, 422, 500, 503, 504)
# A picture that is unlike all training pictures is worth a look even if the model is sure.
_STRANGE = 0.5


def add_many(app: FastAPI, context: Context) -> None:
    """Add the endpoints."""

    @app.post(
        "/v1/batch", summary="Predict many pictures: a zip of what limner predict writes.", response_class=Response,
        responses=schemas.given("application/zip", binary=True) | schemas.refused(*_STATUSES),
        openapi_extra={"requestBody": schemas.batch_body()},
    )  # fmt: skip
    async def batch(request: Request) -> Response:
        body = await patiently(request, _batch(request, context), context)
        headers = {"Content-Disposition": 'attachment; filename="predictions.zip"'}
        return Response(body, media_type="application/zip", headers=headers)

    @app.post(
        "/v1/rank", summary="Order pictures by how much annotating each is worth.", response_model=schemas.Ranking,
        responses=schemas.refused(*_STATUSES), openapi_extra={"requestBody": schemas.rank_body()},
    )  # fmt: skip
    async def rank(request: Request) -> Response:
        return JSONResponse(await patiently(request, _rank(request, context), context))


async def _batch(request: Request, context: Context) -> bytes:
    sent = await read_request(request, context.settings)
    served = context.models.find(sent.fields.get("model"))
    parts = served.predictor.meta.inputs.parts
    check_fields(sent, parts, (MASKS,), ("model", "answers", "spacing", "target"))
    masks = [one.data for one in sent.files if one.field == MASKS and MASKS not in parts]
    samples = samples_of([one for one in sent.files if one.field != MASKS or MASKS in parts], parts)
    answers = choose_answers(sent.fields.get("answers"), PACKED)
    spacing = choose_spacing(sent.fields.get("spacing"))
    meta = served.predictor.meta
    targets = meta.targets
    if masks or "target" in sent.fields:
        target, spec = mask_target(served, sent.fields.get("target"))
        targets = {target: spec}
        given = group_masks(masks, spec, len(samples))
    names = unlike([one.name for one in samples], "picture")
    with tempfile.TemporaryDirectory(prefix="limner-") as place:
        package = Package(Path(place, "all"), targets, meta.inputs.parts, answers, spacing)

        async def add(number: int, found: Predicted) -> None:
            if masks:
                found = await context.work.run(_with_mask, found, target, spec, given[number])
            await context.work.run(package.add, names[number], samples[number].name or names[number], found)

        probabilities = bool({"probabilities", "objects"} & set(answers))
        failed = await _each(samples, served, context, probabilities, add)
        if len(failed) == len(samples):
            raise next(iter(failed.values()))
        for number, refusal in failed.items():
            package.fail(samples[number].name or names[number], refusal.to_dict()["error"])
        path = Path(place, "all.zip")
        await context.work.run(package.close, names, path)
        return path.read_bytes()


def _with_mask(found: Predicted, target: str, spec: TargetSpec, files: Sequence[bytes]) -> Predicted:
    """A prediction with another mask, that a client has corrected."""
    mask = read_given(files, spec, found.picture.size, ignore=False)
    only = {"masks": {target: mask}, "values": {}}
    kept = {name: {target: part[target]} for name, part in _parts(found.prediction).items() if target in part}
    return replace(found, prediction=replace(found.prediction, **(kept | only)))


def _parts(prediction: Prediction) -> dict[str, dict[str, Any]]:
    return {
        "probs": prediction.probs,
        "uncertainty": prediction.uncertainty,
        "expected_dice": prediction.expected_dice,
    }


async def _rank(request: Request, context: Context) -> dict[str, Any]:
    sent = await read_request(request, context.settings)
    served = context.models.find(sent.fields.get("model"))
    parts = served.predictor.meta.inputs.parts
    check_fields(sent, parts, (), ("model",))
    samples = samples_of(sent.files, parts)
    ranked: list[tuple[float, int, dict[str, Any]]] = []

    async def add(number: int, found: Predicted) -> None:
        expected = found.prediction.score
        doubt = 1 - expected if math.isfinite(expected) else 0.5
        strange = strange_of(found.strange)
        if strange is not None and strange["alarming"]:
            doubt = max(doubt, _STRANGE + doubt / 2)
        entry = {
            "name": samples[number].name,
            "score": round(min(max(doubt, 0.0), 1.0), 4),
            "expected_dice": expected if math.isfinite(expected) else None,
            "strange": strange,
        }
        ranked.append((-doubt, number, entry))

    failed = await _each(samples, served, context, False, add)
    return {
        "pictures": [entry for *_, entry in sorted(ranked, key=lambda one: one[:2])],
        "failed": {samples[number].name: refusal.to_dict()["error"] for number, refusal in failed.items()},
    }


async def _each(
    samples: list[SentSample],
    served: Served,
    context: Context,
    probabilities: bool,
    use: Callable[[int, Predicted], Awaitable[None]],
) -> Mapping[int, Refusal]:
    """Predict all samples, a batch of them under way at a time; gives those that failed."""
    failed: dict[int, Refusal] = {}
    room = asyncio.Semaphore(context.settings.batch)

    async def one(number: int, sample: SentSample) -> None:
        async with room:
            try:
                found = await context.work.predict(
                    served, sample.files, page=None, probabilities=probabilities, doubts=True, patient=True
                )
                await use(number, found)
            except LimnerError as error:
                failed[number] = refusal_of(error)
            except Refusal as refusal:
                failed[number] = refusal

    async with asyncio.TaskGroup() as tasks:
        for number, sample in enumerate(samples):
            tasks.create_task(one(number, sample))
    return dict(sorted(failed.items()))
