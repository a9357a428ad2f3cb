"""A network of two inputs and two targets whose answers are known: composite − background, and the background."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import DataError, OutputError
from limner.images import read_image, write_image
from limner.inference.drawing import draw_row
from limner.inference.folder import predict_folder
from limner.inference.inputs import split_parts
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.inference.wanted import Wanted

MASK = LabelMap("binary", ("background", "thing"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)))
DEPTH = LabelMap("regression", (), (), unit="m", factor=0.1, ignore=(0,), low=2.0, high=12.0, stored="uint8")
SIZE = (6, 8)


class Difference(nn.Module):
    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(100.0))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        background, composite = images[:, :3].mean(dim=1, keepdim=True), images[:, 3:]
        return {"mask": self.gain * (composite - background - 0.1), "depth": background}


@pytest.fixture
def predictor() -> Predictor:
    meta = BundleMeta(
        model=ModelSpec(name="unet", kwargs={}),
        inputs=InputSpec(
            channels=4,
            dtype="uint8",
            low=0.0,
            high=255.0,
            mean=[0.0] * 4,
            std=[1.0] * 4,
            fit="native",
            parts={"background": 3, "composite": 1},
        ),
        targets={
            "mask": TargetSpec(task="binary", names=list(MASK.names), colors=list(MASK.colors)),
            "depth": TargetSpec(task="regression", names=[], colors=[], unit="m", low=2.0, high=12.0),
        },
        tiling=TilingSpec(size=512),
        data=DataSpec(hash="0", count=1),
    )
    return Predictor(Difference(), meta, device="cpu", precision="float32")


def pictures(level: int = 51) -> dict[str, np.ndarray]:
    composite = np.full((*SIZE, 1), level, np.uint8)
    composite[2:4, 3:6] = 255
    return {"background": np.full((*SIZE, 3), level, np.uint8), "composite": composite}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three composites on backgrounds of 51, 102 and 153."""
    for number in range(3):
        for name, picture in pictures(51 * (number + 1)).items():
            write_image(tmp_path / "data" / name / f"{number}.png", picture)
    return tmp_path / "data"


def test_inputs_are_given_by_name_in_any_order(predictor):
    given = pictures()
    found = predictor.predict({"composite": given["composite"], "background": given["background"]})
    expected = np.zeros(SIZE, np.uint8)
    expected[2:4, 3:6] = 1
    np.testing.assert_array_equal(found.mask, expected)
    # z = 51 / 255 stands for 2 + 0.2 · (12 − 2).
    np.testing.assert_allclose(found.values["depth"], np.full(SIZE, 4.0), rtol=1e-6)


def test_files_and_arrays_may_be_mixed(predictor, data):
    mixed = predictor.predict({"background": data / "background" / "0.png", "composite": pictures()["composite"]})
    np.testing.assert_array_equal(mixed.mask, predictor.predict(pictures()).mask)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((*SIZE, 4), np.uint8), r"--input background=PLACE --input composite=PLACE"),
        ({"background": pictures()["background"]}, "missing: composite"),
        (pictures() | {"mask": np.zeros(SIZE, np.uint8)}, "unknown: mask"),
        (pictures() | {"composite": np.zeros((5, 8, 1), np.uint8)}, "background' is 6×8, .*composite' is 5×8"),
        (pictures() | {"background": np.zeros((*SIZE, 2, 1), np.uint8)}, "height, width and channels"),
    ],
)
def test_what_does_not_fit_is_refused(predictor, given, message):
    with pytest.raises(DataError, match=message):
        predictor.predict(given)


def test_a_network_of_one_picture_refuses_several(make_meta, make_toy):
    predictor = Predictor(make_toy(), make_meta(), device="cpu")
    with pytest.raises(DataError, match="without --input"):
        predictor.predict(pictures())


def test_a_resized_network_gets_each_input_resized_and_answers_at_the_original_size(predictor):
    inputs = predictor.meta.inputs.model_copy(update={"fit": "resize", "size": (3, 4)})
    small = Predictor(Difference(), predictor.meta.model_copy(update={"inputs": inputs}), device="cpu")
    assert small.make_input(pictures()).pixels.shape == (3, 4, 4)
    assert small.predict(pictures()).values["depth"].shape == SIZE


def test_a_joined_picture_comes_apart_again(predictor):
    parts = split_parts(predictor.make_input(pictures()).picture, predictor.meta.inputs.parts)
    for name, picture in pictures().items():
        np.testing.assert_array_equal(parts[name], picture)


def catalog_of(data: Path) -> Catalog:
    columns = {
        name: [str(data / name / f"{number}.png") for number in range(3)] for name in ("background", "composite")
    }
    for number in range(3):
        mask = np.zeros((*SIZE, 1), np.uint8)
        mask[2:4, 3:5] = 255
        write_image(data / "mask" / f"{number}.png", mask)
        depth = np.full((*SIZE, 1), 20 * (number + 1) + 20, np.uint8)
        depth[0, 0] = 0
        write_image(data / "depth" / f"{number}.png", depth)
    targets = {name: [str(data / name / f"{number}.png") for number in range(3)] for name in ("mask", "depth")}
    targets["depth"][2] = ""
    return Catalog(list("012"), columns, targets)


