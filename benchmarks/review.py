"""How many wrong masks `limner review` puts in front: mask errors planted in real data, in its first tenth.

    python benchmarks/review.py DATA_SETS -o RUNS nuclei:100 isic:240 cardiac_cine:200 camvid:11:180

`DATA_SETS` is a folder with one folder per data set; a value to ignore may follow the name, the number of
samples comes last. Pictures are shrunk to 256 pixels. Errors are planted in 5 % of the masks, of all kinds in
turn, three folds are trained on them with a small network, and every sample is looked at by the model that
did not see it. Since a sample's own mask takes no part in that, errors are then planted again and again in
samples that have none, in 5 % at a time, and ranked among the others. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import limner
from limner.data.catalog import Catalog
from limner.data.inspect_labels import inspect_masks
from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.data.scan import scan, target_tables
from limner.evaluation.disagreement import Disagreement, disagree
from limner.evaluation.review import Doubt, rank
from limner.files import write_text
from limner.images import read_image, resize_image, resize_mask, write_image
from limner.inference.scoring import score
from limner.training.record import read_data
from limner.types import IGNORE, Task
from limner.workflow.models import open_models

KINDS = ("missing", "extra", "shifted", "grown", "shrunk", "swapped", "of another picture")
SHARE, FIRST, DRAWS, FOLDS = 0.05, 0.10, 100, 3
SIDE = 256
SETTINGS = {
    "data.folds": FOLDS,
    "data.size": [128, 128],
    "data.fit": "resize",
    "data.check": "off",
    "model.conv_sizes": [8, 16, 32, 64],
    "training.batch": 8,
    "training.steps_per_epoch": 20,
    "training.epochs": 16,
    "training.previews": 0,
}


def plant(kind: str, mask: np.ndarray, classes: int, rng: np.random.Generator, other: np.ndarray) -> np.ndarray | None:
    """The mask with an error of a kind; None where that kind cannot be, or changes next to nothing."""
    there = (mask != 0) & (mask != IGNORE)
    wrong = mask.copy()
    if kind == "missing":
        objects = [found for number in range(1, classes) for found in whole_objects(mask == number)]
        if objects:
            wrong[objects[rng.integers(len(objects))]] = 0
    elif kind == "extra":
        blob = draw_blob(there, rng)
        wrong[blob] = rng.integers(1, classes)
    elif kind == "shifted":
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(10, 15)
        wrong = ndimage.shift(mask, (far * np.sin(angle), far * np.cos(angle)), order=0)
    elif kind in ("grown", "shrunk") and there.any():
        wrong = resized(mask, there, 1.6 if kind == "grown" else 0.5)
    elif kind == "swapped" and classes > 2:
        present = [number for number in range(1, classes) if (mask == number).mean() > 0.005]
        if present:
            one = present[rng.integers(len(present))]
            wrong[mask == one] = rng.choice([number for number in range(1, classes) if number != one])
    elif kind == "of another picture" and other.shape == mask.shape and (other == mask).mean() < 0.97:
        wrong = other.copy()
    return wrong if (wrong != mask).mean() > 0.002 else None


def whole_objects(plane: np.ndarray) -> list[np.ndarray]:
    """Connected regions of at least 0.2 % of the picture."""
    labels, count = ndimage.label(plane)
    sizes = np.bincount(labels.ravel())
    return [labels == number for number in range(1, count + 1) if sizes[number] >= 0.002 * plane.size]


def draw_blob(there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An ellipse on nothing but background, 10 to 20 % of the shorter side across; empty where there is no room."""
    height, width = there.shape
    rows, columns = np.mgrid[:height, :width]
    for _ in range(200):
        radius = rng.uniform(0.05, 0.10) * min(height, width)
        y, x = rng.uniform(radius, height - radius), rng.uniform(radius, width - radius)
        blob = ((rows - y) / radius) ** 2 + ((columns - x) / (radius * rng.uniform(0.7, 1.4))) ** 2 < 1
        if not there[blob].any():
            return np.asarray(blob)
    return np.zeros_like(there)


