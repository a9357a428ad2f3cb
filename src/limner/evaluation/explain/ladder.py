"""The whole ladder: one picture looked at, changed in many ways, and explained.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from jaxtyping import Shaped

from limner.data.catalog import Catalog
from limner.errors import DataError
from limner.evaluation.explain import given as reading
from limner.evaluation.explain import rungs
from limner.evaluation.explain.causes import Evidence, rank_causes, refused_cause, verdict
from limner.evaluation.explain.findings import USUAL, Cause, Kind, Rung, Sight, Trial
from limner.evaluation.explain.looking import Model, Truth, Viewer, summarise
from limner.evaluation.explain.nearest import Neighbour, nearest
from limner.evaluation.explain.suspects import Suspicion, suspect
from limner.evaluation.explain.trials import Scene, make_scene, try_sizes, try_turns, try_values
from limner.inference.inputs import ModelInput, scaled
from limner.inference.prediction import Prediction
from limner.inference.tiling import plan_tiles
from limner.types import Progress, Size, no_progress

_NEIGHBOURS = 4
_POSSIBLE = 0.05
"""Probability of a fault from which what undoes it is tried."""
_SEEN_THROUGH = 0.01
_MOST_WHOLE = 2048
"""Side up to which a picture is predicted in one piece, to see what its tiles change."""


@dataclass(frozen=True, eq=False)
class Background:
    """What is known of a model besides its bundle.

    Attributes:
        usual: Its usual Dice; NaN unknown.
        usual_of: What that was measured on, in words.
        catalog: The samples of its run, if there is one.
        alike: What became of test pictures like this one, if known.
    """

    usual: float = math.nan
    usual_of: str = ""
    catalog: Catalog | None = None
    alike: Rung | None = None

    @property
    def sizes(self) -> list[Size]:
        """Sizes of the training pictures, as far as they are known."""
        if self.catalog is None:
            return []
        facts, splits = self.catalog.facts, self.catalog.splits
        rows = zip(splits, facts.get("height", []), facts.get("width", []), strict=False)
        return [(int(height), int(width)) for split, height, width in rows if split == "train" and height and width]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a prediction is as it is.

    Attributes:
        picture: Name of the picture.
        verdict: The outcome in a sentence.
        rungs: What was looked at, in order.
        causes: What may be wrong, the likeliest first; empty where nothing is.
        trials: Changes that were tried.
        original: With the network's channels and numbers, at its own size; None of a picture that cannot be taken.
        pixels: As the network sees it.
        prediction: Its answer, at the picture's own size.
        neighbours: The training pictures most like it.
    """

    picture: str
    verdict: str
    rungs: Sequence[Rung]
    causes: Sequence[Cause]
    trials: Sequence[Trial] = ()
    original: np.ndarray | None = field(default=None, repr=False)
    pixels: np.ndarray | None = field(default=None, repr=False)
    prediction: Prediction | None = field(default=None, repr=False)
    neighbours: Sequence[Neighbour] = field(default=(), repr=False)

    @property
    def cause(self) -> Cause | None:
        """The likeliest cause."""
        return self.causes[0] if self.causes else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "picture": self.picture,
            "verdict": self.verdict,
            "causes": [cause.to_dict() for cause in self.causes],
            "rungs": [rung.to_dict() for rung in self.rungs],
            "trials": [trial.to_dict() for trial in self.trials],
            "nearest": [{"id": one.id, "distance": round(one.distance, 4)} for one in self.neighbours],
        }


Picture = Shaped[np.ndarray, "height width channels"] | Mapping[str, Shaped[np.ndarray, "height width channels"]]


