"""Every number of a report, computed again from the files on disk by other code.

The page is taken apart by the standard library; truth is read with Pillow, predictions come from `limner.load`,
and everything else is NumPy and SciPy here: no score, interval or table of Limner is used to check another.

A number of the page that no line of `expected…` names fails the test, as does a name that the page does not have.
So whoever adds a number to the report adds here how it follows from the run's files. Names are
`section > heading > table or fact > row > column`; `p` and such stand for sentences.
"""

import csv
import hashlib
import json
import math
import re
import statistics
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage, optimize, special, stats
from scipy.spatial.distance import cdist

import limner

pytestmark = pytest.mark.slow

SMALL = {
    "training.device": "cpu",
    "training.precision": "float32",
    "training.batch": 8,
    "training.steps_per_epoch": 12,
    "training.epochs": 3,
    "data.size": [32, 32],
    "data.fit": "resize",
    "model.conv_sizes": [4, 8],
}


def draw(folder: Path, kinds: str) -> Path:
    """Noise with rectangles, a manifest of it, 12 samples to train, 6 to validate and 32 to test.

    `groups`: binary masks, two samples to a group. `numbers`: three classes and a depth, no groups.
    """
    random = np.random.default_rng(3)
    grouped = kinds == "groups"
    rows = []
    for number in range(50):
        height, width = (40, 48) if number % 3 else (48, 36)
        mask, image = np.zeros((height, width), np.uint8), random.normal(60, 12, (height, width))
        for place in range(0 if number in (20, 21, 25) else 1 + number % 3):
            label = 1 if grouped else 1 + (place + number) % 2
            top, left = random.integers(0, height - 12), random.integers(0, width - 12)
            box = slice(top, top + random.integers(6, 14)), slice(left, left + random.integers(6, 14))
            mask[box] = 255 if grouped else label
            image[box] += 70 if label == 1 else 130
        picture = np.clip(image, 0, 255).astype(np.uint8)
        depth = np.clip(image / 8 + random.normal(0, 1, image.shape), 0, 30).astype(np.uint8)
        for name, array in (("image", picture), ("mask", mask), ("depth", depth)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / name / f"{number:02}.png")
        split = "train" if number < 12 else "val" if number < 18 else "test"
        row = {
            "id": f"s{number:02}",
            "image": f"image/{number:02}.png",
            "mask": f"mask/{number:02}.png",
            "split": split,
        }
        rows.append(row | ({"group": f"g{number // 2}"} if grouped else {"depth": f"depth/{number:02}.png"}))
    with (folder / "samples.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "samples.csv"


def train(folder: Path, kinds: str) -> Path:
    settings: dict[str, Any] = dict(SMALL)
    if kinds == "numbers":
        settings["data.targets"] = {"depth": {"task": "regression", "unit": "m", "factor": 0.1}}
    return limner.train(draw(folder / "data", kinds), out=folder / "run", settings=settings).folder


class Page(HTMLParser):
    """Texts of a page by name: cells of tables, facts, and sentences."""

    INLINE = ("a", "b", "code", "em", "i", "small", "span", "strong", "sup", "sub", "button", "label")
    VOID = ("img", "meta", "link", "br", "line", "path", "rect", "circle", "polyline", "input", "hr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[list[str]] = []
        self._section = self._heading = self._caption = self._row = self._term = ""
        self._columns: list[str] = []
        self._place = 0
        self._cells: list[tuple[int, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        attributes = dict(attrs)
        if tag == "section":
            self._section, self._heading = attributes.get("id") or "", ""
        elif tag == "table":
            self._columns = []
        elif tag == "tr":
            self._place, self._row, self._cells = 0, "", []
        self._open.append((tag, attributes))
        self._words.append([])

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] not in ("style", "script", "text"):
            self._words[-1].append(data)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            opened, attributes = self._open.pop()
            text = "".join(self._words.pop())
            if opened in self.INLINE and self._words:
                self._words[-1].append(text)
            elif opened in ("caption", "th", "td", "tr"):
                self._close_in_table(opened, attributes, " ".join(text.split()))
            else:
                self._close(opened, attributes, " ".join(text.split()))
            if opened == tag:
                break

    def _close_in_table(self, tag: str, attributes: Mapping[str, str | None], text: str) -> None:
        if tag == "caption":
            self._caption = text
        elif tag == "tr":
            for place, cell in self._cells:
                column = self._columns[place] if place < len(self._columns) else ""
                name = f"{self._section} > {self._heading} > {self._caption} > {self._row} > {column}"
                self.texts.append((name, cell))
        elif attributes.get("scope") == "col":
            self._columns.append(text)
        else:
            if tag == "th":
                self._row = text
            else:
                self._cells.append((self._place, text))
            self._place += 1

    def _close(self, tag: str, attributes: Mapping[str, str | None], text: str) -> None:
        if tag == "dt":
            self._term = text
            return
        if tag == "h3":
            self._heading = text
        if tag == "svg":
            tag, text = "chart", attributes.get("aria-label") or ""
        name = {"dd": self._term}.get(tag, "case" if attributes.get("class") == "case-head" else tag)
        self.texts.append((f"{self._section} > {self._heading} > {name}", text))


# How a number is written, and what it must be.

Check = Callable[[str], bool]


def written(text: str) -> float:
    try:
        return float(text.replace(",", "").removesuffix("%").strip())
    except ValueError:
        return math.nan


def exactly(text: object) -> Check:
    return lambda shown: shown == str(text)


def close(value: float | None, digits: int, slack: float = 0.0) -> Check:
    """A number with so many decimals; a dash where there is none."""

    def check(shown: str) -> bool:
        if value is None or math.isnan(value):
            return shown == "–"
        return shown != "–" and abs(written(shown) - value) <= 0.5005 * 10**-digits + slack

    return check


def score(value: float | None, slack: float = 0.0) -> Check:
    return close(value, 3, slack)


def number(value: float | None, slack: float = 0.0) -> Check:
    """Four significant digits; whole from 1000 on."""
    if not value or math.isnan(value):
        return close(value, 3, slack)
    return close(value, 0 if abs(value) >= 1000 else 3 - math.floor(math.log10(abs(value))), slack)


def percent(value: float | None) -> Check:
    """A share with one decimal of a percent."""
    return close(value if value is None else 100 * value, 1)


def seconds(value: float) -> Check:
    def check(shown: str) -> bool:
        units = {"h": 3600, "min": 60, "s": 1}
        found = sum(float(amount) * units[unit] for amount, unit in re.findall(r"([\d.]+) (h|min|s)\b", shown))
        return abs(found - value) <= (0.051 if value < 9.95 else 0.51 if value < 3600 else 31)

    return check


def several(*checks: Check, between: str = ", ") -> Check:
    def check(shown: str) -> bool:
        parts = shown.split(between)
        return len(parts) == len(checks) and all(one(part) for one, part in zip(checks, parts, strict=True))

    return check


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its interval; None where no interval may be given.

    Where few images differ from the rest, means of draws are few as well, with gaps between them: then `near` holds
    those around each end, of which another program's draws may give any.
    """

    value: float | None
    ends: tuple[float, float] | None
    near: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())


def with_interval(found: Interval, metric: str) -> Check:
    """Draws differ between programs: an end may be off by an eighth of the interval's width."""
    scale = 100 if metric == "area_error" else 1
    like = {"area_error": lambda value, slack=0.0: close(value, 1, slack)}.get(
        metric, number if metric in ("hd95", "assd", "area_abs_error", "rmse", "mae") else score
    )

    def check(shown: str) -> bool:
        shown = shown.replace(" %", "")
        match = re.fullmatch(r"(\S+)(?: \[(\S+), (\S+)\])?", shown)
        value = None if found.value is None or math.isnan(found.value) else found.value * scale
        if match is None or not like(value)(match[1]):
            return False
        if found.ends is None:
            return match[2] is None
        slack = (found.ends[1] - found.ends[0]) * scale / 8
        return match[2] is not None and all(
            any(like(one * scale, slack)(match[place]) for one in (end, *near))
            for place, end, near in zip((2, 3), found.ends, found.near, strict=True)
        )

    return check


# Scores of one class of one image, from its two masks.


def outline(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of pixels on the outline, and how much of it each stands for."""
    padded = np.pad(mask, 1)
    above, below = padded[:-1], padded[1:]
    corners = np.stack([above[:, :-1], above[:, 1:], below[:, :-1], below[:, 1:]]).astype(int)
    inside, crossed = corners.sum(axis=0), (corners[0] == corners[3]) & (corners[1] == corners[2])
    length = np.where(inside % 2 == 1, math.sqrt(0.5), np.where(inside == 2, np.where(crossed, math.sqrt(2), 1), 0))
    places = np.argwhere(length > 0)
    return places, length[tuple(places.T)]


def percentile(distances: np.ndarray, lengths: np.ndarray) -> float:
    order = np.argsort(distances)
    reached = np.cumsum(lengths[order]) / lengths.sum()
    return float(distances[order][np.argmax(reached >= 0.95 - 1e-12)])


def band(mask: np.ndarray) -> np.ndarray:
    width = max(1, round(0.02 * math.hypot(*mask.shape)))
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width)


def matches(truth: np.ndarray, found: np.ndarray) -> tuple[int, int]:
    """Pairs of regions with an IoU above 0.5, and regions in all."""
    (true, n_true), (made, n_made) = (ndimage.label(mask, np.ones((3, 3))) for mask in (truth, found))
    pairs = 0
    for one in range(1, n_true + 1):
        for other in range(1, n_made + 1):
            both, either = ((true == one) & (made == other)).sum(), ((true == one) | (made == other)).sum()
            pairs += 2 * both > either
    return int(pairs), n_true + n_made


def part(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan


PIXELS = ("dice", "iou", "precision", "recall", "specificity")
OBJECTS = ("nsd", "hd95", "assd", "boundary_iou", "object_f1", "area_error", "area_abs_error")
ERRORS = ("rmse", "mae", "abs_rel", "silog", "delta", "delta_square", "delta_cube")


def sums_of(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """What scores are made of, and can be added up over images."""
    both, either = truth & found, truth | found
    (places, lengths), (made, made_lengths) = outline(truth), outline(found)
    sums: dict[str, float] = {
        "tp": both.sum(),
        "fp": (found & ~truth).sum(),
        "fn": (truth & ~found).sum(),
        "tn": (~either).sum(),
        "length": lengths.sum() + made_lengths.sum(),
        "near": 0.0,
        "both_bands": (band(truth) & band(found)).sum(),
        "either_band": (band(truth) | band(found)).sum(),
    }
    sums["matched"], sums["objects"] = matches(truth, found)
    if truth.any() and found.any():
        apart = cdist(places, made)
        one, other = apart.min(axis=1), apart.min(axis=0)
        sums["near"] = lengths[one <= 2].sum() + made_lengths[other <= 2].sum()
        sums["hd95"] = max(percentile(one, lengths), percentile(other, made_lengths))
        sums["assd"] = (one @ lengths + other @ made_lengths) / sums["length"]
    elif either.any():
        sums["hd95"] = sums["assd"] = math.hypot(*truth.shape)
    return sums


def scores_of(sums: Mapping[str, float]) -> dict[str, float]:
    tp, fp, fn, tn = (sums[name] for name in ("tp", "fp", "fn", "tn"))
    return {
        "dice": part(2 * tp, 2 * tp + fp + fn),
        "iou": part(tp, tp + fp + fn),
        "precision": part(tp, tp + fp),
        "recall": part(tp, tp + fn),
        "specificity": part(tn, tn + fp),
        "nsd": part(sums["near"], sums["length"]),
        "hd95": sums.get("hd95", math.nan),
        "assd": sums.get("assd", math.nan),
        "boundary_iou": part(sums["both_bands"], sums["either_band"]),
        "object_f1": part(2 * sums["matched"], sums["objects"]),
        "area_error": part(fp - fn, tp + fn),
        "area_abs_error": abs(fp - fn) if tp + fp + fn else math.nan,
    }


def errors_of(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Errors of numbers, of one image or of all pixels of several."""
    wrong, positive = np.abs(found - truth), truth > 0
    good, logs = found[positive] / truth[positive], positive & (found > 0)
    factor = np.where(good > 0, np.maximum(good, 1 / np.where(good > 0, good, 1)), np.inf)
    return {
        "rmse": float(np.sqrt((wrong**2).mean())),
        "mae": float(wrong.mean()),
        "abs_rel": float((wrong[positive] / truth[positive]).mean()),
        "silog": float(np.std(np.log(found[logs]) - np.log(truth[logs]))),
        **{
            name: float((factor < 1.25**power).mean())
            for power, name in enumerate(("delta", "delta_square", "delta_cube"), start=1)
        },
    }


def mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def scipys_bca(
    tables: Sequence[np.ndarray], statistic: Callable[..., np.ndarray], n: int, level: float, *, seed: int
) -> tuple[tuple[float, float], np.ndarray]:
    """The BCa interval of a statistic of columns that are drawn together, by SciPy; and the draws, ascending.

    For small samples its levels are those of Student's t instead of the normal distribution (Hesterberg 2015).
    """
    wide = stats.t.ppf((1 + level) / 2, n - 1) * math.sqrt(n / (n - 1))
    found = stats.bootstrap(
        tables,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=9999,
        confidence_level=2 * stats.norm.cdf(wide) - 1,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    ends = float(found.confidence_interval.low), float(found.confidence_interval.high)
    return ends, np.sort(found.bootstrap_distribution)


def interval(series: np.ndarray, units: Sequence[str]) -> Interval:
    """The mean over images, then over series, of `images series`, and its BCa interval over units, by SciPy."""
    known = ~np.isnan(series)
    names = sorted(set(units))
    numbers = np.array(
        [[known[[unit == name for unit in units], k].sum() for name in names] for k in range(series.shape[1])]
    )
    sums = np.array(
        [[np.nansum(series[[unit == name for unit in units], k]) for name in names] for k in range(series.shape[1])]
    )
    value = mean([mean(list(column)) for column in series.T])
    n = int((numbers.sum(axis=0) > 0).sum())
    if n < 8 or len({round(v, 12) for v in series[known].tolist()}) < 2:
        return Interval(value, None)

    def statistic(*drawn: np.ndarray, axis: int) -> np.ndarray:
        totals = np.stack([one.sum(axis=axis) for one in drawn])
        return (totals[: len(sums)] / totals[len(sums) :]).mean(axis=0)

    assert len(names) >= n
    ends, drawn = scipys_bca((*sums, *numbers), statistic, n, 0.95, seed=1)

    def around(end: float) -> tuple[float, ...]:
        """What lies within half a percent of the draws."""
        first, last = np.searchsorted(drawn, end, "left"), np.searchsorted(drawn, end, "right")
        reach = len(drawn) // 200
        return tuple(np.unique(drawn[max(0, first - reach) : last + reach]).tolist())

    few = len(np.unique(drawn.round(12))) < 500
    return Interval(value, ends, (around(ends[0]), around(ends[1])) if few else ((), ()))


# What a run's files and its model say.


@dataclass
class Facts:
    """Everything that is known of a run without its evaluation."""

    run: Path
    samples: list[dict[str, str]]
    model: Any = None
    truth: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = limner.load(self.run, device="cpu")
        for sample in self.samples:
            self.truth[sample["id"]] = {
                name.removeprefix("target."): np.asarray(Image.open(path))
                for name, path in sample.items()
                if name.startswith("target.")
            }
            self.found[sample["id"]] = self.model.predict(sample["input.image"])

    def of(self, split: str) -> list[dict[str, str]]:
        return [sample for sample in self.samples if sample["split"] == split]

    def json(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())

    @property
    def epochs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run / "metrics.jsonl").read_text().splitlines()]

    @property
    def header(self) -> dict[str, Any]:
        """Head of the model's file: a length of eight bytes, then JSON."""
        content = (self.run / "model.safetensors").read_bytes()
        return dict(json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]]))

    @property
    def description(self) -> dict[str, Any]:
        return dict(json.loads(self.header["__metadata__"]["limner"]))

    @property
    def parameters(self) -> int:
        learned = (
            math.prod(entry["shape"])
            for name, entry in self.header.items()
            if name != "__metadata__" and not re.search("running_|num_batches", name)
        )
        return sum(learned)


