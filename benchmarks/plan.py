"""Which choices of the plan are worth making by the data: trainings with and without each, of the same length.

    python benchmarks/plan.py DATA_SETS -o RUNS                    all of them, about an hour of one core
    python benchmarks/plan.py DATA_SETS -o RUNS --only up loss     some of them

`DATA_SETS` is a folder with one folder per data set (see `SETS`). Every training sees the same number of pictures in
the same order, on the CPU, with a narrow U-Net at a small size; none is stopped early, and none ends by the clock. Its
last weights draw test pictures that it never saw. Prints a Markdown table: by how much Dice is better than with the
first arm, with the interval of `limner compare`, over pictures or groups and seeds. Trainings that are there already
are not repeated.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import BUNDLE_NAME
from limner.data.catalog import spread
from limner.data.prepare import Prepared
from limner.evaluation.compare import paired_difference
from limner.images import write_image
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.metrics import Counts, dice, foreground
from limner.training.fit import fit
from limner.training.plan import make_plan
from limner.training.progress import Silent
from limner.training.rate_finder import range_test, with_found_rate
from limner.training.record import read_data, write_data
from limner.types import SYMMETRIES
from limner.workflow.settings import prepare_data, read_settings

STEPS, MORE_STEPS, BATCH = 150, 600, 8
SAME = [
    "device=cpu",
    "precision=float32",
    "epochs=1",
    "val_samples=1",
    "previews=0",
    "patience=0",
    "collapse_guard=false",
    "data.check=off",
    "conv_sizes=[8,16,32,64]",
    "augment.preset=default",
    "augment.flip_h=true",
    "augment.flip_v=false",
    "augment.rotate90=false",
    "foreground_crops=0.33",
]


@dataclass(frozen=True)
class Data:
    """A data set as it is trained on here.

    Attributes:
        folder: In the folder of data sets.
        settings: How it is read, and at which size.
        train: Most training pictures.
        test: Most test pictures.
        first: Pictures of one stack: the first ones train. None: by the split of the settings.
        steps: Of a training. Few pictures are learned by heart, so more are taken.
    """

    folder: str
    settings: tuple[str, ...]
    train: int
    test: int
    first: int | None = None
    steps: int = STEPS


_CARDIAC = ("data.fit=resize", "data.size=[64,64]", "data.group=^(.*)-IM-", "data.test=0.4")
SETS = {
    "nuclei": Data("nuclei", ("data.fit=native", "data.size=[64,64]", "data.test=0.4"), 58, 40),
    "nuclei, 12": Data("nuclei", ("data.fit=native", "data.size=[64,64]", "data.test=0.4"), 12, 40, steps=MORE_STEPS),
    "isbi2012": Data("isbi2012", ("data.fit=native", "data.size=[64,64]"), 20, 10, first=20),
    "isic": Data("isic", ("data.fit=resize", "data.size=[64,64]"), 800, 80),
    "isic, 16": Data("isic", ("data.fit=resize", "data.size=[64,64]"), 16, 80, steps=MORE_STEPS),
    "cardiac_cine": Data("cardiac_cine", _CARDIAC, 280, 80),
    "cardiac_cine, 24": Data("cardiac_cine", _CARDIAC, 24, 80, steps=MORE_STEPS),
    "cardiac_cine at 32": Data("cardiac_cine", ("data.fit=native", "data.size=[32,32]", *_CARDIAC[2:]), 280, 80),
    "camvid": Data("camvid", ("data.fit=resize", "data.size=[64,96]"), 100, 50),
    "camvid at 64×96": Data("camvid", ("data.fit=native", "data.size=[64,96]"), 100, 50),
    "spine": Data("spine", ("data.fit=resize", "data.size=[64,64]", "data.test=0.5", "data.val=1"), 10, 10),
    "lungs (drawn)": Data("lungs", ("data.fit=resize", "data.size=[64,64]", "data.test=0.5", "data.val=1"), 40, 39),
}

Arms = Mapping[str, Sequence[str]]

EVERY_WAY = ("augment.flip_v=true", "augment.rotate90=true")
EXPERIMENTS: dict[str, tuple[Sequence[str], Arms]] = {
    "up": (
        (
            "nuclei",
            "nuclei, 12",
            "isbi2012",
            "isic",
            "isic, 16",
            "cardiac_cine",
            "cardiac_cine, 24",
            "camvid",
            "spine",
            "lungs (drawn)",
        ),
        {"flip_h": (), "flip_h, flip_v, rotate90": EVERY_WAY},
    ),
    "left": (
        ("cardiac_cine", "spine", "lungs (drawn)"),
        {"flip_h": (), "no flips": ("augment.flip_h=false",)},
    ),
    "loss": (
        ("cardiac_cine", "spine", "camvid"),
        {"cross-entropy + dice": (), "0.5 cross-entropy + tversky": ("tversky",)},
    ),
    "strength": (
        ("nuclei, 12", "isic, 16", "cardiac_cine, 24", "spine", "isic"),
        {"default": (), "strong": ("augment.preset=strong",)},
    ),
    "batch": (
        ("nuclei", "isic", "cardiac_cine"),
        {"batch 8": (), "batch 2": ("batch=2",)},
    ),
    "size": (
        ("nuclei", "cardiac_cine at 32", "camvid at 64×96"),
        {"crops": (), "whole": ("data.fit=resize",)},
    ),
    "rate": (
        ("nuclei", "isic", "cardiac_cine"),
        {"lr 0.002": (), "--find-lr": ("lr=find",)},
    ),
    "widths": (
        ("nuclei", "isic", "cardiac_cine"),
        {"8 to 64": (), "16 to 128, a third of the steps": ("conv_sizes=[16,32,64,128]",)},
    ),
}


def read(data: Data, folder: Path, kept: Path) -> Prepared:
    """All samples; those that are drawn are drawn first. What was found about them is kept."""
    if kept.exists():
        return read_data(kept)
    if data.folder == "lungs" and not folder.exists():
        draw_lungs(folder, 80)
    found = prepare_data(read_settings(None, [*SAME, *data.settings], None, data=folder), lambda *_: None)
    write_data(kept, found)
    return found


def draw_lungs(folder: Path, count: int) -> None:
    """Two dark ellipses that look alike, of which the left one is class 1 and the right one class 2."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    for number in range(count):
        image, mask = rng.normal(140, 15, (64, 64)), np.zeros((64, 64), np.uint8)
        for lung, column in ((1, 18), (2, 46)):
            middle, heights = rng.normal((32, column), 3), rng.uniform(10, 18, 2) / (1, 1.8)
            inside = (((rows - middle[0]) / heights[0]) ** 2 + ((columns - middle[1]) / heights[1]) ** 2) < 1
            image[inside] -= 60
            mask[inside] = lung
        write_image(folder / "images" / f"{number}.png", image.clip(0, 255).astype(np.uint8)[..., None])
        write_image(folder / "masks" / f"{number}.png", mask[..., None])


