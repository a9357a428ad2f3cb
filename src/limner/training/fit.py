"""`fit`: from prepared data and settings to a trained run folder.

Layer: training. This is the whole of a training in one readable place; to change how Limner
trains, copy `fit` and change the copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from limner.bundle import BUNDLE_NAME, save_bundle
from limner.config import Config, parse_duration, parse_interval
from limner.data.catalog import spread
from limner.data.prepare import Prepared
from limner.data.samples import Decoding, image_location
from limner.errors import ConfigError, DataError
from limner.files import write_text
from limner.inference.predictor import Predictor
from limner.models import summarize
from limner.training.agreement import Agreement
from limner.training.build import build_meta, build_model, build_module, open_batches
from limner.training.callbacks import Clock, Logs, Stop
from limner.training.checkpoints import Checkpoints, Interval, find_checkpoint, finish_saving, read_state
from limner.training.choices import small_objects
from limner.training.collapse import COLLAPSE_NAME, Collapse, Guard
from limner.training.distributed import Ranks, answering, ranks
from limner.training.engine import cache_dir, create_trainer, fresh_model, memory_errors, quiet_lightning
from limner.training.first_steps import FirstSteps, KeepFirstSteps, made_with, reproducibility
from limner.training.loader import Batches, PhasedBatches
from limner.training.measuring import measured
from limner.training.module import SegmentationModule
from limner.training.nonfinite import NonFinite
from limner.training.plan import Plan, make_plan
from limner.training.progress import Reporter, Silent
from limner.training.signals import Interruption
from limner.training.start import Carried
from limner.training.state import TrainingState
from limner.training.validation import Validation

_LOOKED_AT = 8
_SEEN_WITHIN = 90.0  # seconds; network disks remember for a while that there was nothing


@dataclass(frozen=True)
class Fitted:
    """What a training left.

    Attributes:
        run: The run folder.
        state: Where it ended; `state.interrupted` when a signal stopped it.
        plan: What was decided.
        parameters: Trainable parameters of the network.
        reproducible: How far it can be repeated, in a sentence.
        processes: How many trained together.
        carried: What it took over from the bundle it started from, in this sitting.
        collapse: What was seen where the network predicts one class alone; it stopped the training where
            `state.stopped` is `collapse`.
    """

    run: Path
    state: TrainingState
    plan: Plan
    parameters: int
    reproducible: str
    processes: int = 1
    carried: Carried | None = None
    collapse: Collapse | None = None


def fit(
    config: Config,
    data: Prepared,
    run: Path,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    plan: Plan | None = None,
) -> Fitted:
    """Train, leaving plan, checkpoints, bundle, logs and previews in `run`.

    Args:
        config: Settings.
        data: Samples, label maps and fingerprint, as `prepare` gives them.
        run: Run folder; made if missing.
        resume: Go on from the run's last checkpoint, or the one before where that is damaged, with the plan it
            has; a run that was stopped before its first step begins. `training.epochs` and `training.time` may be
            longer than they were.
        reporter: Told of the progress.
        plan: What was decided and measured already, of a training that begins.

    Raises:
        ConfigError: Settings that do not fit the data or the machine.
        DataError: Nothing whole to resume from, or a picture that can no longer be read.
        ResourceError: Too little memory.
        OutputError: The run folder cannot be written.
        TrainingError: A loss or gradient is not finite.
    """
    reporter, together = reporter or Silent(), ranks()
    val = data.catalog.subset(data.catalog.indices("val"))
    settled = plan is not None
    plan, checkpoint, state = together.of_first(lambda: _begin(config, data, run, resume, reporter, plan))
    _check_seen(run, together)
    model, carried = fresh_model(config, plan, data, fresh=checkpoint is None)
    if carried is not None:
        reporter.note(carried.summary(str(config.training.start_from)))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if over := _is_over(config, plan, state, reporter):
        seen = over == "collapse" or (run / COLLAPSE_NAME).is_file()
        found = Collapse.read(run) if seen else None
        return Fitted(run, state, plan, parameters, reproducibility(plan, config), collapse=found)

    summary = None
    if together.first:
        _remove_leftovers(run)
        summary = summarize(model, plan.channels, plan.size)
    if summary is not None and together.count == 1 and not settled and checkpoint is None:
        plan = measured(config, data, plan, summary, run, reporter).plan
        write_text(run / "plan.yaml", plan.to_yaml())
    if together.count > 1 and config.training.sync_batchnorm:
        from limner.training.shared_norm import share_statistics  # imports timm, which one process may not need

        model = share_statistics(model, plan.device)
    course = plan.course
    module = build_module(config, plan, data, model)
    module.alone = together.count == 1
    module.on_shortage = _shortage(run, plan, module, reporter)
    metas = [build_meta(config, plan, data, model, phase) for phase in course.phases]

    def open_phase(number: int) -> Batches:
        return open_batches(
            config,
            plan,
            data,
            course.phases[number],
            module.state,
            cache_dir=cache_dir(config),
            progress=reporter.stage,
        )

    if checkpoint is None:
        module.state.seconds = plan.pace.get("took", 0.0)
    batches = PhasedBatches(course, module.state, open_phase)
    # Before the clock runs: a cache is filled.
    batches.open(state.epoch)
    together.gather(None)  # whoever decodes a data set for hours is waited for
    interruption = Interruption(reporter, alone=together.count == 1)
    validation = Validation(
        [Predictor(module.best_weights, meta, device=plan.device, precision=plan.precision) for meta in metas],
        val.subset(spread(np.arange(len(val)), plan.val_samples)),
        data.label_maps,
        previews=run / "previews",
        count=config.training.previews,
        reporter=reporter,
        interruption=interruption,
        ranks=together,
        expected=plan.pace.get("sample", 0.0) * plan.val_samples,
    )

    def keep_best() -> None:
        metrics = module.state.metrics
        scores = {name: value for name, value in metrics.items() if name == "epoch" or name.startswith("val_")}
        meta = metas[module.state.phase].model_copy(update={"scores": scores})
        save_bundle(run / BUNDLE_NAME, module.best_weights, meta)

    seconds, steps = parse_interval(config.training.save_every)
    nonfinite = NonFinite(plan, run, batches.at, data.catalog.subset(data.catalog.indices("train")).ids, together)
    checkpoints = Checkpoints(
        run / "checkpoints", keep_best, Interval(seconds, steps), check=nonfinite.check, ranks=together
    )
    written = run if together.first else None
    guard = Guard(plan, config, data, validation, written)
    callbacks = [
        Clock(plan, reporter),
        Agreement(together, interruption, config.training.seed),
        nonfinite,
        KeepFirstSteps(made_with(plan), written),
        validation,
        Stop(plan, validation, checkpoints, interruption),
        guard,
        *([Logs(run, reporter)] if together.first else []),
        checkpoints,
    ]
    if summary is not None:
        write_text(run / "model.txt", summary.table() + "\n")
        reporter.summarized(summary, plan)
        reporter.planned(plan, parameters, course.phases[0].steps)
    with interruption.handlers_kept(), quiet_lightning(), memory_errors(plan, module.state), answering():
        create_trainer(plan, callbacks).fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    reproducible = reproducibility(plan, config)
    return Fitted(run, module.state, plan, parameters, reproducible, together.count, carried, guard.collapse)


def _is_over(config: Config, plan: Plan, state: TrainingState, reporter: Reporter) -> str:
    """Why there is nothing left to train: `collapse`, or what the plan says ended it; empty where there is."""
    if state.is_finished(plan.epochs, plan.seconds, plan.patience):
        # `stopped` is also the name of the setting that ended the training.
        setting = "the epochs of the last of training.phases" if plan.phases else f"training.{state.stopped}"
        reporter.note(f"This run has finished, after {state.epoch} epochs. For more, raise {setting}.")
        return state.stopped
    return "collapse" if state.stopped == "collapse" and config.training.collapse_guard else ""


def _begin(
    config: Config, data: Prepared, run: Path, resume: bool, reporter: Reporter, plan: Plan | None
) -> tuple[Plan, Path | None, TrainingState]:
    """The plan, written down, and where a run goes on: its checkpoint, and how far it is."""
    checkpoint, state = _last_checkpoint(run, reporter) if resume else (None, TrainingState())
    if checkpoint is not None:
        plan = _extend(read_plan(run), config)
    plan = plan or make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    small = small_objects(data.fingerprint, data.label_maps, plan.size) if plan.fit == "resize" else ""
    if small and checkpoint is None:
        reporter.note(
            f"Resizing makes objects very small: {small}. They may be lost; a larger data.size keeps them larger, and "
            "data.fit=native trains on crops at their own scale."
        )
    if ranks().count > 1:
        _check_shared(config, plan, ranks().count)
        reporter.note(f"{ranks().count} processes share every batch.")
    write_text(run / "plan.yaml", plan.to_yaml())
    return plan, checkpoint, state


def _check_shared(config: Config, plan: Plan, count: int) -> None:
    """Refuse what several processes cannot do together."""
    smallest = min(phase.batch for phase in plan.course.phases)
    if smallest < count:
        raise ConfigError(
            f"a sample of every batch for each of the {count} processes",
            f"batches of {smallest}",
            f"Set training.batch={count} or more, or start fewer processes.",
        )
    if config.training.lr == "find":
        alone, remedy = "training.lr=find", "Find the rate with one process first and set training.lr to it."
    elif plan.accumulate > 1:
        alone = f"batches in {plan.accumulate} pieces"
        remedy = "Set training.accumulate=1: each process computes its own part of a batch."
    else:
        return
    raise ConfigError(f"settings that {count} processes can share", f"{alone}, which one process does alone", remedy)


def _check_seen(run: Path, together: Ranks) -> None:
    """See that all processes have the run folder, which they go on from."""
    plan, end = run / "plan.yaml", time.monotonic() + (0 if together.first else _SEEN_WITHIN)
    while not plan.is_file() and time.monotonic() < end:
        time.sleep(0.5)
    seen = together.gather(plan.is_file())
    if not all(seen):
        raise ConfigError(
            f"a run folder that all processes see at '{run.absolute()}'",
            f"process {seen.index(False)} does not",
            "Choose an --out on a disk that all machines share.",
        )


def _last_checkpoint(run: Path, reporter: Reporter) -> tuple[Path | None, TrainingState]:
    """What a run goes on from, and where that stands."""
    checkpoint = find_checkpoint(run, reporter.note)
    if checkpoint is None:
        reporter.note("This run was stopped before its first step; it begins now.")
        return None, TrainingState()
    state = read_state(checkpoint)
    finish_saving(run / "checkpoints", state)
    return checkpoint.absolute(), state


def _remove_leftovers(run: Path) -> None:
    """Remove the diagnosis of a run that goes on all the same, and what a kill left half written."""
    for left in (run / COLLAPSE_NAME, *run.glob(".*.tmp*"), *run.glob("checkpoints/.*.tmp*")):
        left.unlink(missing_ok=True)


def _shortage(run: Path, plan: Plan, module: SegmentationModule, reporter: Reporter) -> Callable[[], None]:
    """Says that memory ran out, and keeps what came of it in the plan: a run that goes on begins with that."""

    def tell() -> None:
        step = f"memory ran out in step {module.state.step + 1:,}"
        because = plan.because | {"accumulate": step}
        changed = replace(plan, accumulate=module.accumulate, because=because)
        write_text(run / "plan.yaml", changed.to_yaml())
        reporter.note(
            f"{step[0].upper()}{step[1:]}; it was taken all the same: from now on batches are computed in "
            f"{module.accumulate} pieces."
        )

    return tell


def repeat_first_steps(config: Config, data: Prepared, plan: Plan, rates: Sequence[float]) -> FirstSteps:
    """Train as many steps as there are learning rates, as a training by this plan begins; nothing is written.

    Args:
        config: Settings.
        data: Samples; decoded anew, without the cache.
        plan: What was decided.
        rates: Learning rate of each step, no more than the first epoch has.

    Raises:
        LimnerError: As `fit`.
    """
    model, _ = fresh_model(config, plan, data)
    module = build_module(config, plan, data, model)
    module.rate = lambda state: rates[state.step]
    batches = open_batches(config, plan, data, plan.course.phases[0], module.state)
    kept = KeepFirstSteps(made_with(plan))
    with Interruption(Silent()).handlers_kept(), quiet_lightning(), memory_errors(plan, module.state):
        create_trainer(plan, [Clock(plan, Silent()), kept], steps=len(rates)).fit(module, batches)
    assert kept.found is not None
    return kept.found


def check_settings(config: Config, data: Prepared) -> None:
    """Refuse settings that do not fit the data or the machine, before anything is written.

    Raises:
        ConfigError: As `fit` would.
    """
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    if plan.channels < data.fingerprint.channels:
        _check_alike(data, plan.channels)
    # Without memory for weights that are thrown away; pretrained ones are read, to know that they fit.
    with torch.device("cpu" if plan.encoder_weights else "meta"):
        build_module(config, plan, data, build_model(config, plan, data))


def _check_alike(data: Prepared, channels: int) -> None:
    """Refuse pictures whose channels differ where fewer are asked for; all are checked as they are decoded."""
    decoding = Decoding(channels, data.fingerprint.dtype, None)
    for index in spread(data.catalog.indices("train"), _LOOKED_AT):
        decoding.image(image_location(data.catalog, index))


def read_plan(run: Path) -> Plan:
    """The plan of a run.

    Raises:
        DataError: It cannot be read.
        ConfigError: It is damaged, or of another version.
    """
    path = run / "plan.yaml"
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