def read(run: Path) -> Facts:
    with (run / "samples.csv").open(newline="") as file:
        return Facts(run, list(csv.DictReader(file)))


def ids_of(mask: np.ndarray, binary: bool) -> np.ndarray:
    return mask // 255 if binary else mask


# Expected texts of the page.

Registry = dict[str, Check]
Sentence = tuple[str, str, Sequence[Check]]
HEADINGS = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "nsd": "NSD at 2 px",
    "hd95": "HD95 (px)",
    "assd": "ASSD (px)",
    "boundary_iou": "Boundary IoU",
    "object_f1": "Object F1",
    "area_error": "Area error",
    "area_abs_error": "Absolute area error (px²)",
}


@dataclass
class Scored:
    """Scores of the test images of a target with classes: `[class][image][metric]`, and what they are made of."""

    names: list[str]
    units: list[str]
    sums: list[list[dict[str, float]]]
    scores: list[list[dict[str, float]]]

    def series(self, metric: str, classes: Sequence[int]) -> np.ndarray:
        return np.array([[image[metric] for image in self.scores[index]] for index in classes]).T


def score_masks(facts: Facts, binary: bool) -> Scored:
    names = ["background", "foreground"] if binary else ["background", "class 1", "class 2"]
    sums: list[list[dict[str, float]]] = [[] for _ in names]
    for sample in facts.of("test"):
        truth, found = ids_of(facts.truth[sample["id"]]["mask"], binary), facts.found[sample["id"]].masks["mask"]
        for index in range(len(names)):
            sums[index].append(sums_of(truth == index, found == index))
    units = [sample.get("group") or sample["id"] for sample in facts.of("test")]
    return Scored(names, units, sums, [[scores_of(image) for image in images] for images in sums])


