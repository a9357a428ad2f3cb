"""`fit`: from prepared data and settings to a trained run folder.

Layer: training. This is the whole of a training in one readable place; to change how Limner
trains, copy `fit` and change the copy.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch

from limner.bundle import save_bundle
from limner.config import Config, parse_duration
from limner.data.cache import default_cache_dir
from limner.data.catalog import spread
from limner.data.prepare import Prepared
from limner.errors import DataError, ResourceError
from limner.files import write_text
from limner.inference.predictor import Predictor
from limner.models import summarize
from limner.training.build import build_meta, build_model, build_module, open_batches
from limner.training.callbacks import Clock, Logs, Stop
from limner.training.checkpoints import CheckpointFiles, Checkpoints, find_checkpoint, read_state
from limner.training.loader import Batches, PhasedBatches
from limner.training.plan import Plan, make_plan
from limner.training.progress import Reporter, Silent
from limner.training.start import Carried, carry_weights
from limner.training.state import TrainingState
from limner.training.validation import Validation

BUNDLE_NAME = "model.safetensors"


@dataclass(frozen=True)
class Fitted:
    """What a training left.

    Attributes:
        run: The run folder.
        state: Where it ended; `state.interrupted` when a signal stopped it.
        plan: What was decided.
        parameters: Trainable parameters of the network.
        carried: What it took over from the bundle it started from, in this sitting.
    """

    run: Path
    state: TrainingState
    plan: Plan
    parameters: int
    carried: Carried | None = None


def fit(config: Config, data: Prepared, run: Path, *, resume: bool = False, reporter: Reporter | None = None) -> Fitted:
    """Train, leaving plan, checkpoints, bundle, logs and previews in `run`.

    Args:
        config: Settings.
        data: Samples, label maps and fingerprint, as `prepare` gives them.
        run: Run folder; made if missing.
        resume: Go on from the run's last checkpoint, with the plan it has. `training.epochs` and
            `training.time` may be longer than they were.
        reporter: Told of the progress.

    Raises:
        ConfigError: Settings that do not fit the data or the machine.
        DataError: Nothing to resume from, or a picture that can no longer be read.
        ResourceError: Too little memory.
        OutputError: The run folder cannot be written.
    """
    reporter = reporter or Silent()
    val = data.catalog.subset(data.catalog.indices("val"))
    checkpoint = find_checkpoint(run) if resume else None
    if resume:
        plan = _extend(_read_plan(run / "plan.yaml"), config)
    else:
        plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    write_text(run / "plan.yaml", plan.to_yaml())

    torch.manual_seed(config.training.seed)
    model = build_model(config, plan, data, fresh=not resume)
    carried = None
    if config.training.start_from and not resume:
        carried = carry_weights(model, Path(config.training.start_from), data)
        reporter.note(carried.summary(config.training.start_from))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if checkpoint and (state := read_state(checkpoint)).is_finished(plan.epochs, plan.seconds, plan.patience):
        # `stopped` is also the name of the setting that ended the training.
        setting = "the epochs of the last of training.phases" if plan.phases else f"training.{state.stopped}"
        reporter.note(f"This run has finished, after {state.epoch} epochs. For more, raise {setting}.")
        return Fitted(run, state, plan, parameters)

    course = plan.course
    module = build_module(config, plan, data, model)
    metas = [build_meta(config, plan, data, model, phase) for phase in course.phases]

    def open_phase(number: int) -> Batches:
        return open_batches(
            config,
            plan,
            data,
            course.phases[number],
            module.state,
            cache_dir=_cache_dir(config),
            progress=reporter.stage,
        )

    batches = PhasedBatches(course, module.state, open_phase)
    # Before the clock runs: a cache is filled.
    batches.open(state.epoch if checkpoint else 0)
    validation = Validation(
        [Predictor(module.best_weights, meta, device=plan.device, precision=plan.precision) for meta in metas],
        val.subset(spread(np.arange(len(val)), plan.val_samples)),
        data.label_maps,
        previews=run / "previews",
        count=config.training.previews,
        reporter=reporter,
    )

    def keep_best() -> None:
        metrics = module.state.metrics
        scores = {name: value for name, value in metrics.items() if name == "epoch" or name.startswith("val_")}
        meta = metas[module.state.phase].model_copy(update={"scores": scores})
        save_bundle(run / BUNDLE_NAME, module.best_weights, meta)

    checkpoints = Checkpoints(run / "checkpoints", keep_best)
    callbacks = [
        Clock(plan, reporter),
        validation,
        Stop(plan, validation, checkpoints, reporter),
        Logs(run, reporter),
        checkpoints,
    ]
    reporter.summarized(summarize(model, data.fingerprint.channels, plan.size), plan)
    reporter.planned(plan, parameters, course.phases[0].steps)
    with _quiet_lightning(), _memory_errors(plan, module.state):
        _trainer(plan, run, callbacks).fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    return Fitted(run, module.state, plan, parameters, carried)


def check_settings(config: Config, data: Prepared) -> None:
    """Refuse settings that do not fit the data or the machine, before anything is written.

    Raises:
        ConfigError: As `fit` would.
    """
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    # Without memory for weights that are thrown away; pretrained ones are read, to know that they fit.
    with torch.device("cpu" if plan.encoder_weights else "meta"):
        build_module(config, plan, data, build_model(config, plan, data))


def _cache_dir(config: Config) -> Path | None:
    if not config.data.cache:
        return None
    return Path(config.data.cache_dir) if config.data.cache_dir else default_cache_dir()


def _trainer(plan: Plan, run: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if plan.device == "cuda" else plan.device,
        devices=1,
        precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
        max_epochs=-1,  # `Stop` decides, because a resumed training does not count from zero
        callbacks=callbacks,
        plugins=[CheckpointFiles()],
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )


def _read_plan(path: Path) -> Plan:
    try:
        return Plan.from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the plan of the run at '{path}'",
            getattr(error, "strerror", None) or "it is not UTF-8 text",
            "Train anew.",
        ) from error


def _extend(plan: Plan, config: Config) -> Plan:
    """The plan of a run, with the length it is asked to have now."""
    training = config.training
    epochs = training.phases[-1].epochs if training.phases else training.epochs
    return plan.lengthened(epochs, parse_duration(training.time) if training.time else None, training.patience)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice to itself: it speaks of data-loader workers that are not used here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    except SystemExit as error:
        # Lightning answers a second Ctrl-C by leaving the program, even where it is but a library.
        raise KeyboardInterrupt from error
    finally:
        logger.setLevel(level)


@contextmanager
def _memory_errors(plan: Plan, state: TrainingState) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and "memory" not in text:
            raise
        phase = plan.course.phases[state.phase]
        height, width = phase.size
        batch, size = max(1, phase.batch // 2), f"[{height // 2},{width // 2}]"
        remedy = f"Use training.batch={batch}, a smaller data.size={size}, or fewer filters in model.conv_sizes."
        if plan.phases:
            remedy = (
                f"Give phase {state.phase + 1} in training.phases batch: {batch} or size: {size}, or use fewer "
                "filters in model.conv_sizes."
            )
        raise ResourceError(
            f"enough {plan.device} memory for batches of {phase.batch} at {height}×{width}",
            "the machine ran out of memory",
            f"{remedy} The last checkpoint is whole.",
        ) from error
