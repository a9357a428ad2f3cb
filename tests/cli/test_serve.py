"""`limner serve`, as a process of its own."""

import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import limner
from limner.images import read_image, read_mask
from limner.serving.client import Client, ServerError

pytestmark = pytest.mark.slow


@pytest.fixture
def start(listening):
    """Starts the command on a free port; gives process and URL."""
    return partial(listening, "serve")


def test_the_command_serves_until_a_signal(start, trained, cells):
    process, url = start(f"cells={trained.folder}", LIMNER_TOKEN="0123456789abcdef")
    picture = next(iter(sorted((cells / "images").iterdir())))
    with pytest.raises(ServerError, match="token"):
        Client(url).models()
    client = Client(url, "0123456789abcdef")
    expected = limner.load(trained.folder, device="cpu").predict(picture)
    found = client.predict(picture)
    assert (found.mask != expected.mask).mean() < 0.01
    assert client.models()[0]["name"] == "cells"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--host", "0.0.0.0"], "a token"),
        (["--token-file", "nowhere"], "a token in 'nowhere'"),
        (["--port", "65536"], "a port"),
        (["--timeout", "0.1", "--queue", "1", "--host", "no.such.host.invalid"], "a token"),
    ],
)
def test_what_cannot_be_served_is_refused(refused, trained, words, expected):
    assert expected in refused("serve", trained.folder, *words)


def test_without_its_extra_the_command_says_what_to_install(limner, trained, monkeypatch):
    for module in ("limner.serving.server", "limner.serving.app"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = limner("serve", trained.folder)
    assert result.code == 2
    assert "pip install 'limner[serve]'" in result.err


def test_a_port_that_is_taken_is_refused(refused, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "an address" in refused("serve", trained.folder, "--port", taken.getsockname()[1])


@pytest.mark.slow
def test_kill_9_under_load_leaves_saves_whole_or_absent(start, trained, tmp_path):
    """Three times: kill the server while many clients save, start it again, and look at every pair."""
    saved = tmp_path / "saved"
    target = limner.load(trained.folder, device="cpu").meta.inputs.channels
    accepted: list[tuple[str, int]] = []

    def pair(seed):
        random = np.random.default_rng(seed)
        image = random.integers(0, 255, (160, 200, 3 if target == 3 else 1)).astype(np.uint8)
        return image, (image[..., 0] % 2).astype(np.uint8)

    for round_ in range(3):
        process, url = start(f"m={trained.folder}", "--save", saved)
        stop = threading.Event()

        def client(number, url=url, stop=stop, round_=round_):
            count = 0
            while not stop.is_set():
                seed = (round_ * 100 + number) * 10_000 + count
                try:
                    Client(url, patience=0.0).save(*pair(seed), f"{seed}")
                except ServerError:
                    return
                accepted.append((f"{seed}", seed))
                count += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        threading.Event().wait(1.5)
        process.kill()
        process.wait()
        stop.set()
        for thread in threads:
            thread.join()
    _, url = start(f"m={trained.folder}", "--save", saved)
    names = set(Client(url)._json("GET", "/v1/dataset")["names"])
    assert len(accepted) > 10
    assert {name for name, _ in accepted} <= names
    # At most one more for each client and kill: saved, but the client did not hear of it.
    assert len(names) - len(accepted) <= 18
    for folder in ("images", "masks"):
        assert {path.stem for path in (saved / folder).iterdir()} == names
    for name in names:
        image, mask = pair(int(name))
        assert np.array_equal(read_image(str(saved / "images" / f"{name}.png")), image)
        assert np.array_equal(read_mask(str(saved / "masks" / f"{name}.png")).array, mask)
    assert not list(Path(saved, ".saving").iterdir())
