"""Each limit of the server, and what clients hear beyond it."""

import base64
import http.client
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from limner.errors import ConfigError
from limner.inference.predicting import Predicting
from limner.serving.client import _form
from limner.serving.settings import Settings
from limner.workflow.models import open_models


class Gated(Predicting):
    """The real predictor, which waits for a gate to open; remembers what it predicted."""

    def __init__(self, path):
        self.inner = open_models([path], device="cpu")
        self.meta, self.engine_name, self.tta = self.inner.meta, self.inner.engine_name, self.inner.tta
        self.gate, self.begun, self.batches = threading.Event(), threading.Event(), []

    def make_input(self, picture, where="the picture"):
        return self.inner.make_input(picture, where)

    def strangeness(self, picture):
        return self.inner.strangeness(picture)

    def attempt_inputs(self, inputs, *, probabilities=True, doubts=False):
        inputs = list(inputs)
        self.begun.set()
        assert self.gate.wait(20)
        self.batches.append(len(inputs))
        return self.inner.attempt_inputs(inputs, probabilities=probabilities, doubts=doubts)


@pytest.fixture
def gated(serve, every_task):
    """Starts a server whose predictor waits."""
    predictors = []

    def start(**settings):
        predictors.append(Gated(every_task("unet")))
        path = every_task("unet")
        return serve(lambda _: predictors[-1], models={"m": path}, **settings), predictors[-1]

    yield start
    for predictor in predictors:
        predictor.gate.set()


def test_a_request_of_too_many_bytes(serve, every_task, png):
    server = serve(models={"m": every_task("unet")}, max_bytes=3000)
    assert len(png()) < 2500
    assert server.predict(png()).status == 200
    reply = server.predict(png() + bytes(4000))
    assert reply.status == 413
    assert "3,000 bytes" in reply.error["expected"]


def test_a_body_that_is_longer_than_any_length_says(serve, every_task):
    """In chunks, without a length."""
    server = serve(models={"m": every_task("unet")}, max_bytes=3000)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/predict", (b" " * 1000 for _ in range(5)), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_picture_of_too_many_pixels(serve, every_task, png):
    server = serve(models={"m": every_task("unet")}, max_pixels=24 * 32)
    assert server.predict(png()).status == 200
    reply = server.predict(png(25, 32))
    assert reply.status == 413
    assert "768 pixels" in reply.error["expected"]
    assert "25×32" in reply.error["found"]


def test_too_many_pictures(serve, every_task, png):
    server = serve(models={"m": every_task("unet")}, max_pictures=2)
    files = [("images", f"{number}.png", png()) for number in range(4)]
    assert server.ask("/v1/batch", files=files[:2]).status == 200
    for count in (3, 4):
        reply = server.ask("/v1/batch", files=files[:count])
        assert reply.status == 413
        assert "2 files" in reply.error["expected"]


def test_beyond_the_queue_clients_come_again(gated, png, wait):
    server, predictor = gated(queue=2, batch=1)
    with ThreadPoolExecutor(2) as pool:
        accepted = [pool.submit(server.predict, png()) for _ in range(2)]
        assert predictor.begun.wait(10)
        wait(lambda: b"limner_requests_under_way 2.0" in server.ask("/metrics").body)
        full = server.predict(png())
        assert full.status == 503
        assert int(full.headers["Retry-After"]) >= 1
        # What needs no room is answered.
        assert server.ask("/health").status == 200
        assert b"limner_requests_under_way 2.0" in server.ask("/metrics").body
        predictor.gate.set()
        assert [reply.result().status for reply in accepted] == [200, 200]
    assert server.predict(png()).status == 200


def test_time_is_up(gated, png):
    server, predictor = gated(timeout=0.3, batch=1)
    replies = [server.predict(png()) for _ in range(2)]
    assert [reply.status for reply in replies] == [504, 504]
    assert "0.3 seconds" in replies[0].error["expected"]
    predictor.gate.set()
    assert server.predict(png()).status == 200
    # The second had not begun when its time was up, so that no work was done for it.
    assert sum(predictor.batches) == 2


def test_a_request_that_comes_too_slowly(serve, every_task):
    server = serve(models={"m": every_task("unet")}, timeout=0.3)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.putrequest("POST", "/v1/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    reply = connection.getresponse()
    assert reply.status == 504
    assert json.loads(reply.read())["error"]["kind"] == "Timeout"
    connection.close()


def test_work_for_clients_that_went_away_is_not_done(gated, png, wait):
    server, predictor = gated(batch=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.predict, png())
        assert predictor.begun.wait(10)
        gone = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        body, kind = _form([("image", "a.png", png())], {})
        gone.request("POST", "/v1/predict", body, {"Content-Type": kind})
        wait(lambda: b"limner_pictures_waiting 1.0" in server.ask("/metrics").body)
        gone.close()
        wait(lambda: b"limner_cancelled_total 1.0" in server.ask("/metrics").body)
        predictor.gate.set()
        assert first.result().status == 200
    assert server.predict(png()).status == 200
    assert predictor.batches == [1, 1]


def test_pictures_of_several_clients_become_one_batch(gated, png, picture, wait):
    server, predictor = gated(batch=4, latency=0.5)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(server.predict, png())
        assert predictor.begun.wait(10)
        others = [pool.submit(server.predict, png(seed=seed)) for seed in range(1, 5)]
        wait(lambda: b"limner_pictures_waiting 4.0" in server.ask("/metrics").body)
        predictor.gate.set()
        replies = [first.result(), *(one.result() for one in others)]
    assert predictor.batches == [1, 4]
    for seed, reply in enumerate(replies):
        expected = predictor.inner.predict(picture(seed=seed)).masks["multiclass"]
        found = reply.json["targets"]["multiclass"]["mask"]
        assert np.array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(found)))), expected)


def test_stopping_finishes_what_was_accepted(gated, png, wait):
    server, predictor = gated(batch=1)
    with ThreadPoolExecutor(4) as pool:
        accepted = [pool.submit(server.predict, png()) for _ in range(3)]
        assert predictor.begun.wait(10)
        wait(lambda: b"limner_pictures_waiting 2.0" in server.ask("/metrics").body)
        stopping = pool.submit(server.stop)
        threading.Timer(0.3, predictor.gate.set).start()
        assert [reply.result().status for reply in accepted] == [200] * 3
        stopping.result()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "a token"),
        ({"host": "0.0.0.0", "token": "short"}, "16 or more"),
        ({"token": "ü" * 20}, "ASCII"),
        ({"queue": 0}, "queue"),
        ({"latency": 11.0}, "latency"),
        ({"port": 70_000}, "port"),
    ],
)
def test_settings_that_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        Settings(**given)


def test_loopback_has_many_names():
    assert all(Settings(host=host).local for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not Settings(host="::", token="0123456789abcdef").local
