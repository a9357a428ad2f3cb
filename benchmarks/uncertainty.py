"""Whether a model knows where it is bad, and whether it notices pictures of another kind.

    python benchmarks/uncertainty.py DATA_SETS -o RUNS isic:600 nuclei::5 cardiac_cine:300::'^(.*)-IM-'

`NAME[:COUNT[:FOLDS[:GROUP]]]` takes COUNT samples, evenly spread, keeps groups whole, and trains a small network
(`SETTINGS`) on them, in FOLDS folds if that is given. Prints Markdown tables:

1. Of samples that the network did not see: Spearman's rank correlation of the Dice it expected of each image with the
   Dice it got, and the means of both; with one look at each image, and with views of it (test-time augmentation).
2. How many pictures raise an alarm as unlike the training pictures: held-out ones of the same set (none should),
   pictures of the other sets (all should), and held-out ones after some harm.

Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

import limner
from limner.bundle import BundleMeta, read_meta
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.data.layouts import find_samples
from limner.data.samples import image_location
from limner.errors import DataError
from limner.inference.familiarity import Familiarity
from limner.inference.inputs import read_input
from limner.inference.scoring import score
from limner.metrics.expectation import compare_expectation
from limner.workflow.models import open_models

SETTINGS = {
    "data.fit": "resize",
    "data.size": [128, 128],
    "model.conv_sizes": [8, 16, 32, 64],
    "training.epochs": 12,
    "training.patience": 0,
    "training.batch": 8,
    "training.previews": 0,
}
_MOST = 40
_RANDOM = np.random.default_rng(0)
HARM: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda pixels: 255 - pixels,
    "blurred, sigma 3": lambda pixels: ndimage.gaussian_filter(pixels, (3, 3, 0)),
    "noise, sigma 25": lambda pixels: np.clip(pixels + _RANDOM.normal(0, 25, pixels.shape), 0, 255).astype(np.uint8),
    "darker, by 0.4": lambda pixels: (pixels * 0.4).astype(np.uint8),
}


def train(place: Path, count: int | None, folds: int | None, group: str | None, run: Path) -> None:
    if (run / "evaluation" / "summary.json").is_file():
        return
    settings = SETTINGS | ({"data.folds": folds} if folds else {"data.split": "60:20:20"})
    with tempfile.TemporaryDirectory() as folder:
        catalog: Catalog = find_samples(place).catalog
        table = Path(folder) / "samples.csv"
        catalog.subset(spread(np.arange(len(catalog)), count or len(catalog))).save(table)
        limner.train(table, out=run, settings=settings | ({"data.group": group} if group else {}))


def parts(run: Path) -> Iterator[tuple[Path, Catalog]]:
    """Each model of a run, and the samples that it did not see."""
    for place in sorted((run / "folds").glob("*")) or [run]:
        catalog = Catalog.load(place / "samples.csv")
        yield place / "model.safetensors", catalog.subset(catalog.indices("val" if place != run else "test"))


def expected_rows(name: str, run: Path) -> Iterator[str]:
    for source in ("single", "tta"):
        expected, real = [], []
        for bundle, catalog in parts(run):
            predictor = open_models([bundle], uncertainty=source)
            label_map = LabelMap.from_dict(predictor.meta.targets["mask"].label_map)
            target = score(predictor, catalog, {"mask": label_map}, doubts=True).targets["mask"]
            assert target.expected is not None
            expected.append(target.expected[:, 1])
            real.append(target.values()["dice"][:, 1])
        found = compare_expectation(np.concatenate(expected), np.concatenate(real))
        cells = [name, source, f"{found.n}", f"{found.spearman:.2f}"]
        yield _row([*cells, *(f"{value:.3f}" for value in (found.expected, found.real, found.error))])


def alarm_row(name: str, run: Path, others: dict[str, list[str]]) -> str:
    bundle, catalog = next(parts(run))
    meta = read_meta(bundle)
    own = [image_location(catalog, index) for index in spread(np.arange(len(catalog)), _MOST)]
    cells = [name, _alarms(meta, own)]
    cells += [_alarms(meta, places) if other != name else "" for other, places in others.items()]
    return _row([*cells, *(_alarms(meta, own, harm) for harm in HARM.values())])


def _alarms(meta: BundleMeta, places: list[str], harm: Callable[[np.ndarray], np.ndarray] | None = None) -> str:
    assert meta.familiar is not None
    familiarity = Familiarity.of(meta.familiar, meta.inputs)
    found = []
    for place in places:
        try:
            pixels = read_input(place, meta.inputs).pixels
        except DataError:  # other channels: refused before any alarm
            continue
        found.append(familiarity.strangeness(harm(pixels) if harm else pixels).alarming)
    return f"{sum(found)} of {len(found)}" if found else "refused"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _pictures(place: Path) -> list[str]:
    catalog: Catalog = find_samples(place).catalog
    return [image_location(catalog, index) for index in spread(np.arange(len(catalog)), _MOST)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/uncertainty"))
    parser.add_argument("--others", nargs="*", default=["isic", "nuclei", "cardiac_cine", "camvid", "isbi2012"])
    given = parser.parse_args()
    others = {name: _pictures(given.data_sets / name) for name in given.others}
    expected: list[str] = []
    alarms: list[str] = []
    for words in given.names:
        name, count, folds, group = [*words.split(":", 3), "", "", ""][:4]
        run = given.out / name
        train(given.data_sets / name, int(count) if count else None, int(folds) if folds else None, group or None, run)
        expected += expected_rows(name, run)
        alarms.append(alarm_row(name, run, others))
        settings = json.loads((run / "run.json").read_text())["seconds"]
        print(f"{name}: trained {settings['train']:.0f} s")
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| data | looks | images | Spearman | Dice expected | Dice found | off by, mean |")
    print("|---|---|--:|--:|--:|--:|--:|")
    print("\n".join(expected))
    print(f"\n| trained on | held out | {' | '.join(others)} | {' | '.join(HARM)} |")
    print(f"|---|--:|{'--:|' * (len(others) + len(HARM))}")
    print("\n".join(alarms))


if __name__ == "__main__":
    main()
