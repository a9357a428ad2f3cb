import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.errors import DataError, OutputError
from limner.images import read_image, read_mask, write_image
from limner.inference.folder import predict_folder
from limner.inference.predictor import Predictor


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shape in {
        "a.png": (20, 31, 3),
        "b.jpg": (7, 9, 3),
        "sub/a.png": (20, 31, 3),
        "sub/grey.tif": (5, 6, 1),
        "sub/z.png": (40, 3, 4),
    }.items():
        write_image(tmp_path / "pictures" / name, rng.integers(0, 256, shape, dtype=np.uint8))
    return tmp_path / "pictures"


@pytest.fixture
def predictor(make_meta, make_unet) -> Predictor:
    meta = make_meta(fit="resize", size=(16, 24))
    return Predictor(make_unet(meta), meta, precision="float32", batch_size=2)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_masks_have_the_names_folders_and_sizes_of_their_pictures(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    progress: list[tuple[int, int]] = []
    result = predict_folder(predictor, [place], out, progress=lambda done, total: progress.append((done, total)))
    assert files(out) == ["a.png", "b.png", "sub/a.png", "sub/grey.png", "sub/z.png"]
    assert [path.relative_to(out).as_posix() for path in result.written] == files(out)
    assert (result.failed, result.skipped) == ([], [])
    assert progress == [(number, 5) for number in range(1, 6)]
    for name in ("a.png", "sub/z.png"):
        stored = read_mask(str(out / name))
        np.testing.assert_array_equal(stored.array, predictor.predict(place / name).mask)
        assert stored.palette is not None
        np.testing.assert_array_equal(stored.palette[:2], [(0, 0, 0), (250, 40, 10)])


def test_a_picture_that_fails_is_listed_and_the_rest_goes_on(place, predictor, tmp_path) -> None:
    (place / "broken.png").write_bytes((place / "a.png").read_bytes()[:100])
    write_image(place / "deep16.png", np.full((4, 4), 40000, np.uint16))
    (place / "notes.txt").write_text("words")
    result = predict_folder(predictor, [place], tmp_path / "out")
    assert len(result.written) == 5
    assert [name for name, _ in result.failed] == ["broken.png", "deep16.png"]
    assert "broken.png" in result.failed[0][1]
    assert "40000" in result.failed[1][1]
    assert result.skipped == ["notes.txt"]
    assert "broken.png" not in files(tmp_path / "out")


def test_a_picture_too_large_for_memory_is_listed_and_the_rest_goes_on(place, make_meta, make_toy, tmp_path) -> None:
    write_image(place / "large.png", np.zeros((70, 70, 3), np.uint8))
    toy = make_toy()

    def forward(images: torch.Tensor) -> dict[str, torch.Tensor]:
        if images.shape[2] > 60:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"mask": toy.convs["mask"](images)}

    toy.forward = forward
    result = predict_folder(Predictor(toy, make_meta()), [place], tmp_path / "out")
    assert [name for name, _ in result.failed] == ["large.png"]
    assert len(result.written) == 5


def test_archives_are_read_in_place(place, predictor, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name in ("a.png", "sub/grey.tif"):
            archive.write(place / name, name)
    predict_folder(predictor, [tmp_path / "pictures.zip"], tmp_path / "out")
    assert files(tmp_path / "out") == ["a.png", "sub/grey.png"]
    np.testing.assert_array_equal(
        read_mask(str(tmp_path / "out" / "a.png")).array, predictor.predict(place / "a.png").mask
    )


def test_nothing_is_overwritten_unless_asked(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    write_image(out / "sub" / "z.png", np.full((2, 2), 7, np.uint8))
    with pytest.raises(OutputError, match=r"(?s)1 results are already there.*sub/z\.png"):
        predict_folder(predictor, [place], out)
    assert files(out) == ["sub/z.png"]
    assert len(predict_folder(predictor, [place], out, overwrite=True).written) == 5
    assert read_mask(str(out / "sub" / "z.png")).array.shape == (40, 3)


def test_a_picture_is_never_replaced_by_its_mask(place, predictor) -> None:
    before = (place / "a.png").read_bytes()
    with pytest.raises(OutputError, match="pictures would be replaced by their masks"):
        predict_folder(predictor, [place / "a.png"], place, overwrite=True)
    assert (place / "a.png").read_bytes() == before


def test_probabilities_and_overlays(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, probabilities=True, overlay=True)
    assert files(out)[2:7] == [f"overlays/{name}_overlay.png" for name in ("a", "b", "sub/a", "sub/grey", "sub/z")]
    with np.load(out / "probabilities" / "sub" / "a.npz") as stored:
        assert stored["mask"].dtype == np.float16
        expected = predictor.predict(place / "sub" / "a.png").probs["mask"]
        np.testing.assert_allclose(stored["mask"], expected, atol=1e-3)
    assert read_image(str(out / "overlays" / "sub" / "grey_overlay.png")).shape == (5, 6, 3)


def test_several_targets_have_folders_of_their_own(place, make_meta, make_unet, targets, tmp_path) -> None:
    meta = make_meta(targets)
    out = tmp_path / "out"
    predictor = Predictor(make_unet(meta), meta, precision="float32")
    predict_folder(predictor, [place / "a.png"], out)
    assert files(out) == [
        "binary/a.png",
        "multiclass/a.png",
        "multilabel/a/nucleus.png",
        "multilabel/a/wall.png",
        "regression/a.tif",
    ]
    prediction = predictor.predict(place / "a.png")
    for index, name in enumerate(("nucleus", "wall")):
        stored = read_mask(str(out / "multilabel" / "a" / f"{name}.png")).array
        np.testing.assert_array_equal(stored, prediction.masks["multilabel"][..., index])
    values = read_image(str(out / "regression" / "a.tif"))
    np.testing.assert_array_equal(values, prediction.values["regression"][..., None])


def test_pictures_that_differ_by_suffix_keep_it(place, predictor, tmp_path) -> None:
    write_image(place / "a.tif", np.zeros((4, 4, 3), np.uint8))
    predict_folder(predictor, [place / "a.png", place / "a.tif"], tmp_path / "out")
    assert files(tmp_path / "out") == ["a.png.png", "a.tif.png"]


def test_results_that_would_be_one_file_are_refused(place, predictor, tmp_path) -> None:
    with pytest.raises(DataError, match="share names"):
        predict_folder(predictor, [place / "a.png", place / "sub" / "a.png"], tmp_path / "out")
    write_image(place / "overlays" / "b_overlay.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"(?s)written twice.*overlays/b_overlay\.png"):
        predict_folder(predictor, [place], tmp_path / "out", overlay=True)
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_stops_the_work(place, predictor, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").write_text("a file where a folder must be")
    with pytest.raises(OutputError, match="sub"):
        predict_folder(predictor, [place], out)
    assert {"a.png", "b.png"} <= set(files(out))


def test_no_picture_is_an_error(tmp_path, predictor) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="pictures to predict"):
        predict_folder(predictor, [tmp_path / "empty"], tmp_path / "out")


def test_hundreds_of_pictures_keep_their_order(predictor, tmp_path) -> None:
    for number in range(120):
        write_image(tmp_path / "in" / f"{number}.png", np.full((2, 1 + number % 3, 3), number, np.uint8))
    result = predict_folder(predictor, [tmp_path / "in"], tmp_path / "out")
    assert [path.stem for path in result.written] == [str(number) for number in range(120)]
    for number in (0, 61, 119):
        stored = read_mask(str(tmp_path / "out" / f"{number}.png")).array
        np.testing.assert_array_equal(stored, predictor.predict(tmp_path / "in" / f"{number}.png").mask)
