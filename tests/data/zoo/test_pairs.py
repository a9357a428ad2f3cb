"""Files that do not pair, or pair in more than one way: named, never shifted, never dropped in silence."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]


def test_a_missing_mask(zoo: Any, refuses: Refuses, accepts: Accepts) -> None:
    zoo.fill()
    (zoo.root / "masks/03.png").unlink()
    refuses("unmatched-files", says="image without a mask: images/03.png")
    assert accepts(data__unmatched="skip").samples == 7


def test_equal_counts_with_one_missing_on_each_side_are_not_paired_by_order(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    (zoo.root / "masks/02.png").unlink()
    (zoo.root / "images/05.png").unlink()
    checked = refuses("unmatched-files", says="mask without an image: masks/05.png")
    assert checked.samples == 6


def test_two_masks_for_one_image(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    zoo.save("masks/04.bmp", zoo.truth["04"] * 255)
    refuses("ambiguous-pairs", says="images/04.png ↔ masks/04.bmp, masks/04.png")


def test_a_mask_per_class_and_picture(zoo: Any, refuses: Refuses) -> None:
    for name, picture, ids in zoo.draw():
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}_disc.png", ids * 255)
        zoo.save(f"masks/{name}_vertebra.png", ids * 255)
    refuses("ambiguous-pairs", says="images/04.png ↔ masks/04_disc.png, masks/04_vertebra.png")


def test_one_of_several_masks_is_left_over(zoo: Any, refuses: Refuses) -> None:
    for name, picture, ids in zoo.draw():
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}_disc.png", ids * 255)
        if name != "03":
            zoo.save(f"masks/{name}_vertebra.png", ids * 255)
    refuses("unmatched-files", says="mask without an image: masks/04_vertebra.png")


def test_equal_names_in_other_folders_are_not_paired_across_them(zoo: Any, refuses: Refuses) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw()):
        odd = number == 7
        zoo.save(f"images/{'a' if odd else 'p'}/{name}.png", picture)
        zoo.save(f"masks/{'b' if odd else 'p'}/{name}.png", ids * 255)
    checked = refuses("unmatched-files", says="image without a mask: images/a/07.png")
    assert checked.samples == 7


def test_a_number_is_not_completed_by_another(zoo: Any, refuses: Refuses) -> None:
    for number, (_, picture, ids) in enumerate(zoo.draw(8), start=8):
        zoo.save(f"images/{1 if number == 11 else number}.png", picture)
        zoo.save(f"masks/{number}.png", ids * 255)
    refuses("unmatched-files", says="image without a mask: images/1.png")


def test_accents_as_macos_writes_them(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw():
        zoo.save("images/" + unicodedata.normalize("NFD", f"Schädel {name}.png"), picture)
        zoo.save("masks/" + unicodedata.normalize("NFC", f"Schädel {name} mask.png"), ids * 255)
    assert accepts().samples == 8


def test_names_that_have_nothing_in_common(zoo: Any, refuses: Refuses) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw()):
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/outline no {number + 40} of all.png", ids * 255)
    refuses("no-samples", says="naming rule pairs any of 8 images")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.jpeg", "{}.png"),
        ("IMG_{}.JPG", "img_{}.png"),
        ("{}.jpg", "{}_mask.gif"),
        ("case{}_image.tif", "case{}_label.tif"),
        ("cell{}.ome.tif", "cell{}.png"),
        ("cat{}.jpg", "cat{}.jpg.png"),
        ("scan ({}).jpg", "scan ({}) mask.png"),
    ],
)
def test_names_that_differ_as_names_do(zoo: Any, accepts: Accepts, image: str, mask: str) -> None:
    for name, picture, ids in zoo.draw():
        zoo.save(f"images/{image.format(name)}", picture)
        zoo.save(f"masks/{mask.format(name)}", ids * 255)
    zoo.truth.clear()
    checked = accepts()
    (pairs,) = [finding for finding in checked.findings if finding.kind == "pairs"]
    assert any("pairs 8 of 8" in line for line in pairs.evidence)


def test_numbers_that_begin_alike_are_not_confused(zoo: Any, accepts: Accepts) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw(12)):
        zoo.truth[str(number)] = zoo.truth.pop(name)
        zoo.save(f"images/{number}.png", picture)
        zoo.save(f"masks/{number}.png", ids * 255)
    accepts()


def test_an_empty_folder(zoo: Any, refuses: Refuses) -> None:
    refuses("no-samples", says="t is empty")


def test_nothing_there(zoo: Any, refuses: Refuses) -> None:
    refuses("no-samples", says="Check the path", place=zoo.root / "absent")


def test_pictures_alone(zoo: Any, refuses: Refuses) -> None:
    for name, picture, _ in zoo.draw():
        zoo.save(f"{name}.png", picture)
    refuses("no-samples", says="pictures")


def test_a_single_sample(zoo: Any, refuses: Refuses) -> None:
    zoo.fill(count=1)
    checked = zoo.check()
    assert "too-few" in {finding.kind for finding in checked.findings if finding.level == "stop"}


def test_a_table_that_names_a_missing_file(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    table = zoo.save("samples.csv", b"image,mask\nimages/00.png,masks/00.png\nimages/99.png,masks/01.png\n")
    refuses("no-samples", says="images/99.png", place=table)


def test_a_folder_of_masks_per_picture_is_their_union(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw():
        zoo.save(f"{name}/images/{name}.png", picture)
        half = ids.copy()
        half[:, 32:] = 0
        zoo.save(f"{name}/masks/a.png", half * 255)
        zoo.save(f"{name}/masks/b.png", (ids - half) * 255)
    accepts()


def test_splits_that_came_with_the_data_stay(zoo: Any, accepts: Accepts) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw(10)):
        split = "train" if number < 6 else "val" if number < 8 else "test"
        zoo.save(f"{split}/images/{name}.png", picture)
        zoo.save(f"{split}/masks/{name}.png", ids * 255)
    accepts()


def test_links_that_lead_in_a_circle(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    (zoo.root / "images" / "again").symlink_to(zoo.root, target_is_directory=True)
    checked = zoo.check()
    assert checked.samples >= 8
    assert checked.outcome in ("clean", "doubts", "cannot train")


def test_a_link_to_nothing(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    (zoo.root / "images" / "03.png").unlink()
    (zoo.root / "images" / "03.png").symlink_to(Path("nowhere.png"))
    refuses("unreadable-files", says="03.png")
