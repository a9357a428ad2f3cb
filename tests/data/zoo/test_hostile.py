"""Data sets with things in them that are no data: told by name, never waited for, never believed."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.workflow.check import check

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]


def replaced(zoo: Any, name: str) -> Path:
    """The place of a file that was taken away."""
    path = Path(zoo.root / name)
    path.unlink()
    return path


SPECIAL = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("side", ["images", "masks"])
def test_what_is_no_file_is_named(zoo: Any, refuses: Refuses, side: str, kind: str) -> None:
    zoo.fill()
    SPECIAL[kind](replaced(zoo, f"{side}/05.png"))
    refuses("unreadable-files", says=f"{side}/05.png")


def test_a_pipe_among_the_pictures_is_not_passed_over(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    os.mkfifo(zoo.root / "images/99.png")
    refuses("unmatched-files", says="image without a mask: images/99.png")


def test_a_folder_called_like_a_picture(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    replaced(zoo, "images/05.png").mkdir()
    refuses("unmatched-files", says="mask without an image: masks/05.png")


def test_links_to_pictures_elsewhere_are_data(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    for side in ("images", "masks"):
        elsewhere = zoo.root.parent / f"{side}.png"
        (zoo.root / side / "05.png").rename(elsewhere)
        (zoo.root / side / "05.png").symlink_to(elsewhere)
    assert accepts().samples == 8


def test_what_operating_systems_leave_behind_is_no_data(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    for name in (".DS_Store", "images/._05.png", "images/Thumbs.db", "__MACOSX/images/._05.png", "masks/.hidden.png"):
        zoo.save(name, b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert accepts().samples == 8


def test_an_archive_made_on_a_mac(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    path = zoo.root.parent / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(zoo.root.rglob("*.png")):
            name = file.relative_to(zoo.root)
            archive.write(file, name)
            archive.writestr(f"__MACOSX/{name.parent}/._{name.name}", b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert accepts(place=path).samples == 8


def test_a_jpeg_that_is_called_png_is_read_as_what_it_is(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    stream = io.BytesIO()
    Image.open(zoo.root / "images/05.png").save(stream, "JPEG")
    zoo.save("images/05.png", stream.getvalue())
    accepts()


def test_pictures_for_printing(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(image=lambda picture: Image.fromarray(picture).convert("CMYK"), image_suffix=".jpg")
    accepts()


def test_animations_are_asked_about(zoo: Any, refuses: Refuses) -> None:
    for name, picture, ids in zoo.draw():
        still = Image.fromarray(picture).quantize(64)
        zoo.save(f"images/{name}.gif", still, save_all=True, append_images=[still.rotate(180)] * 2)
        zoo.save(f"masks/{name}.png", ids * 255)
    refuses("unreadable-files", says="data.page=0")


def test_a_text_that_unpacks_to_80_megabytes(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    text = PngInfo()
    text.add_text("comment", "x" * 80_000_000, zip=True)
    picture = Image.open(zoo.root / "images/05.png")
    picture.load()
    zoo.save("images/05.png", picture, pnginfo=text)
    refuses("unreadable-files", says="too large")


@pytest.mark.parametrize("change", ["vanishes", "changes"])
def test_a_mask_that_is_another_when_it_is_looked_at_again(zoo: Any, change: str) -> None:
    zoo.fill()

    def disturb(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("scan", total):
            (zoo.root / "masks/05.png").unlink(missing_ok=True)
            if change == "changes":
                zoo.save("masks/05.png", np.zeros((9, 9), np.uint8))

    checked = check(zoo.root, settings={"data.cache": False}, progress=disturb)
    (stop,) = [finding for finding in checked.findings if finding.level == "stop"]
    assert (stop.kind, stop.samples) == ("unreadable-files", ("05",))
    assert "05.png" in stop.evidence[0]


def test_a_picture_is_judged_by_what_was_read_first(zoo: Any) -> None:
    zoo.fill()

    def disturb(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("scan", total):
            (zoo.root / "images/05.png").unlink(missing_ok=True)

    before = check(zoo.root, settings={"data.cache": False})
    checked = check(zoo.root, settings={"data.cache": False}, progress=disturb)
    assert [finding.kind for finding in checked.findings] == [finding.kind for finding in before.findings]


ODD_NAMES = ("a\nb", "\x1b[31mred", "<img src=x onerror=alert(1)>", "=1+1", "-1", "@SUM(1)", "x" * 240, "a,b;c\"d'")


def test_odd_names_are_names(zoo: Any, accepts: Accepts) -> None:
    for name, (old, picture, ids) in zip(ODD_NAMES, zoo.draw(8), strict=True):
        zoo.truth[name] = zoo.truth.pop(old)
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", ids * 255)
    assert accepts().samples == 8


TABLES = {
    "a device": ("image,mask\nimages/00.png,masks/00.png\nimages/01.png,/dev/zero\n", "unreadable-files", "/dev/zero"),
    "a zero byte": ("image,mask\nimages/0\0.png,masks/00.png\n", "no-samples", "row 2"),
    "a name too long": (f"image,mask\n{'x' * 3000}.png,masks/00.png\n", "no-samples", "row 2"),
    "a line of 10 MB": (f"image,mask\n{'x' * 10_000_000},masks/00.png\n", "no-samples", "field limit"),
    "an open quote": ('image,mask\n"images/00.png,masks/00.png\nimages/01.png,masks/01.png\n', "no-samples", "Row 2"),
    "UTF-16": ("image,mask\nimages/00.png,masks/00.png\n".encode("utf-16"), "no-samples", "UTF-8"),
    "a mask of 10¹⁴ pixels": (
        "image,mask\nimages/00.png,runs.csv#row=a@9999999x9999999\nimages/01.png,masks/01.png\n",
        "unreadable-files",
        "9,999,999×9,999,999",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_are_none(zoo: Any, kind: str) -> None:
    zoo.fill()
    zoo.save("runs.csv", b"img,rle_mask\na,1 1\n")
    content, stop, says = TABLES[kind]
    path = zoo.save("samples.csv", content if isinstance(content, bytes) else content.encode())
    stops = [finding for finding in zoo.check(path).findings if finding.level == "stop"]
    assert stop in {finding.kind for finding in stops}
    assert says in " ".join(" ".join([found.title, *found.evidence, found.remedy]) for found in stops)


def test_a_table_that_begins_with_a_byte_order_mark(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    rows = "".join(f"images/{name}.png,masks/{name}.png\n" for name in zoo.truth)
    accepts(place=zoo.save("samples.csv", f"\ufeffimage,mask\n{rows}".encode()))


def test_masks_that_are_all_ignored(zoo: Any, accepts: Accepts, refuses: Refuses) -> None:
    zoo.fill(lambda ids: ids, classes=3)
    zoo.save("masks/03.png", np.full((48, 64), 255, np.uint8))
    zoo.truth["03"] = np.full((48, 64), 255, np.uint8)
    accepts(data__ignore_values=[255])
    for name in zoo.truth:
        zoo.save(f"masks/{name}.png", np.full((48, 64), 255, np.uint8))
    refuses("mask-values", says="all are empty", data__ignore_values=[255])
