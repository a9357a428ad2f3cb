"""Running the server until a signal: then it takes no further request, and finishes those it has.

Layer: serving.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn

from limner.errors import ConfigError
from limner.serving.app import create_app
from limner.serving.counting import Counting
from limner.serving.models import Models, OpenModel
from limner.serving.settings import Settings
from limner.serving.shown import ShownRun

_BACKLOG = 128


def listen(settings: Settings) -> socket.socket:
    """A socket at the server's address.

    Raises:
        ConfigError: It is taken, not of this machine, or not permitted.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise ConfigError(
            f"an address to listen on: {settings.host}, port {settings.port}",
            error.strerror or str(error),
            "Choose another --port, or 0 for any that is free.",
        ) from error
    return found


def serve_models(
    paths: Mapping[str, Path],
    open_model: OpenModel,
    settings: Settings,
    started: Callable[[str], None],
    run: ShownRun | None = None,
) -> None:
    """Serve models until SIGINT or SIGTERM.

    Args:
        paths: Bundles and exported files by name.
        open_model: What loads them.
        settings: Address and limits.
        started: Called with the server's URL once it answers.
        run: A run to show; then its models are waited for where they are not there yet.

    Raises:
        LimnerError: A model cannot be loaded, or the address cannot be listened on.
    """
    with listen(settings) as address:
        server = make_server(paths, open_model, settings, lambda: started(url_of(address)), run)
        with _staying_alive():
            server.run(sockets=[address])


def make_server(
    paths: Mapping[str, Path],
    open_model: OpenModel,
    settings: Settings,
    started: Callable[[], None],
    run: ShownRun | None = None,
) -> uvicorn.Server:
    """A server that is ready to run: its models are loaded.

    Args:
        paths: See `serve_models`.
        open_model: Likewise.
        settings: Likewise.
        started: Called once it answers.
        run: See `serve_models`.

    Raises:
        LimnerError: A model cannot be loaded, or the folder to save into cannot be written to.
    """
    counting = Counting()
    models = Models(paths, open_model, settings, counting, patient=run is not None)
    app = create_app(models, settings, counting, run)
    return _Server(settings, app, started)


class _Server(uvicorn.Server):
    def __init__(self, settings: Settings, app: object, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                http="h11",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                limit_concurrency=4 * settings.queue + 64,
                timeout_graceful_shutdown=int(settings.timeout) + 5,
            )
        )
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self._told()


@contextlib.contextmanager
def _staying_alive() -> Iterator[None]:
    """Inside, a signal that the server has obeyed does not end the process a second time."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def url_of(address: socket.socket) -> str:
    """The URL of a socket that listens."""
    host, port = address.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
