"""`limner review` and `limner train --review`, as a user meets them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

Limner = Callable[..., Any]
Refused = Callable[..., str]


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_unseen_samples_are_ranked_and_shown(limner: Limner, run: Path) -> None:
    result = limner("review", run, "--show", "3", "--json")
    assert (result.code, result.err) == (0, "")
    table = rows(run / "review" / "review.csv")
    assert {row["evidence"] for row in table} == {"validation", "test"}
    assert [row["rank"] for row in table] == ["1", "2", "3", "4"]
    assert [float(row["score"]) for row in table] == sorted((float(row["score"]) for row in table), reverse=True)
    assert [row["id"] for row in result.json["samples"]] == [row["id"] for row in table]
    page = (run / "review" / "review.html").read_text()
    assert re.findall('data-id="(.*?)"', page) == [row["id"] for row in table[:3]]
    assert page.count("data:image/webp") == 3 * 4
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_allows_its_own_script_alone_and_holds_every_row(limner: Limner, run: Path) -> None:
    limner("review", run)
    page = (run / "review" / "review.html").read_text()
    script = re.search("<script>(.*?)</script>", page, re.DOTALL)[1]
    allowed = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in page
    held = json.loads(re.search('<script type="application/json" id="table">(.*?)</script>', page)[1])
    assert [row["id"] for row in held["rows"]] == [row["id"] for row in rows(run / "review" / "review.csv")]


def test_training_samples_are_weaker_evidence(limner: Limner, run: Path) -> None:
    assert limner("review", run, "--split", "all").code == 0
    table = rows(run / "review" / "review.csv")
    assert sum(row["evidence"] == "seen in training" for row in table) == 8
    assert limner("review", run, "--split", "val").code == 0
    assert {row["evidence"] for row in rows(run / "review" / "review.csv")} == {"validation"}


def test_decisions_are_not_written_over(limner: Limner, refused: Refused, run: Path, tmp_path: Path) -> None:
    limner("review", run)
    table = run / "review" / "review.csv"
    text = table.read_text()
    table.write_text(mark(text, {rows(table)[0]["id"]: "keep"}))
    assert "1 samples are marked there" in refused("review", run)
    assert limner("review", run, "-o", tmp_path / "other" / "page.html").code == 0
    assert (tmp_path / "other" / "review.csv").read_text() == text


def mark(text: str, decisions: dict[str, str]) -> str:
    """The table with decisions, as a spreadsheet of another country saves it."""
    lines = list(csv.DictReader(io.StringIO(text)))
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(line | {"decision": decisions.get(line["id"], "")} for line in lines)
    return file.getvalue()


def test_what_is_dropped_takes_no_part(
    limner: Limner, refused: Refused, small: Callable[..., list[str]], run: Path, cells: Path, tmp_path: Path
) -> None:
    limner("review", run, "--split", "all")
    table = rows(run / "review" / "review.csv")
    dropped = {next(row["id"] for row in table if row["evidence"] == kind) for kind in ("test", "seen in training")}
    path = tmp_path / "review.csv"
    path.write_text(mark((run / "review" / "review.csv").read_text(), dict.fromkeys(dropped, "drop")))
    result = limner("train", cells, "-o", tmp_path / "again", "--review", path, *small())
    assert result.code == 0, result.err
    assert "2 dropped, 0 kept, 10 undecided and kept" in result.err
    before = {row["id"]: row["split"] for row in rows(run / "samples.csv")}
    after = {row["id"]: row["split"] for row in rows(tmp_path / "again" / "samples.csv")}
    assert after == {name: split for name, split in before.items() if name not in dropped}
    assert set(json.loads((tmp_path / "again" / "data.json").read_text())["dropped"]) == dropped
    report = (tmp_path / "again" / "report.html").read_text()
    assert all(name in report for name in dropped)
    assert "Dropped: 2" in report
    path.write_text(path.read_text().replace("drop", "away"))
    assert "'away' in row" in refused("train", cells, "-o", tmp_path / "more", "--review", path)
    path.write_text(mark((run / "review" / "review.csv").read_text(), {}).replace("cells_", "cell_"))
    assert "12 of 12 ids are none" in refused("train", cells, "-o", tmp_path / "more", "--review", path)


def test_no_run_and_no_split(refused: Refused, run: Path, cells: Path) -> None:
    assert "a run folder" in refused("review", cells)
    assert "val, test or all" in refused("review", run, "--split", "train")
