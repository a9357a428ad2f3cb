"""The verbs of Limner: what the command line and Python call. Each reads as its own recipe.

Layer: above `training` and `evaluation`, below `cli`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.allocator import keep_large_blocks
from limner.config import Config, DataConfig, load_config
from limner.data.catalog import Catalog
from limner.data.digests import catalog_digest
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared, prepare, prepare_to_score
from limner.data.splits import parse_split
from limner.errors import BundleError, ConfigError, DataError, OutputError
from limner.evaluation.evaluate import Evaluation
from limner.evaluation.evaluate import evaluate as evaluate_catalog
from limner.evaluation.report import write_report
from limner.files import write_bytes, write_text
from limner.inference.folder import FolderResult, predict_folder
from limner.inference.predictor import Predictor
from limner.sheets import augmented_sheet, sample_sheet
from limner.training.fit import BUNDLE_NAME, Fitted, fit
from limner.training.progress import Reporter, Silent
from limner.training.record import RunRecord, read_data, write_data

_SHARE = 0.15
"""Share of validation samples, and of test samples, where none is given."""

Progress = Callable[[str, int, int], None]
"""Told the stage's name, how much is done, and of how much."""


@dataclass(frozen=True)
class Run:
    """What `train` left.

    Attributes:
        folder: The run folder.
        model: The bundle, everything `load`, `evaluate` and `predict` need.
        report: The report, or None when the training was interrupted.
        summary: Scores on the samples set aside, as in `evaluation/summary.json`, or None likewise.
        interrupted: A signal stopped the training; `train(resume=folder)` goes on.
    """

    folder: Path
    model: Path
    report: Path | None
    summary: dict[str, Any] | None
    interrupted: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "model": str(self.model),
            "report": self.report and str(self.report),
            "interrupted": self.interrupted,
            "summary": self.summary,
        }


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Train a model on a folder of pictures and masks, evaluate it, and write a report.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: Run folder. Default: `runs/NAME`, with a number where that is taken.
        config: YAML file of settings.
        resume: Run folder to go on with; `data` and `out` are then left out.
        overrides: Settings as text, such as `training.epochs=5`; they win over `config`.
        settings: Settings by name, such as `{"training.epochs": 5}` or `{"epochs": 5}`; they win over
            `overrides`.
        reporter: Told of the progress. Default: silence.

    Raises:
        LimnerError: The data, a setting, the machine or the output folder; see `limner.errors`.

    Example:
        >>> import tempfile, limner
        >>> folder = Path(tempfile.mkdtemp())
        >>> data = limner.sample("cells", folder / "data", count=12)
        >>> run = limner.train(
        ...     data,
        ...     out=folder / "run",
        ...     settings={"epochs": 1, "steps_per_epoch": 1, "size": [64, 64], "conv_sizes": [4, 8]},
        ... )
        >>> run.summary["n_images"], run.report.name
        (2, 'report.html')
    """
    keep_large_blocks()
    reporter = reporter or Silent()
    if resume is not None:
        if data is not None or out is not None:
            raise ConfigError(
                "a run to resume, alone", "data or an output folder besides", "A run knows its data; leave them out."
            )
        folder = Path(resume)
        prepared = read_data(folder)
        chosen = _settings(folder / "config.yaml", overrides, settings)
        seconds = 0.0
    else:
        begin = time.monotonic()
        chosen = _settings(config, overrides, settings, data=data)
        folder = _new_folder(out, chosen)
        prepared = _prepare(chosen, reporter.stage)
        write_data(folder, prepared)
        write_bytes(folder / "samples.png", sample_sheet(prepared.catalog, prepared.label_maps))
        seconds = time.monotonic() - begin
        for note in prepared.notes:
            reporter.note(note)
    write_text(folder / "config.yaml", chosen.to_yaml())
    record = RunRecord(folder, resume=resume is not None)
    record.update("training", seconds={} if resume else {"prepare": seconds})
    with _recording_failure(record):
        fitted = fit(chosen, prepared, folder, resume=resume is not None, reporter=reporter)
        _record_training(record, fitted)
        if fitted.state.interrupted:
            return Run(folder, folder / BUNDLE_NAME, None, None, interrupted=True)
        begin = time.monotonic()
        result = _evaluate_run(folder, prepared, _split_to_score(prepared.catalog), None, "auto", reporter.stage)
        record.update("finished", seconds={"evaluate": time.monotonic() - begin})
    return Run(folder, folder / BUNDLE_NAME, write_report(folder), result.summary, interrupted=False)


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    images: str | None = None,
    masks: str | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    skip_unmatched: bool = False,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on pictures whose masks are known.

    Args:
        model: Run folder or bundle.
        data: Folder, .csv or .zip. Default: the samples the run set aside.
        images: Folder of pictures, instead of `data`.
        masks: Folder of masks, instead of `data`.
        split: Score `train`, `val` or `test` samples only. Default: of a run, test if there is one, else
            val; of `data`, all.
        out: Folder of `per_image.csv`, `summary.json` and `cases/`. Default: `evaluation/` beside the
            model for the run's own samples, `evaluation-NAME/` for other data.
        device: `auto`, `cpu`, `cuda` or `mps`.
        skip_unmatched: Leave out files without a partner.
        skip_unreadable: Leave out damaged files.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    keep_large_blocks()
    bundle = bundle_path(model)
    progress = progress or (lambda stage, done, total: None)
    if data is None and images is None:
        run = bundle.parent
        prepared = read_data(run)
        return _evaluate_run(
            run, prepared, split or _split_to_score(prepared.catalog), Path(out) if out else None, device, progress
        )
    predictor = Predictor.from_file(bundle, device=device)
    label_maps = {name: LabelMap.from_dict(target.label_map) for name, target in predictor.meta.targets.items()}
    catalog = prepare_to_score(
        data,
        label_maps,
        images=images,
        masks=masks,
        unmatched="skip" if skip_unmatched else "stop",
        unreadable="skip" if skip_unreadable else "stop",
        progress=progress,
    )
    catalog = catalog if split is None else _subset(catalog, split)
    name = Path(str(data or images)).stem
    folder = Path(out) if out else bundle.parent / f"evaluation-{name}"
    return evaluate_catalog(
        predictor,
        catalog,
        label_maps,
        folder,
        split=split or "",
        data_hash=catalog_digest(catalog),
        progress=_stage(progress),
    )


def predict(
    model: str | Path,
    pictures: Sequence[str | Path],
    out: str | Path,
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    overlay: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> FolderResult:
    """Write masks for pictures: same names and sub-folders, at the pictures' own size.

    Args:
        model: Run folder or bundle.
        pictures: Files, folders, globs or .zip archives.
        out: Folder of the masks.
        overwrite: Replace masks that exist.
        probabilities: Also write class probabilities.
        overlay: Also write pictures with outlines drawn on them.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. A picture that fails is listed in the result instead.
    """
    keep_large_blocks()
    predictor = load(model, device=device)
    return predict_folder(
        predictor,
        pictures,
        Path(out),
        overwrite=overwrite,
        probabilities=probabilities,
        overlay=overlay,
        progress=_stage(progress, "predict"),
    )


def load(model: str | Path, *, device: str = "auto") -> Predictor:
    """A predictor from a run folder or bundle.

    Raises:
        BundleError: The file is missing, foreign, damaged or newer than this Limner.

    Example:
        `limner.load("runs/cells").predict("picture.png").mask` is a `height width` array of class ids.
    """
    return Predictor.from_file(bundle_path(model), device=device)


def report(run: str | Path) -> Path:
    """Write a run's `report.html` again, from the files in its folder.

    Raises:
        DataError: The folder is not a run.
    """
    return write_report(Path(run))


def show(
    data: str | Path | None,
    *,
    out: str | Path = "samples.png",
    count: int = 6,
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Write a contact sheet of samples and of how augmentation changes them.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: PNG file to write.
        count: Number of samples.
        config: YAML file of settings.
        overrides: Settings as text, such as `augment.preset=strong`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    chosen = _settings(config, overrides, None, data=data)
    prepared = _prepare(chosen, progress or (lambda stage, done, total: None))
    write_bytes(out, augmented_sheet(prepared, chosen, count=count))
    return Path(out)


def separate_settings(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Tell the data set's place from `key=value` settings among a command's words.

    Raises:
        ConfigError: More than one place.
    """
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    places = [word for word in words if word not in overrides]
    if len(places) > 1:
        raise ConfigError(
            "one data set", f"{len(places)}: {', '.join(places)}", "Give one place; settings are written key=value."
        )
    return (places[0] if places else None), overrides


