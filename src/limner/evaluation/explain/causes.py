"""Which faults explain what was found, the likeliest first.

Layer: part of `evaluation`. The rules:

1. A picture that is refused, constant or a mask is explained by that.
2. Where the bundle knows how its training pictures look with faults, a picture that looks as if it had one is explained
   by it (`suspects`). What undoing it brings is told beside it.
3. Where it does not, or where the truth is known, a change of the picture speaks for its fault where its benefit (the
   share of the distance to the training pictures that it takes away, and the Dice that it adds) is at least `WORTH`,
   and it does not leave the picture strange. A change that undoes its fault roughly counts `MARGIN` less than one that
   does so exactly, and one of size `MARGIN` less again: there are many of them, and almost every picture knows one that
   makes the model surer. A true mask makes that unnecessary.
4. Threshold, steps and tiles are weighed by the Dice that they add, in the same unit.
5. A strange picture that no change brings near is of another kind. Where nothing is answered about a usual picture,
   nothing is there. Where the model is unsure of a usual picture, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from limner.evaluation.explain.findings import STRANGE, Cause, Kind, Sight, Trial
from limner.evaluation.explain.rungs import THRESHOLDS, Sweep, effect
from limner.evaluation.explain.suspects import AS_GIVEN, Suspicion

WORTH = 0.15
"""Benefit below which a change explains nothing."""
MARGIN = 0.1
"""By which a rough change must be better than an exact one, and a change of size better than a rough one."""
NEAR = 1.2
"""Distance to the training pictures to which a change must bring a picture, a little above the limit: it is rough."""
DROP = 0.15
"""Dice below the usual from which an answer is doubtful."""
WEAK = 0.6
"""Usual Dice below which the model itself is weak."""
UNSURE_THRESHOLD = 0.4
"""Promise below which a class that another threshold would answer is not worth it."""

_CERTAIN = 3.0
_OF_FILES: tuple[Kind, ...] = ("values", "alpha")
_OF_ANSWERS: tuple[Kind, ...] = ("threshold", "steps", "tiles")
_BELOW_LOOKS = 0.3
_TITLES: dict[Kind, tuple[str, str]] = {
    "values": (
        "The values are on another scale than those of the training pictures",
        "Save the picture with the numbers of the training pictures: {change}.",
    ),
    "channels": (
        "The channels are in another order, such as BGR for RGB",
        "Give the {change}; OpenCV reads BGR, which cvtColor(picture, COLOR_BGR2RGB) turns round.",
    ),
    "inverted": (
        "Light and dark are exchanged",
        "Invert the picture, or train with inverted pictures too.",
    ),
    "exposure": (
        "The exposure differs: the picture is too dark or too bright",
        "Bring it to the exposure of the training pictures ({change} helps), or train with stronger changes of "
        "brightness.",
    ),
    "size": (
        "The magnification differs: objects are shown at another size than in training",
        "Scale the picture, or crop or stitch it, so that objects are as large as in training ({change} helps).",
    ),
    "turned": (
        "The picture is turned or mirrored in a way that the model has not learned",
        "Give {change}, or train with flips and quarter turns.",
    ),
    "blurred": (
        "The picture is blurred or out of focus",
        "Take it again in focus, or train with blurred pictures. Sharpening seldom brings back what is lost.",
    ),
    "noisy": (
        "The picture is noisy, or was compressed too strongly",
        "Take it with more light or less compression; {change} helps.",
    ),
    "alpha": (
        "The picture is see-through in parts, and its hidden colours are looked at",
        "Save it without opacity: {change}.",
    ),
    "threshold": ("The threshold hides what the model sees", "{change}."),
    "steps": (
        "Steps after the threshold remove what the model answers",
        "Use smaller steps after the threshold for pictures like this, or none.",
    ),
    "tiles": (
        "Cutting the picture into tiles changes the answer",
        "Predict it in larger tiles, or in parts that fit into one.",
    ),
}


@dataclass(frozen=True)
class Evidence:
    """What the causes are judged by.

    Attributes:
        sight: How the model sees the picture as given, steps after the threshold included.
        trials: Changes that were tried.
        sweeps: Of thresholds, where they decide.
        usual: Usual Dice of the model; NaN unknown.
        usual_of: What that was measured on, in words.
        constant: Whether the picture is of a single colour.
        mask_values: The few values of a picture that has no more.
        refused: Why the predictor refuses the picture, if it does, and with what it was looked at instead.
        lost_detail: By how much it is less sharp than the least sharp training picture, see `rungs.lost_detail`.
        suspicion: Which fault it looks as if it had; None where that is not known.
    """

    sight: Sight
    trials: Sequence[Trial]
    sweeps: Sequence[Sweep] = ()
    usual: float = math.nan
    usual_of: str = ""
    constant: bool = False
    mask_values: Sequence[float] | None = None
    refused: Cause | None = None
    lost_detail: float = 0.0
    suspicion: Suspicion | None = None

    @property
    def looks_usual(self) -> bool:
        """Whether it is known to look as training pictures do, rather than as they do with some fault."""
        return self.suspicion is not None and self.suspicion.kind is None

    @property
    def doubtful(self) -> bool:
        """Whether anything is to be explained: a strange picture, no answer, or less Dice than usual."""
        expected = 0.8 if math.isnan(self.usual) else self.usual
        empty = self.sight.area == 0 and math.isnan(self.sight.dice)
        return self.sight.strange or empty or self.sight.worth < expected - DROP


def rank_causes(evidence: Evidence) -> list[Cause]:
    """The causes, the likeliest first; none where nothing is wrong."""
    first = _of_the_file(evidence)
    looks = _of_looks(evidence)
    found = first + looks + [cause for cause in _of_trials(evidence) if cause.kind not in {one.kind for one in looks}]
    found += _of_thresholds(evidence)
    found += _of_detail(evidence, explained=bool(found))
    found = sorted(found, key=lambda cause: -cause.weight)
    if not first:
        found += _of_the_rest(evidence, bool(found))
    return found


def _of_the_file(evidence: Evidence) -> list[Cause]:
    if evidence.constant:
        return [
            Cause(
                "constant",
                "The picture is empty: every pixel has the same value",
                "lowest and highest value are the same",
                "Look whether the file was written or exported as meant.",
                _CERTAIN,
            )
        ]
    found = [evidence.refused] if evidence.refused else []
    if evidence.mask_values is not None:
        shown = ", ".join(f"{value:g}" for value in evidence.mask_values)
        found.append(
            Cause(
                "mask file",
                "This looks like a mask, not like a picture",
                f"it is grey and holds the values {shown} alone",
                "Give the picture that belongs to it.",
                _CERTAIN,
            )
        )
    return found


def _of_looks(evidence: Evidence) -> list[Cause]:
    """The faults that the picture looks as if it had; of less likely ones those at least half as probable."""
    suspicion = evidence.suspicion
    if suspicion is None or suspicion.kind is None or evidence.mask_values is not None:
        return []
    kinds = [kind for kind in suspicion.limits if suspicion.suspects(kind)]
    most = max((suspicion.shares[kind] for kind in kinds), default=0.0)
    found = [_looking(kind, suspicion, evidence) for kind in kinds if suspicion.shares[kind] >= most / 2]
    if not suspicion.strange:
        return found
    evident = (
        f"it resembles training pictures {suspicion.words} most, but is {suspicion.far:.1f} times as far from them as "
        "they are from one another"
    )
    return [_of_another_kind(evidence.sight, evident, 1.0), *(one for one in found if one.kind != "another kind")]


def _looking(kind: Kind, suspicion: Suspicion, evidence: Evidence) -> Cause:
    share = suspicion.shares[kind]
    words = "" if suspicion.words == AS_GIVEN or kind != suspicion.kind else f"{suspicion.words} "
    evident = f"it looks as training pictures do {words}({share:.0%}; without a fault {suspicion.shares[AS_GIVEN]:.0%})"
    if kind == "another kind":
        return _of_another_kind(evidence.sight, evident, share)
    title, remedy = _TITLES[kind]
    trials = [trial for trial in evidence.trials if trial.kind == kind]
    if not trials:
        return Cause(kind, title, evident, remedy.format(change="it as in training"), share)
    best = max(trials, key=lambda trial: trial.benefit)
    evident += f"; {best.change}: {effect(best)}"
    return Cause(kind, title, evident, remedy.format(change=best.change), share, best)


def _of_trials(evidence: Evidence) -> list[Cause]:
    """The best trial of every kind that explains enough."""
    if evidence.constant:
        return []
    best: dict[Kind, Trial] = {}
    for trial in filter(helps, evidence.trials):
        if trial.kind not in best or trial.benefit > best[trial.kind].benefit:
            best[trial.kind] = trial
    if evidence.suspicion is None:
        return [_cause(trial, _weight(trial)) for trial in best.values()]
    found = []
    for trial in best.values():
        if trial.kind in _OF_FILES:
            # What a change of the file explains is no fault of the picture, whatever it looks like.
            if not evidence.looks_usual or trial.before.strange:
                found.append(_cause(trial, 1 + trial.benefit))
        elif trial.kind in _OF_ANSWERS:
            found.append(_cause(trial, _weight(trial)))
        elif not math.isnan(trial.after.dice) and trial.surer >= WORTH:
            # The truth says that this helps; what the picture looks like comes first.
            found.append(_cause(trial, min(trial.surer, _BELOW_LOOKS)))
    return found


def helps(trial: Trial) -> bool:
    """Whether a change explains something: it brings enough, and does not leave the picture strange."""
    left_strange = trial.after.strangeness > NEAR and trial.kind not in _OF_ANSWERS
    # A strange picture has some cause; about a usual one a rough change must say more than chance does.
    brings = trial.benefit if trial.before.strange else _weight(trial)
    return brings >= WORTH and not left_strange


def _weight(trial: Trial) -> float:
    """Benefit of a change, less a margin if it is rough, and another if it is one of size.

    Where the truth is known, a better answer is no chance.
    """
    if trial.exact or not math.isnan(trial.after.dice):
        return trial.benefit
    return trial.benefit - MARGIN * (1 + (trial.kind == "size"))


def _cause(trial: Trial, weight: float) -> Cause:
    title, remedy = _TITLES[trial.kind]
    return Cause(
        trial.kind, title, f"{trial.change}: {effect(trial)}", remedy.format(change=trial.change), weight, trial
    )


def _of_thresholds(evidence: Evidence) -> list[Cause]:
    """A class that is seen but not answered, by the threshold alone."""
    found = []
    for sweep in evidence.sweeps:
        promise = sweep.promises[sweep.best]
        if evidence.constant or sweep.gain < WORTH or promise < UNSURE_THRESHOLD:
            continue
        threshold, area = THRESHOLDS[sweep.best], sweep.areas[sweep.best]
        change = (
            f"Choose a threshold near {threshold:g} for {sweep.label} (limner calibrate RUN --goal max-dice), or find "
            "out why the model is unsure"
        )
        evident = (
            f"{sweep.label} is answered above {sweep.threshold:.2g}; at {threshold:g} it would cover {area:.1%} of the "
            f"picture, and its probabilities promise a Dice of {promise:.2f} instead of {sweep.promise:.2f}"
        )
        title, remedy = _TITLES["threshold"]
        found.append(Cause("threshold", title, evident, remedy.format(change=change), sweep.gain - MARGIN))
    return found


def _of_detail(evidence: Evidence, *, explained: bool) -> list[Cause]:
    """A picture less sharp than any of the training; nothing can undo that, so no trial shows it.

    A dark or flat picture has faint detail, too, so this counts only where no change explains it.
    """
    if evidence.suspicion is not None or evidence.constant or evidence.lost_detail < WORTH or explained:
        return []
    title, remedy = _TITLES["blurred"]
    evident = (
        f"it has {evidence.lost_detail:.0%} less fine detail than the least sharp training picture, beside "
        "enough contrast"
    )
    return [Cause("blurred", title, evident, remedy, evidence.lost_detail - MARGIN)]


def _of_the_rest(evidence: Evidence, explained: bool) -> list[Cause]:
    """What is left to say where no change explains the answer."""
    sight = evidence.sight
    found = []
    limit = NEAR if evidence.looks_usual else STRANGE
    if not explained and sight.strangeness > limit:
        found.append(
            _of_another_kind(
                sight, "no change of values, channels, size or sharpness brings it near", sight.strangeness - STRANGE
            )
        )
    elif not explained and sight.area == 0 and (math.isnan(sight.dice) or sight.dice < 1):
        found.append(
            Cause(
                "nothing there",
                "The model sees nothing here, and the picture is like its training pictures: either nothing is there, "
                "or it is a kind of object that it has not learned",
                f"highest probability {sight.highest:.2f}, and no change of the picture brings an answer",
                "If something is there, add pictures of its kind with masks to the training.",
                1 - sight.highest,
            )
        )
    elif not explained and evidence.doubtful and not math.isnan(sight.worth):
        found.append(
            Cause(
                "unsure",
                "The picture is given as in training, but it is a hard one for this model",
                f"{'expected' if math.isnan(sight.dice) else 'real'} Dice {sight.worth:.2f}"
                + ("" if math.isnan(evidence.usual) else f", usual {evidence.usual:.2f}"),
                "Correct its mask by hand and train with it and with others like it.",
                0.0,
            )
        )
    if evidence.usual < WEAK:
        found.append(
            Cause(
                "weak model",
                f"The model itself is weak: mean Dice {evidence.usual:.2f} {evidence.usual_of}",
                "its answers are poor about pictures as it knows them",
                "Train longer or with more samples, and look at limner check and limner review for wrong masks.",
                WEAK - evidence.usual if not found else 0.0,
            )
        )
    return found


def _of_another_kind(sight: Sight, evident: str, weight: float) -> Cause:
    far = f"distance to the training pictures {sight.strangeness:.2f}, above 1 is unlike ({sight.because}); "
    return Cause(
        "another kind",
        "This is another kind of picture than the model was trained on",
        ("" if math.isnan(sight.strangeness) else far) + evident,
        "Do not trust the answer. Use pictures like those of the training, or train with pictures like this.",
        weight,
    )


def verdict(evidence: Evidence, causes: Sequence[Cause]) -> str:
    """The outcome in a sentence."""
    sight = evidence.sight
    if causes:
        return causes[0].title + "."
    worth = (
        ""
        if math.isnan(sight.worth)
        else f"; {'expected' if math.isnan(sight.dice) else 'real'} Dice {sight.worth:.2f}"
    )
    return f"Nothing is wrong with how the picture is given{worth}."


def refused_cause(kind: Kind, found: str, expected: str, remedy: str, trial: Trial | None) -> Cause:
    """A picture that the predictor does not take, and what was found with a conversion."""
    title = {
        "values": "The model does not take such values",
        "channels": "The model does not take such channels",
    }.get(kind, "The model does not take this picture")
    evidence = f"expected {expected}; found {found}"
    cause = Cause(kind, title, evidence, remedy, _CERTAIN)
    if trial is None:
        return cause
    evidence += f". Taken as {trial.change}: {answered(trial.after)}"
    return replace(cause, evidence=evidence, remedy=f"Convert it: {trial.change}. {remedy}", trial=trial)


def answered(sight: Sight) -> str:
    """An answer in few words."""
    strange = "" if math.isnan(sight.strangeness) else f"distance to the training pictures {sight.strangeness:.2f}, "
    if math.isnan(sight.promise):
        return strange.removesuffix(", ") or "answered"
    return f"{strange}expected Dice {sight.promise:.2f}, area {sight.area:.1%}"
