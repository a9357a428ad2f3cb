"""What a model is not known to do: sentences computed from a run folder, the gravest first.

Layer: part of `evaluation`. Nothing is said that a file of the run does not say.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from limner.bundle import BundleMeta
from limner.evaluation import wording
from limner.evaluation.records import ClassSummary, SummaryRecord, TargetSummary
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.class_tables import group_dice
from limner.evaluation.sections.data import split_words
from limner.evaluation.sections.failures import failures
from limner.evaluation.sections.scores import averaged_classes, score_note
from limner.evaluation.sections.training import status_note

_FEW_IMAGES = 30
_FEW_OF_CLASS = 10
_RARE_SHARE = 0.001
_BAD_DICE = 0.5
_WIDE = 0.1
_GROUP_BEHIND = 0.1
_SURE_OFF = 0.05
_UNAWARE = 0.3


def caveats(folder: RunFolder, bundle: BundleMeta | None) -> list[str]:
    """Sentences on what the run does not show, or shows to be weak.

    Args:
        folder: The run.
        bundle: What its model says about itself; of a training in folds, what the first one says.
    """
    return [
        *_of_run(folder),
        *(_of_scores(folder, folder.summary) if folder.summary else ()),
        *_of_groups(folder),
        *_of_failures(folder),
        *_of_expectation(folder),
        *_of_calibration(folder),
        *_of_inputs(folder, bundle),
    ]


def _of_run(folder: RunFolder) -> Iterator[str]:
    if note := status_note(folder):
        yield note
    if folder.summary is None:
        yield "The model was not evaluated: how good it is, is unknown."
    doubts = [finding for finding in folder.check.findings if finding.level == "doubt"] if folder.check else []
    if doubts:
        yield f"The check of the data ended with {wording.plural(len(doubts), 'doubt')}: see the data card."
    if folder.check is None:
        yield "No check of the data is recorded."


def _of_scores(folder: RunFolder, summary: SummaryRecord) -> Iterator[str]:
    if note := score_note(folder):
        yield note
    if summary.n_images < _FEW_IMAGES:
        images = wording.plural(summary.n_images, f"{split_words(summary.split)} image")
        yield f"The scores rest on {images}: other images may give quite other scores."
    shares = folder.data.fingerprint.get("class_share") or {}
    for name, target in summary.targets.items():
        several = len(summary.targets) > 1
        yield from _of_target(f"{name}, " if several else "", target, summary, shares.get(name) or [])


def _of_target(prefix: str, target: TargetSummary, summary: SummaryRecord, shares: list[float]) -> Iterator[str]:
    made = target.intervals.get("dice")
    if made is not None and made.low is not None and made.high is not None and made.high - made.low > _WIDE:
        level = f"{(summary.intervals.level if summary.intervals else 0.95) * 100:g} %"
        low, high = wording.score(made.low), wording.score(made.high)
        yield f"{prefix}mean Dice: the {level} interval is wide, {low} to {high}."
    for entry in averaged_classes(target):
        share = shares[entry.id] if entry.id < len(shares) else None
        yield from (f"{prefix}{entry.name}: {found}." for found in _of_class(entry, share))


def _of_class(entry: ClassSummary, share: float | None) -> Iterator[str]:
    there = entry.n_present + entry.n_missed
    if share == 0:
        yield "no training mask holds it, so it was never learned"
    elif share is not None and share < _RARE_SHARE:
        yield f"it has {wording.share(share)} of the pixels learned from"
    if there < _FEW_OF_CLASS and there < entry.n_images:
        yield f"only {there:,} of {wording.plural(entry.n_images, 'evaluated image')} hold{'s' * (there == 1)} it"
    if entry.dice is not None and entry.dice < _BAD_DICE:
        yield f"found badly, with a mean Dice of {wording.score(entry.dice)}"
    if entry.n_missed:
        yield f"missed altogether in {entry.n_missed:,} of {wording.plural(there, 'image')} with it"
    if entry.n_false_alarm:
        free = entry.n_false_alarm + entry.n_both_empty
        yield f"predicted in {entry.n_false_alarm:,} of {wording.plural(free, 'image')} without it"


def _of_groups(folder: RunFolder) -> Iterator[str]:
    if folder.splits and not any(groups < samples for samples, groups in folder.splits.values()):
        yield (
            "No groups were given. If several images are of one patient, animal, slide or video, some of these may "
            "have been trained on and others scored, and the scores are too good."
        )
    for target in folder.summary.targets if folder.summary else ():
        means = group_dice(folder, target)
        if len(means) < 2:
            continue
        worst = min(means, key=lambda group: means[group])
        middle = statistics.median(means.values())
        if middle - means[worst] > _GROUP_BEHIND:
            yield (
                f"Groups differ: the mean Dice is {wording.score(means[worst])} in {worst}, "
                f"{wording.score(middle)} in the median group."
            )


def _of_failures(folder: RunFolder) -> Iterator[str]:
    found = failures(folder)
    if found is not None and found.found:
        yield from (f"It is worse than elsewhere on some images: {sentence}" for sentence in found.verdict)


def _of_expectation(folder: RunFolder) -> Iterator[str]:
    for name, target in (folder.summary.targets if folder.summary else {}).items():
        found = target.expectation
        if found is not None and found.n >= _FEW_IMAGES and found.spearman is not None and found.spearman < _UNAWARE:
            yield (
                f"{name}: it does not know where it is bad; the Dice it expects of an image and the Dice it gets go "
                f"together by {found.spearman:.2f} (rank correlation)."
            )


def _of_calibration(folder: RunFolder) -> Iterator[str]:
    fitted = folder.calibration.targets if folder.calibration else {}
    for name, target in (folder.summary.targets if folder.summary else {}).items():
        found = target.calibration
        if found is None or found.after.ece is None:
            yield f"{name}: what its probabilities are worth was not measured."
            continue
        if found.after.ece > _SURE_OFF:
            yield f"{name}: its probabilities are {found.after.ece:.3f} off on average (ECE)."
        if found.temperature == 1:
            because = fitted[name].because if name in fitted else ""
            yield f"{name}: its probabilities are the network's own, not calibrated{': ' * bool(because)}{because}."


def _of_inputs(folder: RunFolder, bundle: BundleMeta | None) -> Iterator[str]:
    median = folder.data.fingerprint.get("median")
    size = bundle.inputs.size if bundle and bundle.inputs.fit == "resize" else None
    if size and median and max(have / want for have, want in zip(median, size, strict=True)) > 1:
        times = wording.number(round(max(have / want for have, want in zip(median, size, strict=True)), 1))
        yield (
            f"Images are made {times} times smaller for the network ({_sides(median)} to {_sides(size)} pixels in the "
            f"median): what is narrower than {times} pixels may be lost."
        )
    for name, label_map in folder.data.label_maps.items():
        if label_map.task == "regression" and label_map.low is not None and label_map.high is not None:
            low, high = wording.number(label_map.low), wording.number(label_map.high)
            yield f"{name}: it learned from values from {f'{low} to {high} {label_map.unit}'.strip()} alone."
    smallest, largest = (folder.data.fingerprint.get(name) for name in ("smallest", "largest"))
    if smallest and largest:
        sizes = _sides(smallest) if smallest == largest else f"{_sides(smallest)} to {_sides(largest)}"
        yield f"It was made from images of {sizes} pixels (height × width): others were not tried."


def _sides(size: tuple[int, int] | list[int]) -> str:
    return " × ".join(f"{side:,}" for side in size)
