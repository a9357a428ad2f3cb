import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.errors import ConfigError, DataError, OutputError
from limner.images import read_image, read_mask, write_image
from limner.inference.familiarity import features, learn
from limner.inference.folder import predict_folder
from limner.inference.predictor import Predictor
from limner.inference.wanted import Wanted


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
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.startswith("."))


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
    predict_folder(predictor, [place], out, Wanted(probabilities="npz", overlay=True))
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
        predict_folder(predictor, [place], tmp_path / "out", Wanted(overlay=True))
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


@pytest.fixture
def doubtful(make_meta, make_toy, tmp_path):
    """A predictor that draws where it is bright, and pictures: sure ones, an unsure one, one unlike the others."""
    toy = make_toy()
    torch.nn.init.zeros_(toy.convs["mask"].weight)
    torch.nn.init.zeros_(toy.convs["mask"].bias)
    with torch.no_grad():
        toy.convs["mask"].weight[0, :, 1, 1] = 1.0
    meta = make_meta()
    rng = np.random.default_rng(0)

    def picture(bright: int, dark: int) -> np.ndarray:
        pixels = np.full((40, 40, 3), dark, np.uint8)
        pixels[10:30, 10:30] = bright
        return pixels + rng.integers(0, 5, pixels.shape, dtype=np.uint8)

    known = np.array([features(picture(220 + n % 3, 15 + n % 5), meta.inputs) for n in range(20)])
    known = np.concatenate([known, [features(picture(135 + n, 100), meta.inputs) for n in range(3)]])
    meta = meta.model_copy(update={"familiar": learn(known, [""] * 23, known[:0])})
    for name, pixels in {
        "sure.png": picture(221, 17),
        "sub/sure.png": picture(220, 18),
        "unsure.png": picture(136, 100),
        "strange.png": 255 - picture(221, 17)[:, ::-1],
    }.items():
        write_image(tmp_path / "new" / name, pixels)
    return Predictor(toy, meta, precision="float32"), tmp_path / "new"


def test_doubtful_pictures_are_put_apart_and_listed_first(doubtful, tmp_path) -> None:
    predictor, place = doubtful
    out = tmp_path / "out"
    result = predict_folder(predictor, [place], out, Wanted(flag_below=0.9))
    assert files(out) == ["doubtful/strange.png", "doubtful/unsure.png", "doubts.csv", "sub/sure.png", "sure.png"]
    assert [name for name, _ in result.strange] == ["strange.png"]
    with (out / "doubts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"] for row in rows[:2]] == ["strange.png", "unsure.png"]
    assert [row["doubtful"] for row in rows] == ["yes", "yes", "no", "no"]
    assert "than in any training picture" in rows[0]["because"]
    assert rows[1]["because"] == ""
    probs = predictor.predict(place / "unsure.png").probs["mask"]
    promised = 2 * probs[probs > 0.5].sum() / (probs.sum() + (probs > 0.5).sum())
    assert float(rows[1]["expected_dice"]) == pytest.approx(promised, abs=1e-4)


def test_results_that_are_judged_anew_do_not_lie_in_both_places(doubtful, tmp_path) -> None:
    predictor, place = doubtful
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, Wanted(flag_below=0.9))
    with pytest.raises(OutputError, match="already there"):
        predict_folder(predictor, [place], out, Wanted(flag_below=0.1))
    predict_folder(predictor, [place], out, Wanted(flag_below=0.1), overwrite=True)
    assert files(out) == ["doubtful/strange.png", "doubts.csv", "sub/sure.png", "sure.png", "unsure.png"]


def test_the_uncertainty_of_each_pixel_is_a_grey_picture(doubtful, tmp_path) -> None:
    predictor, place = doubtful
    out = tmp_path / "out"
    result = predict_folder(predictor, [place], out, Wanted(uncertainty=True))
    assert result.doubts == out / "doubts.csv"
    grey = read_image(str(out / "uncertainty" / "unsure.png"))
    expected = predictor.predict(place / "unsure.png").uncertainty["mask"]
    np.testing.assert_allclose(grey[..., 0] / 255, expected, atol=0.5 / 255)
    assert not (out / "doubtful").exists()


@pytest.mark.parametrize("limit", [0.0, -1.0, 1.5])
def test_a_limit_that_is_no_dice_is_refused(doubtful, tmp_path, limit: float) -> None:
    predictor, place = doubtful
    with pytest.raises(ConfigError, match="flag-below"):
        predict_folder(predictor, [place], tmp_path / "out", Wanted(flag_below=limit))
    assert not (tmp_path / "out").exists()


def test_numbers_have_no_dice_to_expect(make_meta, make_toy, targets, place, tmp_path) -> None:
    predictor = Predictor(make_toy(depth=1), make_meta({"depth": targets["regression"]}), precision="float32")
    with pytest.raises(ConfigError, match="predicts masks"):
        predict_folder(predictor, [place], tmp_path / "out", Wanted(flag_below=0.8))
