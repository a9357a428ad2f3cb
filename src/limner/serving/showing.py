"""`/v1/run`: the run that a server was started with, its report and its samples.

Layer: serving.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from limner.errors import LimnerError
from limner.serving import run_schemas, schemas
from limner.serving.context import Context, Showing
from limner.serving.reading import read_request
from limner.serving.refusals import Refusal, unknown, unprocessable
from limner.serving.run_samples import ORDERS
from limner.serving.shown import SampleGroup
from limner.serving.waiting import patiently

_log = logging.getLogger(__name__)

_MOST = 200
_STATUSES = (400, 401, 404, 413, 422)
_REPORT_HEADERS = {
    # The report has styles within and pictures within, no script; the page shows it in a frame.
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation",
    "X-Frame-Options": "SAMEORIGIN",
}

Number = Annotated[int, Query(ge=0, description="Of the sample, from /v1/run/samples.")]


def add_run(app: FastAPI, context: Context) -> None:
    """Add the endpoints, where there is a run to show; without one there are no such paths."""
    showing = context.showing
    if showing is None:
        return
    _add_report(app, context, showing)
    _add_lists(app, context, showing)
    _add_samples(app, context, showing)
    _add_rating(app, context, showing)


def _add_report(app: FastAPI, context: Context, showing: Showing) -> None:
    @app.get(showing.report_path, include_in_schema=False)
    async def report() -> Response:
        try:
            page = await context.work.run(showing.run.report)
        except LimnerError as error:
            # Its message names files of this machine.
            _log.error("The report cannot be made.\n%s", error)
            raise Refusal(
                500, type(error).__name__, "the files of a run as Limner wrote them", "a damaged one",
                "See what the server says where it was started, or type limner report RUN.",
            ) from None  # fmt: skip
        return HTMLResponse(page.encode("utf-8", errors="replace"), headers=_REPORT_HEADERS)


def _add_lists(app: FastAPI, context: Context, showing: Showing) -> None:
    @app.get(
        "/v1/run", summary="The run that is shown.", response_model=run_schemas.Run, responses=schemas.refused(401)
    )
    async def describe() -> Response:
        return JSONResponse(await context.work.run(_describe, showing, context))

    @app.get(
        "/v1/run/samples", summary="Samples of the run, in an order.", response_model=run_schemas.Samples,
        responses=schemas.refused(401, 404, 422),
    )  # fmt: skip
    async def samples(
        group: Annotated[str | None, Query(description="Default: the first of /v1/run.")] = None,
        order: Annotated[str, Query(description=f"Of {', '.join(ORDERS)}.")] = "cases",
        find: Annotated[str, Query(description="Part of their names.", max_length=200)] = "",
        name: Annotated[str | None, Query(description="Name of one; then group, order and find say nothing.")] = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 60,
    ) -> Response:
        if order not in ORDERS:
            raise unknown("an order of samples", order, list(ORDERS))
        asked = (group, order, find, name, offset, limit)
        return JSONResponse(await context.work.run(_list, showing, *asked))


def _describe(showing: Showing, context: Context) -> dict[str, Any]:
    run = showing.run
    return {
        "name": run.name,
        **run.state().to_dict(),
        "measure": run.measure,
        "report": showing.report_path,
        "groups": [
            {
                "name": group.name,
                "title": group.title,
                "count": len(group.places),
                "rating": showing.rating.describe(group),
            }
            for group in run.groups
        ],
        "inputs": list(run.catalog.inputs),
        "trouble": run.trouble.to_dict() if run.trouble else None,
        "no_model": context.models.missing,
    }


def _list(
    showing: Showing, group: str | None, order: str, find: str, name: str | None, offset: int, limit: int
) -> dict[str, Any]:
    if name is not None:
        number, chosen = showing.samples.named(name)
        places = [number]
    else:
        chosen = showing.samples.group(group)
        places = showing.samples.listed(chosen, showing.rating.rated(chosen), order, find)
    rated = showing.rating.rated(chosen) or {}
    return {
        "group": chosen.name,
        "total": len(places),
        "samples": [
            showing.samples.describe(place, rated.get(showing.run.catalog.ids[place]))
            for place in places[offset : offset + limit]
        ],
    }


def _add_samples(app: FastAPI, context: Context, showing: Showing) -> None:
    @app.get(
        "/v1/run/sample", summary="What is known of a sample: its masks and numbers.",
        response_model=run_schemas.Truth, responses=schemas.refused(*_STATUSES),
    )  # fmt: skip
    async def truth(number: Number) -> Response:
        return JSONResponse(await context.work.run(showing.samples.truth, number))

    @app.get(
        "/v1/run/picture", summary="An input of a sample, as a file that /v1/predict takes.", response_class=Response,
        responses=schemas.given("application/octet-stream", binary=True) | schemas.refused(*_STATUSES),
    )  # fmt: skip
    async def picture(
        number: Number, part: Annotated[str | None, Query(alias="input", description="Default: the last.")] = None
    ) -> Response:
        data = await context.work.run(showing.samples.picture, number, part)
        return Response(data, media_type="application/octet-stream")

    @app.get(
        "/v1/run/thumbnail", summary="A small picture of a sample.", response_class=Response,
        responses=schemas.given("image/webp", binary=True) | schemas.refused(*_STATUSES),
    )  # fmt: skip
    async def thumbnail(number: Number) -> Response:
        return Response(await context.work.run(showing.samples.thumbnail, number), media_type="image/webp")


def _add_rating(app: FastAPI, context: Context, showing: Showing) -> None:
    @app.post(
        "/v1/run/rate", summary="Score a group of samples that the run did not score.", status_code=202,
        response_model=run_schemas.Run, responses=schemas.refused(400, 401, 404, 409, 413, 415, 422, 503, 504),
        openapi_extra={"requestBody": run_schemas.rate_body()},
    )  # fmt: skip
    async def rate(request: Request) -> Response:
        sent = await patiently(request, read_request(request, context.settings), context)
        sent.check((), ("group",))
        group = _group(showing, sent.fields.get("group"))
        await context.work.run(showing.rating.start, group)
        return JSONResponse(await context.work.run(_describe, showing, context), 202)


def _group(showing: Showing, name: str | None) -> SampleGroup:
    if not name:
        raise unprocessable("the name of a group", "none", "Send one of those in /v1/run.")
    return showing.samples.group(name)