def resized(mask: np.ndarray, there: np.ndarray, factor: float) -> np.ndarray:
    """The mask with its outlines moved until the area of all classes has changed by a factor."""
    if factor > 1:
        distance, nearest = ndimage.distance_transform_edt(~there, return_indices=True)
        order = np.sort(distance[~there])
        reach = order[min(len(order) - 1, int((factor - 1) * there.sum()))] if len(order) else 0
        return np.where((distance <= reach) & (mask != IGNORE), mask[tuple(nearest)], mask)
    distance = ndimage.distance_transform_edt(there)
    reach = np.quantile(distance[there], 1 - factor)
    return np.where(there & (distance <= reach), 0, mask)


def write_planted(source: Path, folder: Path, ignore: tuple[int, ...], count: int) -> None:
    """A table with small pictures, and masks of which 5 % are wrong; `planted.json` tells which, and the classes."""
    catalog = find_samples(source).catalog
    patients = [name.partition("-IM-")[0] for name in catalog.ids]
    if len(set(patients)) < len(catalog) / 2:
        catalog.groups = patients
    catalog = catalog.subset(np.argsort(catalog.groups, kind="stable")[:count])
    label_map = inspect_masks(target_tables(scan(catalog), "mask"), ignore_values=ignore)
    rng = np.random.default_rng(0)
    pictures, masks = [], []
    for index in range(len(catalog)):
        mask = np.asarray(read_target(catalog.targets["mask"][index], label_map))
        scale = min(1, SIDE / max(mask.shape))
        size = (round(mask.shape[0] * scale), round(mask.shape[1] * scale))
        pictures.append(resize_image(read_image(catalog.inputs["image"][index])[..., :3], size))
        masks.append(resize_mask(mask, size))
    planted: dict[int, str] = {}
    kinds = [kind for kind in KINDS if kind != "swapped" or label_map.num_classes > 2]
    clean = list(masks)
    for index in rng.permutation(len(masks)).tolist():
        kind = kinds[len(planted) % len(kinds)]
        wrong = plant(kind, clean[index], label_map.num_classes, rng, clean[int(rng.integers(len(clean)))])
        if len(planted) < SHARE * len(masks) and wrong is not None:
            masks[index], planted[index] = wrong, kind
    lines = ["id,image,mask,group"]
    for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        write_image(folder / "images" / f"{index:04d}.png", np.asarray(picture))
        write_image(folder / "masks" / f"{index:04d}.png", mask[..., None])
        lines.append(f"{index:04d},images/{index:04d}.png,masks/{index:04d}.png,{catalog.groups[index]}")
    write_text(folder / "table.csv", "\n".join(lines))
    known = {"classes": label_map.num_classes, "planted": {f"{index:04d}": kind for index, kind in planted.items()}}
    write_text(folder / "planted.json", json.dumps(known))


def measures(probs: np.ndarray, mask: np.ndarray) -> dict[str, Disagreement]:
    """Limner's score, and others that it is compared with."""
    task: Task = "binary" if len(probs) == 1 else "multiclass"
    whole = np.concatenate([1 - probs, probs]) if len(probs) == 1 else probs
    known = mask != IGNORE
    given = np.take_along_axis(whole, np.where(known, mask, 0)[None].astype(np.int64), axis=0)[0][known].astype(float)
    weights = np.exp(-given / 0.1)
    found = whole.argmax(axis=0)
    both = 2 * ((found == mask) & (mask > 0) & known).sum()
    amount = ((mask > 0) & known).sum() + ((found > 0) & known).sum()
    others = {
        "soft minimum": 1 - float((weights * given).sum() / weights.sum()),
        "mean loss": float(-np.log(np.maximum(given, 1e-4)).mean()),
        "1 − Dice": 1 - both / amount if amount else 0.0,
    }
    return {"review": disagree(probs, mask, task)} | {
        name: Disagreement(value, (), 0.0) for name, value in others.items()
    }


