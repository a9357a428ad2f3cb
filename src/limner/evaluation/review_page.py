"""The page of a review: the samples that are most in doubt, to be marked keep, drop or fix.

Layer: part of `evaluation`. One offline file: it loads nothing, and its content security policy lets the one
script of the page run and no other. Marks stay in the browser until they are saved as `review.csv`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from markupsafe import Markup

from limner._version import __version__
from limner.data.labels import LabelMap
from limner.evaluation import wording
from limner.evaluation.embed import Embedded
from limner.evaluation.review import Doubt
from limner.evaluation.templating import environment
from limner.files import write_bytes
from limner.images import encode_webp, resize_image, resize_mask
from limner.inference.drawing import draw_target, show_inputs
from limner.inference.prediction import Prediction
from limner.render import ERROR_LEGEND, WRONG_CLASS, errors

_SIDE = 320
_QUALITY = 82
_SCRIPT = "review.js"


@dataclass(frozen=True)
class Panel:
    """One picture of a sample."""

    name: str
    picture: Embedded


def draw(
    picture: np.ndarray,
    truth: np.ndarray,
    prediction: Prediction,
    doubt: Doubt,
    label_map: LabelMap,
    parts: Mapping[str, int],
) -> list[Panel]:
    """Picture, mask, prediction, and both compared with frames round the regions in doubt, small enough for a page.

    Args:
        picture: As `ModelInput.picture`.
        truth: Mask of the target in doubt.
        prediction: Of the sample.
        doubt: What was found.
        label_map: Of the target.
        parts: Channels by input, where there are several.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = {name: resize_image(shown, size) for name, shown in show_inputs(picture, parts).inputs.items()}
    base = list(small.values())[-1]
    mask, found = resize_mask(truth, size), resize_mask(prediction.masks[doubt.target], size)
    compared = errors(mask, found, base)
    for region in doubt.found[doubt.target].regions:
        compared[_frame(compared, [round(edge * scale) for edge in region.box])] = (255, 255, 255)
    panels = {
        **({name: np.asarray(shown) for name, shown in small.items()} if len(small) > 1 else {"picture": base}),
        "mask": draw_target(base, mask, label_map),
        "model": draw_target(base, found, label_map),
        "compared": compared,
    }
    return [Panel(name, _embedded(np.asarray(panel, np.uint8))) for name, panel in panels.items()]


def write_review_page(
    out: str | Path,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    panels: Mapping[str, Sequence[Panel]],
    label_maps: Mapping[str, LabelMap],
    *,
    data_hash: str,
    command: str,
) -> Path:
    """Write the page.

    Args:
        out: HTML file to write.
        name: Of the run.
        rows: Lines of `review.csv`, the most doubtful first.
        panels: Pictures by id of the samples that are shown.
        label_maps: Label map per target.
        data_hash: Of the data; marks of other data are not mixed up with these.
        command: What to type once `review.csv` is saved.

    Raises:
        OutputError: It cannot be written.
    """
    script = resources.files("limner.evaluation").joinpath("templates", _SCRIPT).read_text(encoding="utf-8")
    template = environment(plural=wording.plural).get_template("review.html.j2")
    page = template.render(
        name=name,
        version=__version__,
        total=len(rows),
        shown=[(row, panels[row["id"]]) for row in rows if row["id"] in panels],
        legends=[("Masks", _classes(label_maps)), ("Compared", _differences(label_maps))],
        script=Markup(script),  # noqa: S704 - a file of ours, without a word of the data
        allowed=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        table=Markup(_json({"key": f"limner-review-{data_hash}", "rows": rows})),  # noqa: S704 - see `_json`
        command=command,
    )
    # File names may hold bytes that are not UTF-8; they must not keep the page from being written.
    write_bytes(out, page.encode("utf-8", errors="replace"))
    return Path(out)


def _json(content: Any) -> str:
    """JSON that no name in it can break out of."""
    return json.dumps(content).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _classes(label_maps: Mapping[str, LabelMap]) -> list[tuple[str, str]]:
    entries = []
    for label_map in label_maps.values():
        if label_map.task != "regression":
            first = 0 if label_map.task == "multilabel" else 1
            entries += list(zip(label_map.names, label_map.colors, strict=True))[first:]
    return [(name, "#{:02x}{:02x}{:02x}".format(*color)) for name, color in dict.fromkeys(entries)]


def _differences(label_maps: Mapping[str, LabelMap]) -> list[tuple[str, str]]:
    """Colours of the compared pictures; a single class cannot be taken for another."""
    words = {"hit": "both", "false alarm": "model alone", "miss": "mask alone", "wrong class": "another class"}
    binary = all(label_map.task in ("binary", "regression") for label_map in label_maps.values())
    return [
        (words[name], "#{:02x}{:02x}{:02x}".format(*color))
        for name, color in ERROR_LEGEND
        if not (binary and color == WRONG_CLASS)
    ]


def _frame(picture: UInt8[np.ndarray, "height width 3"], box: Sequence[int]) -> Bool[np.ndarray, "height width"]:
    """A line two pixels outside a box, within the picture."""
    height, width = picture.shape[:2]
    top, left = max(0, box[0] - 3), max(0, box[1] - 3)
    bottom, right = min(height - 1, box[2] + 2), min(width - 1, box[3] + 2)
    frame = np.zeros((height, width), bool)
    frame[[top, bottom], left : right + 1] = True
    frame[top : bottom + 1, [left, right]] = True
    return frame


def _embedded(picture: UInt8[np.ndarray, "height width 3"]) -> Embedded:
    data = base64.b64encode(encode_webp(picture, _QUALITY)).decode()
    return Embedded(f"data:image/webp;base64,{data}", picture.shape[0], picture.shape[1])
