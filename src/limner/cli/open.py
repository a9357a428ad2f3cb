"""`limner open`: a run in the browser, its report and its pictures.

Layer: cli.
"""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import Annotated

import typer

from limner.cli.options import AsJson, Device, Host, MaxPixels, Port, RunFolder, SaveFolder, TokenFile

NAME = "open"


def run(
    folder: RunFolder,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser, where there is one.")
    ] = True,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    save: SaveFolder = None,
    max_pixels: MaxPixels = 2**25,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Show a run in the browser: its report, and its test and validation pictures with masks, until Ctrl-C."""
    from limner.cli.console import messages, print_json
    from limner.serving.settings import Settings, given_token
    from limner.workflow.open import open_run

    settings = Settings(host=host, port=port, token=given_token(token_file), save=save, max_pixels=max_pixels)

    def started(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            messages().print(f"Limner shows {folder} at {url}   (Ctrl-C ends it)")
        if browser:
            threading.Thread(target=_browse, args=(url,), daemon=True).start()

    open_run(folder, settings, device=device, started=started)


def _browse(url: str) -> None:
    """Open a page in a browser with windows; one in the terminal would take it from the server."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if type(found) is not webbrowser.GenericBrowser:
        found.open(url)
