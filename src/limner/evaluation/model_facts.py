"""What a model card says: tables and facts about a run's model, its training and its scores.

Layer: part of `evaluation`. No score is computed here but the spread over groups.
"""

from __future__ import annotations

import hashlib
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from limner.bundle import BundleMeta, InputSpec, TargetSpec
from limner.evaluation import wording
from limner.evaluation.licences import licence_metadata
from limner.evaluation.markdown import Markdown, code, escape
from limner.evaluation.run_folder import FOLDS_NAME, RunFolder
from limner.evaluation.sections import calibration, class_tables, scores, training
from limner.evaluation.sections.data import split_words

Facts = list[tuple[str, str]]
Table = tuple[Sequence[str], list[Sequence[str]]]

_CHOICES = (
    *("fit", "size", "channels", "batch", "passes", "epochs", "seconds", "patience", "phases", "freeze"),
    *("encoder_weights", "losses", "class_weights", "target_weights", "lr", "ema", "augment"),
)


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a run's model.

    Attributes:
        folder: The run.
        models: The run folders that hold its models: itself, or one for each fold.
        seeds: Seeds by section of the settings, for those that `config.yaml` does not give.
    """

    folder: RunFolder
    models: Sequence[RunFolder]
    seeds: Mapping[str, int]

    @property
    def bundle(self) -> BundleMeta | None:
        """What the model says about itself; of several without an ensemble, what the first does."""
        return self.folder.bundle or next((model.bundle for model in self.models if model.bundle), None)

    def metadata(self) -> dict[str, Any]:
        """The front matter, by the names of https://github.com/huggingface/hub-docs/blob/main/modelcard.md.

        There is no `model-index`: it must name a data set of the hub, and these data are files of the user's.
        """
        summary = self.folder.summary
        tasks = {target.task for target in self.bundle.targets.values()} if self.bundle else set()
        drawn = bool(tasks - {"regression"})
        metrics = ["dice", "iou"] * bool(summary and summary.targets) + ["rmse", "mae"] * bool(
            summary and summary.numbers
        )
        return {
            **licence_metadata(self.licence),
            "library_name": "limner",
            "pipeline_tag": "image-segmentation" if drawn else "",
            "tags": ["limner", *(["image-segmentation"] if drawn else []), *sorted(tasks)],
            "metrics": metrics,
        }

    @property
    def licence(self) -> str:
        """As it was given; empty where none was."""
        return self.folder.run.licence or (self.bundle.licence if self.bundle else "")

    def details(self) -> Facts:
        """The network, its file, who made it and when."""
        first = self.models[0] if self.models else self.folder
        facts = [("Network", training.network_name(first))]
        if first.run.parameters:
            facts.append(("Parameters", wording.count(first.run.parameters)))
        if self.bundle:
            facts += training.named_values(self.bundle.model.kwargs)
            facts.append(("Arithmetic", self.bundle.precision))
            facts.append(("Written", f"{self.bundle.created}, by Limner {self.bundle.limner}"))
            facts.append(("Versions", wording.plain(self.bundle.versions)))
        facts += list(self._files())
        if self.folder.run.started_from:
            facts.append(("Started from", wording.plain(self.folder.run.started_from)))
        facts.append(("Licence", self.licence or "none was given"))
        return facts

    def _files(self) -> Iterator[tuple[str, str]]:
        whole = [self.folder] if self.folder.in_folds and self.folder.bundle else []
        for model in [*whole, *self.models]:
            path = model.path / "model.safetensors"
            if path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                of_fold = self.folder.in_folds and model is not self.folder
                name = f"{FOLDS_NAME}/{model.name}/{path.name}" if of_fold else path.name
                size = wording.file_size(path.stat().st_size)
                yield "File", Markdown(f"{code(name)}, {size}, SHA-256 {code(digest)}")

    def inputs(self) -> Facts:
        """What pictures it takes."""
        if self.bundle is None:
            return []
        spec = self.bundle.inputs
        channels = wording.count(spec.channels)
        if spec.parts:
            channels += f": {wording.plain(spec.parts)}, in this order"
        facts = [("Channels", channels)]
        stored = {"uint8": "8-bit numbers", "uint16": "16-bit numbers", "float32": "decimal numbers"}[spec.dtype]
        facts.append(("Stored as", f"{stored} ({spec.dtype})"))
        facts.append(("Values", f"{wording.number(spec.low)} to {wording.number(spec.high)}"))
        facts.append(("Size", self._size(spec)))
        if spec.plane:
            facts.append(("Plane of volumes", spec.plane))
        mean, deviation = wording.plain(list(spec.mean)), wording.plain(list(spec.std))
        facts.append(("Normalisation", f"mean {mean}, deviation {deviation}, per channel on a scale of 0 to 1"))
        return facts

    def _size(self, spec: InputSpec) -> str:
        size = " × ".join(map(str, spec.size)) if spec.size else ""
        if spec.fit == "resize":
            return f"any; resized to {size} (height × width) for the network, and the answer resized back"
        tile = self.bundle.tiling.size if self.bundle else 0
        crops = f"; trained on crops of {size}" if size else ""
        return f"any, at its own scale{crops}; larger than {tile:,} pixels in overlapping tiles"

    def targets(self) -> Table | None:
        """A line for each class, with its label map and threshold."""
        if self.bundle is None:
            return None
        lines: list[Sequence[str]] = []
        for name, spec in self.bundle.targets.items():
            values = spec.label_map.get("values") or []
            for place, label in enumerate(spec.names):
                stored = wording.plain(values[place]) if place < len(values) else wording.DASH
                lines.append((name, spec.task, str(place), label, stored, self._threshold(spec, place)))
        return (
            (("Target", "Task", "Id", "Class", "In the masks it learned from", "Threshold"), lines) if lines else None
        )

    @staticmethod
    def _threshold(spec: TargetSpec, place: int) -> str:
        return wording.number(spec.thresholds[place] if spec.thresholds else 0.5)

    def post_processing(self) -> str:
        """What happens to masks after the threshold."""
        steps = self.bundle.post_processing if self.bundle else []
        return "; ".join(f"{step.label}: {wording.step_words(step.step, step.area)}" for step in steps) or "none"

    def numbers(self) -> Facts:
        """Targets of numbers, with unit and range."""
        targets = self.bundle.targets if self.bundle else {}
        return [
            (name, f"{wording.number(spec.low)} to {wording.number(spec.high)} {spec.unit}".strip())
            for name, spec in targets.items()
            if spec.task == "regression"
        ]

    def trained(self) -> Facts:
        """How long, where, from which seed."""
        facts: Facts = []
        if self.folder.in_folds:
            facts.append(("Models", f"{len(self.models)}, each without one fold of the samples"))
            if self.folder.bundle:
                facts.append(("Ensemble", "of all of them: their probabilities are averaged"))
        last = [model.epochs[-1].epoch for model in self.models if model.epochs]
        if last:
            facts.append(("Epochs", wording.plain(last if len(last) > 1 else last[0])))
        best = [found.epoch for model in self.models if (found := training.best_epoch(model.epochs))]
        if best:
            facts.append(("Weights kept of epoch", wording.plain(best if len(best) > 1 else best[0])))
        facts += [(name, value) for name, value in training.timings(self.folder)]
        machine = training.named_values(self.folder.run.machine)
        if machine:
            facts.append(("Machine", ", ".join(f"{name.lower()} {value}" for name, value in machine)))
        if self.folder.run.started:
            facts.append(("Started", self.folder.run.started))
        facts.append(("Samples", self._samples()))
        seed = settings_of(self.folder, "training").get("seed", self.seeds.get("training"))
        facts.append(("Seed", wording.plain(seed) if seed is not None else "not recorded"))
        return facts

    def _samples(self) -> str:
        parts = [f"{count:,} {split_words(split)}" for split, (count, _) in self.folder.splits.items()]
        return ", ".join(parts) or "not recorded"

    def plan(self) -> Table | None:
        """The main choices with their reasons."""
        plan = self.models[0].plan if self.models else {}
        chosen = [(name, _used(plan[name].value), plan[name].because) for name in _CHOICES if name in plan]
        lines: list[Sequence[str]] = [
            (wording.words(name), wording.plain(value), "set by hand" if because == "set" else because or wording.DASH)
            for name, value, because in chosen
            if value not in (None, [], {})
        ]
        return (("Choice", "Value", "Because"), lines) if lines else None

    def evaluated(self) -> Facts:
        """On which samples it was scored."""
        summary = self.folder.summary
        if summary is None:
            return []
        facts = [("Samples", f"{wording.plural(summary.n_images, 'image')}, {split_words(summary.split) or 'unnamed'}")]
        grouped = {row.group for row in self.folder.groups}
        if grouped:
            facts.append(("Groups", wording.count(len(grouped))))
        if summary.data_hash:
            facts.append(("Fingerprint of these data", code(summary.data_hash)))
        return facts

    def score_tables(self) -> list[tuple[str, Table]]:
        """Title and table: scores by class of each target, and errors of numbers."""
        summary = self.folder.summary
        if summary is None:
            return []
        found: list[tuple[str, Table]] = []
        for name, target in summary.targets.items():
            tables = class_tables.target_tables(self.folder, name)
            for title, part in (("means over images", tables.main), ("further means", tables.more)):
                found.append((f"{name}: {title}", _score_table(part)))
            counted: list[Sequence[str]] = [
                (entry.name, *map(wording.count, (entry.n_present, entry.n_missed, entry.n_false_alarm)))
                for entry in scores.averaged_classes(target)
            ]
            heads = ("Class", "In truth and prediction", "Missed", "False alarm")
            found.append((f"{name}: images in which each class is", (heads, counted)))
        for name, numbers in summary.numbers.items():
            errors: list[Sequence[str]] = [
                (title, _with_interval(metric, numbers.mean, numbers.intervals), _error(metric, numbers.pooled))
                for metric, title in _errors(numbers.unit).items()
            ]
            found.append((f"{name}: errors", (("Error", "Mean over images", "Pooled"), errors)))
        return found

    def ensemble(self) -> Facts:
        """Scores of the ensemble of the folds on test samples; none where there are none."""
        found = self.folder.ensemble
        if found is None:
            return []
        facts = [("Samples", f"{wording.plural(found.n_images, 'image')}, which no fold saw")]
        for name, target in found.targets.items():
            facts.append((f"{name}, mean Dice", _with_interval("dice", target.mean, target.intervals)))
        for name, numbers in found.numbers.items():
            facts.append((f"{name}, mean RMSE", _with_interval("rmse", numbers.mean, numbers.intervals)))
        return facts

    def interval_note(self) -> str:
        """What the intervals are, or why there are none."""
        return class_tables.interval_note(self.folder.summary) if self.folder.summary else ""

    def fold_tables(self) -> list[tuple[str, Table]]:
        """Scores of each fold, by target."""
        found: list[tuple[str, Table]] = []
        for folds in scores.fold_tables(self.folder.summary) if self.folder.summary else ():
            lines: list[Sequence[str]] = [(f"Fold {fold}", wording.count(n), *own) for fold, n, own in folds.lines]
            lines.append(("Mean ± standard deviation", "", *folds.spread))
            found.append(
                (f"{folds.target}: mean over the images of each fold", (("Fold", "Images", *folds.columns), lines))
            )
        return found

    def spreads(self) -> list[tuple[str, str]]:
        """How scores spread over images and over groups, by target."""
        found = [
            (
                f"{spread.target}, {spread.measure} by image",
                ", ".join(f"{name.lower()} {value}" for name, value in spread.facts),
            )
            for spread in (*scores.distributions(self.folder), *scores.error_distributions(self.folder))
        ]
        for target in self.folder.summary.targets if self.folder.summary else ():
            means = class_tables.group_dice(self.folder, target)
            if means:
                low, high = min(means, key=lambda name: means[name]), max(means, key=lambda name: means[name])
                middle = wording.score(statistics.median(means.values()))
                found.append(
                    (
                        f"{target}, Dice by group",
                        f"lowest {wording.score(means[low])} ({low}), median {middle}, "
                        f"highest {wording.score(means[high])} ({high}), of {wording.plural(len(means), 'group')}",
                    )
                )
        return found

    def calibrated(self) -> list[tuple[str, Facts]]:
        """What probabilities are worth, by target."""
        found = []
        for entry in calibration.calibrations(self.folder):
            facts = list(entry.facts)
            facts += [("On the images it was fitted on", note) for note in entry.notes]
            for name, choice in entry.thresholds:
                facts.append(
                    (f"Threshold of {name}, for {entry.goal}", f"{wording.score(choice.threshold)}: {choice.because}")
                )
            found.append((entry.target, facts))
        return found

    @property
    def file(self) -> str:
        """The model's file in the run; of several models without an ensemble, the first."""
        return "model.safetensors" if self.folder.bundle else self._of_first("model.safetensors")

    @property
    def plan_file(self) -> str:
        """The file of its plan."""
        return self._of_first("plan.yaml")

    def _of_first(self, name: str) -> str:
        return f"{FOLDS_NAME}/{self.models[0].name}/{name}" if self.folder.in_folds and self.models else name

    def answers(self) -> list[str]:
        """Lines of Python that get each target out of a prediction, with what they hold."""
        targets = self.bundle.targets if self.bundle else {}
        drawn = [name for name, spec in targets.items() if spec.task != "regression"]
        lines = []
        for name, spec in targets.items():
            if spec.task == "regression":
                lines.append(
                    f"{_variable(name)} = prediction.values[{name!r}]  # height × width, {spec.unit or 'numbers'}"
                )
                continue
            what = "height × width × class, 0 and 1" if spec.task == "multilabel" else "height × width, class ids"
            place = "prediction.mask" if len(drawn) == 1 or name == "mask" else f"prediction.masks[{name!r}]"
            lines.append(f"{_variable(name)} = {place}  # {what}")
        return lines

    @property
    def pictures(self) -> str:
        """The arguments of `limner predict`, for a shell."""
        parts = self.bundle.inputs.parts if self.bundle else {}
        return " ".join(f"--input {shlex.quote(f'{name}=PICTURES')}" for name in parts) or "NEW_PICTURES"

    @property
    def picture(self) -> str:
        """The argument of `predict`, as Python."""
        parts = self.bundle.inputs.parts if self.bundle else {}
        if not parts:
            return '"new.png"'
        return "{" + ", ".join(f'{name!r}: "new_{number}.png"' for number, name in enumerate(parts, start=1)) + "}"


