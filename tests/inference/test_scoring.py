import json
from pathlib import Path

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import DataError
from limner.images import read_image, write_image, write_mask
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.metrics import POLICY

BINARY = LabelMap("binary", ("background", "cell"), ((0, 0, 0), (250, 40, 10)), "values", ((0,), (255,)))
MULTICLASS = LabelMap(
    "multiclass",
    ("ground", "tree", "car"),
    ((0, 0, 0), (0, 200, 0), (0, 0, 200)),
    "values",
    ((0,), (1,), (2,)),
    ignore=(255,),
)
SIZES = [(20, 31), (20, 31), (7, 50), (33, 16)]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    rng = np.random.default_rng(1)
    columns: dict[str, list[str]] = {"image": [], "mask": [], "kind": []}
    for number, size in enumerate(SIZES):
        for name in columns:
            columns[name].append(str(tmp_path / f"{name}{number}.png"))
        write_image(columns["image"][-1], rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        write_image(columns["mask"][-1], (rng.random(size) < 0.4).astype(np.uint8) * 255)
        write_mask(columns["kind"][-1], rng.choice(np.array([0, 1, 2, 255], np.uint8), size), MULTICLASS.colors)
    return Catalog(
        ids=[f"sample{number}" for number in range(len(SIZES))],
        inputs={"image": columns["image"]},
        targets={"mask": columns["mask"], "kind": columns["kind"]},
        groups=["left", "left", "right", "right"],
    )


@pytest.fixture
def predictor(make_meta, make_unet, targets) -> Predictor:
    meta = make_meta({"mask": targets["binary"], "kind": targets["multiclass"]}, fit="resize", size=(16, 24))
    return Predictor(make_unet(meta), meta, precision="float32", batch_size=3)


def test_counts_are_those_of_the_predicted_masks_at_their_own_size(catalog, predictor) -> None:
    table = score(predictor, catalog, {"mask": BINARY, "kind": MULTICLASS})
    rows = {(row["id"], row["target"], row["class"]): row for row in table.rows()}
    assert len(rows) == 4 * (2 + 3)
    for number, size in enumerate(SIZES):
        prediction = predictor.predict(catalog.inputs["image"][number])
        truth = read_image(catalog.targets["mask"][number])[..., 0] == 255
        cell = prediction.masks["mask"] == 1
        row = rows[f"sample{number}", "mask", "cell"]
        assert (row["tp"], row["fp"], row["fn"]) == ((truth & cell).sum(), (~truth & cell).sum(), (truth & ~cell).sum())
        assert row["group"] == ("left" if number < 2 else "right")
        if row["tp"]:
            assert row["dice"] == pytest.approx(2 * row["tp"] / (2 * row["tp"] + row["fp"] + row["fn"]))
        # Ignored pixels count nowhere: per class, tp + fn are the truth's pixels.
        background = rows[f"sample{number}", "mask", "background"]
        assert background["tp"] + background["fp"] + row["tp"] + row["fp"] == size[0] * size[1]


def test_the_summary_is_json_and_says_its_policy(catalog, predictor) -> None:
    summary = score(predictor, catalog, {"mask": BINARY, "kind": MULTICLASS}).summary(split="test", data_hash="f00")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["n_images"] == 4
    assert summary["policy"] == POLICY
    assert (summary["split"], summary["data_hash"]) == ("test", "f00")
    assert list(summary["targets"]) == ["mask", "kind"]
    kind = summary["targets"]["kind"]
    assert kind["task"] == "multiclass"
    assert [(entry["name"], entry["id"]) for entry in kind["classes"]] == [("ground", 0), ("tree", 1), ("car", 2)]
    means = [entry["dice"] for entry in kind["classes"][1:] if entry["dice"] is not None]
    assert kind["mean"]["dice"] == pytest.approx(sum(means) / len(means))
    assert set(kind["classes"][1]["pooled"]) == {"dice", "iou", "precision", "recall", "specificity"}
    assert sum(kind["classes"][1][f"n_{case}"] for case in ("present", "missed", "false_alarm", "both_empty")) == 4


def test_what_is_undefined_is_none(catalog, predictor, make_meta, make_toy) -> None:
    for location in catalog.targets["mask"]:
        size = read_image(location).shape[:2]
        write_image(location, np.zeros(size, np.uint8))
    toy = make_toy()
    toy.convs["mask"].bias.data.fill_(-1000)
    table = score(Predictor(toy, make_meta()), catalog, {"mask": BINARY})
    cells = [row for row in table.rows() if row["class"] == "cell"]
    assert {(row["dice"], row["recall"], row["case"]) for row in cells} == {(None, None, "both_empty")}
    mean = table.summary()["targets"]["mask"]["mean"]
    assert mean == {**dict.fromkeys(("dice", "iou", "precision", "recall")), "specificity": 1.0}


def test_callbacks_see_every_sample_in_order(catalog, predictor) -> None:
    seen: list[int] = []
    progress: list[tuple[int, int]] = []

    def look(index, image, truth, prediction) -> None:
        seen.append(index)
        assert image.shape == (*SIZES[index], 3)
        assert truth["mask"].shape == prediction.masks["mask"].shape == SIZES[index]
        assert prediction.probs["kind"].shape == (3, *SIZES[index])

    score(
        predictor,
        catalog,
        {"mask": BINARY, "kind": MULTICLASS},
        probabilities=True,
        progress=lambda done, total: progress.append((done, total)),
        on_prediction=look,
    )
    assert seen == [0, 1, 2, 3]
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_planes_count_each_by_itself(tmp_path, make_meta, make_unet, targets) -> None:
    planes = LabelMap("multilabel", ("nucleus", "wall"), ((200, 0, 0), (0, 0, 200)), "planes", ((1,), (1,)))
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, (9, 11, 2), dtype=np.uint8)
    np.save(tmp_path / "mask.npy", truth)
    write_image(tmp_path / "image.png", rng.integers(0, 256, (9, 11, 3), dtype=np.uint8))
    meta = make_meta({"mask": targets["multilabel"]})
    predictor = Predictor(make_unet(meta), meta)
    catalog = Catalog(["a"], {"image": [str(tmp_path / "image.png")]}, {"mask": [str(tmp_path / "mask.npy")]})
    rows = list(score(predictor, catalog, {"mask": planes}).rows())
    mask = predictor.predict(tmp_path / "image.png").mask
    assert [row["tp"] for row in rows] == [int((truth[..., k] & mask[..., k]).sum()) for k in range(2)]