def expected_scores(facts: Facts, scored: Scored, several_targets: bool) -> Registry:
    heading = "mask" if several_targets else ""
    counted = range(1, len(scored.names))
    found: Registry = {}
    means = {metric: interval(scored.series(metric, list(counted)), scored.units) for metric in HEADINGS}
    n = len(scored.units)
    for name, metric in (
        (f"mean Dice on {n} test images", "dice"),
        ("IoU", "iou"),
        ("NSD at 2 px", "nsd"),
        ("HD95 in px", "hd95"),
    ):
        found[f"score > {heading} > {name}"] = with_interval(means[metric], metric)
    # Tables of means, with the background's pixel scores.
    for title, metrics in (("means", ("dice", "iou", "nsd", "hd95")), ("further means", tuple(HEADINGS)[2:])):
        metrics = tuple(metric for metric in metrics if title == "means" or metric not in ("nsd", "hd95"))
        for metric in metrics:
            place = f"classes >  > mask: {title} over images"
            for index, name in enumerate(scored.names):
                row = name + "not in the mean" * (index == 0)
                own = interval(scored.series(metric, [index]), scored.units)
                if index == 0 and metric in OBJECTS:
                    own = Interval(None, None)
                found[f"{place} > {row} > {HEADINGS[metric]}"] = with_interval(own, metric)
            found[f"{place} > Mean > {HEADINGS[metric]}"] = with_interval(means[metric], metric)
    for index in counted:
        there = [image["tp"] + image["fn"] > 0 for image in scored.sums[index]]
        drawn = [image["tp"] + image["fp"] > 0 for image in scored.sums[index]]
        cases = list(zip(there, drawn, strict=True))
        place = f"classes >  > mask: images in which each class is > {scored.names[index]}"
        for column, case in (
            ("In truth and prediction", (True, True)),
            ("Missed: in the truth alone", (True, False)),
            ("False alarm: in the prediction alone", (False, True)),
            ("In neither", (False, False)),
        ):
            found[f"{place} > {column}"] = exactly(cases.count(case))
    return found | expected_pools(facts, scored) | expected_groups(scored)


def grouped(scored: Scored) -> bool:
    return len(set(scored.units)) < len(scored.units)


def group_mean(scored: Scored, index: int, metric: str, group: str) -> float:
    images = zip(scored.units, scored.scores[index], strict=True)
    return mean([image[metric] for unit, image in images if unit == group])


def expected_pools(facts: Facts, scored: Scored) -> Registry:
    found: Registry = {}
    place = "classes >  > mask: all images together" + ", and means over groups" * grouped(scored)
    for index, name in enumerate(scored.names):
        row = f"{place} > {name + 'not in the mean' * (index == 0)}"
        totals = {key: sum(image.get(key, 0) for image in scored.sums[index]) for key in scored.sums[index][0]}
        pooled = scores_of(totals)
        for metric in ("dice", "iou", "nsd", "boundary_iou", "object_f1", "area_error"):
            value = None if index == 0 and metric in OBJECTS else pooled[metric]
            found[f"{row} > Pooled {HEADINGS[metric]}"] = with_interval(Interval(value, None), metric)
        for metric in ("dice", "iou") if grouped(scored) else ():
            groups = [group_mean(scored, index, metric, group) for group in set(scored.units)]
            found[f"{row} > {HEADINGS[metric]}, mean over groups"] = score(mean(groups))
    return found


def expected_groups(scored: Scored) -> Registry:
    found: Registry = {}
    for group in set(scored.units) if grouped(scored) else ():
        place = f"classes >  > mask: groups, the lowest Dice first > {group}"
        found[f"{place} > Images"] = exactly(scored.units.count(group))
        for metric in ("dice", "iou", "nsd", "hd95"):
            own = mean([group_mean(scored, index, metric, group) for index in range(1, len(scored.names))])
            found[f"{place} > {HEADINGS[metric]}"] = with_interval(Interval(own, None), metric)
    return found


def spread(values: Sequence[float], heading: str, like: Callable[[float], Check], *, quartiles: bool) -> Registry:
    known = sorted(value for value in values if not math.isnan(value))
    low, middle, high = (float(end) for end in np.percentile(known, [25, 50, 75]))
    found = {
        "Images": exactly(len(known)),
        "Lowest": like(known[0]),
        "Median": like(middle),
        "Highest": like(known[-1]),
    }
    if quartiles:
        found |= {"Lower quartile": like(low), "Upper quartile": like(high)}
    return {f"distribution > {heading} > {name}": check for name, check in found.items()}


def image_dice(scored: Scored) -> list[float]:
    return [mean(list(row)) for row in scored.series("dice", list(range(1, len(scored.names))))]


