"""`train`: the whole way from data to model, evaluation and report.

Layer: workflow.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limner.allocator import keep_large_blocks
from limner.config import Config
from limner.data.prepare import Prepared
from limner.data.spacing import SPACING, spacings, write_spacing
from limner.errors import ConfigError, OutputError
from limner.files import write_bytes, write_text
from limner.training.distributed import join
from limner.training.fit import check_settings
from limner.training.progress import Reporter, Silent
from limner.training.record import RunRecord, read_data, write_data
from limner.training.start import adopt_settings
from limner.types import Spacing
from limner.workflow.attempts import check_auto_fix
from limner.workflow.candidates import train_candidates
from limner.workflow.check import check_prepared, write_findings
from limner.workflow.folds import fold_data, train_folds
from limner.workflow.parts import Train, begun
from limner.workflow.places import bundle_path
from limner.workflow.repeats import train_repeats
from limner.workflow.run import Run, Sitting, parse_goal, train_run
from limner.workflow.settings import prepare_data, read_settings
from limner.workflow.sheets import sample_sheet
from limner.workflow.start import prepare_from
from limner.workflow.together import follow
from limner.workflow.trainer_lock import training_alone
from limner.workflow.variants import check_variants, variants


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    recipe: str | None = None,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    start_from: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Train a model on a folder of pictures and masks, evaluate it, and write a report.

    With `data.folds`, `experiment.compare` or `experiment.repeats` among the settings several are trained; see
    `Run` for what they leave.

    In processes that torchrun or srun started, the first one does all this, and the others train with it; each is
    given the same `Run`.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: Run folder. Default: `runs/NAME`, with a number where that is taken.
        recipe: Published project whose settings to start from; `limner recipes` lists them.
        config: YAML file of settings; they win over the recipe's.
        resume: Run folder to go on with; `data` and `out` are then left out.
        start_from: Run folder or bundle whose weights the training starts from, with its architecture,
            normalisation and classes. It is only read.
        overrides: Settings as text, such as `training.epochs=5`; they win over `config`.
        settings: Settings by name, such as `{"training.epochs": 5}` or `{"epochs": 5}`; they win over
            `overrides`.
        reporter: Told of the progress. Default: silence.

    Raises:
        LimnerError: The data, a setting, the machine or the output folder; see `limner.errors`.
        SystemExit: In one process of several, where the first one raised.

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
        >>> model = limner.load(run.folder)
        >>> prediction = model.predict(data / "images" / "cells_001.png")
        >>> prediction.mask.shape, prediction.mask.dtype, prediction.probs["mask"].shape
        ((256, 256), dtype('uint8'), (1, 256, 256))
        >>> limner.evaluate(run.folder, split="val").summary["n_images"]
        2
    """
    keep_large_blocks()
    together = join()
    if not together.first:
        return follow(together)
    try:
        run = _train(
            data,
            out=out,
            recipe=recipe,
            config=config,
            resume=resume,
            start_from=start_from,
            overrides=overrides,
            settings=settings,
            reporter=reporter or Silent(),
        )
    except BaseException:
        together.dismiss()
        raise
    return together.of_first(lambda: run)