def bundle_path(model: str | Path) -> Path:
    """The bundle of a run folder, or the bundle itself.

    Raises:
        BundleError: A folder without a bundle.
    """
    path = Path(model)
    if path.is_dir():
        if not (path / BUNDLE_NAME).is_file():
            raise BundleError(
                f"a run folder or bundle at '{path}'",
                f"a folder without {BUNDLE_NAME}",
                "Give the folder that limner train made, after its first epoch.",
            )
        return path / BUNDLE_NAME
    return path


def _settings(
    config: str | Path | None,
    overrides: Sequence[str],
    settings: Mapping[str, Any] | None,
    *,
    data: str | Path | None = None,
) -> Config:
    place = {} if data is None else {"data.path": str(data)}
    return load_config(config, overrides, {**place, **(settings or {})})


def _prepare(config: Config, progress: Progress) -> Prepared:
    data = config.data
    if data.path is None and data.images is None:
        raise ConfigError("a data set", "none was given", "Name a folder, .csv or .zip, or --images and --masks.")
    val, test = _shares(data)
    return prepare(
        data.path,
        layout=data.layout,
        images=data.images,
        masks=data.masks,
        page=data.page,
        val=val,
        test=test,
        seed=data.seed,
        values=data.values,
        class_names=data.class_names,
        ignore_values=data.ignore_values,
        unmatched=data.unmatched,
        unreadable=data.unreadable,
        progress=progress,
    )


