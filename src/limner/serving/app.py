"""The endpoints.

Layer: serving.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from limner._version import __version__
from limner.errors import LimnerError
from limner.serving import schemas
from limner.serving.answers import ANSWERS, needs, strange_of, targets_of
from limner.serving.counting import TEXT, Counting
from limner.serving.guard import Guard
from limner.serving.models import Models
from limner.serving.reading import choose_answers, choose_page, choose_spacing, read_request
from limner.serving.refusals import Refusal, refusal_of, unprocessable
from limner.serving.settings import Settings
from limner.serving.working import Predicted, Work
from limner.types import Spacing

_log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""Folder of the page and its files."""

_Result = TypeVar("_Result")


def create_app(models: Models, settings: Settings, counting: Counting) -> Guard:
    """The API of some models, as an ASGI application.

    Args:
        models: They; closed when the application ends.
        settings: Limits and places.
        counting: What `/metrics` tells.
    """
    work = Work(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(_watch(models, settings))
        yield
        watching.cancel()
        # Requests have been answered by now, or their clients are gone.
        models.close()
        work.close()

    app = FastAPI(
        title="Limner",
        version=__version__,
        description=schemas.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_handlers(app)
    _add_plain(app, models, counting)
    _add_predict(app, models, settings, work, counting)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    paths = frozenset({*app.openapi()["paths"], "/", "/openapi.json"})
    guard = Guard(app, settings, counting, paths)
    counting.watch(lambda: guard.under_way, lambda: models.waiting)
    return guard


async def _watch(models: Models, settings: Settings) -> None:
    """Load again what changes on the disk."""
    while True:
        await asyncio.sleep(settings.reload)
        try:
            await asyncio.to_thread(models.refresh)
        except Exception:
            _log.exception("Looking for changed models failed.")


def _add_handlers(app: FastAPI) -> None:
    """Every error is answered in the same form."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return JSONResponse(error.to_dict(), error.status, headers=error.headers)

    @app.exception_handler(LimnerError)
    async def failed(_: Request, error: LimnerError) -> Response:
        refusal = refusal_of(error)
        if refusal.status >= 500:
            _log.error("A request failed.\n%s", error)
        return JSONResponse(refusal.to_dict(), refusal.status)

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        expected = {404: "a path of the API, see /openapi.json", 405: "a method of this path, see /openapi.json"}
        refusal = Refusal(
            error.status_code, "NotFound" if error.status_code == 404 else "Malformed",
            expected.get(error.status_code, "a request as /openapi.json describes it"), str(error.detail)[:200],
            "Correct the request.", dict(error.headers or {}),
        )  # fmt: skip
        return JSONResponse(refusal.to_dict(), refusal.status, headers=refusal.headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        _log.error("A request failed.", exc_info=error)
        refusal = Refusal(500, "Bug", "no such error", "one in the server", "Tell who runs the server; it is logged.")
        return JSONResponse(refusal.to_dict(), 500)


def _add_plain(app: FastAPI, models: Models, counting: Counting) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        index = PAGE / "index.html"
        return FileResponse(index) if index.is_file() else Response("Limner", media_type="text/plain")

    @app.get("/health", summary="Whether the server answers.", response_model=schemas.Health)
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    @app.get(
        "/metrics", summary="Numbers for Prometheus.", response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | schemas.refused(401),
    )  # fmt: skip
    async def metrics() -> Response:
        return Response(counting.text(), headers={"Content-Type": TEXT})

    @app.get(
        "/v1/models", summary="The models, and what they predict.", response_model=list[schemas.Model],
        responses=schemas.refused(401),
    )  # fmt: skip
    async def describe() -> Response:
        return JSONResponse(models.describe())


def _add_predict(app: FastAPI, models: Models, settings: Settings, work: Work, counting: Counting) -> None:
    @app.post(
        "/v1/predict", summary="Predict one picture.", response_model=schemas.Answer,
        responses=schemas.refused(400, 401, 404, 408, 413, 415, 422, 500, 503, 504),
        openapi_extra={"requestBody": schemas.predict_body()},
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        started = time.perf_counter()

        async def answer() -> bytes:
            sent = await read_request(request, settings)
            sent.check(None, ("model", "answers", "spacing", "page"))
            served = models.find(sent.fields.get("model"))
            answers = choose_answers(sent.fields.get("answers"), ANSWERS)
            spacing = choose_spacing(sent.fields.get("spacing"))
            if not sent.files:
                raise unprocessable("a picture in the field 'image'", "none", "Send one.")
            if len({one.field for one in sent.files}) < len(sent.files):
                raise unprocessable("one picture in a field", "several", "Use /v1/batch for many pictures.")
            probabilities, doubts = needs(answers)
            page = choose_page(sent.fields.get("page"))
            found = await work.predict(served, sent.files, page=page, probabilities=probabilities, doubts=doubts)
            return await work.run(_encode, served.name, found, answers, spacing, started)

        body = await patiently(request, answer(), settings.timeout, counting)
        return Response(body, media_type="application/json")


def _encode(
    name: str, found: Predicted, answers: tuple[str, ...], spacing: Spacing | None, started: float
) -> bytes:
    height, width = found.picture.size
    answer: dict[str, Any] = {
        "model": name,
        "width": width,
        "height": height,
        "engine": found.model.engine_name,
        "strange": strange_of(found.strange),
        "targets": targets_of(found.prediction, found.model.meta.targets, answers, spacing),
    }
    answer["seconds"] = round(time.perf_counter() - started, 4)
    return json.dumps(answer, allow_nan=False).encode()


async def patiently(request: Request, work: Awaitable[_Result], timeout: float, counting: Counting) -> _Result:
    """Wait for an answer, as long as there is time and the client waits too; else the work is given up.

    Raises:
        Refusal: Time is up, or the client is gone (and hears nothing of it).
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request, task))
    try:
        done, _ = await asyncio.wait({task, gone}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        counting.cancelled()
        if gone in done:
            raise Refusal(499, "Gone", "a client that waits", "it is gone", "Send it again.")
        raise Refusal(
            504, "Timeout", f"an answer within {timeout:g} seconds", "it took longer", "Send it again, or smaller parts."
        )
    except ClientDisconnect:
        counting.cancelled()
        raise Refusal(499, "Gone", "a client that waits", "it is gone", "Send it again.") from None
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _gone(request: Request, task: asyncio.Future[Any]) -> None:
    """Ends when the client does; looks only once the body has been read, since there is one reader."""
    while not task.done():
        if getattr(request, "_stream_consumed", False) or getattr(request, "_form", None) is not None:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                return
        else:
            await asyncio.sleep(0.02)
