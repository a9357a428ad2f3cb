"""`limner serve`: trained models behind an HTTP API, and a page to try them in.

Layer: cli.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, Device, Engine

NAME = "serve"


def run(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Run folders, .safetensors or exported files, each perhaps as NAME=PLACE.",
            show_default=False,
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients must show. Default: the variable LIMNER_TOKEN, or none.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Let clients save pictures with their masks, into this folder alone.",
            show_default=False,
        ),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Most bytes of a request.")] = 2**26,
    max_pixels: Annotated[int, typer.Option(min=1, help="Most pixels of a picture.")] = 2**25,
    max_pictures: Annotated[int, typer.Option(min=1, help="Most pictures of a request.")] = 64,
    queue: Annotated[
        int, typer.Option(min=1, help="Most requests under way at once; others are told to come again (503).")
    ] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Most pictures predicted together.")] = 8,
    latency: Annotated[
        float, typer.Option(min=0, metavar="MS", help="Milliseconds a picture may wait for others.")
    ] = 10.0,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Time that one request may take.")] = 60.0,
    device: Device = "auto",
    engine: Engine = None,
    precision: Annotated[str, typer.Option(help="auto, bf16 or float32.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Serve models over HTTP, with a page to try them in, until Ctrl-C."""
    from limner.cli.console import messages, print_json
    from limner.serving.settings import Settings, read_token
    from limner.workflow.serve import serve

    settings = Settings(
        host=host,
        port=port,
        token=os.environ.get("LIMNER_TOKEN", "") if token_file is None else read_token(token_file),
        save=save,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_pictures=max_pictures,
        queue=queue,
        batch=batch,
        latency=latency / 1000,
        timeout=timeout,
    )

    def started(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            messages().print(f"Limner serves {url}   (Ctrl-C ends it)")

    serve(models, settings, device=device, engine=engine, precision=precision, started=started)
