"""Which picture an annotation means, and what becomes of those without partner."""

from __future__ import annotations

import shutil

import pytest

from limner.errors import ConfigError, DataError


def images(desk, *names, size=(40, 60)):
    """A COCO file of the scene for each of these names."""
    content = desk.scene("coco")
    first = content["images"][0]
    content["images"] = [
        {**first, "id": 9 + place, "file_name": name, "height": size[0], "width": size[1]}
        for place, name in enumerate(names)
    ]
    desk.write_scene("coco", content)


def test_pictures_may_lie_elsewhere(desk, tmp_path):
    images(desk, "a.png")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(desk.root / "a.png", tmp_path / "elsewhere" / "a.png")
    with pytest.raises(DataError, match="--images FOLDER"):
        desk.convert()
    result = desk.convert(images=tmp_path / "elsewhere", overlap="later")
    assert str(tmp_path / "elsewhere" / "a.png") in (result.folder / "samples.csv").read_text()


@pytest.mark.parametrize("name", ["../../a.png", "/home/somebody/scans/a.png", "C:/scans/a.png", "A.PNG"])
def test_folders_of_another_machine_do_not_matter(desk, name):
    images(desk, name)
    result = desk.convert(overlap="later")
    assert [path.name for path in (result.folder / "masks").iterdir()] == ["a.png"]
    assert not result.lost


def test_the_path_tells_pictures_of_one_name_apart(desk):
    desk.picture("left/a.png")
    desk.picture("right/a.png")
    images(desk, "scans/left/a.png", "scans/right/a.png")
    (desk.root / "a.png").unlink()
    result = desk.convert(overlap="later")
    assert {str(path.relative_to(result.folder / "masks")) for path in result.folder.glob("masks/**/*.png")} == {
        "left/a.png",
        "right/a.png",
    }


def test_where_it_does_not_none_is_chosen(desk):
    desk.picture("left/b.png")
    desk.picture("right/b.png")
    images(desk, "a.png", "b.png")
    result = desk.convert(overlap="later")
    assert desk.kinds(result) == ["ambiguous-picture", "clipped", "overlap", "unannotated"]
    assert result.lost


def test_missing_resized_and_unreadable_pictures_are_left_out(desk):
    desk.picture("small.png", (20, 30))
    (desk.root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images(desk, "a.png", "small.png", "broken.png", "gone.png")
    result = desk.convert(overlap="later")
    found = {doubt.picture: doubt.kind for doubt in result.doubts if doubt.lost}
    assert found == {"small.png": "other-size", "broken.png": "unreadable", "gone.png": "missing-picture"}
    assert result.pictures == 1


def test_if_every_picture_has_another_size_nothing_is_converted(desk):
    images(desk, "a.png", size=(80, 120))
    with pytest.raises(DataError, match="none of 1") as error:
        desk.convert()
    assert "annotated at 80×120, the picture is 40×60" in error.value.details[0]


def test_pictures_nobody_annotated_are_left_out_and_counted(desk):
    desk.picture("b.png")
    images(desk, "a.png")
    result = desk.convert(overlap="later")
    assert [doubt.picture for doubt in result.doubts if doubt.kind == "unannotated"] == ["b.png"]
    assert (result.pictures, result.lost) == (1, False)


def test_copies_make_the_folder_whole(desk):
    images(desk, "a.png")
    result = desk.convert(overlap="later", copy=True)
    assert (result.folder / "images" / "a.png").read_bytes() == (desk.root / "a.png").read_bytes()
    assert "images/a.png" in (result.folder / "samples.csv").read_text()


def test_classes_are_chosen_and_ordered(desk):
    images(desk, "a.png")
    result = desk.convert(classes=("nucleus",))
    assert [(one.name, one.shapes) for one in result.classes] == [("nucleus", 1)]
    assert desk.kinds(result) == ["unknown-label"]
    assert [one.name for one in desk.convert(classes=("nucleus", "cell"), overlap="later").classes] == [
        "nucleus",
        "cell",
    ]
    with pytest.raises(ConfigError, match="cell, nucleus"):
        desk.convert(classes=("nuclei",))
    with pytest.raises(ConfigError, match="each once"):
        desk.convert(classes=("cell", "cell"))


def test_names_that_differ_in_capitals_alone_are_doubtful(desk):
    content = desk.scene("labelme")
    content["shapes"][1]["label"] = "Cell "
    desk.write_scene("labelme", content)
    result = desk.convert(overlap="later")
    assert "alike" in desk.kinds(result)


def test_a_class_that_no_shape_uses_keeps_its_id(desk):
    content = desk.scene("coco")
    content["categories"].insert(0, {"id": 1, "name": "vessel"})
    desk.write_scene("coco", content)
    result = desk.convert(overlap="later")
    assert [(one.name, one.shapes) for one in result.classes] == [("vessel", 0), ("cell", 2), ("nucleus", 1)]