def explain_picture(
    model: Model,
    picture: Picture,
    where: str,
    truth: Truth,
    background: Background,
    progress: Progress = no_progress,
) -> Explanation:
    """Climb the ladder.

    Args:
        model: The model.
        picture: As it was read; by name where the network has several inputs.
        where: Its name.
        truth: True masks at its own size, by target; empty where none is known.
        background: What else is known of the model.
        progress: Told of the progress.

    Raises:
        DataError: One picture where there are several inputs, or the reverse.
        ResourceError: It does not fit in memory.
    """
    viewer = Viewer(model)
    inputs = model.meta.inputs
    error = reading.refusal(picture, inputs, where)
    if error is not None and isinstance(picture, Mapping):
        raise error
    raw = list(picture.values())[-1] if isinstance(picture, Mapping) else picture
    taken, refused = _taken(viewer, picture, error, where)
    first = rungs.given_rung(raw, error, taken.words if taken else "")
    if taken is None:
        assert refused is not None
        return Explanation(where, f"{refused.title}.", [first], [refused])
    original = taken.pixels
    one = ModelInput(original, scaled(original, inputs), where)
    constant = bool((original == original[:1, :1]).all())
    suspicion = None if constant else suspect(original, model.meta)
    look = _Look(viewer, one, truth, rungs.times_training(one.size, background.sizes))
    trials = () if constant else tuple(_trials(look, raw, suspicion, progress))
    evidence = Evidence(
        look.sight,
        trials,
        rungs.sweep(look.without, model.meta) if not math.isnan(look.sight.promise) else (),
        background.usual,
        background.usual_of,
        constant,
        reading.looks_like_a_mask(original, model.meta) if not constant else None,
        refused,
        rungs.lost_detail(one.pixels, model.meta),
        suspicion,
    )
    causes = rank_causes(evidence)
    neighbours = nearest(one.pixels, model.meta, background.catalog, _NEIGHBOURS)
    ladder = [first, *_rungs(look, evidence, background, neighbours)]
    return Explanation(
        where, verdict(evidence, causes), ladder, causes, trials, original, one.pixels, look.answer, neighbours
    )


class _Look:
    """The answers of a model about one picture as given: as usual, without steps, of several views, in one piece."""

    def __init__(self, viewer: Viewer, one: ModelInput, truth: Truth, times: float) -> None:
        self.viewer, self.one, self.truth = viewer, one, truth
        self.model = viewer.model
        meta = self.model.meta
        self.without = self._ask()
        self.answer = self._ask(post_processing=meta.post_processing) if meta.post_processing else self.without
        self.views = self._ask("tta")
        self.scene: Scene = make_scene(viewer, one.picture, one.pixels, truth, times)
        tile, size = meta.tiling.size, one.pixels.shape[:2]
        self.tiles = len(plan_tiles((size[0], size[1]), tile, meta.tiling.overlap)) if max(size) > tile else 1
        whole: dict[str, Any] = {"tiling": meta.tiling.model_copy(update={"size": _MOST_WHOLE})}
        self.whole = self._ask(**whole) if self.tiles > 1 and max(size) <= _MOST_WHOLE else None
        self.sight = self.judge(self.answer)

    def _ask(self, uncertainty: str = "single", **changes: Any) -> Prediction:
        predictor = self.model.predictor(uncertainty, **({"post_processing": []} | changes))
        return next(predictor.predict_inputs([self.one], doubts=True))

    def judge(self, prediction: Prediction) -> Sight:
        """An answer at the picture's own size, in numbers."""
        seen = self.scene.whole
        return summarise(prediction, self.model.meta, *seen, self.truth)


def _taken(
    viewer: Viewer, picture: Picture, error: DataError | None, where: str
) -> tuple[reading.Converted | None, Cause | None]:
    """The picture as the model takes it, and why it does not take it as it is."""
    inputs = viewer.model.meta.inputs
    if error is None:
        return reading.taken(picture, inputs, where), None
    assert not isinstance(picture, Mapping)
    kind: Kind = "channels" if str(picture.dtype) == inputs.dtype and "channel" in error.expected else "values"
    looked = []
    for way in reading.conversions(picture, inputs):
        pixels = scaled(way.pixels, inputs)
        looked.append((way, viewer.see(pixels, viewer.predict(pixels))))
    if not looked:
        return None, refused_cause(kind, error.found, error.expected, error.remedy, None)
    way, sight = max(looked, key=lambda pair: _merit(pair[1]))
    trial = Trial(kind, way.words, sight, sight)
    return way, refused_cause(kind, error.found, error.expected, error.remedy, trial)