def test_scores_by_hand(predictor, data):
    rows = {}
    table = score(
        predictor,
        catalog_of(data),
        {"mask": MASK, "depth": DEPTH},
        on_prediction=lambda index, image, truth, prediction: rows.update(
            {index: draw_row(image, truth, prediction, {"mask": MASK, "depth": DEPTH}, predictor.meta.inputs.parts)}
        ),
    )
    # Predicted 4, 6, 8; truth 4, 6 and none. Predicted 6 pixels of which 4 are true.
    assert table.targets["mask"].summary().mean.dice == pytest.approx(2 * 4 / (6 + 4))
    assert table.numbers["depth"].samples == [0, 1]
    assert table.numbers["depth"].summary().mean.rmse == pytest.approx(0, abs=1e-5)
    assert table.numbers["depth"].summary().n_pixels == 2 * (SIZE[0] * SIZE[1] - 1)
    assert table.selection == pytest.approx((0.8 + 1) / 2, abs=1e-5)
    assert [len(rows[index]) for index in range(3)] == [6, 6, 4]
    (row,) = [row for row in table.rows() if row["target"] == "depth" and row["id"] == "1"]
    assert (row["pixels"], row["delta"]) == (47, 1.0)
    target = table.summary()["targets"]["depth"]
    assert (target["task"], target["unit"], target["mean"]["delta"]) == ("regression", "m", 1.0)


def test_selection_counts_an_error_as_a_share_of_the_range(predictor, data):
    catalog = catalog_of(data)
    for number in range(2):
        write_image(data / "depth" / f"{number}.png", np.full((*SIZE, 1), (20 * number + 40) + 25, np.uint8))
    table = score(predictor, catalog, {"mask": MASK, "depth": DEPTH})
    assert table.numbers["depth"].summary().mean.rmse == pytest.approx(2.5, rel=1e-5)
    assert table.selection == pytest.approx((0.8 + 0.75) / 2, rel=1e-5)
    assert table.headline() == pytest.approx(
        {"dice": 0.8, "iou": 4 / 6, "rmse": 2.5, "mae": 2.5, "score": table.selection}, rel=1e-5
    )


def test_a_catalog_of_other_inputs_is_refused(predictor, data):
    catalog = catalog_of(data)
    catalog.inputs = {"image": catalog.inputs["composite"]}
    with pytest.raises(DataError, match="unknown: image; missing: background, composite"):
        score(predictor, catalog, {"mask": MASK})


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


def test_a_folder_is_paired_by_name_and_numbers_are_written_in_the_unit(predictor, data, tmp_path):
    out = tmp_path / "out"
    result = predict_folder(
        predictor, {name: data / name for name in ("background", "composite")}, out, Wanted(overlay=True)
    )
    assert not result.failed
    assert names(out) == [
        *(f"depth/{number}.tif" for number in range(3)),
        *(f"mask/{number}.png" for number in range(3)),
        *(f"overlays/depth/{number}_overlay.png" for number in range(3)),
        *(f"overlays/mask/{number}_overlay.png" for number in range(3)),
    ]
    depth = read_image(str(out / "depth" / "2.tif"))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[..., 0], np.full(SIZE, 8.0), rtol=1e-6)


def test_a_single_file_goes_with_all(predictor, data, tmp_path):
    places = {"background": data / "background" / "0.png", "composite": data / "composite"}
    predict_folder(predictor, places, tmp_path / "out")
    for number in range(3):
        assert read_image(str(tmp_path / "out" / "depth" / f"{number}.tif")).max() == pytest.approx(4.0)


def test_a_table_says_what_belongs_together(predictor, data, tmp_path):
    (data / "pairs.csv").write_text(
        "id,input.composite,input.background\na,composite/0.png,background/2.png\nb,composite/1.png,background/2.png\n"
    )
    result = predict_folder(predictor, [data / "pairs.csv"], tmp_path / "out")
    assert [path.name for path in result.written] == ["a.png", "a.tif", "b.png", "b.tif"]
    assert read_image(str(tmp_path / "out" / "depth" / "a.tif")).max() == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["composite"], "--input background=PLACE --input composite=PLACE"),
        (["composite/0.png"], "--input background=PLACE --input composite=PLACE"),
        ({"background": "background", "composit": "composite"}, "Did you mean 'composite'"),
        ({"background": "others", "composite": "composite"}, "background without a composite: x.png"),
    ],
)
def test_places_that_do_not_fit_are_refused_with_what_to_type(predictor, data, tmp_path, places, message):
    for name in ("x.png", "y.png"):
        write_image(data / "others" / name, pictures()["background"])
    if isinstance(places, dict):
        given = {name: data / place for name, place in places.items()}
    else:
        given = [data / place for place in places]
    with pytest.raises(DataError, match=message):
        predict_folder(predictor, given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_sample_that_cannot_be_read_is_listed_and_the_rest_goes_on(predictor, data, tmp_path):
    (data / "background" / "1.png").write_bytes(b"broken")
    places = {name: data / name for name in ("background", "composite")}
    result = predict_folder(predictor, places, tmp_path / "out")
    assert [name for name, _ in result.failed] == ["1.png"]
    assert len(result.written) == 4


def test_results_never_replace_an_input(predictor, data):
    (data / "background").rename(data / "mask")
    with pytest.raises(OutputError, match="would be replaced"):
        predict_folder(predictor, {"background": data / "mask", "composite": data / "composite"}, data, overwrite=True)
