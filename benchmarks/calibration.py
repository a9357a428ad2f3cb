"""What calibration does to probabilities on samples that neither training nor calibration saw.

    python benchmarks/calibration.py DATA_SETS -o RUNS isic:300 nuclei cardiac_cine:300:'^(SC-.+)-IM-'
    python benchmarks/calibration.py DATA_SETS -o RUNS isic:240 --loss dice --ema 0 --epochs 60 --size 96

`NAME[:COUNT[:GROUP]]` takes COUNT samples, evenly spread, and keeps groups whole. Trains a small network on
each (`SETTINGS`) and prints a Markdown table of the test samples: expected calibration error and negative
log-likelihood as the network answers, with what Limner applied, with the temperature that fits the validation
samples best whether applied or not, and with a scale and a shift of the logits fitted to the same pixels (Platt
1999; of binary targets). Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, special

import limner
from limner.data.catalog import Catalog, spread
from limner.data.layouts import find_samples
from limner.data.prepare import Prepared
from limner.evaluation.calibrate import uncalibrated
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.metrics.calibration import fit_temperature, likelihood_loss, reliability, temper
from limner.training.record import read_data
from limner.types import IGNORE

SETTINGS = {
    "data.fit": "resize",
    "data.split": "60:20:20",
    "model.conv_sizes": [8, 16, 32, 64],
    "training.patience": 0,
    "training.batch": 8,
    "training.previews": 0,
}

TARGET = "mask"
PIXELS = 20_000
"""Of each picture, at most."""


@dataclass(frozen=True)
class Pixels:
    """Probabilities of the foreground `pixels 1` and truth `pixels` of some samples, drawn from each alike.

    `parts` are the same, sample by sample.
    """

    parts: list[tuple[np.ndarray, np.ndarray]]

    @property
    def probs(self) -> np.ndarray:
        """Of all samples together."""
        return np.concatenate([probs for probs, _ in self.parts])

    @property
    def truth(self) -> np.ndarray:
        """Of all samples together."""
        return np.concatenate([truth for _, truth in self.parts])

    def fit(self, probs: np.ndarray | None = None) -> tuple[float, float]:
        """ECE and negative log-likelihood."""
        shown = self.probs if probs is None else probs
        return reliability(shown, self.truth, "binary").ece, likelihood_loss(shown, self.truth, "binary")


def subset(place: Path, count: int | None, out: Path) -> Path:
    """A table of some of the samples of a data set."""
    catalog: Catalog = find_samples(place).catalog
    chosen = spread(np.arange(len(catalog)), count or len(catalog))
    catalog.subset(chosen).save(out)
    return out


def train(place: Path, count: int | None, run: Path, settings: Mapping[str, Any]) -> None:
    if (run / "evaluation" / "summary.json").is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        table = subset(place, count, Path(folder) / "samples.csv")
        limner.train(table, out=run, settings=dict(settings))


def collect(predictor: Predictor, data: Prepared, split: str) -> Pixels:
    """What the network answers on the samples of a split, without a temperature."""
    random = np.random.default_rng(0)
    parts: list[tuple[np.ndarray, np.ndarray]] = []

    def look(_: int, picture: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        known = np.flatnonzero(truth[TARGET] != IGNORE)
        chosen = random.choice(known, min(PIXELS, len(known)), replace=False)
        parts.append((prediction.probs[TARGET].reshape(-1)[chosen, None], truth[TARGET].reshape(-1)[chosen]))

    part = data.catalog.subset(data.catalog.indices(split))
    score(predictor, part, data.label_maps, probabilities=True, on_prediction=look)
    return Pixels(parts)


def logits(probs: np.ndarray) -> np.ndarray:
    return np.asarray(special.logit(np.clip(probs.astype(np.float64), 2.0**-24, 1 - 2.0**-24)))


def fit_platt(found: Pixels) -> tuple[float, float]:
    """Scale and shift of the logits under which the truth is likeliest."""
    values, signs = logits(found.probs)[:, 0], np.where(found.truth == 1, 1.0, -1.0)

    def loss(line: np.ndarray) -> float:
        return float(np.logaddexp(0.0, -signs * (line[0] * values + line[1])).mean())

    scale, shift = optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
    return float(scale), float(shift)


def by_picture(found: Pixels, temperature: float) -> list[str]:
    """What a temperature does to single pictures.

    Gain of the loss with its standard error, pictures that gain, the median of the temperatures that would fit each
    best, and the mean of their own ECE without and with it.
    """
    tempered = [(temper(probs, temperature, "binary"), truth) for probs, truth in found.parts]
    losses = [[likelihood_loss(*part, "binary") for part in parts] for parts in (found.parts, tempered)]
    eces = [[reliability(*part, "binary").ece for part in parts] for parts in (found.parts, tempered)]
    gains = np.subtract(losses[0], losses[1])
    own = [fit_temperature(*part, "binary") for part in found.parts]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    means = [f"{np.mean(values):.4f}" for values in eces]
    return [
        f"{gains.mean():+.4f} ± {error:.4f}",
        f"{(gains > 0).sum()} of {len(gains)}",
        f"{np.median(own):.2f}",
        *means,
    ]


def rows(name: str, run: Path, trained: str) -> tuple[str, str, str]:
    """A line of all pixels together, and two of single pictures: validation and test."""
    predictor = Predictor.from_file(run / "model.safetensors", device="cpu")
    applied = predictor.meta.targets[TARGET].temperature
    predictor.meta = uncalibrated(predictor.meta)
    data = read_data(run)
    val, test = (collect(predictor, data, split) for split in ("val", "test"))
    best = fit_temperature(val.probs, val.truth, "binary")
    scale, shift = fit_platt(val)
    summary = json.loads((run / "evaluation" / "summary.json").read_text())["targets"][TARGET]
    versions = (
        test.fit(),
        test.fit(temper(test.probs, applied, "binary")),
        test.fit(temper(test.probs, best, "binary")),
        test.fit(special.expit(scale * logits(test.probs) + shift)),
    )
    cells = [name, trained, f"{summary['mean']['dice']:.3f}", f"{applied:.3f}", f"{best:.3f}"]
    cells += [f"{scale:.2f}, {shift:+.2f}"]
    cells += [f"{version[place]:.4f}" for place in (0, 1) for version in versions]
    singles = ([name, trained, split, *by_picture(part, best)] for split, part in (("val", val), ("test", test)))
    first, second = map(line, singles)
    return line(cells), first, second


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", "-o", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--loss", help="as training.loss; default: Limner's choice")
    parser.add_argument("--ema", type=float, help="as training.ema; 0 is without a moving average")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    changes = {"training.loss": given.loss, "training.ema": given.ema}
    changes = {name: value for name, value in changes.items() if value is not None}
    settings = SETTINGS | {"training.epochs": given.epochs, "data.size": [given.size, given.size]} | changes
    trained = ", ".join([f"{given.loss or 'usual'} loss", *([f"EMA {given.ema:g}"] if given.ema is not None else [])])
    trained += f", {given.epochs} epochs, {given.size}²"
    together, single = [], []
    for words in given.names:
        name, count, group = [*words.split(":", 2), None, None][:3]
        run = given.out / f"{name} {trained}"
        own = settings | ({"data.group": group} if group else {})
        train(given.data_sets / str(name), int(count) if count else None, run, own)
        whole, *pictures = rows(str(name), run, trained)
        together.append(whole)
        single += pictures
    print(f"load {os.getloadavg()[0]:.1f}\n")
    heads = ["data", "training", "Dice", "applied temperature", "best temperature", "scale, shift"]
    heads += [f"{what} {how}" for what in ("ECE", "NLL") for how in ("without", "applied", "best", "scale and shift")]
    print("\n".join([line(heads), "|---|---|" + "--:|" * (len(heads) - 2), *together]))
    heads = ["data", "training", "samples", "gain of NLL by picture", "gain", "own best temperature"]
    heads += ["ECE by picture without", "ECE by picture, best"]
    print("\n".join(["", line(heads), "|---|---|---|" + "--:|" * (len(heads) - 3), *single]))


if __name__ == "__main__":
    main()
