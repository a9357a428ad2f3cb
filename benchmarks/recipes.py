"""The published projects: `limner train --recipe NAME DATA` on real data where there is some, else on drawn data.

    python benchmarks/recipes.py DATA_SETS -o RUNS --time 15m spine lesion cardiac_cine cardiac carvana depth

`DATA_SETS` is a folder with the real data sets, one folder each; a case whose data set is not there is
left out and said so. Prints a Markdown table: scores on test samples that training never saw. Runs
that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        recipe: Recipe to run.
        real: Real data set, relative to `DATA_SETS`; None draws the recipe's own example.
        settings: What differs from the recipe, `{data_sets}` standing for that folder.
        figure: What others report, and on what.
        group: Pattern of what must stay on one side of the split, such as a patient, in the samples' names.
        split: Shares, where the recipe leaves no samples to test on.
    """

    recipe: str
    real: str | None
    settings: tuple[str, ...] = ()
    figure: str = "–"
    group: str | None = None
    split: str | None = None


CASES = {
    "spine": Case(
        "spine",
        "spine",
        (
            "model.encoder_weights={data_sets}/weights/mobilenetv2_100_imagenet.safetensors",
            "model.encoder_options={{pad_type: same}}",
            "model.input_mean=0.5",
            "model.input_std=0.5",
        ),
    ),
    "lesion": Case("lesion", "isic", (), "Dice .829, the lesion project, other pictures"),
    "cardiac_cine": Case(
        "cardiac",
        "cardiac_cine",
        ("data.layout=auto", "data.layout_options=null"),
        "Dice .92, FCN (Tran 2016), endocardium of Sunnybrook",
        group="(.+)-IM-",
        split="70:10:20",
    ),
    "cardiac": Case("cardiac", None, split="70:15:15"),
    "carvana": Case("carvana", None, ("data.val=0.15", "data.test=0.15"), "Dice .893, the carvana project, real cars"),
    "depth": Case("depth", None, (), "IoU .811, RMSE .672, the depth project, 400,000 composites"),
}


def train(case: Case, data_sets: Path, out: Path, name: str, time: str | None, extra: list[str]) -> bool:
    run = out / name
    if (run / "evaluation" / "summary.json").is_file():
        return True
    data = data_sets / case.real if case.real else out / "drawn" / case.recipe
    if case.real and not data.is_dir():
        print(f"{name}: no data set at {data}", file=sys.stderr)
        return False
    if not data.exists():
        limner("sample", case.recipe, str(data))
    settings = [text.format(data_sets=data_sets) for text in case.settings]
    if case.group:
        table = out / f"{name}.csv"
        shares = ["--split", case.split] if case.split else []
        limner("split", str(data), "--group", case.group, *shares, "-o", str(table), "--overwrite")
        data = table
    elif case.split:
        settings.append(f"data.split={case.split}")
    budget = ["--time", time] if time else []
    limner("train", str(data), "--recipe", case.recipe, "-o", str(run), *budget, *settings, *extra)
    return True


def limner(*words: str) -> None:
    print(" ".join(["$ limner", *words]), file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "limner", *words], check=True)


def row(name: str, case: Case, run: Path) -> str:
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    record = json.loads((run / "run.json").read_text())
    counts = json.loads((run / "data.json").read_text())["counts"]
    plan = yaml.safe_load((run / "plan.yaml").read_text())
    height, width = plan["size"]["value"]
    cells = [
        name,
        case.real or "drawn",
        f"{counts['train']}/{counts['val']}/{summary['n_images']}",
        f"{height}×{width}, batch {plan['batch']['value']}",
        f"{record['parameters'] / 1e6:.2f} M",
        "; ".join(scores(target, values) for target, values in summary["targets"].items()),
        str(record["epochs"]),
        f"{record['seconds']['train'] / 60:.1f}",
        f"{record['images_per_s']:.1f}",
        case.figure,
    ]
    return "| " + " | ".join(cells) + " |"


def scores(target: str, values: dict[str, Any]) -> str:
    found = {key: value for key, value in values["mean"].items() if key in ("dice", "iou", "rmse", "mae", "absrel")}
    return f"{target}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items() if value is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+", choices=list(CASES), metavar="CASE")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/recipes"))
    parser.add_argument("--time", help="Time budget of each; without one, the recipe's own length.")
    parser.add_argument("--set", nargs="*", default=[], help="Further settings for all, such as training.device=cpu.")
    given = parser.parse_args()
    done = [name for name in given.names if train(CASES[name], given.data_sets, given.out, name, given.time, given.set)]
    if not done:
        parser.error(f"none of the cases could run: {', '.join(given.names)}")
    machine = json.loads((given.out / done[0] / "run.json").read_text())["machine"]
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}\n")
    print("| case | data | train/val/test | input | parameters | test scores | epochs | minutes | images/s | others |")
    print("|---|---|---|---|--:|---|--:|--:|--:|---|")
    for name in done:
        print(row(name, CASES[name], given.out / name))


if __name__ == "__main__":
    main()
