"""Very large data sets are looked at in part, and say so."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from limner.data import survey as module
from limner.data.catalog import Catalog
from limner.data.class_colors import class_colors
from limner.data.digests import stated_digests
from limner.data.labels import LabelMap
from limner.data.layouts import find_samples
from limner.data.prepare import prepare
from limner.errors import DataError
from limner.images import write_image

KNOWN = {"mask": LabelMap("binary", ("background", "foreground"), class_colors(2), "threshold", ((0,), (128,)))}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 20)
    monkeypatch.setattr(module, "SAMPLED", 8)


def test_a_sample_is_looked_at_and_the_rest_is_told_by_name_and_size(folder_of_pairs):
    prepared = prepare(folder_of_pairs(count=30), labels=KNOWN)

    assert any("Of 30 samples 8 were looked at" in note for note in prepared.notes)
    assert prepared.fingerprint.count == len(prepared.catalog) == 30
    assert set(prepared.catalog.facts["height"]) == {"16"}
    assert len(set(prepared.catalog.facts["hash"])) == 30


def test_all_are_looked_at_on_request(folder_of_pairs):
    prepared = prepare(folder_of_pairs(count=30), labels=KNOWN, extent="all")
    assert not any("looked at" in note for note in prepared.notes)


def test_masks_that_are_not_known_are_all_looked_at(folder_of_pairs):
    prepared = prepare(folder_of_pairs(count=30))
    assert not any("looked at" in note for note in prepared.notes)


def test_pictures_of_several_sizes_are_all_looked_at(folder_of_pairs):
    folder = folder_of_pairs(count=30)
    for number in range(15):
        write_image(folder / "images" / f"{number}.png", np.zeros((20, 20, 3), np.uint8))
        write_image(folder / "masks" / f"{number}.png", np.full((20, 20), 255, np.uint8))

    catalog = prepare(folder, labels=KNOWN).catalog
    assert sorted(set(catalog.facts["height"])) == ["16", "20"]


def test_a_damaged_file_in_the_sample_is_an_error(folder_of_pairs):
    folder = folder_of_pairs(count=30)
    for number in range(30):
        (folder / "masks" / f"{number}.png").write_bytes(b"no picture")

    with pytest.raises(DataError, match="files that can be read"):
        prepare(folder, labels=KNOWN)


def test_samples_that_are_left_out_leave_the_survey_too(folder_of_pairs):
    found = module.survey(find_samples(folder_of_pairs(count=30)).catalog, KNOWN)
    part = found.subset(np.arange(0, 30, 2))

    assert part.catalog.ids == found.catalog.ids[::2]
    assert part.part.ids == [name for name in found.part.ids if name in part.catalog.ids]
    assert len(part.scans) == len(part.looked)


def test_stated_digests_tell_files_and_members_apart(folder_of_pairs, tmp_path):
    folder = folder_of_pairs(count=3)
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", folder)
    in_archive = find_samples(archive).catalog
    in_folder = find_samples(folder).catalog

    for catalog in (in_archive, in_folder):
        digests = stated_digests(list(catalog.inputs.values()))
        assert len(set(digests)) == 3
        assert digests == stated_digests(list(catalog.inputs.values()))
    copy = shutil.copy(archive, tmp_path / "copy.zip")
    assert stated_digests(list(find_samples(copy).catalog.inputs.values())) == stated_digests(
        list(in_archive.inputs.values())
    )


def test_missing_masks_count_in_no_digest():
    catalog = Catalog(["a", "b"], {"image": ["x", "y"]}, {"mask": ["", ""]})
    assert stated_digests(list(catalog.targets.values())) == ["~" + "0" * 16] * 2


def test_known_maps_are_checked_on_the_sample(folder_of_pairs):
    strict = replace(KNOWN["mask"], encoding="values", values=((0,), (7,)))
    with pytest.raises(DataError, match="of 8 masks hold others"):
        prepare(folder_of_pairs(count=30), labels={"mask": strict})