def settings_of(folder: RunFolder, section: str) -> dict[str, Any]:
    """A section of `config.yaml`; empty where it has none, or the file cannot be read."""
    try:
        settings = yaml.safe_load(folder.config) or {}
    except yaml.YAMLError:
        return {}
    own = settings.get(section) if isinstance(settings, dict) else None
    return own if isinstance(own, dict) else {}


def _used(value: Any) -> Any:
    """A choice without those of its parts that do nothing."""
    if not isinstance(value, Mapping):
        return value
    return {name: part for name, part in value.items() if part not in (None, False, 0)}


def _score_table(content: class_tables.ScoreTable) -> Table:
    rows = [
        ("Mean" if entry is None else entry.name, *(_cell(cell) for cell in cells)) for entry, cells in content.rows
    ]
    return ("Class", *content.headings), list(rows)


def _cell(cell: class_tables.Cell) -> Markdown:
    return Markdown(f"{escape(cell.value)} {cell.interval}".rstrip())


def _errors(unit: str) -> dict[str, str]:
    inside = f" ({unit})" if unit else ""
    return {"rmse": f"RMSE{inside}", "mae": f"MAE{inside}", "abs_rel": "AbsRel", "silog": "SILog", "delta": "δ < 1.25"}


def _with_interval(metric: str, errors: Any, intervals: Mapping[str, Any]) -> Markdown:
    return _cell(class_tables.cell(metric, errors, intervals))


def _error(metric: str, errors: Any) -> Markdown:
    return _cell(class_tables.cell(metric, errors))


def _variable(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else "answer"
