"""Composed data: which background, foreground, mask and depth belong to a composite."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.data.prepare import prepare
from limner.errors import ConfigError, DataError
from limner.images import encode_jpeg, encode_png, resize_image, write_image

SIDE = 32
BACKGROUNDS = 12  # more than nine: bg10 sorts before bg2 as text


def draw_background(number: int, side: int = SIDE) -> np.ndarray:
    """A smooth pattern of its own for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    return resize_image(coarse, (side, side))


def draw_composite(background: int, foreground: int, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Composite, mask and depth: a square as bright as its foreground's number."""
    picture, mask = draw_background(background), np.zeros((SIDE, SIDE), np.uint8)
    top, left = 4 + 3 * (place % 4), 6 + 5 * (place % 3)
    mask[top : top + 8, left : left + 8] = 255
    picture = picture.copy()
    picture[mask > 0] = 20 * foreground
    return picture, mask, np.where(mask > 0, 60, np.arange(SIDE, dtype=np.uint8)[:, None] * 8).astype(np.uint8)


Backgrounds = Sequence[int]


@pytest.fixture
def composed(tmp_path: Path) -> Callable[..., Path]:
    """Writes composed data; `backgrounds` lists the background's number (from 1) of each composite in turn.

    Composites are numbered from 1 across `blocks`; as `archives`, each block is a zip file.
    """
    made = iter(range(100))

    def make(
        backgrounds: Backgrounds,
        *,
        blocks: int = 1,
        archives: bool = False,
        name: str = "{number}",
        names: dict[str, str] | None = None,
        repeats: int = 1,
        background_side: int = SIDE,
        count: int = BACKGROUNDS,
    ) -> Path:
        root = tmp_path / f"composed{next(made)}"
        for number in range(1, count + 1):
            write_image(root / "bg" / f"bg{number}.jpg", draw_background(number, background_side))
        each = len(backgrounds) // blocks
        for place, background in enumerate(backgrounds):
            foreground = 1 + place // repeats % 3
            stem = name.format(number=place + 1, background=background, foreground=foreground)
            suffix = f"_{place // each + 1}" if blocks > 1 else ""
            drawn = draw_composite(background, foreground, place)
            pictures = dict(zip(("fg_bg", "fg_bg_mask", "fg_bg_depth"), drawn, strict=True))
            for kind, picture in pictures.items():
                affixed = (names or {}).get(kind, "{}").format(stem)
                path = root / f"{kind}{suffix}" / f"{affixed}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_jpeg(picture, 90))
        return _packed(root) if archives else root

    return make


def _packed(root: Path) -> Path:
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        with zipfile.ZipFile(root / f"{folder.name}.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"{folder.name}/{file.name}")
        shutil.rmtree(folder)
    return root


def in_natural_order(each: int = 2) -> list[int]:
    return [number for number in range(1, BACKGROUNDS + 1) for _ in range(each)]


def as_text(each: int = 2) -> list[int]:
    names = sorted(f"bg{number}.jpg" for number in range(1, BACKGROUNDS + 1))
    return [int(name[2:-4]) for name in names for _ in range(each)]


def true_backgrounds(backgrounds: Backgrounds) -> dict[str, str]:
    return {str(place + 1): f"bg{background}" for place, background in enumerate(backgrounds)}


def found_backgrounds(found) -> dict[str, str]:
    return dict(zip(found.catalog.ids, found.catalog.facts["background"], strict=True))


class TestBackgrounds:
    def test_natural_order_is_found_and_checked_by_content(self, composed):
        truth = in_natural_order()
        found = find_samples(composed(truth))

        assert found.layout == "composites"
        assert found_backgrounds(found) == true_backgrounds(truth)
        assert any("24 of 24 sampled composites equal their background" in note for note in found.notes)

    def test_inputs_and_targets_are_of_one_sample(self, composed):
        found = find_samples(composed(in_natural_order()))
        catalog = found.catalog

        assert list(catalog.inputs) == ["background", "composite"]
        assert list(catalog.targets) == ["mask", "depth"]
        place = catalog.ids.index("19")
        assert catalog.inputs["background"][place].endswith("bg/bg10.jpg")
        assert catalog.inputs["composite"][place].endswith("fg_bg/19.jpg")
        assert catalog.targets["mask"][place].endswith("fg_bg_mask/19.jpg")
        assert catalog.targets["depth"][place].endswith("fg_bg_depth/19.jpg")

    def test_the_projects_own_rule_is_refused_with_the_order_that_fits(self, composed):
        folder = composed(in_natural_order())

        with pytest.raises(DataError) as caught:
            find_samples(folder, options={"order": "lexicographic"})

        assert "sorted as text" in caught.value.found
        assert "'data.layout_options={order: natural}'" in caught.value.remedy
        assert "24 of 24 fit" in caught.value.remedy
        assert any("does not lie on" in line for line in caught.value.details)

    def test_text_order_is_found_where_it_is_the_true_one(self, composed):
        truth = as_text()
        folder = composed(truth)

        assert found_backgrounds(find_samples(folder)) == true_backgrounds(truth)
        with pytest.raises(DataError, match="order: lexicographic-backgrounds"):
            find_samples(folder, options={"order": "natural"})

    @pytest.mark.parametrize("archives", [False, True])
    def test_backgrounds_that_begin_anew_in_every_block(self, composed, archives):
        truth = in_natural_order() * 2
        folder = composed(truth, blocks=2, archives=archives)

        assert found_backgrounds(find_samples(folder)) == true_backgrounds(truth)
        with pytest.raises(DataError, match=r"order: blocks\}'"):
            find_samples(folder, options={"order": "natural"})

    def test_backgrounds_that_begin_anew_within_one_folder(self, composed):
        truth = in_natural_order() * 3
        folder = composed(truth)

        assert found_backgrounds(find_samples(folder)) == true_backgrounds(truth)
        with pytest.raises(DataError, match=r"order: natural, ratio: 2\}'"):
            find_samples(folder, options={"ratio": 6})

    def test_the_remedy_keeps_the_other_options(self, composed):
        with pytest.raises(DataError, match=r"\{order: natural, foregrounds: 2\}"):
            find_samples(composed(in_natural_order()), options={"order": "lexicographic", "foregrounds": 2})

    def test_names_tell_the_background(self, composed):
        truth = list(np.random.default_rng(1).permutation(in_natural_order()))
        found = find_samples(composed(truth, name="bg{background}_{number}"))

        assert all(
            found_backgrounds(found)[f"bg{background}_{number}"] == f"bg{background}"
            for number, background in enumerate(truth, 1)
        )

    def test_names_that_lie_about_the_background_are_not_believed(self, composed):
        folder = composed(in_natural_order(), name="bg{background}_{number}")
        for number in (1, 12):
            (folder / "bg" / f"bg{number}.jpg").rename(folder / "bg" / f"other{number}")
        (folder / "bg" / "other1").rename(folder / "bg" / "bg12.jpg")
        (folder / "bg" / "other12").rename(folder / "bg" / "bg1.jpg")

        with pytest.raises(DataError) as caught:
            find_samples(folder, options={"background": "name"})
        assert "only 20 of 24" in caught.value.found

    def test_a_table_tells_the_background(self, composed, tmp_path):
        truth = list(np.random.default_rng(2).permutation(in_natural_order()))
        folder = composed(truth)
        table = tmp_path / "backgrounds.csv"
        with table.open("w", newline="") as file:
            csv.writer(file).writerows(
                [("composite", "background"), *((f"fg_bg/{n}.jpg", f"bg{b}") for n, b in enumerate(truth, 1))]
            )

        with pytest.raises(DataError, match=r"'data\.layout_options=\{csv: FILE\}'"):
            find_samples(folder)
        assert found_backgrounds(find_samples(folder, options={"csv": str(table)})) == true_backgrounds(truth)

    def test_a_table_with_gaps_is_refused(self, composed, tmp_path):
        table = tmp_path / "backgrounds.csv"
        table.write_text("composite,background\n1,bg1\n2,bg99\n")

        with pytest.raises(DataError, match="none for 23 of 24") as caught:
            find_samples(composed(in_natural_order()), options={"csv": str(table)})
        assert "fg_bg/2.jpg has the background 'bg99', which is not there" in caught.value.details

    def test_counts_that_do_not_divide_are_refused(self, composed):
        with pytest.raises(DataError, match="composites that divide among the backgrounds") as caught:
            find_samples(composed(in_natural_order()[:-1]))
        assert caught.value.found == "23 composites, 12 backgrounds"

    def test_backgrounds_of_another_size_are_recognised(self, composed):
        truth = in_natural_order()
        found = find_samples(composed(truth, background_side=100))

        assert found_backgrounds(found) == true_backgrounds(truth)


class TestSets:
    def test_folders_and_archives_give_the_same_catalog(self, composed):
        truth = in_natural_order() * 2
        folders, archives = (find_samples(composed(truth, blocks=2, archives=packed)) for packed in (False, True))

        assert folders.catalog.ids == archives.catalog.ids
        assert folders.catalog.facts == archives.catalog.facts
        assert folders.catalog.groups == archives.catalog.groups
        for column in ("mask", "depth"):
            maps = folders.labels[column]
            for left, right in zip(folders.catalog.targets[column], archives.catalog.targets[column], strict=True):
                np.testing.assert_array_equal(read_target(left, maps), read_target(right, archives.labels[column]))

    def test_one_archive_with_all_sets(self, composed, tmp_path):
        folder = composed(in_natural_order())
        archive = shutil.make_archive(str(tmp_path / "all"), "zip", folder)

        assert found_backgrounds(find_samples(archive)) == true_backgrounds(in_natural_order())

    def test_archives_of_parts_that_hold_all_sets(self, composed, tmp_path):
        whole = composed(in_natural_order() * 2, blocks=2)
        parts = tmp_path / "parts"
        for part in (1, 2):
            inside = tmp_path / f"part{part}"
            for kind, name in (("fg_bg", "Fg-Bg"), ("fg_bg_mask", "Fg-Bg-Mask"), ("fg_bg_depth", "Depth")):
                shutil.copytree(whole / f"{kind}_{part}", inside / name)
            shutil.make_archive(str(parts / f"data_Part{part}"), "zip", inside)
        shutil.copytree(whole / "bg", parts / "Background")

        assert found_backgrounds(find_samples(parts)) == true_backgrounds(in_natural_order() * 2)

    def test_masks_and_depths_with_words_in_their_names(self, composed):
        names = {"fg_bg": "fg-bg{}", "fg_bg_mask": "fg-bg-mask{}", "fg_bg_depth": "depth{}"}
        found = find_samples(composed(in_natural_order(), names=names))

        assert len(found.catalog) == 24
        assert found.catalog.targets["depth"][0].endswith("depth1.jpg")

    def test_masks_and_composites_that_lack_one_another_are_reported(self, composed):
        folder = composed(in_natural_order())
        (folder / "fg_bg_mask" / "3.jpg").rename(folder / "fg_bg_mask" / "stranger.jpg")
        (folder / "fg_bg_depth" / "5.jpg").unlink()

        found = find_samples(folder)

        assert found.pairing.unmatched_images == ["fg_bg/3.jpg"]
        assert found.pairing.unmatched_masks == ["fg_bg_mask/stranger.jpg"]
        assert len(found.catalog) == 23
        assert found.catalog.targets["depth"][found.catalog.ids.index("5")] == ""
        assert any("without a depth" in note and ": 1;" in note for note in found.notes)

    def test_without_depths_the_mask_alone_is_a_target(self, composed):
        folder = composed(in_natural_order())
        shutil.rmtree(folder / "fg_bg_depth")

        assert list(find_samples(folder).catalog.targets) == ["mask"]

    def test_other_folders_are_read_as_before(self, composed):
        folder = composed(in_natural_order())
        shutil.rmtree(folder / "bg")
        (folder / "fg_bg").rename(folder / "images")
        (folder / "fg_bg_mask").rename(folder / "masks")
        shutil.rmtree(folder / "fg_bg_depth")

        assert find_samples(folder).layout == "pairs"

    def test_a_broken_archive_of_a_set_is_named(self, composed):
        folder = composed(in_natural_order(), archives=True)
        (folder / "fg_bg_mask.zip").write_bytes(b"PK nothing")

        with pytest.raises(DataError, match=r"fg_bg_mask\.zip"):
            find_samples(folder)


class TestTargets:
    def test_masks_are_cut_and_depths_scaled(self, composed):
        found = find_samples(composed(in_natural_order()))
        mask = read_target(found.catalog.targets["mask"][0], found.labels["mask"])
        depth = read_target(found.catalog.targets["depth"][0], found.labels["depth"])

        assert set(np.unique(mask)) == {0, 1}
        assert mask.sum() == 64
        np.testing.assert_allclose(depth[31, 31], 248 / 255, atol=0.03)

    def test_masks_of_zero_and_one(self, composed):
        folder = composed(in_natural_order())
        for path in sorted((folder / "fg_bg_mask").iterdir()):
            mask = draw_composite(1, 1, int(path.stem) - 1)[1] // 255
            path.with_suffix(".png").write_bytes(encode_png(mask))
            path.unlink()

        found = find_samples(folder)
        assert read_target(found.catalog.targets["mask"][0], found.labels["mask"]).sum() == 64

    def test_unit_and_factor_are_the_users(self, composed):
        found = find_samples(composed(in_natural_order()), options={"unit": "m", "factor": 0.1})
        assert (found.labels["depth"].unit, found.labels["depth"].factor) == ("m", 0.1)


class TestSplits:
    # Each of 12 backgrounds carries 3 foregrounds, twice.
    TRUTH = in_natural_order(6)

    def data(self, composed) -> Path:
        return composed(self.TRUTH, name="bg{background}__fg{foreground}__{number}", repeats=2)

    def test_no_background_and_no_foreground_on_two_sides(self, composed):
        prepared = prepare(self.data(composed), val=0.3, test=0.3)
        catalog = prepared.catalog

        sides = {split: set(catalog.indices(split).tolist()) for split in ("train", "val", "test")}
        assert all(sides.values())
        for column in ("background", "foreground"):
            values = [{catalog.facts[column][index] for index in side} for side in sides.values()]
            assert sum(map(len, values)) == len(set().union(*values))
        left = len(self.TRUTH) - len(catalog)
        assert any(f"{left} samples that mix the sides were left out" in note for note in prepared.notes)

    def test_an_earlier_run_keeps_its_backgrounds_and_foregrounds(self, composed):
        folder = self.data(composed)
        first = prepare(folder, val=0.3, test=0.3).catalog
        second = prepare(folder, val=0.3, test=0.3, seed=5, previous=first).catalog

        assert dict(zip(first.ids, first.splits, strict=True)) == dict(zip(second.ids, second.splits, strict=True))

    def test_random_repeats_the_published_split(self, composed):
        prepared = prepare(self.data(composed), layout_options={"split": "random"}, val=0.3, test=0)
        shared = [
            {prepared.catalog.facts["background"][index] for index in prepared.catalog.indices(split)}
            for split in ("train", "val")
        ]

        assert prepared.catalog.split_counts() == {"train": 50, "val": 22, "test": 0}
        assert shared[0] & shared[1]
        assert any("scores flatter" in note for note in prepared.notes)

    def test_unknown_foregrounds_group_by_background_and_say_so(self, composed):
        prepared = prepare(composed(self.TRUTH), val=0.3, test=0)
        splits: dict[str, set[str]] = {}
        for background, split in zip(prepared.catalog.facts["background"], prepared.catalog.splits, strict=True):
            splits.setdefault(background, set()).add(split)

        assert len(prepared.catalog) == 72
        assert all(len(found) == 1 for found in splits.values())
        assert any("foregrounds: N" in note for note in prepared.notes)

    def test_the_number_of_foregrounds_tells_them_apart(self, composed):
        found = find_samples(composed(self.TRUTH, repeats=2), options={"foregrounds": 3})
        ids, foregrounds = found.catalog.ids, found.catalog.facts["foreground"]

        assert found.apart == ("background", "foreground")
        assert all(foregrounds[ids.index(str(n))] == f"fg{1 + (n - 1) // 2 % 3}" for n in range(1, 73))

    def test_foregrounds_run_on_through_blocks(self, composed):
        # Two blocks: the first holds foregrounds 1 and 2 of every background, the second 3 and 4.
        found = find_samples(composed(in_natural_order(4) * 2, blocks=2), options={"foregrounds": 4})
        foregrounds = dict(zip(found.catalog.ids, found.catalog.facts["foreground"], strict=True))

        assert [foregrounds[str(n)] for n in (1, 2, 3, 4, 5)] == ["fg1", "fg1", "fg2", "fg2", "fg1"]
        assert [foregrounds[str(n)] for n in (49, 50, 51, 52)] == ["fg3", "fg3", "fg4", "fg4"]

    def test_the_cut_outs_beside_tell_their_number(self, composed):
        folder = composed(self.TRUTH, repeats=2)
        for number in (1, 2, 3):
            write_image(folder / "fg" / f"{number}.png", np.zeros((8, 8, 4), np.uint8))

        assert len(set(find_samples(folder).catalog.facts["foreground"])) == 3

    def test_a_pattern_names_the_foreground(self, composed):
        folder = composed(self.TRUTH, name="{number}_of_fg{foreground}", repeats=2)
        found = find_samples(folder, options={"foreground_name": r"_of_(fg\d)"})

        assert set(found.catalog.facts["foreground"]) == {"fg1", "fg2", "fg3"}


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"oder": "natural"}, "Did you mean 'order'"),
            ({"order": "naturl"}, "Did you mean 'natural'"),
            ({"split": "rand"}, "Did you mean 'random'"),
            ({"ratio": 0}, "whole number from 1"),
            ({"foregrounds": "ten"}, "whole number from 1"),
            ({"background": "csv"}, "Add csv: FILE"),
            ({"foreground_name": "fg"}, "one group"),
            ({"foreground_name": "("}, "regular expression"),
            ({"factor": -1}, "above 0"),
        ],
    )
    def test_mistakes_are_refused(self, composed, options, message):
        with pytest.raises(ConfigError, match=message):
            find_samples(composed(in_natural_order()), options=options)

    def test_foregrounds_that_do_not_divide(self, composed):
        with pytest.raises(DataError, match="foregrounds that divide"):
            find_samples(composed(in_natural_order()), options={"foregrounds": 5})
