"""The table of example cases: a row each, as wide as there are panels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from limner.evaluation.table import write_table
from limner.files import write_bytes, write_text
from limner.images import encode_webp, read_image

PANELS = {"image": (200, 200, 200), "truth": (0, 160, 0), "prediction": (0, 0, 200), "errors": (200, 0, 150)}


def leave_cases(folder: Path, count: int) -> None:
    cases = []
    for number in range(1, count + 1):
        panels = []
        for name, color in PANELS.items():
            file = f"best_{number}_{name}.webp"
            write_bytes(folder / "cases" / file, encode_webp(np.full((40, 60, 3), color, np.uint8)))
            panels.append({"name": name, "file": file})
        cases.append(
            {"kind": "best", "id": f"im_{number}", "rank": number, "ranked": 9, "score": 0.5, "panels": panels}
        )
    legend = [{"name": "hit", "color": "#009e73"}]
    write_text(folder / "cases" / "cases.json", json.dumps({"legend": legend, "cases": cases}))


def test_every_case_is_a_row_of_input_truth_and_prediction(tmp_path):
    heights = []
    for count in (1, 3):
        leave_cases(tmp_path, count)
        write_table(tmp_path)
        picture = read_image(str(tmp_path / "table.png")).astype(int)[..., :3]
        heights.append(picture.shape[0])
        # From left to right the middle of each panel has its colour.
        row = picture[np.abs(picture - PANELS["truth"]).sum(axis=2).argmin() // picture.shape[1] + 40]
        found = [int(np.abs(row - color).sum(axis=1).argmin()) for color in PANELS.values()]
        assert found == sorted(found)
        assert all(np.abs(row[place] - color).sum() < 40 for place, color in zip(found, PANELS.values(), strict=True))
    assert heights[1] > 2 * heights[0]


def test_without_cases_an_earlier_table_goes(tmp_path):
    leave_cases(tmp_path, 1)
    write_table(tmp_path)
    leave_cases(tmp_path, 0)
    write_table(tmp_path)
    assert not (tmp_path / "table.png").exists()
