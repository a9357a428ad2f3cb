"""What calibration does to probabilities on samples that neither training nor calibration saw.

    python benchmarks/calibration.py DATA_SETS -o RUNS isic:300 nuclei cardiac_cine:300:'^(SC-[A-Z]+-[0-9]+)-'

`NAME[:COUNT[:GROUP]]` takes COUNT samples, evenly spread, and keeps groups whole. Trains a small network on
each (`SETTINGS`), which calibrates on the validation samples, and prints a Markdown table of the test samples:
expected calibration error and negative log-likelihood without and with the temperature. Runs that are there
already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np

import limner
from limner.data.catalog import Catalog, spread
from limner.data.layouts import find_samples

SETTINGS = {
    "data.fit": "resize",
    "data.size": [128, 128],
    "data.split": "60:20:20",
    "model.conv_sizes": [8, 16, 32, 64],
    "training.epochs": 12,
    "training.patience": 0,
    "training.batch": 8,
    "training.previews": 0,
}


def subset(place: Path, count: int | None, out: Path) -> Path:
    """A table of some of the samples of a data set."""
    catalog: Catalog = find_samples(place).catalog
    chosen = spread(np.arange(len(catalog)), count or len(catalog))
    catalog.subset(chosen).save(out)
    return out


def train(place: Path, count: int | None, group: str | None, run: Path) -> None:
    if (run / "evaluation" / "summary.json").is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        table = subset(place, count, Path(folder) / "samples.csv")
        settings = SETTINGS | ({"data.group": group} if group else {})
        limner.train(table, out=run, settings=settings)


def row(name: str, run: Path) -> str:
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    target = summary["targets"]["mask"]
    found = target["calibration"]
    cells = [
        name,
        f"{summary['n_images']}",
        f"{target['mean']['dice']:.3f}",
        f"{found['temperature']:.3f}",
        *(f"{found[when]['ece']:.4f}" for when in ("before", "after")),
        *(f"{found[when]['nll']:.4f}" for when in ("before", "after")),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/calibration"))
    given = parser.parse_args()
    rows = []
    for words in given.names:
        name, count, group = [*words.split(":", 2), None, None][:3]
        run = given.out / str(name)
        train(given.data_sets / str(name), int(count) if count else None, group, run)
        rows.append(row(str(name), run))
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| data | test images | Dice | temperature | ECE without | ECE with | NLL without | NLL with |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