def depth_errors(facts: Facts) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Of each test image, and of all their pixels."""
    truth = [facts.truth[sample["id"]]["depth"].astype(np.float64) * 0.1 for sample in facts.of("test")]
    found = [facts.found[sample["id"]].values["depth"].astype(np.float64) for sample in facts.of("test")]
    one = [errors_of(*pair) for pair in zip(truth, found, strict=True)]
    return one, errors_of(np.concatenate([t.ravel() for t in truth]), np.concatenate([f.ravel() for f in found]))


def expected_errors(facts: Facts) -> Registry:
    one, pooled = depth_errors(facts)
    units = [sample["id"] for sample in facts.of("test")]
    found: Registry = {}
    means = {name: interval(np.array([[image[name]] for image in one]), units) for name in ERRORS}
    titles = {
        "rmse": f"RMSE in m on {len(one)} test images",
        "mae": "MAE in m",
        "abs_rel": "AbsRel",
        "delta": "δ < 1.25",
    }
    for name, title in titles.items():
        found[f"score > depth > {title}"] = with_interval(means[name], name)
    columns = ("RMSE (m)", "MAE (m)", "AbsRel", "SILog", "δ < 1.25", "δ < 1.25²", "δ < 1.25³")
    place = "classes >  > depth: mean over images, and pooled over all pixels"
    for name, column in zip(ERRORS, columns, strict=True):
        like = number if name in ("rmse", "mae") else score
        found[f"{place} > Images: the mean > {column}"] = like(means[name].value)
        found[f"{place} > All pixels: pooled > {column}"] = like(pooled[name])
    return found | spread([image["rmse"] for image in one], "RMSE in m of each image: depth", number, quartiles=False)


# Calibration.


def pixels(facts: Facts, split: str, binary: bool, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits without the temperature (`pixels classes`; of binary one), and truth."""
    logits, truth = [], []
    for sample in facts.of(split):
        probs = facts.found[sample["id"]].probs["mask"].astype(np.float64)
        flat = probs.reshape(len(probs), -1).T
        untempered = special.logit(flat) if binary else np.log(np.maximum(flat, 1e-30))
        logits.append(untempered * temperature)
        truth.append(ids_of(facts.truth[sample["id"]]["mask"], binary).ravel())
    return np.concatenate(logits), np.concatenate(truth)


def fit(logits: np.ndarray, truth: np.ndarray, temperature: float) -> tuple[float, float, list[tuple[float, float]]]:
    """ECE over 15 bins, negative log-likelihood, and the bins' mean confidence and share of right answers."""
    if logits.shape[1] == 1:
        probs = special.expit(logits / temperature)
        probs = np.concatenate([1 - probs, probs], axis=1)
    else:
        probs = special.softmax(logits / temperature, axis=1)
    sure, right = probs.max(axis=1), probs.argmax(axis=1) == truth
    bins = np.minimum((sure * 15).astype(int), 14)
    points = [(float(sure[bins == one].mean()), float(right[bins == one].mean())) for one in sorted(set(bins.tolist()))]
    counts = np.bincount(bins)
    off = sum(
        count * abs(sureness - share) for count, (sureness, share) in zip(counts[counts > 0], points, strict=True)
    )
    loss = -np.log(np.maximum(probs[np.arange(len(truth)), truth], 1e-30)).mean()
    return float(off / len(truth)), float(loss), points


def expected_calibration(facts: Facts, binary: bool) -> tuple[Registry, list[Sentence]]:
    temperature = facts.description["targets"]["mask"]["temperature"]
    logits, truth = pixels(facts, "test", binary, temperature)
    plain, tempered = fit(logits, truth, 1.0), fit(logits, truth, temperature)
    seen, seen_truth = pixels(facts, "val", binary, temperature)
    best = optimize.minimize_scalar(lambda t: fit(seen, seen_truth, t)[1], bounds=(0.2, 10), method="bounded").x
    seen_plain, seen_best = fit(seen, seen_truth, 1.0), fit(seen, seen_truth, best)
    found = {
        "Temperature": number(temperature),
        "Fitted on": exactly(f"{len(facts.of('val'))} images"),
        "ECE on test images": close(tempered[0], 4, 2e-5),
        "Negative log-likelihood on test images": close(tempered[1], 4, 2e-5),
    }
    if temperature != 1:
        found["ECE without it on test images"] = close(plain[0], 4, 2e-5)
        # What was applied is what fits best.
        assert abs(temperature / best - 1) < 0.01, (temperature, best)
    points = plain[2] + tempered[2]

    def on_a_line(shown: str) -> bool:
        confidence, share = map(float, shown.split(": "))
        return any(abs(confidence - c) < 2e-3 and abs(share - s) < 2e-3 for c, s in points)

    checks = (close(seen_plain[0], 4, 2e-5), close(seen_best[0], 4, 2e-4), number(best, 0.01))
    sentences: list[Sentence] = [
        ("calibration >  > title", r"right, confidence (.+)", (on_a_line,)),
        ("calibration >  > li", r"On the images it was fitted on: ECE (\S+) without, (\S+) with ([\d.]*\d)\D*", checks),
        (
            "calibration >  > chart",
            r"How often answers of mask are right, by how sure the model is: ECE (\S+)",
            (close(tempered[0], 4, 2e-5),),
        ),
    ]
    return {f"calibration >  > {name}": check for name, check in found.items()}, sentences


# What the model expected of itself.


def expected_expectation(facts: Facts, scored: Scored) -> tuple[Registry, list[Sentence]]:
    """Of each class twice the sum of its probabilities where it is answered, by the answer's area and their sum."""
    curve = np.array(facts.description["targets"]["mask"]["dice_curve"] or [(0, 0), (1, 1)])
    names = [sample["id"] for sample in facts.of("test")]
    promised = []
    for name in names:
        probs, mask = facts.found[name].probs["mask"].astype(np.float64), facts.found[name].masks["mask"]
        own = []
        for index in range(1, len(scored.names)):
            plane, answer = probs[0 if len(probs) == 1 else index], mask == index
            promise = part(2 * plane[answer].sum(), answer.sum() + plane.sum())
            own.append(float(np.interp(promise, *curve.T)) if answer.any() else 1 - plane.max())
        promised.append(statistics.fmean(own))
    pairs = {n: (e, r) for n, e, r in zip(names, promised, image_dice(scored), strict=True) if not math.isnan(r)}
    expected, real = np.array(list(pairs.values())).T
    rho = float(stats.pearsonr(stats.rankdata(expected), stats.rankdata(real)).statistic)
    found = {
        "Images": exactly(len(pairs)),
        "Rank correlation (Spearman)": close(rho, 2),
        "Dice expected, mean": score(float(expected.mean()), 1e-5),
        "Dice found, mean": score(float(real.mean())),
        "Off by, mean": score(float(np.abs(expected - real).mean()), 1e-5),
    }

    def point(shown: str) -> bool:
        match = re.fullmatch(r"(s\d\d): expected (\S+), found (\S+)", shown)
        assert match is not None, shown
        across, up = pairs[match[1]]
        return close(across, 2, 1e-5)(match[2]) and close(up, 2)(match[3])

    title = r"Dice of (\d+) images of mask over the Dice expected: rank correlation (\S+)"
    sentences: list[Sentence] = [
        ("expectation >  > title", r"(.+)", (point,)),
        ("expectation >  > chart", title, (exactly(len(pairs)), close(rho, 2))),
    ]
    return {f"expectation >  > {name}": check for name, check in found.items()}, sentences


# Data, plan, training, record.


