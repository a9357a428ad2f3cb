"""Scores of a training in folds: every sample by the model that did not see it.

Layer: part of `evaluation`. Files as of any evaluation, with a column `fold` and the scores of each fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from limner.bundle import PostStep
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.evaluation.cases import choose_cases, expected_scores, image_scores
from limner.evaluation.evaluate import Evaluation, write_evaluation
from limner.evaluation.gallery import Gallery
from limner.evaluation.properties import PROPERTIES_NAME, Properties, read_properties
from limner.evaluation.spread import mean_scores, spread
from limner.inference.joining import join_tables
from limner.inference.predictor import Predictor
from limner.inference.scoring import ScoreTable, score

OUT_OF_FOLD = "out-of-fold"
"""What the samples are called where a split is named."""


def evaluate_folds(
    tables: Sequence[ScoreTable],
    parts: Sequence[Catalog],
    bundles: Sequence[Path],
    label_maps: Mapping[str, LabelMap],
    out: Path,
    *,
    steps: Sequence[Sequence[PostStep]] = (),
    data_hash: str = "",
) -> Evaluation:
    """Join the scores of the folds and write them to a folder.

    Args:
        tables: Scores of each fold's samples by its own model.
        parts: The samples of each fold.
        bundles: The model of each fold, which predicts once more the samples that are drawn.
        label_maps: Meaning of the masks, by target.
        out: Folder to write to.
        steps: What was done to the masks of each fold after the threshold, where something was.
        data_hash: Fingerprint of the data, written down.

    Raises:
        OutputError: The results cannot be written.
    """
    joined = join_tables(tables)
    places = [(fold, place) for fold, part in enumerate(parts) for place in range(len(part))]
    cases = choose_cases(image_scores(joined), expected=expected_scores(joined))
    gallery = None
    for fold, bundle in enumerate(bundles):
        chosen = [case.place for case in cases if places[case.place][0] == fold]
        if not chosen:
            continue
        predictor = fold_predictor(bundle, steps[fold] if steps else ())
        gallery = gallery or Gallery(label_maps, predictor.meta.inputs.parts)
        draw = gallery.draw
        score(
            predictor,
            parts[fold].subset([places[place][1] for place in chosen]),
            label_maps,
            doubts=True,
            on_prediction=lambda number, *drawn, chosen=chosen, draw=draw: draw(
                chosen[number], *drawn, drawn[-1].uncertainty
            ),
        )
    folds = [{"fold": fold, **mean_scores(table.summary())} for fold, table in enumerate(tables)]
    fold_of = {name: fold for fold, part in enumerate(parts) for name in part.ids}
    return write_evaluation(
        out,
        joined,
        cases,
        gallery or Gallery(label_maps),
        rows=[{"fold": fold_of[str(row["id"])], **row} for row in joined.rows()],
        summary=joined.summary(split=OUT_OF_FOLD, data_hash=data_hash) | {"folds": folds, "spread": spread(folds)},
        properties=_properties(joined.ids, bundles),
    )


def fold_predictor(bundle: Path, steps: Sequence[PostStep], *, device: str = "auto") -> Predictor:
    """The predictor of a fold, with steps after the threshold that its own bundle does not have."""
    predictor = Predictor.from_file(bundle, device=device)
    predictor.meta = predictor.meta.model_copy(update={"post_processing": list(steps)})
    return predictor


def _properties(ids: Sequence[str], bundles: Sequence[Path]) -> list[Properties]:
    """What the images are like, as the folds' own evaluations found; nothing where one of them is not known."""
    known: dict[str, Properties] = {}
    for bundle in bundles:
        known |= read_properties(bundle.parent / "evaluation" / PROPERTIES_NAME)
    return [known[name] for name in ids] if known.keys() >= set(ids) else []
