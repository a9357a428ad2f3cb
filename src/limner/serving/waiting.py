"""Waiting for an answer, as long as its client does.

Layer: serving.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from limner.serving.context import Context
from limner.serving.refusals import Refusal

_Result = TypeVar("_Result")
_LOOK_EVERY = 0.02


async def patiently(request: Request, work: Awaitable[_Result], context: Context) -> _Result:
    """Wait for an answer, as long as there is time and the client waits too; else the work is given up.

    Raises:
        Refusal: Time is up, or the client is gone (and hears nothing of it).
    """
    timeout, counting = context.settings.timeout, context.counting
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
            504,
            "Timeout",
            f"an answer within {timeout:g} seconds",
            "it took longer",
            "Send it again, or smaller parts.",
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
            await asyncio.sleep(_LOOK_EVERY)
