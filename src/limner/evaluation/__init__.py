"""Honest scores of a model, and the report of a run.

Layer: above `inference`.

    evaluate  measures a model and writes `per_image.csv`, `summary.json` and example cases
    report    turns the files of a run folder into one offline HTML page
"""

from limner.evaluation.evaluate import Evaluation, evaluate, table
from limner.evaluation.report import write_report

__all__ = ["Evaluation", "evaluate", "table", "write_report"]