def look(run: Path, known: Mapping[str, Any]) -> tuple[list[Doubt], dict[str, dict[str, Doubt]]]:
    """Every sample as its unseen model doubts it, and by kind with an error, where it has none yet.

    Measures stand where targets would.
    """
    data = read_data(run)
    catalog, (name, label_map) = data.catalog, next(iter(data.label_maps.items()))
    rng = np.random.default_rng(1)
    others = [np.asarray(read_target(place, label_map)) for place in catalog.targets[name]]
    doubts: list[Doubt] = []
    wrong: dict[str, dict[str, Doubt]] = defaultdict(dict)
    for fold in range(FOLDS):
        part = catalog.subset([index for index, own in enumerate(catalog.facts["fold"]) if own == str(fold)])

        def compare(
            index: int,
            _: np.ndarray,
            truth: dict[str, np.ndarray],
            prediction: Any,
            part: Catalog = part,
            fold: int = fold,
        ) -> None:
            sample, probs = part.ids[index], prediction.probs[name]
            doubts.append(Doubt(sample, fold, "", "", measures(probs, truth[name])))
            if sample not in known["planted"]:
                for kind in KINDS:
                    other = others[int(rng.integers(len(others)))]
                    mask = plant(kind, truth[name], label_map.num_classes, rng, other)
                    if mask is not None:
                        wrong[kind][sample] = Doubt(sample, fold, "", "", measures(probs, mask))

        predictor = open_models([run / "folds" / str(fold) / "model.safetensors"])
        score(predictor, part, data.label_maps, probabilities=True, on_prediction=compare)
    return doubts, wrong


def first(doubts: list[Doubt], measure: str) -> set[str]:
    """Ids of the first tenth of a ranking by one measure."""
    alone = [Doubt(doubt.id, doubt.model, "", measure, {measure: doubt.found[measure]}) for doubt in doubts]
    return {doubt.id for doubt in rank(alone)[: round(FIRST * len(doubts))]}


Hits = dict[str, dict[str, list[bool]]]
"""Whether each planted error lies in the first tenth, by measure and kind."""


def measure(run: Path, known: Mapping[str, Any]) -> tuple[Hits, list[bool]]:
    """Hits among errors that are planted again, and, by Limner's measure, among those that were trained on."""
    doubts, wrong = look(run, known)
    ahead = first(doubts, "review")
    trained = [name in ahead for name in known["planted"]]
    clean = [doubt for doubt in doubts if doubt.id not in known["planted"]]
    rng = np.random.default_rng(2)
    hits: Hits = defaultdict(lambda: defaultdict(list))
    kinds = [kind for kind in KINDS if wrong[kind]]
    for _ in range(DRAWS):
        chosen: dict[str, str] = {}
        for place in rng.permutation(len(clean)).tolist():
            kind = str(rng.choice(kinds))
            if len(chosen) < SHARE * len(clean) and clean[place].id in wrong[kind]:
                chosen[clean[place].id] = kind
        drawn = [wrong[chosen[doubt.id]][doubt.id] if doubt.id in chosen else doubt for doubt in clean]
        for name in drawn[0].found:
            ahead = first(drawn, name)
            for sample, kind in chosen.items():
                hits[name][kind].append(sample in ahead)
    return hits, trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/review"))
    given = parser.parse_args()
    print(f"| data | samples | Dice | measure | all | {' | '.join(KINDS)} | those trained on |")
    print(f"|---|--:|--:|---|--:|{'--:|' * len(KINDS)}--:|", flush=True)
    every: dict[str, list[float]] = defaultdict(list)
    for words in given.names:
        name, *ignore, count = words.split(":")
        folder = given.out / name
        if not (folder / "run" / "evaluation" / "summary.json").is_file():
            write_planted(given.data_sets / name, folder, tuple(map(int, ignore)), int(count))
            known = json.loads((folder / "planted.json").read_text())
            values = {"data.values": [[number] for number in range(known["classes"])]}
            settings = SETTINGS | values | ({"data.ignore_values": [IGNORE]} if ignore else {})
            limner.train(folder / "table.csv", out=folder / "run", settings=settings)
        known = json.loads((folder / "planted.json").read_text())
        summary = json.loads((folder / "run" / "evaluation" / "summary.json").read_text())
        hits, trained = measure(folder / "run", known)
        dice = f"{summary['targets']['mask']['mean']['dice']:.3f}"
        for what, found in hits.items():
            # Every kind counts alike, whatever number of samples it could be planted in.
            shares = {kind: float(np.mean(found[kind])) for kind in found}
            every[what].append(float(np.mean(list(shares.values()))))
            cells = [name, str(summary["n_images"]), dice, what, f"**{every[what][-1]:.0%}**"]
            cells += [f"{shares[kind]:.0%}" if kind in shares else "–" for kind in KINDS]
            print(
                "| " + " | ".join([*cells, f"{sum(trained)} of {len(trained)}" * (what == "review")]) + " |", flush=True
            )
    print("\nMean: " + ", ".join(f"{what} {np.mean(shares):.1%}" for what, shares in every.items()))


if __name__ == "__main__":
    main()