def expected_data(facts: Facts, binary: bool) -> tuple[Registry, list[Sentence]]:
    sizes = np.array([np.asarray(Image.open(sample["input.image"])).shape for sample in facts.samples])
    training = [np.asarray(Image.open(sample["input.image"])) / 255 for sample in facts.of("train")]
    values = np.concatenate([image.ravel() for image in training])
    masks = {sample["id"]: ids_of(facts.truth[sample["id"]]["mask"], binary) for sample in facts.samples}
    regions = [ndimage.label(masks[sample["id"]] > 0, np.ones((3, 3)))[1] for sample in facts.of("train")]
    empty = sum(not mask.any() for mask in masks.values())
    total = len(facts.samples)
    found: Registry = {
        "Pairs": exactly(total),
        "Images without mask": exactly(0),
        "Masks without image": exactly(0),
        "Ambiguous names": exactly(0),
        "Channels": exactly(1),
        "Stored as": exactly("uint8"),
        "Mean per channel (0–1)": number(float(values.mean())),
        "Deviation per channel (0–1)": number(float(values.std())),
        "Objects per image (median)": number(statistics.median(regions)),
        "Masks without any foreground": exactly(empty),
        "Value range": exactly("0 to 255"),
    }
    for name, size in (
        ("Smallest", sizes.min(axis=0)),
        ("Median", np.median(sizes, axis=0)),
        ("Largest", sizes.max(axis=0)),
    ):
        found[f"{name} image (height × width)"] = exactly(f"{int(size[0])} × {int(size[1])}")
    several_groups = any(sample.get("group") for sample in facts.samples)
    for split, word in (("train", "Training"), ("val", "Validation"), ("test", "Test")):
        own = facts.of(split)
        found[f"Samples by split > {word} > Samples"] = exactly(len(own))
        found[f"Samples by split > {word} > Share"] = percent(len(own) / total)
        if several_groups:
            found[f"Samples by split > {word} > Groups"] = exactly(len({sample["group"] for sample in own}))
    learned = np.bincount(np.concatenate([masks[sample["id"]].ravel() for sample in facts.of("train")]))
    stored = ("0", "255") if binary else ("0", "1", "2")
    for index, name in enumerate(["background", "foreground"] if binary else ["background", "class 1", "class 2"]):
        found[f"Label map > {name} > Stored as"] = exactly(stored[index])
        found[f"Label map > {name} > Share of the pixels"] = percent(learned[index] / learned.sum())
    everything = np.bincount(np.concatenate([mask.ravel() for mask in masks.values()]))
    shares = [percent(count / everything.sum()) for count in everything]
    held = ", ".join(rf"{value} \((\S+ %)\)" for value in stored)
    prefix = "" if binary else "mask: "
    of = "" if binary else " of 'mask'"
    sizes_held = [f"{height}×{width}" for height, width in sizes.tolist()]
    numbers = [int(n) for n in np.unique(sizes_held, return_counts=True)[1]]
    found = {f"data >  > {name}": check for name, check in found.items()}
    sentences: list[Sentence] = [
        ("data >  > p", rf"{prefix}(\d+) masks hold {held}: .*", (exactly(total), *shares)),
        ("data > .* > li", rf"(\d+) of (\d+) masks(?:{of})? mark nothing.*", (exactly(empty), exactly(total))),
        (
            "data > .* > li",
            r"Images have (\d) different sizes \(height×width\): 40×48 \((\d+)\), 48×36 \((\d+)\)\.",
            (exactly(len(numbers)), *map(exactly, numbers)),
        ),
    ]
    if not binary:
        depths = np.concatenate([facts.truth[sample["id"]]["depth"].ravel() for sample in facts.of("train")]) * 0.1
        found["data >  > Targets of numbers > depth > Stored as"] = exactly("number × 0.1 m")
        low, high = number(float(depths.min())), number(float(depths.max()), 1e-6)
        found["data >  > Targets of numbers > depth > In the training samples"] = several(
            low, lambda shown: high(shown.removesuffix(" m")), between=" to "
        )
        sentences += [
            ("data >  > p", r"depth: (\d+) files hold numbers \(uint8\), stored number × 0.1 = m", (exactly(total),)),
            (
                "score > depth > p",
                r".*RMSE, MAE .* at best, δ is 1\. In the training samples depth runs from (\S+) to (\S+) m\.",
                (low, high),
            ),
        ]
    return found, sentences


def numbers_in(value: object) -> list[float]:
    """All numbers of a value of the plan, in order; also those in its texts."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, Mapping):
        return [found for key, part in value.items() for found in (*numbers_in(str(key)), *numbers_in(part))]
    if isinstance(value, str):
        return [float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", value)]
    return [found for part in value for found in numbers_in(part)]  # type: ignore[attr-defined]


def holds(numbers: Sequence[float]) -> Check:
    def check(shown: str) -> bool:
        found = numbers_in(shown)
        return len(found) == len(numbers) and all(
            math.isclose(one, other, rel_tol=6e-4) for one, other in zip(found, numbers, strict=True)
        )

    return check


SPELLED = {
    "lr": "Learning rate",
    "ema": "Average of the weights (EMA)",
    "conv_sizes": "Filters per level",
    "network": "Further settings of the network",
    "passes": "Passes per epoch",
    "seconds": "Time budget in seconds",
}


def expected_plan(facts: Facts) -> Registry:
    found: Registry = {}
    for name, choice in yaml.safe_load((facts.run / "plan.yaml").read_text()).items():
        place = f"plan >  > Choices > {SPELLED.get(name, name.replace('_', ' ').capitalize())}"
        value, because = choice["value"], choice["because"]
        if isinstance(value, dict) and len(value) > 3:
            found[f"{place} > Value"] = exactly(f"{len(value)} values")
            found[f"{place} > Because"] = holds([*numbers_in(because), *numbers_in(value)])
        else:
            found[f"{place} > Value"] = holds(numbers_in(value))
            found[f"{place} > Because"] = holds(numbers_in(because))
    return found


COLUMNS = {
    "Training loss": ("train_loss", number),
    "Dice": ("val_dice", score),
    "IoU": ("val_iou", score),
    "RMSE": ("val_rmse", number),
    "MAE": ("val_mae", number),
    "Score": ("val_score", score),
    "Learning rate": ("lr", number),
    "Images per second": ("images_per_s", number),
    "Time so far": ("seconds", seconds),
}
LINES = {
    "training": "train_loss",
    "Dice": "val_dice",
    "IoU": "val_iou",
    "RMSE": "val_rmse",
    "MAE": "val_mae",
    "learning rate": "lr",
    "images per second": "images_per_s",
}


def expected_training(facts: Facts) -> tuple[Registry, list[Sentence]]:
    found: Registry = {}
    epochs = facts.epochs
    for epoch in epochs:
        for column, (name, like) in COLUMNS.items():
            if name in epoch:
                found[f"training >  > Numbers of every epoch > {epoch['epoch']} > {column}"] = like(epoch[name])

    def on_a_line(shown: str) -> bool:
        match = re.fullmatch(r"(.+), epoch (\d+): (\S+)", shown)
        return match is not None and number(epochs[int(match[2]) - 1][LINES[match[1]]])(match[3])

    def ends(shown: str) -> bool:
        lines = [re.fullmatch(r"(.+) from (\S+) to (\S+)", line) for line in shown.split("; ")]
        return all(
            line is not None
            and number(epochs[0][LINES[line[1]]])(line[2])
            and number(epochs[-1][LINES[line[1]]])(line[3])
            for line in lines
        )

    sentences: list[Sentence] = [
        ("training >  > title", r"(.+, epoch .+)", (on_a_line,)),
        ("training >  > chart", r".+ by epoch, 1 to (\d+): (.+)", (exactly(len(epochs)), ends)),
        ("training > How the predictions changed > figcaption", r"Epoch (\d+)", (lambda shown: 1 <= int(shown) <= 3,)),
    ]
    return found, sentences


def content_hash(facts: Facts, splits: Sequence[str]) -> str:
    """BLAKE2b of the sorted hashes of the samples' files."""

    def of(paths: Sequence[str]) -> str:
        total = hashlib.blake2b(digest_size=16)
        for path in paths:
            total.update(hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest())
            total.update(b"None None")  # no page of a stack, no plane of a volume
        return total.hexdigest()

    lines = []
    for sample in (sample for split in splits for sample in facts.of(split)):
        targets = [path for name, path in sample.items() if name.startswith("target.")]
        lines.append(f"{of([sample['input.image']])} {of(targets)}")
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def expected_record(facts: Facts) -> Registry:
    run, described = facts.json("run.json"), facts.description
    model = (facts.run / "model.safetensors").read_bytes()
    out = [*numbers_in(described["model"]["kwargs"]["out_channels"])]
    return {
        "record > Model > Parameters": exactly(f"{facts.parameters:,}"),
        "record > Model > File": exactly(f"model.safetensors, {len(model) / 1000:,.0f} kB"),
        "record > Model > Written": exactly(described["created"]),
        "record > Model > In channels": exactly(described["model"]["kwargs"]["in_channels"]),
        "record > Model > Out channels": holds(out),
        "record > Model > Filters per level": exactly("4, 8"),
        "record > Model > Dropout": exactly("0"),
        "record > Licences > Licence of Limner": exactly("Apache-2.0"),
        "record > Hashes > model.safetensors, SHA-256": exactly(hashlib.sha256(model).hexdigest()),
        "record > Hashes > Data of the training": exactly(content_hash(facts, ("train", "val", "test"))),
        "record > Hashes > Evaluated data": exactly(content_hash(facts, ("test",))),
        "record > Model > Started": exactly(run["started"]),
        "record > Time > Preparing the data": seconds(run["seconds"]["prepare"]),
        "record > Time > Training": seconds(run["seconds"]["train"]),
        "record > Time > Calibration": seconds(run["seconds"]["calibrate"]),
        "record > Time > Evaluation": seconds(run["seconds"]["evaluate"]),
        "record > Time > Together": seconds(sum(run["seconds"].values())),
        "record > Time > Images per second in training": number(run["images_per_s"]),
        **{
            f"record > Machine > {name.capitalize()}": exactly(value) for name, value in run["machine"].items() if value
        },
        **{f"record > Versions > {name.capitalize()}": exactly(value) for name, value in run["versions"].items()},
        "record > Versions > Limner": exactly(limner.__version__),
    }


