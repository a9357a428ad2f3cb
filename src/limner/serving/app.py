"""The endpoints.

Layer: serving.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from limner._version import __version__
from limner.errors import LimnerError
from limner.serving import schemas
from limner.serving.context import Context, Showing
from limner.serving.counting import TEXT, Counting
from limner.serving.dataset import add_dataset
from limner.serving.guard import Guard
from limner.serving.learning import Learning
from limner.serving.many import add_many
from limner.serving.models import Models
from limner.serving.refusals import Refusal, refusal_of, unprocessable
from limner.serving.saving import Dataset
from limner.serving.settings import Settings
from limner.serving.showing import add_run
from limner.serving.shown import ShownRun
from limner.serving.single import add_predict
from limner.serving.training import add_training
from limner.serving.working import Work

_log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""Folder of the page and its files."""


def create_app(models: Models, settings: Settings, counting: Counting, run: ShownRun | None = None) -> Guard:
    """The API of some models, as an ASGI application.

    Args:
        models: They; closed when the application ends.
        settings: Limits and places.
        counting: What `/metrics` tells.
        run: A run to show; None for none.
    """
    work = Work(settings)
    dataset = None if settings.save is None else Dataset(settings.save)
    learning = None if dataset is None else Learning(dataset, models)
    showing = None if run is None else Showing.of(run, models, settings)
    context = Context(models, settings, work, counting, dataset, learning, showing)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(_watch(models, settings))
        yield
        watching.cancel()
        # Requests have been answered by now, or their clients are gone.
        if learning is not None:
            await asyncio.to_thread(learning.close)
        if showing is not None:
            await asyncio.to_thread(showing.rating.close)
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
    add_predict(app, context)
    add_many(app, context)
    add_dataset(app, context)
    add_training(app, context)
    add_run(app, context)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    paths = frozenset({*app.openapi()["paths"], "/", "/openapi.json"})
    guard = Guard(app, settings, counting, paths, "" if showing is None else showing.report_path)
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

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        refusal = unprocessable(
            f"'{str(first['loc'][-1])[:100]}' as /openapi.json describes it", str(first["msg"])[:200], "Correct it."
        )
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
        responses=schemas.given("text/plain", binary=False) | schemas.refused(401),
    )  # fmt: skip
    async def metrics() -> Response:
        return Response(counting.text(), headers={"Content-Type": TEXT})

    @app.get(
        "/v1/models", summary="The models, and what they predict.", response_model=list[schemas.Model],
        responses=schemas.refused(401),
    )  # fmt: skip
    async def describe() -> Response:
        return JSONResponse(models.describe())
