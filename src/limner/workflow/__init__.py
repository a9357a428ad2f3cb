"""The verbs of Limner: what the command line and Python call. Each reads as its own recipe.

Layer: above `training` and `evaluation`, below `cli`.

    settings   what the user asked for, and the data it names
    check      what is wrong with data, before anything is trained
    train      data → model, evaluation, report
    evaluate   scores of a model
    predict    a model, loaded and used
    show       sheets of samples
    split      train, val and test, decided once and written down
    compose    a data set of cut-outs on backgrounds
"""

from limner.workflow.check import Checked, check
from limner.workflow.compose import compose_data
from limner.workflow.evaluate import evaluate
from limner.workflow.predict import load, predict
from limner.workflow.settings import separate_settings
from limner.workflow.show import show
from limner.workflow.split import SplitResult, split
from limner.workflow.train import Run, train

__all__ = [
    "Checked",
    "Run",
    "SplitResult",
    "check",
    "compose_data",
    "evaluate",
    "load",
    "predict",
    "separate_settings",
    "show",
    "split",
    "train",
]
