"""The sections on the training: what was done, how it went, how long it took.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from limner.evaluation import wording
from limner.evaluation.charts import Series, line_chart
from limner.evaluation.records import EpochRecord, PlanChoice
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.data import split_words

LICENCE = "Apache-2.0"
"""Of Limner itself."""

_ENDED = {
    "finished": "",
    "training": "The run had not ended when this report was written: what follows is what it had so far.",
    "trained": "The run had not been evaluated when this report was written.",
    "collapsed": "The training was stopped because the network predicted one class alone.",
    "interrupted": "The training was interrupted: what follows is what it had learned until then.",
    "failed": "The run ended with an error: what follows is what it had done until then.",
}


@dataclass(frozen=True)
class Curve:
    """A chart with its caption; `legend` names the lines in drawing order."""

    caption: str
    legend: tuple[str, ...]
    svg: Markup


def status_note(folder: RunFolder) -> str:
    """A sentence about a run that did not end as planned; empty when it did."""
    status = folder.run.status
    return _ENDED.get(status, f"The run ended with the status “{status}”." if status else "")


def story(folder: RunFolder) -> list[str]:
    """What was trained, on what, and for how long: one sentence each, as far as known."""
    sentences = []
    if folder.in_folds:
        folds = folder.summary.folds if folder.summary else []
        trained = f"{len(folds)} models were trained" if folds else "A model for each fold was to be trained"
        sentences.append(f"{trained}, each on all folds of the samples but one.")
        return [*sentences, *_samples(folder)]
    run, last = folder.run, folder.epochs[-1] if folder.epochs else None
    network = network_name(folder)
    network = f"{'An' if network[0] in 'AEIO' else 'A'} {network}"
    if run.parameters:
        network += f" with {wording.parameters(run.parameters)} parameters"
    if last is not None:
        sentence = f"{network} was trained for {wording.plural(last.epoch, 'epoch')}"
        train = run.seconds.get("train") or last.seconds
        sentences.append(f"{sentence} in {wording.duration(train)}." if train else f"{sentence}.")
    if run.started_from:
        source, learned = (wording.plain(run.started_from.get(name)) for name in ("bundle", "data_hash"))
        sentences.append(f"It started from the weights of '{source}', trained on the data {learned[:16]}.")
    sentences += _samples(folder)
    best = best_epoch(folder.epochs)
    if best is not None and folder.bundle is not None:
        score = wording.score(best.val_dice if best.val_score is None else best.val_score)
        measure = "Dice" if best.val_score is None else "score"
        sentences.append(f"The weights of epoch {best.epoch} were kept (validation {measure} {score}).")
    return sentences


def _samples(folder: RunFolder) -> list[str]:
    if not folder.splits:
        return []
    parts = [f"{count:,} {split_words(split)}" for split, (count, _) in folder.splits.items()]
    total = sum(count for count, _ in folder.splits.values())
    return [f"The data are {wording.plural(total, 'sample')}: {', '.join(parts)}."]


def network_name(folder: RunFolder) -> str:
    """What the network is called in print."""
    name = folder.bundle.model.name if folder.bundle else "network"
    return {"unet": "U-Net", "improved_unet": "Improved U-Net"}.get(name, name)


def best_epoch(epochs: list[EpochRecord]) -> EpochRecord | None:
    """The epoch whose weights were kept: as recorded, else the first of the highest validation Dice."""
    recorded = (epochs[-1].model_extra or {}).get("best_epoch") if epochs else None
    for epoch in epochs:
        if epoch.epoch == recorded:
            return epoch
    scores = [epoch.val_dice if epoch.val_score is None else epoch.val_score for epoch in epochs]
    scored = [(score, -epoch.epoch, epoch) for score, epoch in zip(scores, epochs, strict=True) if score is not None]
    return max(scored, default=(None, None, None))[2]


@dataclass(frozen=True)
class AttemptLine:
    """An attempt in the table: number, epochs, best validation score, losses and rate."""

    number: int
    epochs: int
    best: float | None
    loss: str
    rate: float | None


def attempt_lines(folder: RunFolder) -> list[AttemptLine]:
    """The attempts that collapsed, and last the one that this report is of; empty where nothing collapsed before."""
    if not folder.attempts:
        return []
    attempts = [(attempt.plan, attempt.epochs) for attempt in folder.attempts] + [(folder.plan, folder.epochs)]
    return [_attempt(number, *attempt) for number, attempt in enumerate(attempts, start=1)]


def _attempt(number: int, plan: Mapping[str, PlanChoice], epochs: list[EpochRecord]) -> AttemptLine:
    best = best_epoch(epochs)
    score = None if best is None else best.val_dice if best.val_score is None else best.val_score
    losses, rate = (plan[name].value if name in plan else None for name in ("losses", "lr"))
    return AttemptLine(number, len(epochs), score, wording.plain(losses), rate)


def collapse_words(folder: RunFolder) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Of each attempt that collapsed what was seen, and what was changed after it: setting, value, reason."""
    return [
        (
            attempt.record.diagnosis,
            [
                (wording.words(name), wording.plain(value), attempt.record.because.get(name, ""))
                for name, value in attempt.record.changes.items()
            ],
        )
        for attempt in folder.attempts
    ]


