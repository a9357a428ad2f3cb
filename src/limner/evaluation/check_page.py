"""The page of a check: one offline HTML file with every finding, and pictures of those that have some.

Layer: part of `evaluation`. The page loads nothing and runs no script; text from files is escaped by
the template engine.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from limner._version import __version__
from limner.data.check.findings import LEVELS, Example, Finding, Level
from limner.data.labels import LabelMap, read_target
from limner.errors import DataError, shorten
from limner.evaluation import wording
from limner.evaluation.embed import Embedded
from limner.evaluation.templating import environment
from limner.files import write_bytes
from limner.images import encode_webp, parse_location, read_image, resize_image, resize_mask
from limner.render import overlay, to_display
from limner.threads import ordered_map

_SIDE = 320
_QUALITY = 80
_NAMED = 40
_LINES = 12
_TITLES: dict[Level, str] = {"stop": "Stops", "doubt": "Doubts", "note": "Notes"}
_LEADS: dict[Level, str] = {
    "stop": "A training refuses the data until these are settled.",
    "doubt": "A training would run. Look at these before you trust it.",
    "note": "What was found and understood. Good to know.",
}
_STORIES = {
    "stop": "It cannot be trained on yet.",
    "doubt": "It can be trained on, but look at the doubts first.",
    "note": "Nothing to worry about.",
}


@dataclass(frozen=True)
class Panel:
    """One picture of an example; None with the reason where it cannot be drawn."""

    picture: Embedded | None
    name: str
    reason: str = ""


@dataclass(frozen=True)
class Shown:
    """A finding with its pictures, as the template wants it."""

    finding: Finding
    evidence: list[str]
    samples: list[str]
    examples: list[tuple[str, list[Panel]]]


def write_check_page(
    out: str | Path, name: str, samples: int, findings: Sequence[Finding], label_maps: Mapping[str, LabelMap]
) -> Path:
    """Write the page of a check.

    Args:
        out: HTML file to write.
        name: Name of the data set.
        samples: Samples that were looked at.
        findings: Worst first.
        label_maps: Label map per target, to draw masks with.

    Returns:
        Path of the page.

    Raises:
        OutputError: The page cannot be written.
    """
    # File names may hold bytes that are not UTF-8; they must not keep the page from being written.
    page = render_check_page(name, samples, findings, label_maps)
    write_bytes(out, page.encode("utf-8", errors="replace"))
    return Path(out)


def render_check_page(name: str, samples: int, findings: Sequence[Finding], label_maps: Mapping[str, LabelMap]) -> str:
    """The page as text."""
    return (
        environment(plural=wording.plural)
        .get_template("check.html.j2")
        .render(_context(name, samples, findings, label_maps))
    )


def _context(
    name: str, samples: int, findings: Sequence[Finding], label_maps: Mapping[str, LabelMap]
) -> dict[str, Any]:
    shown = list(ordered_map(lambda finding: _show(finding, label_maps), findings))
    groups = [
        (level, _TITLES[level], _LEADS[level], [entry for entry in shown if entry.finding.level == level])
        for level in LEVELS
    ]
    worst = next((level for level, _, _, entries in groups if entries), "note")
    return {
        "name": name,
        "version": __version__,
        "samples": samples,
        "story": _STORIES[worst],
        "groups": [group for group in groups if group[3]],
        "counts": [(_TITLES[level], level, len(entries)) for level, _, _, entries in groups],
        "legend": _legend(label_maps),
    }


def _legend(label_maps: Mapping[str, LabelMap]) -> list[tuple[str, str]]:
    entries = []
    for label_map in label_maps.values():
        first = 0 if label_map.task == "multilabel" else 1
        for name, color in list(zip(label_map.names, label_map.colors, strict=True))[first:]:
            entries.append((name, "#{:02x}{:02x}{:02x}".format(*color)))
    return list(dict.fromkeys(entries))


def _show(finding: Finding, label_maps: Mapping[str, LabelMap]) -> Shown:
    return Shown(
        finding=finding,
        evidence=shorten(finding.evidence, _LINES),
        samples=shorten(finding.samples, _NAMED),
        examples=[(example.caption, _panels(example, label_maps)) for example in finding.pictures],
    )


def _panels(example: Example, label_maps: Mapping[str, LabelMap]) -> list[Panel]:
    label_map = label_maps.get(example.target) or next(iter(label_maps.values()), None)
    masks = example.masks or ("",) * len(example.images)
    return [_panel(image, mask, label_map) for image, mask in zip(example.images, masks, strict=True)]


def _panel(image: str, mask: str, label_map: LabelMap | None) -> Panel:
    name = parse_location(image).path.rstrip("/").rpartition("/")[2]
    try:
        picture = _thumbnail(to_display(read_image(image)))
        if mask and label_map is not None and label_map.task != "regression":
            ids = resize_mask(np.asarray(read_target(mask, label_map)), (picture.shape[0], picture.shape[1]))
            picture = overlay(picture, ids, label_map.colors)
    except DataError as error:
        return Panel(None, name, error.found)
    data = base64.b64encode(encode_webp(picture, _QUALITY)).decode()
    return Panel(Embedded(f"data:image/webp;base64,{data}", picture.shape[0], picture.shape[1]), name)


def _thumbnail(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "small_height small_width 3"]:
    """At most `_SIDE` pixels; tiny pictures grow by a whole factor, so that their pixels can be seen."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    scale = max(1, _SIDE // 2 // longest) if longest <= _SIDE else _SIDE / longest
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    if scale >= 1:
        return resize_mask(picture, size) if size != (height, width) else picture
    return np.asarray(resize_image(picture, size), np.uint8)
