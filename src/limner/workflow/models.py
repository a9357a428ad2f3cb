"""One predictor for the models that a user names: runs, bundles and exported files.

Layer: workflow, below `predict` and `load`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from limner.bundle import bundle_digest
from limner.errors import ConfigError
from limner.exporting.engine import file_predictor
from limner.exporting.reader import SUFFIXES
from limner.images import hash_file
from limner.inference.predicting import Predicting
from limner.inference.predictor import Predictor
from limner.inference.several import SeveralModels


def is_exported(path: Path) -> bool:
    """Whether a path is named as the files of `export` are."""
    return path.suffix in SUFFIXES and not path.is_dir()


def open_models(
    paths: Sequence[Path],
    *,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    uncertainty: str = "single",
    tta: str = "none",
    engine: str | None = None,
    window: str | None = None,
) -> Predicting:
    """A predictor for one bundle or exported file, or for several as one model.

    Of several, doubts may come from `members`, which are then the models, or as of one. With `tta` of `auto` they
    use no views: what these buy several models together is not known.

    Args:
        paths: Bundles and exported files, for which device, precision and engine cannot be chosen.
        device: See `Predictor`.
        precision: See `Predictor`.
        batch_size: See `Predictor`.
        uncertainty: See `Predictor`.
        tta: See `Predictor`.
        engine: See `Predictor.from_file`; None is torch, and of int8 the fastest.
        window: See `Predictor`; not of exported files.

    Raises:
        ConfigError: No model is named, or something is chosen for an exported file.
        LimnerError: As `Predictor.from_file`, `file_predictor` and `SeveralModels` do.
    """
    if not paths:
        raise ConfigError("a run folder or .safetensors file", "no model was named", "Name one, or several.")
    if len(paths) > 1:
        tta = "none" if tta == "auto" else tta
        uncertainty = "single" if uncertainty in ("members", "auto") else uncertainty

    def open_one(path: Path) -> Predictor:
        if is_exported(path):
            _check_choices(path, device, precision, engine, window)
            return file_predictor(path, batch_size=batch_size, uncertainty=uncertainty, tta=tta)
        return Predictor.from_file(
            path,
            device=device,
            precision=precision,
            batch_size=batch_size,
            uncertainty=uncertainty,
            tta=tta,
            engine=engine or ("auto" if precision == "int8" else "torch"),
            window=window,
        )

    models = [open_one(path) for path in paths]
    return models[0] if len(models) == 1 else SeveralModels(models, [str(path) for path in paths])


def models_digest(paths: Sequence[Path]) -> str:
    """What tells models from others, in hexadecimal."""
    each = [hash_file(str(path)).hex() if is_exported(path) else bundle_digest(path) for path in paths]
    return each[0] if len(each) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()


def _check_choices(path: Path, device: str, precision: str, engine: str | None, window: str | None) -> None:
    if window is not None:
        raise ConfigError(
            f"'{path}' without --tile-weights: it blends tiles as the model says",
            f"--tile-weights {window}",
            "Leave it out, or name the run or bundle it was made from.",
        )
    if device not in ("auto", "cpu") or precision != "auto" or engine not in (None, "auto"):
        raise ConfigError(
            f"'{path}' without further choices: it is what runs it, on the CPU, in the precision it was exported in",
            f"--device {device}, --precision {precision}, --engine {engine or 'not named'}",
            "Leave them out, or name the run or bundle it was made from.",
        )
