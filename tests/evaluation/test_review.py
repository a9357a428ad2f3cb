"""Ranking, words and tables of a review."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import limner
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.evaluation.disagreement import Disagreement, Region
from limner.evaluation.review import Doubt, explain, rank, write_tables
from limner.images import read_image, write_image

TREES = LabelMap(
    "multiclass", ("ground", "tree", "car"), ((0, 0, 0), (0, 200, 0), (0, 0, 200)), "values", ((0,), (1,), (2,))
)
PLANES = LabelMap("multilabel", ("heart", "lung"), ((200, 0, 0), (0, 0, 200)), "planes", ((0,), (1,)))


def doubt(name: str, score: float, model: int = 0, *regions: Region) -> Doubt:
    return Doubt(name, model, "out-of-fold", "mask", {"mask": Disagreement(score, regions, 0.0)})


def test_a_sample_stands_out_from_what_is_usual_for_its_model() -> None:
    generator = np.random.default_rng(0)
    sure = [doubt(f"sure{number}", score) for number, score in enumerate(generator.normal(1, 0.2, 30))]
    unsure = [doubt(f"unsure{number}", score, 1) for number, score in enumerate(generator.normal(5, 0.2, 30))]
    ranked = rank([*sure, doubt("odd one", 3.0), *unsure, doubt("odd other", 7.5, 1)])
    assert [found.id for found in ranked[:2]] == ["odd other", "odd one"]
    assert ranked[1].score > 5 > ranked[2].score
    assert np.median([found.score for found in ranked]) == pytest.approx(0, abs=0.3)


def test_equal_samples_are_in_the_order_of_their_names() -> None:
    ranked = rank([doubt(name, 0.0) for name in "cab"])
    assert [(found.id, found.score) for found in ranked] == [("a", 0.0), ("b", 0.0), ("c", 0.0)]


@pytest.mark.parametrize(
    ("label_map", "classes", "said"),
    [
        (TREES, (0, 2), "mask lacks car, of which the model is 97% sure (upper left, 1.00% of the picture)"),
        (TREES, (1, 0), "mask has tree, model is 97% sure of ground (upper left, 1.00% of the picture)"),
        (TREES, (1, 2), "mask has tree, model is 97% sure of car (upper left, 1.00% of the picture)"),
        (PLANES, (-1, 0), "mask lacks heart, of which the model is 97% sure (upper left, 1.00% of the picture)"),
        (PLANES, (1, -1), "mask has lung, which the model is 97% sure is not there (upper left, 1.00% of the picture)"),
    ],
)
def test_words(label_map: LabelMap, classes: tuple[int, int], said: str) -> None:
    region = Region(*classes, 0.97, 100, (5, 5, 15, 15))
    assert explain(doubt("a", 1.0, 0, region), label_map, (100, 100)) == said


def test_tables(tmp_path: Path) -> None:
    facts = {"hash": ["h1", "h2"], "target_hash": ["m1", "m2"], "height": ["100"] * 2, "width": ["100"] * 2}
    catalog = Catalog(["a, b", "c"], {"image": [""] * 2}, {}, facts=facts)
    region = Region(1, 2, 0.97, 100, (90, 40, 100, 60))
    write_tables(tmp_path, rank([doubt("a, b", 1.0), doubt("c", 2.0, 0, region)]), catalog, {"mask": TREES})
    with (tmp_path / "review.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["id"], row["decision"], row["target_hash"]) for row in rows] == [
        ("1", "c", "", "m2"),
        ("2", "a, b", "", "m1"),
    ]
    assert rows[1]["what"] == "nothing"
    with (tmp_path / "regions.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert (line["id"], line["mask"], line["model"], line["top"], line["right"]) == ("c", "tree", "car", "90", "60")


@pytest.mark.slow
def test_planted_errors_come_first(small_train: Callable[..., limner.Run], tmp_path: Path) -> None:
    data = limner.sample("cells", tmp_path / "data", count=40, size=(96, 96))
    for name, change in (("003", "empty"), ("017", "mirrored"), ("030", "of another"), ("036", "full")):
        path = data / "masks" / f"cells_{name}.png"
        mask = read_image(str(path))
        wrong = {
            "empty": np.zeros_like(mask),
            "mirrored": mask[::-1],
            "of another": read_image(str(data / "masks" / "cells_010.png")),
            "full": np.full_like(mask, 255),
        }[change]
        write_image(path, wrong)
    settings = {"data.folds": 2, "training.epochs": 12, "training.steps_per_epoch": 30, "data.size": [96, 96]}
    run = small_train(data, tmp_path / "run", settings=settings | {"data.check": "off"})
    rows = limner.review(run.folder).rows
    planted = {"cells_003", "cells_017", "cells_030", "cells_036"}
    # A network of a minute: three of the four in the first tenth.
    assert len(planted & {row["id"] for row in rows[:4]}) >= 3
