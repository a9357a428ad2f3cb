"""`serve`: trained models behind an HTTP API.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from limner.allocator import keep_large_blocks
from limner.errors import ConfigError, MissingExtra, install_line
from limner.inference.predicting import Predicting
from limner.serving.settings import Settings
from limner.workflow.models import is_exported, open_models
from limner.workflow.places import bundle_path


def serve(
    models: Sequence[str],
    settings: Settings,
    *,
    device: str = "auto",
    engine: str | None = None,
    precision: str = "auto",
    started: Callable[[str], None],
) -> None:
    """Serve models until SIGINT or SIGTERM; then what was accepted is finished.

    Args:
        models: Run folders, bundles or exported files, each perhaps as `NAME=PLACE`.
        settings: Address and limits.
        device: See `limner.load`.
        engine: Likewise.
        precision: Likewise, but not `int8`.
        started: Called with the server's URL once it answers.

    Raises:
        MissingExtra: The web libraries are not installed.
        LimnerError: A model cannot be loaded, or the address cannot be listened on.
    """
    serve_models = load_server().serve_models
    from limner.serving.models import model_names

    keep_large_blocks()
    labels, paths = [], []
    for text in models:
        name, place = _named(text)
        paths.append(bundle_path(place))
        labels.append(name or _usual_name(Path(place)))

    def open_model(path: Path) -> Predicting:
        if is_exported(path):
            return open_models([path])
        return open_models([path], device=device, engine=engine, precision=precision)

    if not paths:
        raise ConfigError("a run folder or .safetensors file", "no model was named", "Name one, or several.")
    serve_models(model_names(paths, labels), open_model, settings, started)


def load_server() -> ModuleType:
    """The module `limner.serving.server`, which needs the web libraries.

    Raises:
        MissingExtra: They are not installed.
    """
    try:
        return import_module("limner.serving.server")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "fastapi, uvicorn, python-multipart and prometheus_client, to serve models",
            f"{error.name} is not installed",
            install_line("serve"),
        ) from error


def _named(text: str) -> tuple[str, str]:
    """`NAME=PLACE` in parts; a place that is there is one, whatever is in its name."""
    name, equals, place = text.partition("=")
    if not equals or Path(text).exists() or "/" in name:
        return "", text
    return name, place


def _usual_name(place: Path) -> str:
    """The name of a run's folder, or of a file without its ending."""
    place = place.resolve()
    if place.is_dir():
        return place.name
    return place.parent.name if place.name == "model.safetensors" else place.stem
