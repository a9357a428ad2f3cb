"""`limner serve`: trained models behind an HTTP API, and a page to try them in.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson, Device, Engine, Host, MaxPixels, Port, SaveFolder, TokenFile

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
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    save: SaveFolder = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Most bytes of a request.")] = 2**26,
    max_pixels: MaxPixels = 2**25,
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
    from limner.serving.settings import Settings, given_token
    from limner.workflow.serve import serve

    settings = Settings(
        host=host,
        port=port,
        token=given_token(token_file),
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
