"""From a folder to samples that can be trained on."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from limner.data.prepare import prepare
from limner.errors import ConfigError, DataError
from limner.images import write_image


def save(folder, number, mask=None, size=(16, 20), seed=None):
    rng = np.random.default_rng(number if seed is None else seed)
    image = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
    if mask is None:
        mask = np.zeros(size, np.uint8)
        mask[4:9, 5 : 9 + number % 4] = 255
    write_image(folder / "images" / f"{number}.png", image)
    write_image(folder / "masks" / f"{number}_mask.png", mask)


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        save(tmp_path / "data", number)
    return tmp_path / "data"


def test_a_folder_is_understood(folder):
    told = []
    prepared = prepare(folder, progress=lambda *said: told.append(said))
    catalog, label_map = prepared.catalog, prepared.label_maps["mask"]
    assert len(catalog) == 12
    assert {split: catalog.splits.count(split) for split in ("train", "val", "test")} == {
        "train": 8,
        "val": 2,
        "test": 2,
    }
    assert (label_map.task, prepared.fingerprint.channels, prepared.layout) == ("binary", 3, "pairs")
    assert label_map.because.startswith("12 masks hold 0 (")
    assert set(catalog.facts) == {"hash", "target_hash", "height", "width"}
    assert catalog.facts["height"] == ["16"] * 12
    assert ("scan", 12, 12) in told
    assert ("measure", 8, 8) in told


def test_the_same_folder_gives_the_same_result_and_copies_too(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    first, second, copy = prepare(folder), prepare(folder), prepare(tmp_path / "copy")
    assert first.catalog == second.catalog
    assert (first.catalog.splits, first.catalog.facts) == (copy.catalog.splits, copy.catalog.facts)


def test_counts_and_earlier_splits_are_honoured(folder):
    first = prepare(folder, val=3, test=1)
    assert (first.catalog.splits.count("val"), first.catalog.splits.count("test")) == (3, 1)
    for number in range(12, 16):
        save(folder, number)
    second = prepare(folder, val=3, test=1, seed=9, previous=first.catalog)
    kept = dict(zip(second.catalog.ids, second.catalog.splits, strict=True))
    assert [kept[name] for name in first.catalog.ids] == first.catalog.splits


def test_copies_of_one_image_stay_on_one_side(folder):
    for number in range(12, 18):
        save(folder, number, seed=1)
    prepared = prepare(folder)
    same = {prepared.catalog.ids.index(str(number)) for number in [1, *range(12, 18)]}
    assert len({prepared.catalog.splits[index] for index in same}) == 1
    assert any("7 images are the same file" in note for note in prepared.notes)


def test_every_mask_of_another_size_is_named(folder):
    for number in (3, 7):
        save(folder, number, mask=np.eye(16, 19, dtype=np.uint8) * 255)
    with pytest.raises(DataError) as caught:
        prepare(folder)
    assert "3_mask.png" in str(caught.value)
    assert "7_mask.png" in str(caught.value)
    assert "16×19" in str(caught.value)


def test_unmatched_and_unreadable_files_stop_or_are_skipped(folder):
    (folder / "images" / "extra.png").write_bytes((folder / "images" / "0.png").read_bytes())
    whole = (folder / "images" / "5.png").read_bytes()
    (folder / "images" / "5.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"extra\.png"):
        prepare(folder)
    prepared = prepare(folder, unmatched="skip", unreadable="skip")
    assert len(prepared.catalog) == 11
    assert any("left out for damaged files: 5" in note for note in prepared.notes)


def test_settings_reach_the_label_map(folder):
    prepared = prepare(folder, class_names=["ground", "cell"], values=[[255], [0]])
    assert prepared.label_maps["mask"].values == ((255,), (0,))
    assert prepared.label_maps["mask"].names == ("ground", "cell")


def test_a_given_label_map_is_applied_strictly(folder):
    label_map = prepare(folder).label_maps["mask"]
    assert prepare(folder, labels={"mask": label_map}).label_maps["mask"] == label_map
    renamed = prepare(folder, labels={"mask": label_map}, class_names=["a", "b"]).label_maps["mask"]
    assert renamed == replace(label_map, names=("a", "b"))
    with pytest.raises(ConfigError, match="2 names"):
        prepare(folder, labels={"mask": label_map}, class_names=["a"])
    mask = np.zeros((16, 20), np.uint8)
    mask[3] = 7
    save(folder, 4, mask=mask)
    with pytest.raises(DataError) as caught:
        prepare(folder, labels={"mask": label_map})
    assert "4_mask.png" in str(caught.value)
    assert "7 in 20 pixel(s)" in str(caught.value)


def test_one_picture_is_too_few(tmp_path):
    save(tmp_path, 0)
    with pytest.raises(DataError, match="at least two pictures"):
        prepare(tmp_path)


def test_one_mask_file_per_object_is_their_union(tmp_path):
    for number in range(4):
        write_image(tmp_path / f"s{number}" / "images" / f"s{number}.png", np.full((8, 8, 4), number, np.uint8))
        for part in range(2):
            mask = np.zeros((8, 8), np.uint8)
            mask[part * 4 : part * 4 + 3, :3] = 255
            write_image(tmp_path / f"s{number}" / "masks" / f"{part}.png", mask)
    prepared = prepare(tmp_path, val=1, test=0)
    assert prepared.label_maps["mask"].task == "binary"
    assert prepared.fingerprint.objects_per_picture == 2
    assert prepared.fingerprint.channels == 3
    assert prepared.fingerprint.class_share["mask"][1] == pytest.approx(18 / 64)


def test_folders_of_masks_must_be_binary(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"s{number}" / "images" / f"s{number}.png", np.full((8, 8, 3), number, np.uint8))
        for part in range(2):
            mask = np.zeros((8, 8), np.uint8)
            mask[:3, part * 4 : part * 4 + 3] = part + 1
            write_image(tmp_path / f"s{number}" / "masks" / f"{part}.png", mask)
    with pytest.raises(DataError, match="one object per file"):
        prepare(tmp_path, layout="instances", val=1, test=0)
    merged = prepare(tmp_path, layout="instances", val=1, test=0, values=[[0], ["other"]])
    assert merged.label_maps["mask"].task == "binary"


def test_a_review_leaves_samples_out_and_moves_no_other(folder, tmp_path):
    first = prepare(folder)
    splits = dict(zip(first.catalog.ids, first.catalog.splits, strict=True))
    train, test = (next(name for name, own in splits.items() if own == split) for split in ("train", "test"))
    rows = [
        f"{name},{'drop' if name in (train, test) else ''},{hash_},{mask}"
        for name, hash_, mask in zip(
            first.catalog.ids, *map(first.catalog.facts.get, ("hash", "target_hash")), strict=True
        )
    ]
    (tmp_path / "review.csv").write_text("\n".join(["id,decision,hash,target_hash", *rows]))
    second = prepare(folder, review=tmp_path / "review.csv")
    left = dict(zip(second.catalog.ids, second.catalog.splits, strict=True))
    assert left == {name: split for name, split in splits.items() if name not in (train, test)}
    assert sorted(second.dropped) == sorted((train, test))
    assert any("2 dropped, 0 kept, 10 undecided" in note for note in second.notes)
    (tmp_path / "review.csv").write_text((tmp_path / "review.csv").read_text().replace(",,", ",drop,"))
    with pytest.raises(DataError, match="drops all of split"):
        prepare(folder, review=tmp_path / "review.csv")
