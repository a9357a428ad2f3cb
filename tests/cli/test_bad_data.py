"""Data that cannot be trained on: a message that names it, exit code 2, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from limner.images import write_image

Refused = Callable[..., str]
Small = Callable[..., list[str]]


@pytest.fixture
def train_refused(refused: Refused, small: Small, tmp_path: Path) -> Refused:
    """`limner train` with an output folder that must not appear."""

    def run(*words: object) -> str:
        out = tmp_path / "out"
        message = refused("train", *words, "-o", out, *small())
        assert not out.exists()
        return message

    return run


def test_a_missing_folder(train_refused: Refused, tmp_path: Path) -> None:
    message = train_refused(tmp_path / "nothing")
    assert f"'{tmp_path / 'nothing'}'" in message
    assert "Check the path" in message


def test_an_empty_folder(train_refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    message = train_refused(tmp_path / "empty")
    assert f"'{tmp_path / 'empty'}'" in message
    assert "it is empty" in message


def test_a_folder_without_pictures(train_refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.docx").write_text("a")
    message = train_refused(tmp_path / "texts")
    assert "1 .docx files" in message
    assert ".png" in message


def test_a_file_that_is_no_archive(train_refused: Refused, tmp_path: Path) -> None:
    for name in ("a.zip", "a.rar"):
        (tmp_path / name).write_bytes(b"Rar!")
        assert f"'{tmp_path / name}'" in train_refused(tmp_path / name)


def test_names_that_do_not_pair_are_shown_from_both_sides(train_refused: Refused, data: Path) -> None:
    for path in list((data / "masks").iterdir()):
        path.rename(path.with_name(f"labelling of scan no {int(path.stem) + 20}.png"))
    message = train_refused(data)
    assert "images/0.png" in message
    assert "masks/labelling of scan no 20.png" in message


def test_an_image_without_mask(train_refused: Refused, data: Path) -> None:
    (data / "masks" / "3.png").unlink()
    message = train_refused(data)
    assert "3.png" in message
    assert "data.unmatched=skip" in message


def test_a_single_picture(train_refused: Refused, data: Path) -> None:
    for path in data.rglob("[1-9].png"):
        path.unlink()
    assert "one, '0'" in train_refused(data)


def test_only_pictures(train_refused: Refused, data: Path) -> None:
    message = train_refused(data / "images")
    assert "8 pictures" in message
    assert f"--images '{data / 'images'}' --masks" in message


def test_a_mask_of_another_size(train_refused: Refused, data: Path) -> None:
    write_image(data / "masks" / "2.png", np.eye(20, dtype=np.uint8)[..., np.newaxis] * 255)
    message = train_refused(data)
    assert "masks/2.png' is 20×20" in message
    assert "images/2.png' is 40×56" in message


BROKEN = {"empty": b"", "cut short": None, "a web page": b"<!DOCTYPE html><html><body>404</body></html>"}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("side", ["images", "masks"])
def test_a_broken_file_is_named(train_refused: Refused, data: Path, side: str, kind: str) -> None:
    path = data / side / "5.png"
    content = BROKEN[kind]
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    assert f"{side}/5.png'" in train_refused(data)


def test_a_picture_cut_short_after_its_header_is_named(train_refused: Refused, data: Path) -> None:
    path = data / "images" / "5.png"
    path.write_bytes(path.read_bytes()[:-200])
    assert "images/5.png'" in train_refused(data)


def test_values_that_were_not_given(train_refused: Refused, data: Path) -> None:
    mask = np.zeros((40, 56, 1), np.uint8)
    mask[:9], mask[9:20] = 255, 128
    write_image(data / "masks" / "4.png", mask)
    message = train_refused(data, "data.values=[[0],[255]]")
    assert "128" in message
    assert "masks/4.png" in message
    assert "data.values" in message


def test_a_doubtful_mask_value_is_asked_about_with_the_line_to_type(train_refused: Refused, data: Path) -> None:
    for path in (data / "masks").iterdir():
        mask = np.zeros((40, 56, 1), np.uint8)
        mask[:9], mask[9:20] = 1, 255
        write_image(path, mask)
    message = train_refused(data)
    assert "data.ignore_values=[255]" in message


def test_masks_without_foreground(train_refused: Refused, data: Path) -> None:
    for path in (data / "masks").iterdir():
        write_image(path, np.zeros((40, 56, 1), np.uint8))
    message = train_refused(data)
    assert "all are empty" in message
    message = train_refused(data, "data.values=[[0],[255]]")
    assert "foreground in the training samples" in message


def test_a_table_that_names_a_missing_file(train_refused: Refused, data: Path) -> None:
    (data / "samples.csv").write_text("image,mask\nimages/0.png,masks/0.png\nimages/99.png,masks/1.png\n")
    message = train_refused(data / "samples.csv")
    assert "row 3: images/99.png" in message
    (data / "samples.csv").write_text("picture,outline\nimages/0.png,masks/0.png\n")
    assert "a column 'mask'" in train_refused(data / "samples.csv")


def test_grey_and_deep_pictures_mixed(train_refused: Refused, data: Path) -> None:
    write_image(data / "images" / "1.png", np.full((40, 56, 3), 300, np.uint16))
    message = train_refused(data)
    assert "1 of uint16" in message
    assert "images/1.png" in message