def test_samples_without_a_mask_do_not_count_for_it(catalog, predictor) -> None:
    catalog.targets["mask"][1] = ""
    table = score(predictor, catalog, {"mask": BINARY, "kind": MULTICLASS})
    assert table.targets["mask"].samples == [0, 2, 3]
    assert [row["id"] for row in table.rows() if row["class"] == "cell"] == ["sample0", "sample2", "sample3"]
    assert table.targets["kind"].table.shape == (4, 3, 4)


def test_a_mask_of_another_size_is_refused(catalog, predictor) -> None:
    write_image(catalog.targets["mask"][2], np.zeros((7, 49), np.uint8))
    with pytest.raises(DataError, match=r"(?s)image2\.png' has its size, 7×50.*mask2\.png' is 7×49"):
        score(predictor, catalog, {"mask": BINARY})


def test_masks_of_other_classes_are_refused(catalog, predictor) -> None:
    with pytest.raises(DataError, match=r"(?s)binary background, cell.*mask: multiclass ground"):
        score(predictor, catalog, {"mask": MULTICLASS})


def test_two_pictures_per_sample_are_refused(catalog, predictor) -> None:
    catalog.inputs["second"] = catalog.inputs["image"]
    with pytest.raises(DataError, match="image, second"):
        score(predictor, catalog, {"mask": BINARY})
