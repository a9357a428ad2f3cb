"""Samples ranked by how much their masks are in doubt, in words and as a table.

Layer: part of `evaluation`. What is usual differs between models, so a sample stands out by how far its
disagreement lies above the median of the samples that the same model looked at.

    OUT/review.csv    every sample, the most doubtful first, with a column for decisions (see `data.decisions`)
    OUT/regions.csv   where masks and model disagree
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.evaluation.disagreement import Disagreement, Region, disagree
from limner.files import write_rows
from limner.inference.predictor import Predictor
from limner.inference.scoring import Progress, score

EVIDENCE = {"val": "validation", "test": "test", "train": "seen in training", "fold": "out-of-fold"}
"""What a prediction is worth: only of training samples the network had seen the mask."""

TABLE_NAME = "review.csv"

_COLUMNS = ("rank", "id", "score", "target", "what", "evidence", "decision", "hash", "target_hash")
_REGION_COLUMNS = ("id", "target", "mask", "model", "confidence", "pixels", "top", "left", "bottom", "right")
_ENOUGH = 20  # samples whose median says what is usual for a model
_LEAST_SPREAD = 0.1
_SAID = 2
_WORTH = 0.2  # of the worst region's pixels: smaller ones are not spoken of


@dataclass(frozen=True)
class Doubt:
    """One sample's masks, looked at.

    Attributes:
        id: Of the sample.
        model: Which model looked at it, a number; models are judged one by one.
        evidence: A value of `EVIDENCE`.
        target: The target whose mask is most in doubt.
        found: Where they disagree, by target.
        score: How far above usual the disagreement lies, in usual spreads; 0 is usual.
    """

    id: str
    model: int
    evidence: str
    target: str
    found: Mapping[str, Disagreement]
    score: float = 0.0


def look(
    predictor: Predictor,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    model: int = 0,
    evidence: str = "",
    progress: Progress | None = None,
) -> list[Doubt]:
    """Predict samples and compare with their masks; a few numbers of each are kept.

    Args:
        predictor: The model.
        catalog: The samples.
        label_maps: Meaning of the masks; targets of numbers are not looked at.
        model: Number of the model.
        evidence: What its predictions are worth.
        progress: Told after each sample.

    Raises:
        DataError: As `score`.
    """
    doubts: list[Doubt] = []

    def compare(index: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Any) -> None:
        found = {
            name: disagree(prediction.probs[name], mask, label_maps[name].task)
            for name, mask in truth.items()
            if label_maps[name].task != "regression"
        }
        if found:
            worst = max(found, key=lambda name: found[name].score)
            doubts.append(Doubt(catalog.ids[index], model, evidence, worst, found))

    score(predictor, catalog, label_maps, probabilities=True, progress=progress, on_prediction=compare)
    return doubts


def rank(doubts: Iterable[Doubt]) -> list[Doubt]:
    """The most doubtful first; equal ones by id."""
    doubts = list(doubts)
    targets = sorted({target for doubt in doubts for target in doubt.found})
    above = {target: _above_usual([doubt for doubt in doubts if target in doubt.found], target) for target in targets}
    ranked = []
    for doubt in doubts:
        scores = {target: above[target][doubt.id, doubt.model] for target in doubt.found}
        worst = max(scores, key=lambda target: scores[target])
        ranked.append(Doubt(doubt.id, doubt.model, doubt.evidence, worst, doubt.found, scores[worst]))
    return sorted(ranked, key=lambda doubt: (-doubt.score, doubt.id))


def _above_usual(doubts: Sequence[Doubt], target: str) -> dict[tuple[str, int], float]:
    """Of one target: how far above its model's median each score lies, in the spread of them all."""
    scores = np.array([doubt.found[target].score for doubt in doubts])
    kinds = [(doubt.model, doubt.evidence) for doubt in doubts]
    usual = np.full(len(scores), np.median(scores))
    for kind in set(kinds):
        own = np.array([other == kind for other in kinds])
        if own.sum() >= _ENOUGH:
            usual[own] = np.median(scores[own])
    above: Float64[np.ndarray, " samples"] = scores - usual
    # The median of absolute deviations × 1.4826 is the standard deviation of normal numbers; outliers do not move it.
    spread = max(_LEAST_SPREAD, 1.4826 * float(np.median(np.abs(above))))
    return {(doubt.id, doubt.model): float(value / spread) for doubt, value in zip(doubts, above, strict=True)}


