"""The section on the data: counts, pairing, label maps.

Layer: part of `evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from limner.evaluation import wording
from limner.evaluation.records import FindingRecord, LabelMapRecord
from limner.evaluation.run_folder import RunFolder
from limner.types import Color

_SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test", "folds": "in folds", "": "unassigned"}


_SHOWN_BELOW = {*_SPLIT_WORDS, "samples"}


@dataclass(frozen=True)
class ClassLine:
    """One class in the table of the label map."""

    target: str
    name: str
    color: str
    stored: str
    share: str
    background: bool


def split_words(split: str) -> str:
    """The adjective for a split: training, validation, test."""
    return _SPLIT_WORDS.get(split, split)


def data_facts(folder: RunFolder) -> list[tuple[str, str]]:
    """Name and value of what is known about the data, in reading order."""
    facts: list[tuple[str, str]] = []
    data = folder.data
    if data.layout:
        facts.append(("Layout", data.layout))
    if data.pairing.get("rule"):
        facts.append(("Pairing", str(data.pairing["rule"])))
    facts += [(name, text) for name, text in _pairing_counts(data.pairing)]
    facts += [(wording.words(name), _amount(value)) for name, value in data.counts.items() if name not in _SHOWN_BELOW]
    return facts + list(_fingerprint_facts(data.fingerprint))


def _pairing_counts(pairing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    names = {
        "pairs": "Pairs",
        "unmatched_images": "Images without mask",
        "unmatched_masks": "Masks without image",
        "ambiguous": "Ambiguous names",
    }
    for key, name in names.items():
        if key in pairing:
            yield name, _amount(pairing[key])


def _amount(value: Any) -> str:
    """A number as it is, a list by its length, anything else in words."""
    if isinstance(value, list):
        return wording.count(len(value))
    return wording.count(value) if isinstance(value, int) and not isinstance(value, bool) else wording.plain(value)


def _fingerprint_facts(fingerprint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shown = {
        "smallest": "Smallest image (height × width)",
        "median": "Median image (height × width)",
        "largest": "Largest image (height × width)",
        "channels": "Channels",
        "dtype": "Stored as",
        "mean": "Mean per channel (0–1)",
        "std": "Deviation per channel (0–1)",
        "objects_per_picture": "Objects per image (median)",
        "empty_masks": "Masks without any foreground",
    }
    for key, name in shown.items():
        if fingerprint.get(key) is not None:
            value = fingerprint[key]
            if isinstance(value, dict) and len(value) == 1:
                value = next(iter(value.values()))  # the only target needs no name
            sides = isinstance(value, list) and key in ("smallest", "median", "largest")
            yield name, " × ".join(wording.plain(side) for side in value) if sides else wording.plain(value)
    if fingerprint.get("low") is not None and fingerprint.get("high") is not None:
        yield "Value range", f"{wording.plain(fingerprint['low'])} to {wording.plain(fingerprint['high'])}"
    for name, count in (fingerprint.get("parts") or {}).items():
        yield f"Channels of {name}", wording.plain(count)


def class_lines(folder: RunFolder) -> list[ClassLine]:
    """Every class of every target, with its colour, stored values and share of the pixels."""
    shares = folder.data.fingerprint.get("class_share") or {}
    return [
        ClassLine(
            target=target,
            name=name,
            color=_hex(label_map.color(index)),
            stored=wording.plain(label_map.values[index]) if index < len(label_map.values) else wording.DASH,
            share=wording.share(_item(shares.get(target), index)),
            background=index == 0 and label_map.has_background,
        )
        for target, label_map in folder.data.label_maps.items()
        for index, name in enumerate(label_map.names)
    ]


def number_lines(folder: RunFolder) -> list[tuple[str, str, str]]:
    """Each regression target with what a stored number means and the range of its training values."""
    lines = []
    for target, label_map in folder.data.label_maps.items():
        if label_map.task == "regression":
            factor = wording.number(label_map.factor)
            low, high = wording.number(label_map.low), wording.number(label_map.high)
            stored = f"number × {factor}" if label_map.factor not in (None, 1.0) else "number"
            lines.append((target, f"{stored} {label_map.unit}".strip(), f"{low} to {high} {label_map.unit}".strip()))
    return lines


def _item(values: Any, index: int) -> float | None:
    found = values[index] if isinstance(values, list) and index < len(values) else None
    return float(found) if isinstance(found, int | float) else None


def class_colors(label_maps: Mapping[str, LabelMapRecord]) -> dict[str, list[str]]:
    """Colours by target and class id, as `#rrggbb`."""
    return {target: [_hex(color) for color in label_map.colors] for target, label_map in label_maps.items()}


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def check_lines(folder: RunFolder) -> list[FindingRecord]:
    """What the check found, without what the page says elsewhere."""
    findings = folder.check.findings if folder.check else []
    return [finding for finding in findings if finding.kind != "mask-values"]


def reasons(label_maps: Mapping[str, LabelMapRecord]) -> list[tuple[str, str]]:
    """Target and the evidence its label map rests on."""
    return [(target, label_map.because) for target, label_map in label_maps.items() if label_map.because]