def bins_of(values: Sequence[float], shown: str) -> bool:
    """A bar of a histogram: its ends and how many values are in it."""
    match = re.fullmatch(r"(\S+) to (\S+): (\d+) images?", shown)
    assert match is not None, shown
    low, high = float(match[1]), float(match[2])
    known = [value for value in values if not math.isnan(value)]
    # Ends are rounded in print; a value on an end may be on either side.
    slack = 0.5 * 10 ** -len(match[1].partition(".")[2])
    least = sum(low + slack < value < high - slack for value in known)
    most = sum(low - slack <= value <= high + slack for value in known)
    return least <= int(match[3]) <= most


def expected_sentences(facts: Facts, scored: Scored, several_targets: bool) -> list[Sentence]:
    run, epochs, splits = (
        facts.json("run.json"),
        facts.epochs,
        {name: len(facts.of(name)) for name in ("train", "val", "test")},
    )
    measure = "val_score" if several_targets else "val_dice"
    best = max(epochs, key=lambda epoch: epoch[measure])
    dice = image_dice(scored)
    known = sorted(value for value in dice if not math.isnan(value))
    heading = "Dice of each image" + ": mask" * several_targets
    units = len({unit for unit, value in zip(scored.units, dice, strict=True) if not math.isnan(value)})
    counted = len(facts.of("test")) if several_targets else units
    ranked = len(facts.of("test")) if several_targets else len(known)

    classes = list(range(1, len(scored.names)))
    headline = with_interval(interval(scored.series("dice", classes), scored.units), "dice")

    def absent(shown: str) -> bool:
        name, _, rest = shown.partition(": ")
        if name not in scored.names:
            return False
        images = scored.sums[scored.names.index(name)]
        there = sum(image["tp"] + image["fn"] > 0 for image in images)
        numbers = {
            "missed altogether in (\\d+) of": sum(i["tp"] + i["fn"] > 0 and i["tp"] + i["fp"] == 0 for i in images),
            "missed altogether in \\d+ of the (\\d+)": there,
            "(?<!not )predicted in (\\d+) images? without": sum(i["tp"] + i["fn"] == 0 and i["fp"] > 0 for i in images),
            "not predicted in (\\d+)": sum(i["tp"] + i["fn"] + i["fp"] == 0 for i in images),
            "in each of the (\\d+)": there,
        }
        said = [(int(found[1]), value) for pattern, value in numbers.items() if (found := re.search(pattern, rest))]
        return len(said) == len(numbers_in(rest)) and all(one == other for one, other in said)

    sentences: list[Sentence] = [
        (
            " >  > p",
            r"A U-Net with (\S+) parameters was trained for (\d+) epochs in (.+)\. The data are (\d+) samples: (\d+) "
            r"training, (\d+) validation, (\d+) test\. The weights of epoch (\d+) were kept \(validation \w+ (\S+)\)\.",
            (
                exactly(f"{facts.parameters:,}"),
                exactly(len(epochs)),
                seconds(run["seconds"]["train"]),
                exactly(len(facts.samples)),
                *(exactly(splits[name]) for name in ("train", "val", "test")),
                exactly(best["epoch"]),
                score(best[measure]),
            ),
        ),
        (
            " >  > p",
            rf"{'mask: mean' if several_targets else 'Mean'} Dice (.+) on {len(dice)} test images\.",
            (headline,),
        ),
        ("classes >  > summary", r"Groups: (\d+), the lowest Dice first", (exactly(len(set(scored.units))),)),
        (
            "score > .* > p",
            r"Each is a mean over images, then.* within (\d) px of each other.*leaving out 5 %: .*",
            (exactly(2),),
        ),
        (
            "score > .* > p",
            r"In brackets: 95 % intervals of the means, over (\d+) \w+ \(BCa .*\)\. With fewer than 20 they.*",
            (exactly(counted),),
        ),
        (
            "score > .* > p",
            r"In brackets: 95 % intervals of the means, over (\d+) images \(BCa .*\)\. They say.*",
            (exactly(counted),),
        ),
        ("classes >  > li", r"(.+: .+)", (absent,)),
        (f"distribution > {heading} > title", r"(.+)", (lambda shown: bins_of(dice, shown),)),
        (
            f"distribution > {heading} > chart",
            r"Number of images by Dice, mask: (\d+) images, median (\S+)",
            (exactly(len(known)), score(statistics.median(known))),
        ),
        (f"distribution > {heading} > p", r"Left out: (\d+) images? with no .*", (exactly(len(dice) - len(known)),)),
        (
            "examples >  > p",
            r"Not chosen for looks: .* of all (\d+) images with a (?:Dice|score)[.,].*",
            (exactly(ranked),),
        ),
    ]
    return sentences