def explain(doubt: Doubt, label_map: LabelMap, size: tuple[int, int]) -> str:
    """What is wrong, in words: the worst regions of the target that is most in doubt.

    Args:
        doubt: The sample.
        label_map: Of that target.
        size: Height and width of the picture.
    """
    regions = doubt.found[doubt.target].regions
    if not regions:
        return "nothing"
    said = [region for region in regions if region.pixels >= _WORTH * regions[0].pixels]
    return "; ".join(_words(region, label_map, size) for region in said[:_SAID])


def _words(region: Region, label_map: LabelMap, size: tuple[int, int]) -> str:
    names, sure = label_map.names, f"{region.confidence:.0%}"
    lacks = region.mask_class == -1 or (region.mask_class == 0 and label_map.task != "multilabel")
    if lacks:
        said = f"mask lacks {names[region.model_class]}, of which the model is {sure} sure"
    elif region.model_class == -1:
        said = f"mask has {names[region.mask_class]}, which the model is {sure} sure is not there"
    else:
        said = f"mask has {names[region.mask_class]}, model is {sure} sure of {names[region.model_class]}"
    share = region.pixels / (size[0] * size[1])
    return f"{said} ({_place(region, size)}, {max(share, 0.0001):.2%} of the picture)"


def _place(region: Region, size: tuple[int, int]) -> str:
    top, left, bottom, right = region.box
    if (bottom - top) * (right - left) > size[0] * size[1] / 2:
        return "all over"
    down = ("upper", "middle", "lower")[min(2, 3 * (top + bottom) // (2 * size[0]))]
    across = ("left", "middle", "right")[min(2, 3 * (left + right) // (2 * size[1]))]
    return "middle" if down == across else f"{down} {across}"


def write_tables(
    out: Path, ranked: Sequence[Doubt], catalog: Catalog, label_maps: Mapping[str, LabelMap]
) -> list[dict[str, Any]]:
    """Write `review.csv` and `regions.csv`; returns the lines of the first.

    Raises:
        OutputError: A file cannot be written.
    """
    place = {name: index for index, name in enumerate(catalog.ids)}
    facts = {name: catalog.facts.get(name, [""] * len(catalog)) for name in ("hash", "target_hash", "height", "width")}
    rows: list[dict[str, Any]] = []
    for number, doubt in enumerate(ranked, start=1):
        index = place[doubt.id]
        size = (int(facts["height"][index] or 1), int(facts["width"][index] or 1))
        rows.append(
            {
                "rank": number,
                "id": doubt.id,
                "score": round(doubt.score, 3),
                "target": doubt.target,
                "what": explain(doubt, label_maps[doubt.target], size),
                "evidence": doubt.evidence,
                "decision": "",
                "hash": facts["hash"][index],
                "target_hash": facts["target_hash"][index],
            }
        )
    write_rows(out / TABLE_NAME, _COLUMNS, rows)
    write_rows(out / "regions.csv", _REGION_COLUMNS, _region_rows(ranked, label_maps))
    return rows


def _region_rows(ranked: Sequence[Doubt], label_maps: Mapping[str, LabelMap]) -> Iterable[dict[str, Any]]:
    for doubt in ranked:
        for target, found in doubt.found.items():
            names = (*label_maps[target].names, "")
            for region in found.regions:
                yield {
                    "id": doubt.id,
                    "target": target,
                    "mask": names[region.mask_class],
                    "model": names[region.model_class],
                    "confidence": round(region.confidence, 3),
                    "pixels": region.pixels,
                    **dict(zip(("top", "left", "bottom", "right"), region.box, strict=True)),
                }
