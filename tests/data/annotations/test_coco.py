"""COCO: run lengths as pycocotools packs them, polygons, crowds, and ids that lead nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as pycocotools
from scipy import ndimage

from limner.data.annotations.coco import decode_counts
from limner.data.annotations.rasterise import decode_runs, draw
from limner.data.annotations.shapes import Rings, Runs, Shape
from limner.errors import DataError, LimnerError
from limner.images import read_mask


def blobs(seed, size=(37, 53)):
    noise = np.random.default_rng(seed).normal(size=size)
    return ndimage.gaussian_filter(noise, seed % 4) > 0


@pytest.mark.parametrize("seed", range(12))
def test_packed_run_lengths_are_those_of_pycocotools(seed):
    mask = blobs(seed) if seed else np.zeros((5, 1), bool)
    packed = pycocotools.encode(np.asfortranarray(mask.astype(np.uint8)))
    lengths = decode_counts(packed["counts"].decode(), "here")
    assert np.array_equal(decode_runs(Runs(lengths, mask.shape, downwards=True)), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("seed", range(6))
def test_polygons_are_those_of_pycocotools_but_for_their_border(seed):
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 9))
    radii = generator.uniform(8, 18, 9)
    ring = np.stack([25 + radii * np.cos(angles), 20 + radii * np.sin(angles)], axis=1)
    drawn = draw(Shape("a", (Rings((ring,)),), "here"), (40, 50))
    ours = np.zeros((40, 50), bool)
    ours[drawn.place] = drawn.mask
    theirs = pycocotools.decode(pycocotools.frPyObjects([ring.ravel().tolist()], 40, 50))[..., 0].astype(bool)
    # They draw at five times the size and round; we ask where the pixel's centre lies.
    border = ndimage.binary_dilation(theirs) & ~ndimage.binary_erosion(theirs)
    assert not (ours ^ theirs)[~border].any()
    assert abs(int(ours.sum()) - int(theirs.sum())) < 0.04 * theirs.sum()


@pytest.mark.parametrize("text", ["0\x7f", "P", "é", "PPPPPPPPPPPPPPPPPP0", "O", " "])
def test_text_that_is_no_run_lengths_is_refused(text):
    with pytest.raises(DataError, match="as COCO packs them"):
        decode_counts(text, "annotation 1")


def test_packed_text_in_a_file(desk, cells_and_nucleus):
    content = desk.scene("coco")
    mask = cells_and_nucleus[0]
    packed = pycocotools.encode(np.asfortranarray(mask.astype(np.uint8)))
    content["annotations"][0]["segmentation"] = {"size": packed["size"], "counts": packed["counts"].decode()}
    del content["annotations"][1:]
    desk.write_scene("coco", content)
    assert np.array_equal(read_mask(str(desk.convert().folder / "masks/a.png")).array, mask)


def test_polygons_of_an_annotation_are_taken_together(desk):
    content = desk.scene("coco")
    polygons = [[0, 0, 10, 0, 10, 10, 0, 10], [5, 5, 15, 5, 15, 15, 5, 15]]
    content["annotations"] = [{"id": 1, "image_id": 9, "category_id": 3, "segmentation": polygons}]
    desk.write_scene("coco", content)
    assert desk.convert().classes[0].pixels == 100 + 100 - 25


def test_crowds_are_their_class_and_boxes_alone_are_left_out(desk):
    content = desk.scene("coco")
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["segmentation"] = []
    content["annotations"][1]["bbox"] = [20, 8, 10, 6]
    desk.write_scene("coco", content)
    result = desk.convert()
    assert desk.kinds(result) == ["clipped", "crowd", "no-outline"]
    assert result.lost
    assert [one.shapes for one in result.classes] == [2, 0]


def test_ids_that_lead_nowhere_are_left_out_and_said(desk):
    content = desk.scene("coco")
    content["annotations"][0]["category_id"] = 99
    content["annotations"][1]["image_id"] = -4
    desk.write_scene("coco", content)
    result = desk.convert()
    assert desk.kinds(result) == ["clipped", "missing-picture", "unknown-label"]
    assert any("no image has the id -4" in doubt.where for doubt in result.doubts)


def test_one_id_for_two_images_is_refused_unless_they_are_the_same(desk):
    content = desk.scene("coco")
    content["images"].append(dict(content["images"][0]))
    desk.write_scene("coco", content)
    assert desk.convert(overlap="later").pictures == 1
    content["images"][1]["file_name"] = "b.png"
    desk.write_scene("coco", content)
    with pytest.raises(DataError, match=r"id 9 for 'a\.png' and for 'b\.png'"):
        desk.convert()


def test_two_entries_of_one_picture_use_the_first(desk):
    content = desk.scene("coco")
    content["images"].append({**content["images"][0], "id": 10})
    content["annotations"][2]["image_id"] = 10
    desk.write_scene("coco", content)
    result = desk.convert(overlap="later")
    assert "repeated-picture" in desk.kinds(result)
    assert result.classes[0].shapes == 1


@pytest.mark.parametrize(
    ("segmentation", "says"),
    [
        ([[1, 2, 3, 4, 5]], "x and y by turns"),
        ([[1e9, 2, 3, 4, 5, 6]], "within ±10,000,000"),
        ({"size": [40, 60], "counts": [1, 2, 3]}, "6 pixels in runs"),
        ({"size": [40, 60], "counts": [-1, 2401]}, "greater than or equal to 0"),
        ("everything", "annotation 1"),
    ],
)
def test_outlines_that_make_no_sense_name_the_annotation(desk, segmentation, says):
    content = desk.scene("coco")
    content["annotations"][0]["segmentation"] = segmentation
    desk.write_scene("coco", content)
    with pytest.raises(LimnerError) as error:
        desk.convert()
    assert says in str(error.value)
    assert "annotation 1" in str(error.value)


def test_run_lengths_of_another_size_are_left_out(desk):
    content = desk.scene("coco")
    content["annotations"][0]["segmentation"] = {"size": [20, 120], "counts": [2400]}
    desk.write_scene("coco", content)
    result = desk.convert(overlap="later")
    assert "other-size" in desk.kinds(result)
    assert result.lost


def test_panoptic_files_are_refused_with_a_word(desk):
    content = desk.scene("coco")
    content["annotations"] = [{"image_id": 9, "file_name": "a.png", "segments_info": []}]
    desk.write_scene("coco", content)
    with pytest.raises(DataError, match="panoptic"):
        desk.convert()


def test_files_of_train_and_val_are_the_splits(desk):
    for split in ("train", "valid"):
        desk.picture(f"{split}/{split}.png")
        content = desk.scene("coco")
        content["images"][0]["file_name"] = f"{split}.png"
        # Other ids, same names: classes go by their names.
        content["categories"].reverse()
        desk.write_scene("coco", content, f"{split}/_annotations.coco.json")
    result = desk.convert(overlap="later")
    lines = (result.folder / "samples.csv").read_text().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == ["split", "train", "val"]
    assert [one.name for one in result.classes] == ["nucleus", "cell"]
