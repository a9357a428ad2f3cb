"""One bundle of several: the models of the folds as an ensemble.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.bundle import DataSpec, PostStep, load_bundle, save_bundle
from limner.errors import BundleError
from limner.evaluation.calibrate import uncalibrated
from limner.models import Ensemble


def join_bundles(paths: Sequence[Path], out: Path, data: DataSpec, steps: Sequence[PostStep] = ()) -> None:
    """Write the ensemble of some bundles, which must be of one architecture, scale and meaning.

    It is not calibrated: every sample at hand was seen by some member.

    Args:
        paths: The bundles.
        out: The file.
        data: What they learned from together.
        steps: What is done after the threshold.

    Raises:
        BundleError: A bundle cannot be used, or is of another kind than the first.
        OutputError: The file cannot be written.
    """
    bundles = [load_bundle(path) for path in paths]
    first = uncalibrated(bundles[0].meta)
    for path, bundle in zip(paths, bundles, strict=True):
        meta = uncalibrated(bundle.meta)
        if (meta.model, meta.inputs, meta.targets) != (first.model, first.inputs, first.targets):
            raise BundleError(
                f"a network of the same kind as '{paths[0]}'",
                f"'{path}' is of another architecture, scale or meaning",
                "Train all folds with the same settings; name a fold's own folder to use it alone.",
            )
    meta = first.model_copy(
        update={
            "model": first.model.model_copy(update={"members": len(bundles)}),
            "data": data,
            "scores": {},
            "familiar": None,
            "planted": None,
            "views": [],
            "post_processing": list(steps),
        }
    )
    save_bundle(out, Ensemble([bundle.model for bundle in bundles]), meta)