def image_scores(facts: Facts, scored: Scored, several_targets: bool) -> dict[str, float]:
    """What images are ranked by: Dice, or the mean of it and of 1 − RMSE / range of the training depths."""
    tests = [sample["id"] for sample in facts.of("test")]
    dice = dict(zip(tests, image_dice(scored), strict=True))
    if not several_targets:
        return dice
    depths = np.concatenate([facts.truth[sample["id"]]["depth"].ravel() for sample in facts.of("train")]) * 0.1
    reach = float(depths.max() - depths.min())
    errors = {name: image["rmse"] for name, image in zip(tests, depth_errors(facts)[0], strict=True)}
    return {name: mean([dice[name], max(0.0, 1 - errors[name] / reach)]) for name in tests}


# Groups of images that score worse.


@dataclass
class Compared:
    """Images on the one side, on the other, and what either side is called."""

    name: str
    inside: np.ndarray
    rest: np.ndarray
    other: str = ""


NAMED = {
    "area": ("Small objects, at most {} of the picture", "Large objects, above {} of the picture"),
    "objects": ("Few objects, at most {}", "Many objects, above {}"),
    "brightness": ("Dark pictures, at most {} in the mean", "Bright pictures, above {} in the mean"),
    "contrast": ("Pictures of low contrast, at most {}", "Pictures of high contrast, above {}"),
    "sharpness": ("Soft pictures, sharpness at most {}", "Sharp pictures, sharpness above {}"),
    "pixels": ("Small pictures, at most {} megapixels", "Large pictures, above {} megapixels"),
}


def likenesses(facts: Facts, binary: bool) -> dict[str, np.ndarray]:
    """What the test images are like, by property; NaN where there is nothing to measure."""
    found: dict[str, list[float]] = {name: [] for name in (*NAMED, "border")}
    for sample in facts.of("test"):
        grey = np.asarray(Image.open(sample["input.image"])).astype(np.float32) / 255
        mask = ids_of(facts.truth[sample["id"]]["mask"], binary)
        there, contrast = mask > 0, float(grey.std())
        regions = sum(ndimage.label(mask == index, np.ones((3, 3)))[1] for index in (1, 2))
        found["area"].append(float(there.mean()) or math.nan)
        found["objects"].append(regions or math.nan)
        found["brightness"].append(float(grey.mean()))
        found["contrast"].append(contrast)
        found["sharpness"].append(float(ndimage.laplace(grey).std()) / contrast)
        found["pixels"].append(grey.size)
        edge = there[0].any() or there[-1].any() or there[:, 0].any() or there[:, -1].any()
        found["border"].append(float(edge) if there.any() else math.nan)
    return {name: np.array(values, np.float64) for name, values in found.items()}


def limit_of(name: str, value: float) -> str:
    if name == "area":
        return f"{100 * value:.1f} %"
    return f"{value / 1e6:.3g}" if name == "pixels" else f"{value:.4g}"


def comparisons(facts: Facts, scores: np.ndarray, binary: bool) -> list[Compared]:
    """The lowest and the highest third of each property, and images whose objects touch the border."""
    found: list[Compared] = []
    like = likenesses(facts, binary)
    for name, (low_name, high_name) in NAMED.items():
        values = like[name]
        known = ~np.isnan(values) & ~np.isnan(scores)
        low, high = np.quantile(values[known], [1 / 3, 2 / 3], method="inverted_cdf")
        high = min(high, values[known & (values < values[known].max())].max())
        lower, upper = low_name.format(limit_of(name, min(low, high))), high_name.format(limit_of(name, high))
        if low >= high:  # so many are alike that there are two parts alone
            found.append(Compared(lower, known & (values <= high), known & (values > high), upper))
        else:
            found.append(Compared(lower, known & (values <= low), known & (values > low)))
            found.append(Compared(upper, known & (values > high), known & (values <= high)))
    known = ~np.isnan(like["border"]) & ~np.isnan(scores)
    touches, keeps = (f"Pictures whose objects {what} the border" for what in ("touch", "keep off"))
    found.append(Compared(touches, known & (like["border"] == 1), known & (like["border"] == 0), keeps))
    return [one for one in found if min(one.inside.sum(), one.rest.sum()) >= 8]


def difference(one: Compared, scores: np.ndarray, units: Sequence[str], level: float) -> tuple[float, float] | None:
    """The BCa interval, by SciPy, of the mean inside minus that of the rest."""
    member = np.array([[unit == name for unit in units] for name in sorted(set(units))])
    sides = [member & one.inside, member & one.rest]
    fewer = min(int(side.any(axis=1).sum()) for side in sides)
    if fewer < 8:
        return None
    known, value = np.nan_to_num(scores), scores[one.inside].mean() - scores[one.rest].mean()
    tables = [table for side in sides for table in ((side * known).sum(axis=1), side.sum(axis=1))]

    def statistic(*drawn: np.ndarray, axis: int) -> np.ndarray:
        inside, n_inside, rest, n_rest = (table.sum(axis=axis) for table in drawn)
        apart = inside / np.maximum(n_inside, 1) - rest / np.maximum(n_rest, 1)
        # A draw with one side alone says nothing.
        return np.where((n_inside > 0) & (n_rest > 0), apart, value)

    return scipys_bca(tables, statistic, fewer, level, seed=2)[0]


def signed(value: float, slack: float = 0.0) -> Check:
    return lambda shown: close(value, 2, slack)(shown.replace("−", "-"))


def with_sides(value: float, ends: tuple[float, float] | None) -> Check:
    """A difference and its interval, whose far ends hang on a few of the draws."""

    def check(shown: str) -> bool:
        match = re.fullmatch(r"(\S+)(?: \((\S+) to (\S+)\))?", shown)
        if match is None or not signed(value)(match[1]) or (ends is None) != (match[2] is None):
            return False
        slack = 0.0 if ends is None else (ends[1] - ends[0]) / 4
        return ends is None or (signed(ends[0], slack)(match[2]) and signed(ends[1], slack)(match[3]))

    return check


def missed_or_made_up(facts: Facts, scored: Scored) -> dict[str, list[str]]:
    """Images by what is wrong with them."""
    listed: dict[str, list[str]] = {}
    for index in range(1, len(scored.names)):
        for sample, image in zip(facts.of("test"), scored.sums[index], strict=True):
            there, drawn = image["tp"] + image["fn"] > 0, image["tp"] + image["fp"] > 0
            if there != drawn:
                what = "missed altogether" if there else "predicted without being there"
                listed.setdefault(f"{scored.names[index]}: {what} in", []).append(sample["id"])
    return listed


def expected_failures(facts: Facts, scored: Scored, binary: bool) -> tuple[Registry, list[Sentence]]:
    scores = np.array(list(image_scores(facts, scored, not binary).values()))
    found = comparisons(facts, scores, binary)
    level = 1 - 0.05 / len(found)
    registry: Registry = {}
    for one in found:
        inside, rest = float(scores[one.inside].mean()), float(scores[one.rest].mean())
        ends, name, n = difference(one, scores, scored.units, level), one.name, int(one.inside.sum())
        if one.other and inside > rest:  # said of the worse side
            name, n, inside, rest = one.other, int(one.rest.sum()), rest, inside
            ends = None if ends is None else (-ends[1], -ends[0])
        place = f"failures >  > All comparisons, the worst first > {name}"
        registry[f"{place} > How many"] = exactly(n)
        registry[f"{place} > {'Dice' if binary else 'score'}"] = close(inside, 2)
        registry[f"{place} > Elsewhere"] = close(rest, 2)
        registry[f"{place} > Difference"] = with_sides(inside - rest, ends)
    listed = missed_or_made_up(facts, scored)

    def counted(shown: str) -> bool:
        match = re.fullmatch(r"(.+ in) (\d+) images?", shown)
        return match is not None and len(listed.get(match[1], ())) == int(match[2])

    sentences: list[Sentence] = [
        ("failures >  > p", r"No group of images stands out, of (\d+) that.*", (exactly(len(found)),)),
        ("failures >  > summary", r"All (\d+) comparisons", (exactly(len(found)),)),
        (
            "failures >  > p",
            r"Compared: .* each at (\S+) %, so that all (\d+) together hold with 95 % \(Bonferroni\)\. A group stands "
            r"out where it is worse by 0\.02 or more and its interval leaves out 0\. .*",
            (exactly(f"{100 * level:.4g}"), exactly(len(found))),
        ),
        ("failures > Missed and made up > summary", r"(.+)", (counted,)),
        (
            "failures > Missed and made up > p",
            r"(.+)",
            (lambda shown: shown.split(", ") in list(listed.values()),),
        ),
    ]
    return registry, sentences


