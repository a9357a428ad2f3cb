"""A browser that looks at the page, on a model that was trained on drawn cells."""

import base64
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_WAIT = 60_000
"""Milliseconds to wait for what must come, on a machine that is busy with other things."""


def _program():
    """A browser on the path that starts; Debian's and Ubuntu's names, and Google's."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        # Of some systems it is but a note that the browser is to be had elsewhere.
        if path and subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0:
            return path
    return None


@pytest.fixture(scope="session")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright: make setup")
    with driver.sync_playwright() as playwright:
        program = _program()
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("needs a browser: make browser")
        # Root, as in CI, may not use the sandbox; and containers have little shared memory.
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        found = playwright.chromium.launch(executable_path=program, args=flags, timeout=_WAIT)
        yield found
        found.close()


@pytest.fixture(scope="session")
def bundle(cells, small_train, tmp_path_factory):
    settings = {"data.size": [64, 64], "model.conv_sizes": [8, 16], "training.steps_per_epoch": 10}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run = small_train(cells, tmp_path_factory.mktemp("runs") / "page", settings=settings | {"training.epochs": 3})
    return run.folder / "model.safetensors"


@pytest.fixture(scope="session")
def served(bundle, start_server):
    """The model, on one server for all tests that change nothing there."""
    return start_server(models={"cells": bundle})


@pytest.fixture
def pictures(cells):
    return sorted((cells / "images").glob("*.png"))


class Shown:
    """The page in a browser; all else is playwright's page."""

    def __init__(self, page, server):
        self.page, self.server, self.errors = page, server, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.errors.extend([request.url] * (not self._own(request.url))))

    def __getattr__(self, name):
        return getattr(self.page, name)

    def _own(self, url):
        return url.startswith((self.server.url, "blob:", "data:"))

    def pixels(self):
        """What the canvas shows."""
        data = self.evaluate("document.getElementById('canvas').toDataURL()").split(",")[1]
        return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)

    def settle(self):
        """Waits for what was asked for to be drawn and counted: an event asks for a frame, and that for another."""
        self.evaluate(
            "async () => { const frame = () => new Promise(requestAnimationFrame);"
            " await frame(); await frame(); await new Promise((resume) => setTimeout(resume)); await frame(); }"
        )

    def slide(self, selector, value):
        self.locator(selector).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }",
            str(value),
        )
        self.settle()

    def choose(self, name, value):
        self.locator(f"input[name={name}][value='{value}']").check(force=True)
        self.settle()

    def count(self):
        """Pixels of the first class, as the panel says."""
        return self.counts()[0]

    def counts(self):
        """Pixels of each class, as the panel says."""
        self.wait_for_function(
            "[...document.querySelectorAll('#class-list .area')].every((one) => one.textContent !== '…')"
        )
        return [int(text.split()[0].replace(",", "")) for text in self.locator("#class-list .area").all_inner_texts()]

    def center(self):
        box = self.locator("#canvas").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def open(self, name):
        """Shows a picture of the queue."""
        self.locator(f"#list .pick:has-text('{name}')").click()
        self.wait_for_selector(f"#canvas[aria-label*='{name}']")
        self.settle()

    def labels(self, target="mask"):
        """The corrected labels of a target, row by row; of classes that overlap as bits."""
        found, width = self.evaluate(
            "async (target) => { const { app } = await import('/page/state.js');"
            " return [[...app.opened.item.edits.get(target)], app.opened.width]; }",
            target,
        )
        return np.reshape(found, (-1, width))


@pytest.fixture
def show(browser, request):
    """Opens the page of a server and puts files in; whatever the page complains of fails the test."""
    pages = []

    def start(files=(), models=None, width=1280, height=820, **settings):
        if models or settings:
            serve = request.getfixturevalue("serve")
            server = serve(models=models or {"cells": request.getfixturevalue("bundle")}, **settings)
        else:
            server = request.getfixturevalue("served")
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        context.set_default_timeout(_WAIT)
        page = Shown(context.new_page(), server)
        pages.append(page)
        page.goto(server.url)
        if "token" in settings:
            page.fill("#token", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("#token-note:has-text('refused')")
            page.fill("#token", settings["token"])
            page.keyboard.press("Enter")
        page.wait_for_selector("#model option", state="attached")
        if files:
            page.set_input_files("#files", [str(file) for file in files])
            page.wait_for_selector(f":nth-match(#list li[data-state=ready], {len(files)})")
            page.wait_for_selector("#class-list li, #scale:not([hidden])")
            page.settle()
        return page

    yield start
    for page in pages:
        assert page.errors == []
        page.context.close()
