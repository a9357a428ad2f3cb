"""Masks and probabilities in other forms than PNG and npz."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from limner.errors import ConfigError
from limner.images import read_image, read_info, read_mask, write_image
from limner.inference.folder import predict_folder
from limner.inference.predictor import Predictor
from limner.inference.wanted import Wanted


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_image(tmp_path / "pictures" / "a.png", rng.integers(0, 256, (20, 31, 3), dtype=np.uint8))
    return tmp_path / "pictures"


def files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.startswith("."))


@pytest.mark.parametrize(
    ("form", "name", "dtype"), [("png16", "a.png", "uint16"), ("tiff", "a.tif", "uint8"), ("npy", "a.npy", "uint8")]
)
def test_masks_of_other_forms_hold_the_ids(place, make_meta, make_toy, targets, tmp_path, form, name, dtype) -> None:
    predictor = Predictor(make_toy(mask=3), make_meta({"mask": targets["multiclass"]}), precision="float32")
    predict_folder(predictor, [place], tmp_path / "out", Wanted(form=form))
    assert files(tmp_path / "out") == [name]
    stored = read_mask(str(tmp_path / "out" / name))
    assert (stored.array.dtype, stored.palette) == (dtype, None)
    np.testing.assert_array_equal(stored.array, predictor.predict(place / "a.png").mask)


def test_probabilities_as_tiff_have_a_page_for_each_class(place, make_meta, make_toy, targets, tmp_path) -> None:
    predictor = Predictor(make_toy(mask=3), make_meta({"mask": targets["multiclass"]}), precision="float32")
    predict_folder(predictor, [place], tmp_path / "out", Wanted(probabilities="tiff"))
    path = tmp_path / "out" / "probabilities" / "a.tif"
    expected = predictor.predict(place / "a.png").probs["mask"]
    assert read_info(str(path)).pages == 3
    for page in range(3):
        np.testing.assert_array_equal(read_image(f"{path}#page={page}")[..., 0], expected[page])
    assert tifffile.imread(path, key=1).dtype == np.float32


@pytest.fixture
def volumes(scans, tmp_path) -> Path:
    """Two volumes whose axes lie otherwise than ours: turned, and oblique."""
    rng = np.random.default_rng(0)
    turned = np.array([[0, 0, -3, 5], [-0.7, 0, 0, 6], [0, 0.5, 0, 7], [0, 0, 0, 1.0]])
    oblique = np.array([[0.9, 0.1, 0, 1], [-0.1, 0.9, 0, 2], [0, 0, 2.5, 3], [0, 0, 0, 1]])
    for name, affine, shape in (("t.nii.gz", turned, (9, 12, 4)), ("sub/o.nii", oblique, (8, 7, 3))):
        voxels = rng.integers(0, 100, shape).astype(np.int16)
        scans.nifti(tmp_path / "scans" / name, voxels, affine, cal_max=80)
    return tmp_path / "scans"


def test_slices_of_a_volume_are_stacked_where_the_volume_lies(make_meta, make_toy, volumes, targets, tmp_path) -> None:
    meta = make_meta({"mask": targets["multiclass"]}, channels=1, dtype="float32", low=0.0, high=100.0)
    predictor = Predictor(make_toy(1, mask=3), meta, precision="float32")
    out = tmp_path / "out"
    result = predict_folder(predictor, [volumes], out, Wanted(form="nifti", measure=True))
    assert files(out) == ["objects.csv", "sub/o.nii.gz", "t.nii.gz"]
    assert [path.name for path in result.written] == ["o.nii.gz", "t.nii.gz"]
    for name in ("t.nii.gz", "sub/o.nii"):
        source = nibabel.load(volumes / name)
        mask = nibabel.load(out / name.replace("o.nii", "o.nii.gz"))
        assert (mask.shape, mask.get_data_dtype()) == (source.shape, np.uint8)
        np.testing.assert_array_equal(mask.affine, source.affine)
        assert float(mask.header["cal_max"]) == 0
        for page in range(min(source.shape)):
            there = read_mask(f"{out / name.replace('o.nii', 'o.nii.gz')}#page={page}").array
            expected = predictor.predict(f"{volumes / name}#page={page}").mask
            assert expected.any()
            np.testing.assert_array_equal(there, expected)
    again = predict_folder(predictor, [volumes], out, Wanted(form="nifti", measure=True), resume=True)
    assert (again.resumed, again.predicted) == (7, 0)
    before = (out / "t.nii.gz").read_bytes()
    (out / "t.nii.gz").unlink()
    again = predict_folder(predictor, [volumes], out, Wanted(form="nifti", measure=True), resume=True)
    assert (again.resumed, again.predicted, len(again.written)) == (3, 4, 1)
    assert (out / "t.nii.gz").read_bytes() == before


def test_classes_that_overlap_have_a_volume_each(make_meta, make_toy, volumes, targets, tmp_path) -> None:
    meta = make_meta({"mask": targets["multilabel"]}, channels=1, dtype="float32", low=0.0, high=100.0)
    predictor = Predictor(make_toy(1, mask=2), meta, precision="float32")
    predict_folder(predictor, [volumes / "t.nii.gz"], tmp_path / "out", Wanted(form="nifti"))
    assert files(tmp_path / "out") == ["t/nucleus.nii.gz", "t/wall.nii.gz"]


def test_a_part_of_a_volume_is_no_volume(make_meta, make_toy, volumes, tmp_path) -> None:
    meta = make_meta(channels=1, dtype="float32", low=0.0, high=100.0)
    predictor = Predictor(make_toy(1), meta, precision="float32")
    result = predict_folder(predictor, [f"{volumes / 't.nii.gz'}#page=1"], tmp_path / "out", Wanted(form="nifti"))
    assert list(result.written) == []
    assert "Not all of its 4 slices" in result.failed[0][1]


def test_forms_that_do_not_fit_are_refused(place, volumes, make_meta, make_toy, targets, tmp_path) -> None:
    predictor = Predictor(make_toy(), make_meta(), precision="float32")
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"(?s)slices of NIfTI volumes.*a\.png"):
        predict_folder(predictor, [place], out, Wanted(form="nifti"))
    with pytest.raises(ConfigError, match="--flag-below"):
        predict_folder(predictor, [volumes], out, Wanted(form="nifti", flag_below=0.5))
    with pytest.raises(ConfigError, match="--format png"):
        predict_folder(predictor, [place], out, Wanted(form="bmp"))
    with pytest.raises(ConfigError, match="--probabilities-as npz"):
        predict_folder(predictor, [place], out, Wanted(probabilities="csv"))
    numbers = Predictor(make_toy(depth=1), make_meta({"depth": targets["regression"]}), precision="float32")
    with pytest.raises(ConfigError, match="numbers: depth"):
        predict_folder(numbers, [volumes], out, Wanted(form="nifti"))
    assert not out.exists()
