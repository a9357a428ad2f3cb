"""Every offender is named, once, before anything is trained."""

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.checks import (
    check_channels,
    check_classes,
    check_dtypes,
    check_duplicates,
    check_enough,
    check_pairing,
    check_readable,
    check_sizes,
)
from limner.data.labels import LabelMap
from limner.data.pairing import Pairing
from limner.data.scan import Scanned
from limner.data.values import tabulate
from limner.errors import DataError
from limner.images import PictureInfo, StoredMask

TERNARY = LabelMap("multiclass", ("ground", "disc", "rim"), ((0, 0, 0),) * 3, "values", ((0,), (1,), (2,)))


def make_catalog(count, suffix=".png", splits=()):
    names = [f"p{number}" for number in range(count)]
    return Catalog(
        names,
        {"image": [f"images/{name}{suffix}" for name in names]},
        {"mask": [f"masks/{name}.png" for name in names]},
        splits=list(splits) or [""] * count,
    )


def look(size=(4, 6), channels=3, dtype="uint8", mask=None, problems=(), **facts):
    mask = np.zeros(size, np.uint8) if mask is None else mask
    return Scanned(
        infos={"image": PictureInfo(size, channels, dtype, **facts)},
        tables={"mask": tabulate(StoredMask(mask), "masks/m.png")},
        input_digest="",
        target_digest="",
        problems=tuple(problems),
    )


def paired(**leftovers):
    settings = {"pairs": [("a.jpg", "a.png")], "unmatched_images": [], "unmatched_masks": [], "ambiguous": []}
    return Pairing(**{**settings, "rule": "mask name = image name", **leftovers})


def test_a_complete_pairing_passes():
    assert check_pairing(paired()) == []


def test_unmatched_files_stop_and_are_listed():
    with pytest.raises(DataError) as caught:
        check_pairing(paired(unmatched_images=[f"{number}.jpg" for number in range(30)], unmatched_masks=["x.png"]))
    message = str(caught.value)
    assert "1 pair, but 30 images without a mask and 1 mask without an image" in message
    assert "image without a mask: 0.jpg" in message
    assert "… and 21 more" in message
    assert "data.unmatched=skip" in message


def test_images_that_only_lack_masks_can_be_predicted_later():
    with pytest.raises(DataError, match="can be predicted"):
        check_pairing(paired(unmatched_images=["b.jpg"]))


def test_unmatched_files_can_be_left_out_but_not_all():
    (note,) = check_pairing(paired(unmatched_images=["b.jpg"]), "skip")
    assert "1 image without a mask and 0 masks without an image are left out" in note
    with pytest.raises(DataError, match="0 pairs"):
        check_pairing(paired(pairs=[], unmatched_images=["b.jpg"]), "skip")


@pytest.mark.parametrize("unmatched", ["stop", "skip"])
def test_ambiguous_pairs_always_stop(unmatched):
    with pytest.raises(DataError, match=r"a\.jpg ↔ a_1\.png, a_2\.png"):
        check_pairing(paired(ambiguous=[("a.jpg", ["a_1.png", "a_2.png"])]), unmatched)


def test_unreadable_files_are_listed_together_or_left_out():
    problems = [DataError("a picture", f"'{name}' is damaged", "Replace it.") for name in ("a.png", "b.png")]
    scans = [look(problems=problems[:1]), look(problems=problems[1:]), look()]
    with pytest.raises(DataError) as caught:
        check_readable(make_catalog(3), scans)
    assert "'a.png' is damaged" in str(caught.value)
    assert "'b.png' is damaged" in str(caught.value)
    (note,) = check_readable(make_catalog(3), scans, "skip")
    assert note == "2 samples left out for damaged files: p0, p1."
    with pytest.raises(DataError, match="damaged"):
        check_readable(make_catalog(1), scans[:1], "skip")


@pytest.mark.parametrize("count", [0, 1])
def test_one_picture_is_too_few(count):
    with pytest.raises(DataError, match="at least two pictures"):
        check_enough(make_catalog(count))


def test_sizes_that_differ_are_named_with_both_sizes():
    scans = [look(), look(mask=np.zeros((4, 5), np.uint8)), look(mask=np.zeros((6, 4), np.uint8))]
    with pytest.raises(DataError) as caught:
        check_sizes(make_catalog(3), scans)
    message = str(caught.value)
    assert "mask 'masks/m.png' is 4×5, image 'images/p1.png' is 4×6" in message
    assert "is 6×4, image 'images/p2.png' is 4×6 (turned by a quarter?)" in message
    with pytest.raises(DataError, match="the camera stored the image turned"):
        check_sizes(make_catalog(2), [look(), look(mask=np.zeros((6, 4), np.uint8), orientation=6)])


def test_channels_of_all_images():
    assert check_channels(make_catalog(2), [look(channels=1)] * 2) == ({"image": 1}, [])
    channels, (note,) = check_channels(make_catalog(2), [look(channels=1), look(channels=3)])
    assert (channels, note) == ({"image": 3}, "1 grey and 1 colour images: all are read as colour.")
    channels, (note,) = check_channels(make_catalog(2), [look(channels=4), look(channels=3)])
    assert (channels, note) == ({"image": 3}, "Images with an opacity channel, which is left out: 1 of 2.")
    assert check_channels(make_catalog(2, ".tif"), [look(channels=4)] * 2) == ({"image": 4}, [])
    with pytest.raises(DataError, match=r"5 channels: images/p1\.png"):
        check_channels(make_catalog(2), [look(channels=3), look(channels=5)])


def test_bit_depths_of_all_images():
    assert check_dtypes(make_catalog(2), [look(dtype="bool"), look()]) == "uint8"
    with pytest.raises(DataError) as caught:
        check_dtypes(make_catalog(2), [look(), look(dtype="uint16")])
    assert "uint16: images/p1.png" in str(caught.value)


def test_missing_classes_and_empty_masks_are_noted():
    disc, rim = np.eye(4, 6, dtype=np.uint8), np.eye(4, 6, dtype=np.uint8) * 2
    scans = [look(mask=disc), look(), look(mask=rim)]
    notes = check_classes(make_catalog(3, splits=["train", "train", "val"]), scans, {"mask": TERNARY})
    assert notes == [
        "1 of 3 masks mark nothing (no foreground).",
        "No training sample holds rim.",
        "No validation sample holds disc.",
    ]


def test_training_without_foreground_is_refused():
    scans = [look(), look(mask=np.eye(4, 6, dtype=np.uint8))]
    with pytest.raises(DataError, match="foreground in the training samples"):
        check_classes(make_catalog(2, splits=["train", "val"]), scans, {"mask": TERNARY})


def test_copies_are_counted_above_all_across_splits():
    catalog = make_catalog(4, splits=["train", "test", "train", "train"])
    catalog.facts["hash"] = ["x", "x", "y", "z"]
    notes = check_duplicates(catalog)
    assert notes[0] == "2 images are the same file: p0 = p1."
    assert "in different splits, which flatters the scores" in notes[1]
    catalog.facts["hash"] = list("abcd")
    assert check_duplicates(catalog) == []