def _shares(data: DataConfig) -> tuple[float, float]:
    """Validation and test samples, as shares or counts."""
    if data.split is None:
        return (_SHARE if data.val is None else data.val), (_SHARE if data.test is None else data.test)
    if data.val is not None or data.test is not None:
        raise ConfigError(
            "either data.split or data.val and data.test",
            f"both: data.split={data.split}, data.val={data.val}, data.test={data.test}",
            "Leave one of them out.",
        )
    _, val, test = parse_split(data.split)
    return val, test


def _new_folder(out: str | Path | None, config: Config) -> Path:
    if out is not None:
        folder = Path(out)
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(
                f"a new run folder at '{folder}'",
                "it holds files already",
                f"Choose another --out, or go on with that run: limner train --resume {folder}",
            )
        return folder
    name = Path(config.data.path or config.data.images or "run").stem or "run"
    folder, number = Path("runs") / name, 2
    while folder.exists():
        folder, number = Path("runs") / f"{name}-{number}", number + 1
    return folder


def _evaluate_run(
    run: Path, data: Prepared, split: str, out: Path | None, device: str, progress: Progress
) -> Evaluation:
    predictor = Predictor.from_file(run / BUNDLE_NAME, device=device)
    catalog = _subset(data.catalog, split)
    return evaluate_catalog(
        predictor,
        catalog,
        data.label_maps,
        out or run / "evaluation",
        split=split,
        data_hash=catalog_digest(catalog),
        progress=_stage(progress),
    )


def _split_to_score(catalog: Catalog) -> str:
    return "test" if len(catalog.indices("test")) else "val"


def _subset(catalog: Catalog, split: str) -> Catalog:
    if split not in ("train", "val", "test"):
        raise ConfigError("a split train, val or test", repr(split), "Change --split.")
    chosen = catalog.subset(catalog.indices(split))
    if not len(chosen):
        raise DataError(f"{split} samples", "there are none", "Choose another --split.")
    return chosen


def _stage(progress: Progress | None, name: str = "evaluate") -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total) if progress else None


def _record_training(record: RunRecord, fitted: Fitted) -> None:
    state = fitted.state
    record.update(
        "interrupted" if state.interrupted else "trained",
        seconds={"train": state.seconds},
        stopped=state.stopped,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        parameters=fitted.parameters,
        images_per_s=round(state.images / max(state.train_seconds, 1e-9), 2),
    )


@contextmanager
def _recording_failure(record: RunRecord) -> Any:
    try:
        yield
    except BaseException:
        record.update("failed")
        raise