def case_checks(facts: Facts, scored: Scored, several_targets: bool) -> list[Sentence]:
    """Each case: name, score, rank, and the scores of its classes."""
    tests = [sample["id"] for sample in facts.of("test")]
    shares = image_scores(facts, scored, several_targets)
    errors: dict[str, float] = {}
    if several_targets:
        errors = {name: image["rmse"] for name, image in zip(tests, depth_errors(facts)[0], strict=True)}
    order = sorted((name for name in tests if not math.isnan(shares[name])), key=lambda name: -shares[name])

    def check(shown: str) -> bool:
        match = re.fullmatch(r"(s\d\d)(?:Dice|score) (\S+?)rank (\d+) of (\d+)(?: · (.*))?", shown)
        if match is None:
            return False
        place = tests.index(match[1])
        good = score(shares[match[1]])(match[2]) and int(match[4]) == len(order)
        good &= abs(order.index(match[1]) + 1 - int(match[3])) <= sum(
            abs(shares[other] - shares[match[1]]) < 1e-9 for other in order
        )
        for name, value in re.findall(r"mask (class \d) (\S+?)(?:,|$)", match[5] or ""):
            good &= score(scored.scores[scored.names.index(name)][place]["dice"])(value)
        for value in re.findall(r"depth RMSE \(m\) (\S+)", match[5] or ""):
            good &= score(errors[match[1]])(value)
        return bool(good)

    return [("examples > .* > case", r"(.+)", (check,))]


# Sentences whose numbers are the same in every report: definitions, versions, settings as they were given.
STATIC: tuple[tuple[str, str], ...] = (
    ("expectation >  > p", "For each image .* limner predict --flag-below 0.8 puts .*"),
    ("examples >  > li", "0 1"),  # scale of the uncertainty
    ("calibration >  > p", "Of answers given with a probability of 0.8, eight in ten should be right. .*"),
    ("classes > What is counted > li", ".*"),
    ("settings >  > pre", ".*"),
    ("examples > .* > li", r"class \d"),
    ("examples > .* > fieldset", "1× 2× 4×"),
    (".* > p", r"Written by Limner \S+ from the files of this run's folder\. .*"),
)


def unverified(page: Page, registry: Registry, sentences: Sequence[Sentence]) -> Iterator[str]:
    """What is wrong with a page: numbers that are not as they should be, or that nothing says anything about."""
    seen: set[str] = set()
    for name, text in page.texts:
        if name in registry:
            seen.add(name)
            if not registry[name](text):
                yield f"wrong: {name}: {text}"
            continue
        if not re.search(r"\d", text) or any(
            re.fullmatch(place, name) and re.fullmatch(said, text) for place, said in STATIC
        ):
            continue
        rules = [
            (match, checks)
            for place, said, checks in sentences
            if re.fullmatch(place, name) and (match := re.fullmatch(said, text))
        ]
        if not rules:
            yield f"not verified: {name}: {text}"
        elif not any(
            all(check(group) for check, group in zip(checks, match.groups(), strict=True)) for match, checks in rules
        ):
            yield f"wrong: {name}: {text}"
    yield from (f"not on the page: {name}" for name in registry if name not in seen)


def expected(run: Path, kinds: str) -> tuple[Registry, list[Sentence]]:
    facts, binary = read(run), kinds == "groups"
    scored = score_masks(facts, binary)
    heading = "Dice of each image" + ": mask" * (not binary)
    registry = expected_scores(facts, scored, not binary) | expected_plan(facts) | expected_record(facts)
    registry |= spread(image_dice(scored), heading, score, quartiles=True)
    sentences = [*expected_sentences(facts, scored, not binary), *case_checks(facts, scored, not binary)]
    for found, said in (
        expected_calibration(facts, binary),
        expected_expectation(facts, scored),
        expected_data(facts, binary),
        expected_training(facts),
        expected_failures(facts, scored, binary),
    ):
        registry |= found
        sentences += said
    if not binary:
        registry |= expected_errors(facts)
        depths = np.concatenate([facts.truth[sample["id"]]["depth"].ravel() for sample in facts.of("test")])
        errors = np.array([[image["rmse"]] for image in depth_errors(facts)[0]])
        headline = with_interval(interval(errors, [sample["id"] for sample in facts.of("test")]), "rmse")
        sentences.append((" >  > p", r"depth: mean RMSE in m (.+) on \d+ test images\.", (headline,)))
        sentences.append(
            (
                "classes >  > li",
                r"(\S+) pixels of (\S+) with a truth of 0 or less: left out of AbsRel and δ\.",
                (exactly(f"{(depths == 0).sum():,}"), exactly(f"{depths.size:,}")),
            )
        )
        rmse = [image["rmse"] for image in depth_errors(facts)[0]]
        heading = "RMSE in m of each image: depth"
        learned = np.concatenate([facts.truth[sample["id"]]["depth"].ravel() for sample in facts.of("train")]) * 0.1
        reach = float(learned.max() - learned.min())
        sentences += [
            # The scale of the maps, and that of their errors, which ends at a quarter of it.
            ("examples >  > li", r"(\S+) (\S+) m", (number(float(learned.min())), number(float(learned.max()), 1e-6))),
            ("examples >  > li", r"(\S+) (\S+) m", (exactly(0), number(reach / 4, 1e-6))),
            (f"distribution > {heading} > title", r"(.+)", (lambda shown: bins_of(rmse, shown),)),
            (
                f"distribution > {heading} > chart",
                r"Number of images by RMSE in m, depth: (\d+) images, median (\S+)",
                (exactly(len(rmse)), number(statistics.median(rmse))),
            ),
        ]
    return registry, sentences


@pytest.mark.parametrize("kinds", ["groups", "numbers"])
def test_every_number_follows_from_the_files(kinds, tmp_path):
    run = train(tmp_path, kinds)
    html = (run / "report.html").read_text(encoding="utf-8")
    registry, sentences = expected(run, kinds)
    assert not list(unverified(Page(html), registry, sentences))
    # A number that nothing here says anything about, and one that is off by one in its last digit, are found out.
    more = html.replace(
        "</main>", "<section id='new'><dl><dt>Made up</dt><dd>12</dd></dl><p>7 of 9</p></section></main>"
    )
    assert list(unverified(Page(more), registry, sentences)) == [
        "not verified: new >  > Made up: 12",
        "not verified: new >  > p: 7 of 9",
    ]
    shown = dict(Page(html).texts)
    place = next(name for name in registry if name.startswith("classes >  > mask: all images") and "Dice" in name)
    wrong = f"{float(shown[place]) + 0.002:.3f}"
    assert shown[place] != wrong
    page = Page(html)
    page.texts = [(name, wrong if name == place else text) for name, text in page.texts]
    assert list(unverified(page, registry, sentences)) == [f"wrong: {place}: {wrong}"]