def chosen_of(data: Data, found: Prepared) -> Prepared:
    """The samples, split, of which some are taken."""
    catalog = found.catalog
    if data.first is not None:
        order = np.argsort([int(name) for name in catalog.ids])
        for place, index in enumerate(order.tolist()):
            catalog.splits[index] = "train" if place < data.first else "test"
        catalog.splits[order[-1]] = "val"
    wanted = {"train": data.train, "val": 1, "test": data.test}
    chosen = [spread(catalog.indices(split), count) for split, count in wanted.items()]
    return replace(found, catalog=catalog.subset(np.sort(np.concatenate(chosen))))


def arguments(data: Data, folder: Path, settings: Sequence[str], task: str) -> list[str]:
    """The settings of a training, of which later ones win; losses are named by what is not usual in them."""
    pixelwise = "ce" if task == "multiclass" else "bce"
    losses = {"tversky": f"0.5*{pixelwise}+tversky", "focal": "focal+dice"}
    own = [f"loss={losses[word]}" if word in losses else word for word in settings]
    usual = [] if any(word.startswith("loss=") for word in own) else [f"loss={pixelwise}+dice"]
    words = [f"data.path={folder}", *SAME, f"batch={BATCH}", *data.settings, *usual, *own]
    return list({word.partition("=")[0]: word for word in words}.values())