_CURVES: dict[str, dict[str, str]] = {
    "Loss": {"train_loss": "training", "val_loss": "validation"},
    "Validation scores": {"val_dice": "Dice", "val_iou": "IoU"},
    "Validation errors": {"val_rmse": "RMSE", "val_mae": "MAE"},
    "Learning rate": {"lr": "learning rate"},
    "Images per second": {"images_per_s": "images per second"},
}
"""Caption → field of `EpochRecord` → name of its line."""


def curves(folder: RunFolder) -> list[Curve]:
    """Charts over the epochs; those without numbers are left out."""
    numbers, best = [epoch.epoch for epoch in folder.epochs], best_epoch(folder.epochs)
    charts = []
    for caption, fields in _CURVES.items():
        lines = [Series(name, [getattr(epoch, field) for epoch in folder.epochs]) for field, name in fields.items()]
        lines = [line for line in lines if any(value is not None for value in line.values)]
        if lines:
            marked = "val_dice" in fields and best is not None and len(numbers) > 1
            svg = line_chart(
                numbers,
                lines,
                title=_chart_title(caption, lines, numbers),
                from_zero="images_per_s" in fields,
                mark=best.epoch if marked and best else None,
                mark_name="kept",
            )
            charts.append(Curve(caption, tuple(line.name for line in lines), svg))
    return charts


def _chart_title(caption: str, lines: list[Series], epochs: list[int]) -> str:
    ends = [
        f"{line.name} from {wording.number(known[0])} to {wording.number(known[-1])}"
        for line in lines
        if (known := [value for value in line.values if value is not None])
    ]
    return f"{caption} by epoch, {epochs[0]} to {epochs[-1]}: {'; '.join(ends)}"


def preview_name(stem: str) -> str:
    """Words for a preview's file name: `epoch_0012` is epoch 12."""
    number = stem.removeprefix("epoch_")
    return f"epoch {int(number)}" if number.isdecimal() else stem


def timings(folder: RunFolder) -> list[tuple[str, str]]:
    """Stage and how long it took, with the sum where there are several."""
    words = {
        "prepare": "Preparing the data",
        "train": "Training",
        "train_others": "Training those not kept",
        "calibrate": "Calibration",
        "evaluate": "Evaluation",
    }
    seconds = folder.run.seconds
    facts = [(words.get(name, wording.words(name)), wording.duration(value)) for name, value in seconds.items()]
    known = [value for value in seconds.values() if value is not None]
    if len(known) > 1:
        facts.append(("Together", wording.duration(sum(known))))
    if folder.run.images_per_s:
        facts.append(("Images per second in training", wording.number(folder.run.images_per_s)))
    return facts


def model_facts(folder: RunFolder) -> list[tuple[str, str]]:
    """The network and its file."""
    run, bundle = folder.run, folder.bundle
    facts = [("Network", network_name(folder)), ("Parameters", wording.count(run.parameters))]
    if bundle is not None:
        size = wording.file_size((folder.path / "model.safetensors").stat().st_size)
        facts += [("File", f"model.safetensors, {size}"), ("Written", bundle.created)]
        facts += [(wording.words(name), wording.plain(value)) for name, value in bundle.model.kwargs.items()]
    if run.started:
        facts.append(("Started", run.started))
    if run.reproducible:
        facts.append(("Reproducible", run.reproducible))
    return facts


def licences(folder: RunFolder) -> list[tuple[str, str]]:
    """Under which terms program, model and data may be used, as far as recorded."""
    model = folder.run.licence or (folder.bundle.licence if folder.bundle else "")
    none = "none was given"
    return [
        ("Licence of Limner", LICENCE),
        ("Licence of the model", model or none),
        ("Licence of the data", folder.data.licence or none),
    ]


def hashes(folder: RunFolder) -> list[tuple[str, str]]:
    """Fingerprints by which data and model are known again; the SHA-256 of the bundle is of the file as it is now."""
    found = []
    if folder.bundle is not None:
        with (folder.path / "model.safetensors").open("rb") as file:
            found.append(("model.safetensors, SHA-256", hashlib.file_digest(file, "sha256").hexdigest()))
        found.append(("Data of the training", folder.bundle.data.hash))
    if folder.summary and folder.summary.data_hash:
        found.append(("Evaluated data", folder.summary.data_hash))
    return found


def named_values(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of a record; what is not known is left out."""
    return [(wording.words(name), wording.plain(value)) for name, value in values.items() if value not in (None, "")]