def _merit(sight: Sight) -> float:
    """Of conversions the one that brings the picture nearest, and of these the one with the surest answer."""
    far = 0.0 if math.isnan(sight.strangeness) else max(sight.strangeness, USUAL)
    return (0.0 if math.isnan(sight.promise) else sight.promise) - far


def _trials(look: _Look, raw: np.ndarray, suspicion: Suspicion | None, progress: Progress) -> Iterator[Trial]:
    """Everything that is tried.

    Without a truth to judge by, changes that undo a fault which the picture does not look like at all are left out.
    """
    viewer, scene, meta = look.viewer, look.scene, look.model.meta
    shares = {} if suspicion is None or look.truth else suspicion.shares
    possible = {kind for kind in get_args(Kind) if shares.get(kind, 1.0) >= _POSSIBLE}
    for done, tried in enumerate((try_values, try_sizes, try_turns)):
        progress("explain", done, 3)
        yield from tried(viewer, scene, possible)
    progress("explain", 3, 3)
    yield from _grounds(look, raw)
    if meta.post_processing:
        yield Trial("steps", "without steps after the threshold", look.sight, look.judge(look.without))
    if look.whole is not None:
        yield Trial("tiles", "in one piece", look.judge(look.without), look.judge(look.whole))


def _grounds(look: _Look, raw: np.ndarray) -> Iterator[Trial]:
    """A picture that is see-through, on white and on black."""
    inputs = look.model.meta.inputs
    through = reading.alpha(raw, inputs.channels)
    if not through or through < _SEEN_THROUGH or str(raw.dtype) != inputs.dtype:
        return
    for white in (True, False):
        try:
            shown = reading.on_ground(raw, inputs.channels, white=white)
        except DataError:
            return
        scene = make_scene(look.viewer, shown, scaled(shown, inputs), look.truth)
        words = f"on {'white' if white else 'black'} ground instead of see-through"
        yield Trial("alpha", words, look.scene.before, scene.before)


def _rungs(look: _Look, evidence: Evidence, background: Background, neighbours: Sequence[Neighbour]) -> Iterator[Rung]:
    meta, one = look.model.meta, look.one
    yield rungs.values_rung(one.picture, meta.inputs)
    yield rungs.channels_rung(one.pixels, meta)
    yield rungs.detail_rung(one.picture, one.pixels, meta)
    yield rungs.size_rung(one.size, meta, background.sizes)
    yield rungs.familiarity_rung(look.sight)
    yield rungs.suspicion_rung(evidence.suspicion)
    yield rungs.answer_rung(look.sight, background.usual)
    yield rungs.threshold_rung(evidence.sweeps)
    yield rungs.steps_rung(look.judge(look.without), look.sight, meta)
    if not math.isnan(look.sight.promise):
        yield rungs.agreement_rung("views", "the mean of several views", look.without, look.views, meta)
    if look.whole is not None:
        what = f"in one piece instead of {look.tiles} tiles"
        yield rungs.agreement_rung("tiles", what, look.without, look.whole, meta)
    else:
        yield Rung("tiles", "predicted in one piece" if look.tiles == 1 else f"{look.tiles} tiles, too large for one")
    yield rungs.trials_rung(evidence.trials)
    if neighbours:
        shown = ", ".join(f"{one.id} ({one.distance:.1f})" for one in neighbours)
        numbers = {one.id: round(one.distance, 4) for one in neighbours}
        yield Rung("nearest", f"training pictures most like it: {shown}", numbers=numbers)
    if background.alike is not None:
        yield background.alike
