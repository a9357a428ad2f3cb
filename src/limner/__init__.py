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
from limner.errors import BundleError, ConfigError, DataError, LimnerError, MissingExtra, OutputError, ResourceError

if TYPE_CHECKING:
    from limner.evaluation.report import write_report as report
    from limner.examples import write_example as sample
    from limner.inference import Prediction, Predictor
    from limner.workflow import Run, check, evaluate, load, predict, show, split, train

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "LimnerError",
    "MissingExtra",
    "OutputError",
    "Prediction",
    "Predictor",
    "ResourceError",
    "Run",
    "__version__",
    "check",
    "evaluate",
    "load",
    "predict",
    "report",
    "sample",
    "show",
    "split",
    "train",
]

_HOMES = {
    "Prediction": ("limner.inference", "Prediction"),
    "Predictor": ("limner.inference", "Predictor"),
    "Run": ("limner.workflow", "Run"),
    "check": ("limner.workflow", "check"),
    "evaluate": ("limner.workflow", "evaluate"),
    "load": ("limner.workflow", "load"),
    "predict": ("limner.workflow", "predict"),
    "report": ("limner.evaluation.report", "write_report"),
    "sample": ("limner.examples", "write_example"),
    "show": ("limner.workflow", "show"),
    "split": ("limner.workflow", "split"),
    "train": ("limner.workflow", "train"),
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
