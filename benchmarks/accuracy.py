"""Accuracy with no option but a time budget: `limner train DATA --time 15m` on several data sets.

    python benchmarks/accuracy.py DATA_SETS -o RUNS --time 15m spine isbi2012 isic nuclei camvid

`DATA_SETS` is a folder with one folder per data set. Prints a Markdown table: scores on the test
samples that training never saw, the time it took and how fast it went. Runs that are there already
are not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml


def train(data: Path, run: Path, time: str) -> None:
    if not (run / "evaluation" / "summary.json").is_file():
        command = [sys.executable, "-m", "limner", "train", str(data), "-o", str(run), "--time", time]
        print(" ".join(["$ limner", *command[3:]]), file=sys.stderr, flush=True)
        subprocess.run(command, check=True)


def row(name: str, run: Path) -> str:
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    record = json.loads((run / "run.json").read_text())
    counts = json.loads((run / "data.json").read_text())["counts"]
    plan = yaml.safe_load((run / "plan.yaml").read_text())
    target = summary["targets"]["mask"]
    pooled = [entry["pooled"]["iou"] for entry in target["classes"] if entry["pooled"]["iou"] is not None]
    height, width = plan["size"]["value"]
    cells = [
        name,
        f"{counts['train']}/{counts['val']}/{summary['n_images']}",
        str(len(target["classes"])),
        f"{plan['fit']['value']} {height}×{width}",
        f"{target['mean']['dice']:.3f}",
        f"{target['mean']['iou']:.3f}",
        f"{sum(pooled) / len(pooled):.3f}",
        str(record["epochs"]),
        f"{record['seconds']['train'] / 60:.1f}",
        f"{record['images_per_s']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--time", default="15m")
    given = parser.parse_args()
    for name in given.names:
        train(given.data_sets / name, given.out / name, given.time)
    record = json.loads((given.out / given.names[0] / "run.json").read_text())
    machine = record["machine"]
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; {record['versions']}\n")
    print("| data | train/val/test | classes | input | Dice | IoU | pooled IoU | epochs | minutes | images/s |")
    print("|---|---|--:|---|--:|--:|--:|--:|--:|--:|")
    for name in given.names:
        print(row(name, given.out / name))


if __name__ == "__main__":
    main()
