"""`limner open`, as a process of its own, and what it refuses."""

import json
import shutil
import signal
import socket
import sys
import urllib.request
import webbrowser
from functools import partial

import pytest

from limner.cli import open as verb


@pytest.fixture
def start(listening):
    """Starts the command on a free port; gives process and URL."""
    return partial(listening, "open", "--no-browser")


def _ask(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


@pytest.mark.slow
def test_the_command_shows_the_run_until_a_signal(start, trained):
    process, url = start(trained.folder)
    said = json.loads(_ask(f"{url}/v1/run"))
    assert (said["name"], said["status"]) == (trained.folder.name, "finished")
    assert trained.folder.name.encode() in _ask(url + said["report"])
    assert json.loads(_ask(f"{url}/v1/run/samples"))["samples"][0]["kind"] == "worst"
    assert [model["name"] for model in json.loads(_ask(f"{url}/v1/models"))] == [trained.folder.name]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_what_is_no_run_is_refused(refused, tmp_path, cells):
    assert "there is nothing" in refused("open", tmp_path / "runs/none", "--no-browser")
    assert "none of them is there" in refused("open", cells, "--no-browser")


def test_a_damaged_run_is_refused_with_the_file(refused, trained, tmp_path):
    run = shutil.copytree(trained.folder, tmp_path / "run")
    (run / "run.json").write_text("{")
    assert "run.json: it is not JSON" in refused("open", run, "--no-browser")


def test_a_port_that_is_taken_is_refused(refused, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused("open", trained.folder, "--no-browser", "--port", taken.getsockname()[1])
    assert "Choose another --port" in said


def test_others_need_a_token(refused, trained, monkeypatch):
    monkeypatch.delenv("LIMNER_TOKEN", raising=False)
    assert "a token" in refused("open", trained.folder, "--no-browser", "--host", "0.0.0.0")


def test_without_its_extra_the_command_says_what_to_install(limner, trained, monkeypatch):
    for module in ("limner.serving.server", "limner.serving.app"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = limner("open", trained.folder)
    assert result.code == 2
    assert "pip install 'limner[serve]'" in result.err


@pytest.mark.parametrize(
    ("display", "found", "opened"),
    [
        (":0", webbrowser.BackgroundBrowser("true"), True),
        (":0", webbrowser.GenericBrowser("lynx"), False),
        ("", webbrowser.BackgroundBrowser("true"), False),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="screens have names on Linux alone")
def test_a_browser_is_opened_where_there_is_one_with_windows(monkeypatch, display, found, opened):
    asked = []
    monkeypatch.setattr(type(found), "open", lambda self, url: asked.append(url))
    monkeypatch.setattr(webbrowser, "get", lambda: found)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    verb._browse("http://127.0.0.1:1")
    assert asked == ["http://127.0.0.1:1"] * opened
