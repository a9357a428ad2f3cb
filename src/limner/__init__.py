"""Limner: from a folder of pictures and masks to a segmentation model you can trust.

    import limner

    run = limner.train("data/cells", settings={"time": "15m"})
    model = limner.load(run.folder)
    mask = model.predict("new.png").mask          # height × width, class ids

Names are imported when first used, so that `import limner` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limner._version import __version__
from limner.errors import (
    BundleError,
    ConfigError,
    DataError,
    LimnerError,
    MissingExtra,
    OutputError,
    ResourceError,
    TrainingError,
)

if TYPE_CHECKING:
    from limner.evaluation.compare import compare
    from limner.evaluation.report import write_report as report
    from limner.examples import write_example as sample
    from limner.exporting.reader import ExportedModel
    from limner.inference.prediction import Prediction
    from limner.inference.predictor import Predictor
    from limner.serving.client import Client
    from limner.workflow.calibrate import calibrate
    from limner.workflow.card import card
    from limner.workflow.check import check
    from limner.workflow.compose import compose_data as compose
    from limner.workflow.convert import convert
    from limner.workflow.evaluate import evaluate
    from limner.workflow.explain import explain
    from limner.workflow.export import export
    from limner.workflow.load import load
    from limner.workflow.predict import predict
    from limner.workflow.review import review
    from limner.workflow.run import Run
    from limner.workflow.shard import shard
    from limner.workflow.show import show
    from limner.workflow.split import split
    from limner.workflow.traces import traces
    from limner.workflow.train import train
    from limner.workflow.verify import verify

__all__ = [
    "BundleError",
    "Client",
    "ConfigError",
    "DataError",
    "ExportedModel",
    "LimnerError",
    "MissingExtra",
    "OutputError",
    "Prediction",
    "Predictor",
    "ResourceError",
    "Run",
    "TrainingError",
    "__version__",
    "calibrate",
    "card",
    "check",
    "compare",
    "compose",
    "convert",
    "evaluate",
    "explain",
    "export",
    "load",
    "predict",
    "report",
    "review",
    "sample",
    "shard",
    "show",
    "split",
    "traces",
    "train",
    "verify",
]

_HOMES = {
    "Client": ("limner.serving.client", "Client"),
    "ExportedModel": ("limner.exporting.reader", "ExportedModel"),
    "Prediction": ("limner.inference.prediction", "Prediction"),
    "Predictor": ("limner.inference.predictor", "Predictor"),
    "Run": ("limner.workflow.run", "Run"),
    "calibrate": ("limner.workflow.calibrate", "calibrate"),
    "card": ("limner.workflow.card", "card"),
    "check": ("limner.workflow.check", "check"),
    "compare": ("limner.evaluation.compare", "compare"),
    "compose": ("limner.workflow.compose", "compose_data"),
    "convert": ("limner.workflow.convert", "convert"),
    "evaluate": ("limner.workflow.evaluate", "evaluate"),
    "explain": ("limner.workflow.explain", "explain"),
    "export": ("limner.workflow.export", "export"),
    "load": ("limner.workflow.load", "load"),
    "predict": ("limner.workflow.predict", "predict"),
    "report": ("limner.evaluation.report", "write_report"),
    "review": ("limner.workflow.review", "review"),
    "sample": ("limner.examples", "write_example"),
    "show": ("limner.workflow.show", "show"),
    "shard": ("limner.workflow.shard", "shard"),
    "split": ("limner.workflow.split", "split"),
    "traces": ("limner.workflow.traces", "traces"),
    "train": ("limner.workflow.train", "train"),
    "verify": ("limner.workflow.verify", "verify"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'limner' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
