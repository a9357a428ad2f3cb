"""A run folder as a training leaves it, and the report as a reader's browser takes it apart."""

import csv
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec
from limner.data.labels import LabelMap
from limner.evaluation.cases import choose_cases
from limner.evaluation.cases import write_cases as record_cases
from limner.evaluation.gallery import Gallery
from limner.images import write_image
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import ScoreTable, TargetScores

CLASSES = ("background", "cell", "nucleus")
COLORS = ((0, 0, 0), (230, 159, 0), (86, 180, 233))
METRICS = ("dice", "iou", "precision", "recall")


class Page(HTMLParser):
    """Text, tables, definition lists and pictures of a page, read by the standard library alone."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.facts: dict[str, str] = {}
        self.sections: dict[str, str] = {}
        self._open: list[str] = []
        self._words: dict[str, str] = {}
        self._rows: list[list[str]] = []
        self._section = ""
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.sections.values()).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag in ("img", "meta", "link", "br", "line", "path", "rect", "circle", "input"):
            return
        self._open.append(tag)
        if tag == "section":
            self._section = attributes.get("id") or ""
        elif tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        if tag in ("caption", "th", "td", "dt", "dd"):
            self._words[tag] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag in ("th", "td"):
            self._rows[-1].append(" ".join(self._words.pop(tag).split()))
        elif tag == "table":
            self.tables[" ".join(self._words.pop("caption").split())] = self._rows
        elif tag == "dd":
            name = " ".join(self._words["dt"].split())
            self.facts[name] = " ".join(self._words["dd"].split())

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.sections[self._section] = self.sections.get(self._section, "") + data
        for tag in self._words:
            if tag in self._open:
                self._words[tag] += data


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    return lambda path: Page(path.read_text(encoding="utf-8"))


def image_rows(generator: np.random.Generator, images: int) -> list[dict[str, Any]]:
    """Per-image lines with one missed, one falsely found and two absent nuclei."""
    kinds = {3: "missed", 5: "false_alarm", 6: "both_empty", 7: "both_empty"}
    rows = []
    for image in range(images):
        for number, name in enumerate(CLASSES):
            kind = kinds.get(image, "present") if name == "nucleus" else "present"
            dice = float(generator.uniform(0.5, 1.0)) if kind == "present" else 0.0
            scores: dict[str, Any] = {"dice": dice, "iou": dice / (2 - dice), "precision": dice, "recall": dice}
            if kind == "both_empty":
                scores = dict.fromkeys(METRICS, "")
            pixels = {"tp": number, "fp": 1, "fn": 2, "case": kind}
            rows.append({"id": f"im{image}", "group": "", "target": "mask", "class": name, **scores, **pixels})
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """`summary.json` of per-image lines, by plain means."""
    classes = []
    for number, name in enumerate(CLASSES):
        own = [row for row in rows if row["class"] == name]
        means = {metric: float(np.mean([row[metric] for row in own if row[metric] != ""])) for metric in METRICS}
        counts = {
            f"n_{kind}": sum(row["case"] == kind for row in own)
            for kind in ("present", "missed", "false_alarm", "both_empty")
        }
        classes.append({"name": name, "id": number, **means, "pooled": dict.fromkeys(METRICS, 0.625), **counts})
    mean = {metric: float(np.mean([entry[metric] for entry in classes[1:]])) for metric in METRICS}
    return {
        "n_images": len(rows) // len(CLASSES),
        "policy": "Absent on both sides: undefined.\nMissed: 0.",
        "data_hash": "0123456789abcdef0123",
        "split": "test",
        "targets": {"mask": {"task": "multiclass", "mean": mean, "classes": classes}},
    }


def write_cases(folder: Path, name: str) -> None:
    picture = np.full((12, 16, 3), 200, np.uint8)
    cases = []
    for kind, rank in (("best", 1), ("median", 4), ("worst", 8)):
        panels = []
        for panel in ("image", "truth", "prediction", "errors"):
            write_image(folder / f"{kind}_1_{panel}.webp", picture)
            panels.append({"name": panel, "file": f"{kind}_1_{panel}.webp"})
        scores = {"mask": {"cell": 0.75, "nucleus": None}}
        record = {"kind": kind, "id": name or f"im{rank}", "rank": rank, "ranked": 8, "score": 0.75, "scores": scores}
        cases.append(record | {"panels": panels})
    legend = [{"name": "hit", "color": "#009e73"}]
    (folder / "cases.json").write_text(json.dumps({"legend": legend, "cases": cases}))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a whole run folder; tests then take away or change what they are about."""

    def make(*, images: int = 8, epochs: int = 5, name: str = "cells", sample: str = "") -> Path:
        generator = np.random.default_rng(0)
        run = tmp_path / name
        cases = run / "evaluation" / "cases"
        cases.mkdir(parents=True)
        rows = image_rows(generator, images)
        with (run / "evaluation" / "per_image.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        (run / "evaluation" / "summary.json").write_text(json.dumps(summarise(rows)))
        write_cases(cases, sample)
        lines = [
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "seconds": 2.5 * epoch,
                "train_loss": 1 / epoch,
                "val_dice": 0.6 + (0.1 if epoch == 3 else 0.01 * epoch),
                "val_iou": 0.5,
                "lr": 0.002 / epoch,
                "images_per_s": 40.0 + epoch,
            }
            for epoch in range(1, epochs + 1)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (run / "run.json").write_text(json.dumps(RUN))
        (run / "data.json").write_text(json.dumps(DATA))
        (run / "config.yaml").write_text("training:\n  epochs: 5\n")
        plan = {"batch": {"value": 8, "because": "it fits"}, "lr": {"value": 0.002, "because": "set"}}
        (run / "plan.yaml").write_text(yaml.safe_dump(plan))
        splits = ["train"] * 12 + ["val"] * 4 + ["test"] * 8
        samples = [f"im{number},{split},g{number // 2},a.png,m.png" for number, split in enumerate(splits)]
        (run / "samples.csv").write_text("id,split,group,input.image,target.mask\n" + "\n".join(samples) + "\n")
        write_image(run / "samples.png", np.full((20, 30, 3), 90, np.uint8))
        for epoch in (1, 3, 5):
            write_image(run / "previews" / f"epoch_{epoch:04d}.png", np.full((10, 20, 3), 50 * epoch, np.uint8))
        return run

    return make


@pytest.fixture
def draw_cases() -> Callable[..., None]:
    """Draws the cases of a run anew, as an evaluation does: with layers, and with uncertainty."""

    def draw(run: Path, *, images: int = 16, size: tuple[int, int] = (36, 48), noise: bool = False) -> None:
        generator = np.random.default_rng(0)
        label_map = LabelMap("multiclass", CLASSES, COLORS, "values", ((0,), (128,), (255,)))
        gallery = Gallery({"mask": label_map})
        scores = generator.uniform(0.3, 1, images)
        cases = choose_cases(scores, expected=generator.uniform(0.3, 1, images))
        for case in cases:
            picture = generator.integers(0, 255 if noise else 40, (*size, 3)).astype(np.uint8)
            truth = np.zeros(size, np.uint8)
            truth[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
            found = np.roll(truth, 3, axis=1) * 2
            unsure = generator.uniform(0, 1, size).astype(np.float32)
            gallery.draw(case.place, picture, {"mask": truth}, Prediction({"mask": found}, {}, {}), {"mask": unsure})
        counts = np.ones((images, len(CLASSES), 4), int)
        names = [f"im{number}" for number in range(images)]
        targets = {"mask": TargetScores("multiclass", CLASSES, list(range(images)), counts)}
        record_cases(run / "evaluation" / "cases", cases, gallery, ScoreTable(names, [""] * images, targets))

    return draw


RUN = {
    "status": "finished",
    "limner": "0.1.0",
    "versions": {"torch": "2.15.0"},
    "machine": {"processor": "Abacus 9", "cores": 2, "gpu": None},
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": {"prepare": 1.5, "train": 75.0, "evaluate": 3.5},
    "parameters": 1_928_433,
    "images_per_s": 41.25,
}
DATA = {
    "counts": {"samples": 24, "train": 12, "val": 4, "test": 8},
    "layout": "pairs",
    "pairing": {"pairs": 24, "rule": "same name", "unmatched_images": ["lost.png"], "unmatched_masks": []},
    "notes": ["two pictures were rotated"],
    "label_maps": {
        "mask": {
            "task": "multiclass",
            "names": CLASSES,
            "colors": COLORS,
            "values": [[0], [128], [255]],
            "because": "only 0, 128 and 255 occur",
        }
    },
    "fingerprint": {"median": [480, 640], "class_share": {"mask": [0.9, 0.0876, 0.0124]}},
}


class Bright(nn.Module):
    """Says cell where a pixel is brighter than the mean of the training data."""

    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(50.0))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"mask": self.gain * images}


@pytest.fixture
def bright() -> Predictor:
    """A model with `Bright`, for 8-bit grey pictures and one class."""
    spec = {"channels": 1, "dtype": "uint8", "low": 0.0, "high": 255.0, "mean": [0.5], "std": [0.25]}
    meta = BundleMeta(
        model=ModelSpec(name="unet", kwargs={}),
        inputs=InputSpec(**spec, fit="native"),
        targets={"mask": TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (250, 40, 10)])},
        tiling=TilingSpec(size=512),
        data=DataSpec(hash="ab", count=1),
    )
    return Predictor(Bright(), meta, device="cpu", precision="float32")
