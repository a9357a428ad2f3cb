"""`load`: a trained model, to be used from Python.

Layer: workflow. Imports no torch for exported models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limner.errors import ConfigError
from limner.exporting.reader import SUFFIXES, ExportedModel

if TYPE_CHECKING:
    from limner.inference.predicting import Predicting


def load(
    model: str | Path | Sequence[str | Path],
    *,
    device: str = "auto",
    batch_size: int | None = None,
    uncertainty: str = "single",
    tta: str = "none",
    engine: str | None = None,
    precision: str = "auto",
) -> Predicting | ExportedModel:
    """A predictor from a run folder or bundle, or from a file that `export` wrote.

    Such a file needs no torch: `.onnx` is run by ONNX Runtime, `.xml` by OpenVINO; `.pt` is run by torch.

    Args:
        model: Run folder, bundle, or exported file, for which nothing else can be chosen. Of several runs or bundles
            the probabilities are averaged, see `limner.inference.several.SeveralModels`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        batch_size: Pictures or tiles at once. Default: as many as keep the device busy.
        uncertainty: Where doubts come from, see `limner.inference.looks.SOURCES`.
        tta: Views of each picture whose mean decides: `none`, `flips`, `symmetries`, `scales`, or `auto`: those that
            were shown to help on pictures the model did not learn from.
        engine: What runs the network: `torch`, `onnxruntime`, `openvino`, or `auto`: the fastest that is installed.
            Default: torch, and of int8 the fastest.
        precision: `auto`, `bf16`, `float32` or `int8`, see `limner.predict`.

    Raises:
        BundleError: The file is missing, foreign, damaged or newer than this Limner.
        ConfigError: The engine is unknown or cannot do what is wanted.
        MissingExtra: The engine is not installed.

    Example:
        >>> load("runs/nothing.safetensors")
        Traceback (most recent call last):
        ...
        limner.errors.BundleError: Expected: a run folder or bundle at 'runs/nothing.safetensors'
        Found:    nothing is there
        To do:    Give the folder that limner train made, or its model.safetensors; upper and lower case differ.

        With a model, `load("runs/cells").predict("picture.png").mask` holds `height width` class ids.
    """
    if isinstance(model, str | Path) and Path(model).suffix in SUFFIXES and not Path(model).is_dir():
        usual = uncertainty == "single" and tta == "none" and engine in (None, "torch") and precision == "auto"
        if not usual or device not in ("auto", "cpu"):
            raise ConfigError(
                "an exported model without further choices: it is what runs it, on the CPU",
                f"device={device}, uncertainty={uncertainty}, tta={tta}, engine={engine}, precision={precision}",
                "Leave them out, or load the run or bundle it was made from.",
            )
        return ExportedModel.from_file(model)
    from limner.workflow.models import open_models
    from limner.workflow.places import bundle_path

    paths = [bundle_path(one) for one in ([model] if isinstance(model, str | Path) else model)]
    if precision == "int8":
        from limner.workflow.int8 import prepare_int8

        for path in paths:
            prepare_int8(path, engine=engine)
    return open_models(
        paths,
        device=device,
        precision=precision,
        batch_size=batch_size,
        uncertainty=uncertainty,
        tta=tta,
        engine=engine,
    )