def _train(
    data: str | Path | None,
    *,
    out: str | Path | None,
    recipe: str | None,
    config: str | Path | None,
    resume: str | Path | None,
    start_from: str | Path | None,
    overrides: Sequence[str],
    settings: Mapping[str, Any] | None,
    reporter: Reporter,
) -> Run:
    if resume is not None:
        if any(given is not None for given in (data, out, recipe, start_from)):
            raise ConfigError(
                "a run to resume, alone",
                "data, a recipe, an output folder or a model to start from besides",
                "A run knows its data, its settings and its model; leave them out.",
            )
        folder = Path(resume)
        prepared = read_data(folder)
        chosen = read_settings(folder / "config.yaml", overrides, settings)
        _check_unchanged(chosen, read_settings(folder / "config.yaml", (), None), folder)
        _check_goal(chosen)
        check_auto_fix(chosen)
        seconds = 0.0
    else:
        begin = time.monotonic()
        chosen = read_settings(config, overrides, settings, data=data, recipe=recipe)
        _check_goal(chosen)
        check_auto_fix(chosen)
        _check_experiment(chosen)
        source = chosen.training.start_from if start_from is None else start_from
        if chosen.data.folds is not None and source is not None:
            raise ConfigError(
                "folds that start anew",
                f"data.folds={chosen.data.folds} and '{source}' to start from, which may have seen any sample",
                "Leave one of them out.",
            )
        if source is None:
            folder = _new_folder(out, chosen)
            prepared = prepare_data(chosen, reporter.stage)
        else:
            bundle = bundle_path(source)
            chosen = adopt_settings(chosen, bundle)
            folder = _new_folder(out, chosen)
            prepared = prepare_from(chosen, bundle, reporter.stage)
        first = fold_data(prepared, 0) if chosen.data.folds else prepared
        found = variants(chosen)
        check_variants(found, first)
        if not found:
            check_settings(chosen, first)
        _note_spacing(prepared, chosen.data.spacing)
        findings = check_prepared(found[0].config if found else chosen, first, reporter.stage)
        write_data(folder, prepared)
        write_findings(folder, findings)
        write_bytes(folder / "samples.png", sample_sheet(prepared.catalog, prepared.label_maps))
        seconds = time.monotonic() - begin
        reporter.prepared(prepared)
        for finding in findings:
            if finding.level == "doubt":
                reporter.note(f"Doubt: {finding.title} {finding.remedy}")
    with training_alone(folder):
        write_text(folder / "config.yaml", chosen.to_yaml())
        record = RunRecord(folder, resume=resume is not None)
        record.update("training", seconds={} if resume else {"prepare": seconds})
        sitting = Sitting(reporter, resume=resume is not None, extended=bool(overrides or settings))
        return _trainer(chosen)(folder, chosen, prepared, record, sitting)


def _trainer(config: Config) -> Train:
    if config.experiment.compare is not None:
        return train_candidates
    if config.experiment.repeats is not None:
        return train_repeats
    return train_run if config.data.folds is None else train_folds


def _check_unchanged(chosen: Config, recorded: Config, folder: Path) -> None:
    """Refuse settings that would give a run that goes on other samples or other parts than it has."""
    for section, name in (("data", "folds"), ("data", "review"), ("experiment", "compare"), ("experiment", "repeats")):
        asked, known = getattr(getattr(chosen, section), name), getattr(getattr(recorded, section), name)
        if asked != known:
            raise ConfigError(
                f"what was settled when the run '{folder}' began ({section}.{name}: {known})",
                f"{section}.{name}={asked}",
                "Leave it out, or train anew with it.",
            )


def _check_experiment(config: Config) -> None:
    """Refuse candidates that are not understood, before anything is read."""
    variants(config)
    if config.experiment.repeats is not None and config.data.folds is not None:
        raise ConfigError(
            "folds, or repeats with other seeds",
            f"data.folds={config.data.folds} and experiment.repeats={config.experiment.repeats}",
            "Leave one of them out: folds show how far scores differ between samples, repeats between seeds.",
        )


def _check_goal(config: Config) -> None:
    """Refuse an unknown goal before anything is read, and one whose thresholds would be chosen by what is scored."""
    if parse_goal(config) is not None and config.data.folds is not None:
        raise ConfigError(
            "a goal for the thresholds of one model, or folds",
            f"evaluation.goal={config.evaluation.goal} and data.folds={config.data.folds}",
            "Leave one of them out; of a model for use, choose thresholds with limner calibrate.",
        )


def _note_spacing(prepared: Prepared, spacing: float | Spacing | None) -> None:
    """Keep the size of a pixel with the samples, and refuse one that is no size before anything is trained."""
    if spacing is not None:
        size = (spacing, spacing) if isinstance(spacing, int | float) else spacing
        prepared.catalog.facts[SPACING] = [write_spacing(size)] * len(prepared.catalog)
    spacings(prepared.catalog)


def _new_folder(out: str | Path | None, config: Config) -> Path:
    if out is not None:
        folder = Path(out)
        _refuse_what_is_there(folder)
        return folder
    name = Path(config.data.path or config.data.images or "run").stem or "run"
    folder, number = Path("runs") / name, 2
    while folder.exists():
        folder, number = Path("runs") / f"{name}-{number}", number + 1
    return folder


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"a new run folder at '{folder}'", "there is a file", "Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()):
        resume = f", or go on with that run: limner train --resume {shlex.quote(str(folder))}"
        raise OutputError(
            f"a new run folder at '{folder}'",
            "it holds files already",
            f"Choose another --out{resume if begun(folder) else ''}",
        )
