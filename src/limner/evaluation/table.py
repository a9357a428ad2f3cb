"""The example cases of an evaluation as one picture: image, truth and prediction side by side.

Layer: part of `evaluation`, above `cases`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limner.files import write_bytes
from limner.images import read_image
from limner.render import contact_sheet
from limner.types import Color

NAME = "table.png"
"""Name of the picture in the folder of an evaluation."""


def write_table(folder: Path) -> None:
    """Draw the cases that `write_cases` left in `folder/cases`, a row each; without cases there is no table.

    Raises:
        OutputError: The picture cannot be written.
    """
    cases: dict[str, Any] = json.loads((folder / "cases" / "cases.json").read_text(encoding="utf-8"))
    if not cases["cases"]:
        (folder / NAME).unlink(missing_ok=True)
        return
    rows = [[read_image(str(folder / "cases" / panel["file"])) for panel in case["panels"]] for case in cases["cases"]]
    sheet = contact_sheet(
        rows,
        titles=[panel["name"] for panel in cases["cases"][0]["panels"]],
        captions=[[case["id"], _rank(case), f"score {case['score']:.3f}"] for case in cases["cases"]],
        legend=[(entry["name"], _color(entry["color"])) for entry in cases["legend"]],
    )
    write_bytes(folder / NAME, sheet)


def _rank(case: dict[str, Any]) -> str:
    return f"{case['kind']}: {case['rank']:,} of {case['ranked']:,}"


def _color(text: str) -> Color:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
