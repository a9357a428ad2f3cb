"""A server in a thread, and what asks it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.images import encode_png
from limner.serving.server import listen, make_server, url_of
from limner.serving.settings import Settings
from limner.workflow.models import open_models


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """The error, of which every part says something."""
        found = self.json["error"]
        assert set(found) == {"kind", "expected", "found", "remedy"}
        assert all(found.values()), found
        return found


class Running:
    """A server that runs."""

    def __init__(self, url: str, stop: Callable[[], None]) -> None:
        self.url, self.stop = url, stop

    def ask(
        self,
        path: str,
        *,
        method: str | None = None,
        files: list[tuple[str, str, bytes]] | None = None,
        fields: dict[str, str] | None = None,
        document: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        from limner.serving.client import _form

        headers = dict(headers or {})
        if files is not None or fields is not None:
            body, headers["Content-Type"] = _form(files or [], fields or {})
        elif document is not None:
            body, headers["Content-Type"] = json.dumps(document).encode(), "application/json"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())

    def predict(self, data: bytes, name: str = "a.png", **fields: str) -> Reply:
        return self.ask("/v1/predict", files=[("image", name, data)], fields=fields)


def _start(stops: list[Callable[[], None]], open_model: Any, models: dict[str, Path] | None, given: Any) -> Running:
    run = given.pop("run", None)
    settings = Settings(**({"port": 0, "threads": 2} | given))
    address = listen(settings)
    ready = threading.Event()
    server = make_server(
        models or {}, open_model or (lambda path: open_models([path], device="cpu")), settings, ready.set, run
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address]})
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(30)
        address.close()
        assert not thread.is_alive()

    stops.append(stop)
    assert ready.wait(20)
    return Running(url_of(address), stop)


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Starts a server of models by name, with settings; with `run`, one that shows a run."""
    stops: list[Callable[[], None]] = []
    yield lambda open_model=None, /, models=None, **given: _start(stops, open_model, models, given)
    for stop in stops:
        stop()


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., Running]]:
    """As `serve`, for servers that several tests share."""
    stops: list[Callable[[], None]] = []
    yield lambda models, **given: _start(stops, None, models, given)
    for stop in stops:
        stop()


def picture(height: int = 24, width: int = 32, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Blobs, so that masks are not noise."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin(rows / (3 + seed % 5))[..., None] + np.cos(columns / (4 + seed % 3))[..., None]
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, channels))
    return np.clip(127 + 60 * waves + noise, 0, 255).astype(np.uint8)


@pytest.fixture(name="picture")
def _picture() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture
def png(picture: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """A picture as PNG."""
    return lambda *size, **given: encode_png(picture(*size, **given))


@pytest.fixture
def wait() -> Callable[[Callable[[], bool]], None]:
    """Waits until something is so."""

    def until(there: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not there():
            assert time.monotonic() < end
            time.sleep(0.01)

    return until