def train(data: Data, folder: Path, found: Prepared, settings: Sequence[str], seed: int, cache: Path) -> dict[str, Any]:
    """Train once; Dice by test picture and class."""
    task = next(iter(found.label_maps.values())).task
    own = [*arguments(data, folder, settings, task), f"training.seed={seed}", f"data.cache_dir={cache}"]
    config = read_settings(None, own, None)
    plan = make_plan(config, found.fingerprint, found.label_maps, found.catalog.split_counts())
    steps = data.steps * BATCH // plan.batch // (3 if plan.conv_sizes[0] == 16 else 1)
    plan = replace(plan, steps=steps, passes=-(-steps * plan.batch // found.catalog.split_counts()["train"]))
    begin = time.monotonic()
    if config.training.lr == "find":
        plan = with_found_rate(plan, range_test(config, found, plan, lambda *_: None))
    with tempfile.TemporaryDirectory(prefix="limner-plan-") as run:
        fit(config, found, Path(run), reporter=Silent(), plan=plan)
        seconds = time.monotonic() - begin
        predictor = Predictor.from_file(Path(run) / BUNDLE_NAME, device="cpu")
        test = found.catalog.subset(found.catalog.indices("test"))
        (scores,) = score(predictor, test, found.label_maps).targets.values()
    table = scores.table[:, list(foreground(scores.task, scores.table.shape[1]))]
    values = dice(Counts.from_table(table))
    return {
        "dice": [[None if np.isnan(value) else round(float(value), 5) for value in row] for row in values],
        "groups": list(test.groups),
        "lr": plan.lr,
        "seconds": round(seconds, 1),
    }


def row(name: str, of: str, arm: str, first: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> str:
    base, values = (np.array([run["dice"] for run in runs], np.float64) for runs in (first, other))
    means = [float(np.nanmean(np.nanmean(array, axis=1))) for array in (base, values)]
    found = paired_difference(values, base, first[0]["groups"], "dice")
    interval = "–" if found.low is None else f"{found.low:+.3f} to {found.high:+.3f}"
    verdict = "" if not found.shown else "better" if found.better > 0 else "worse"
    scores = f"{means[0]:.3f} | {means[1]:.3f} | {found.better:+.3f} | {interval}"
    return f"| {name} | {of} | {arm} | {scores} | {found.n} {found.over} | {verdict} |"


def told(sets: Mapping[str, Prepared]) -> None:
    """By data set, whether pictures are told from themselves changed, and what the plan makes of it."""
    print("| data | pictures or groups | mirrored left to right | top to bottom | turned by a quarter | so they have |")
    print("|---|--:|--:|--:|--:|---|")
    config = read_settings(None, ["device=cpu"], None)
    for name, found in sets.items():
        shares = [f"{found.fingerprint.told_apart.get(way, float('nan')):.0%}" for way in SYMMETRIES]
        because = make_plan(config, found.fingerprint, found.label_maps, found.catalog.split_counts()).because
        said = re.search("so they have (no up|an up)", because["augment"])
        words = said[1] if said else "(too few)"
        print(f"| {name} | {found.fingerprint.independent} | {' | '.join(shares)} | {words} |", flush=True)
    print()


class Runs:
    """Trainings, kept in a file as they end.

    Args:
        out: Folder of the file, and of what is drawn and read.
        data_sets: Folder with a folder for each data set.
    """

    def __init__(self, out: Path, data_sets: Path) -> None:
        self._out, self._data_sets, self._path = out, data_sets, out / "scores.jsonl"
        out.mkdir(parents=True, exist_ok=True)
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        self._known = {(run["data"], tuple(run["settings"]), run["seed"]): run for run in map(json.loads, lines)}

    def place(self, of: str) -> Path:
        """Folder of a data set."""
        root: Path = self._out if SETS[of].folder == "lungs" else self._data_sets
        return root / SETS[of].folder

    def read(self, of: str) -> Prepared:
        """All samples of a data set."""
        return read(SETS[of], self.place(of), self._out / "data" / of)

    def get(self, of: str, found: Prepared, settings: Sequence[str], seed: int) -> dict[str, Any]:
        """What came of a training, which is done where it was not yet."""
        key = (of, tuple(settings), seed)
        if key not in self._known:
            made = train(SETS[of], self.place(of), found, settings, seed, self._out / "cache")
            self._known[key] = {"data": of, "settings": list(settings), "seed": seed, **made}
            with self._path.open("a") as file:
                file.write(json.dumps(self._known[key]) + "\n")
            print(f"{of}, {', '.join(settings)}, seed {seed}: {made['seconds']} s", file=sys.stderr, flush=True)
        run: dict[str, Any] = self._known[key]
        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/plan"))
    parser.add_argument("--seeds", type=int, default=2, help="0 shows the data alone")
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS))
    given = parser.parse_args()
    runs = Runs(given.out, given.data_sets)
    wanted = dict.fromkeys(of for name in given.only for of in EXPERIMENTS[name][0] if of in given.data)
    data = {of: runs.read(of) for of in wanted}
    told(data)
    print("| choice | data | instead of the first | first | instead | difference | 95 % interval | over | |")
    print("|---|---|---|--:|--:|--:|---|---|---|")
    for name in given.only if given.seeds else ():
        sets, arms = EXPERIMENTS[name]
        for of in filter(data.__contains__, sets):
            found = chosen_of(SETS[of], data[of])
            made = {
                arm: [runs.get(of, found, settings, seed) for seed in range(given.seeds)]
                for arm, settings in arms.items()
            }
            first, *others = made
            for arm in others:
                print(row(name, of, f"{arm} instead of {first}", made[first], made[arm]), flush=True)


if __name__ == "__main__":
    main()
