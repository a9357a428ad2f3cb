"""What every request meets first: host, origin, token, size, and whether there is room.

Layer: serving. Plain ASGI, so that a request is refused before its body is read.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from limner.serving.counting import Counting
from limner.serving.refusals import Refusal, busy, too_large
from limner.serving.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN = ("/", "/health", "/favicon.ico")
_PAGE = "/page/"
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
# What a request with a page's body may take to be thrown away, so that the client hears the answer.
_DRAIN_SECONDS = 5.0

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer. There is no header that opens the API to pages from elsewhere (CORS)."""


class Guard:
    """Lets requests through to the API, or answers them itself.

    Args:
        app: The API.
        settings: The limits.
        counting: Told of every answer.
        paths: The API's paths; all others count as one.
        secret_path: A further path that needs no token, as it is one itself; empty for none.

    Attributes:
        under_way: Requests with a body that were accepted and are not yet answered.
    """

    def __init__(
        self, app: App, settings: Settings, counting: Counting, paths: frozenset[str], secret_path: str = ""
    ) -> None:
        self._app, self._settings, self._counting, self._paths = app, settings, counting, paths
        self._secret_path = secret_path.encode()
        self.under_way = 0
        self._bytes = 0
        self._hosts = {"localhost", "127.0.0.1", "::1", settings.host} if settings.local else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name.lower() for name, _ in message.get("headers", ())}
                extra = [
                    (n.lower().encode(), v.encode()) for n, v in HEADERS.items() if n.lower().encode() not in names
                ]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                self._check(scope, headers)
                length = self._length(headers)
                with_body = scope["method"] in ("POST", "PUT", "PATCH")
                if with_body:
                    self._check_room(length)
            except Refusal as refusal:
                await self._drain(headers, receive)
                await answer_refusal(refusal, with_headers)
                return
            if not with_body:
                await self._app(scope, receive, with_headers)
                return
            self.under_way += 1
            # Of a body without a length, the most it may have.
            reserved = self._settings.max_bytes if length is None else length
            self._bytes += reserved
            try:
                await self._app(scope, self._counted(receive), with_headers)
            finally:
                self.under_way -= 1
                self._bytes -= reserved
        finally:
            path = scope["path"] if scope["path"] in self._paths else "/page/" if _is_page(scope) else "other"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._counting.request(path, method, status, time.perf_counter() - started)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Refuse those who may not ask."""
        host = headers.get("host", "")
        # Otherwise a page from elsewhere could reach this server under a name that leads here (DNS rebinding).
        if self._hosts is not None and _host_name(host) not in self._hosts:
            raise Refusal(
                421, "Forbidden", "a request to this machine by its own name", "another name", "Use http://127.0.0.1."
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refusal(
                403, "Forbidden", "a request of this server's own page, or of a program", "one of another page",
                "Ask from a program, or through a proxy that answers under the page's own address.",
            )  # fmt: skip
        if not self._settings.token or scope["path"] in _OPEN or _is_page(scope) or self._is_secret(scope):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        expected = self._settings.token.encode()
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), expected):
            raise Refusal(
                401, "Unauthorized", "the server's token", "another one" if given else "none",
                "Send the header 'Authorization: Bearer TOKEN'.", {"WWW-Authenticate": "Bearer"},
            )  # fmt: skip

    def _is_secret(self, scope: Scope) -> bool:
        given = str(scope["path"]).encode(errors="replace")
        return bool(self._secret_path) and secrets.compare_digest(given, self._secret_path)

    def _length(self, headers: dict[str, str]) -> int | None:
        text = headers.get("content-length")
        length = int(text) if text is not None and text.isdecimal() else None
        if length is not None and length > self._settings.max_bytes:
            raise self._too_long(f"{length:,}")
        return length

    def _too_long(self, found: str) -> Refusal:
        return too_large(
            f"a request of at most {self._settings.max_bytes:,} bytes", found, "Send fewer pictures, or smaller ones."
        )

    def _check_room(self, length: int | None) -> None:
        if self.under_way >= self._settings.queue:
            raise busy(f"{self.under_way} requests are under way")
        if self._bytes + (self._settings.max_bytes if length is None else length) > self._settings.most_bytes:
            raise busy("the requests under way are large")

    def _counted(self, receive: Receive) -> Receive:
        """Stops a body that is longer than it may be, whatever its head said."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._settings.max_bytes:
                raise self._too_long("more")
            return message

        return counted

    async def _drain(self, headers: dict[str, str], receive: Receive) -> None:
        """Throw away a body of allowed length: a client that is still sending would not hear the answer."""
        if headers.get("expect", "").lower() == "100-continue":
            return
        text = headers.get("content-length", "0")
        if not text.isdecimal() or not 0 < int(text) <= self._settings.max_bytes:
            return
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                    pass
        except TimeoutError:
            return


async def answer_refusal(refusal: Refusal, send: Send) -> None:
    """Send a refusal."""
    body = json.dumps(refusal.to_dict()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _is_page(scope: Scope) -> bool:
    return str(scope["path"]).startswith(_PAGE)


def _host_name(host: str) -> str:
    """The name in a header `Host`, without its port.

    Example:
        >>> _host_name("localhost:8000"), _host_name("[::1]:80"), _host_name("127.0.0.1")
        ('localhost', '::1', '127.0.0.1')
    """
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
