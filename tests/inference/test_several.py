"""Several models as one: the mean of what each says alone, or a reason why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import limner
from limner.bundle import BundleMeta, PostStep, save_bundle
from limner.errors import BundleError
from limner.images import resize_image
from limner.inference.folder import predict_folder
from limner.inference.several import SeveralModels
from limner.inference.wanted import Wanted
from limner.models import create_model


def picture(height: int = 41, width: int = 54) -> np.ndarray:
    """A bright disc on a dark ground."""
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - 20) ** 2 + (columns - 25) ** 2 < 150
    noise = np.random.default_rng(2).integers(0, 40, (height, width, 3))
    return (noise + 180 * disc[..., None]).astype(np.uint8)


@pytest.fixture
def save(make_meta: Any, tmp_path: Path) -> Any:
    """Saves a bundle with weights of its own: `save("a", meta=…, changes of the description)`."""

    def make(name: str, seed: int, targets: Any = None, changes: dict[str, Any] | None = None, **inputs: Any) -> Path:
        torch.manual_seed(seed)
        meta: BundleMeta = make_meta(targets, **inputs)
        spec = {name: target.model_copy(update=(changes or {})) for name, target in meta.targets.items()}
        meta = meta.model_copy(update={"targets": spec})
        model = create_model(meta.model.name, **meta.model.kwargs).eval()
        path = tmp_path / f"{name}.safetensors"
        save_bundle(path, model, meta)
        return path

    return make


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_probabilities_are_the_mean_of_what_each_model_gives_alone(save, targets, task) -> None:
    given = {"mask": targets[task]}
    count = len(targets[task].names)
    paths = [
        save("a", 1, given, {"temperature": 1.7, "thresholds": [0.3] * count}),
        # Another scale, normalisation and size.
        save("b", 2, given, fit="resize", size=(32, 24), mean=[0.4, 0.5, 0.6], std=[0.2] * 3),
    ]
    each = [limner.load(path, device="cpu").predict(picture()).probs["mask"] for path in paths]
    assert np.abs(each[0] - each[1]).max() > 0.05
    together = limner.load(paths, device="cpu")
    found = together.predict(picture())
    mean = (each[0] + each[1]) / 2
    np.testing.assert_allclose(found.probs["mask"], mean, atol=1e-6)
    # The mean of 0.3 and of 0.5 where nothing was chosen.
    if task == "binary":
        np.testing.assert_array_equal(found.mask, mean[0] > 0.4)
    elif task == "multilabel":
        np.testing.assert_array_equal(found.mask, (mean > 0.4).transpose(1, 2, 0))
    turned = limner.load(paths[::-1], device="cpu").predict(picture())
    np.testing.assert_array_equal(turned.mask, found.mask)


def test_numbers_are_averaged_in_their_unit(save, targets) -> None:
    given = {"depth": targets["regression"].model_copy(update={"unit": "m"})}
    paths = [save("a", 1, given, {"low": 0.0, "high": 2.0}), save("b", 2, given, {"low": 1.0, "high": 9.0})]
    each = [limner.load(path, device="cpu").predict(picture()).values["depth"] for path in paths]
    found = limner.load(paths, device="cpu").predict(picture())
    np.testing.assert_allclose(found.values["depth"], np.mean(each, axis=0), atol=1e-5)
    # How far they differ, as a share of the range they have together.
    np.testing.assert_allclose(found.uncertainty["depth"], np.minimum(np.std(each, axis=0) / 9, 1), atol=1e-3)


def test_steps_that_not_all_have_are_left_out(save, make_meta) -> None:
    paths = [save("a", 1), save("b", 2)]
    models = [limner.Predictor.from_file(path, device="cpu") for path in paths]
    steps = [PostStep(target="mask", label="cell", step=step) for step in ("fill_holes", "largest")]
    for model, own in zip(models, (steps, steps[1:]), strict=True):
        model.meta = model.meta.model_copy(update={"post_processing": own})
    assert SeveralModels(models, ["a", "b"]).meta.post_processing == steps[1:]


def test_folders_views_and_tiles(save, tmp_path) -> None:
    paths = [save("a", 1, tile=32), save("b", 2, fit="resize", size=(32, 24))]
    names = [tmp_path / f"{number}.npy" for number in range(3)]
    for number, name in enumerate(names):
        np.save(name, picture(41 + 10 * (number // 2), 54))
    (tmp_path / "broken.npy").write_bytes(b"no")
    model = limner.load(paths, device="cpu", tta="flips")
    result = predict_folder(
        model, [*map(str, names), str(tmp_path / "broken.npy")], tmp_path / "out", Wanted(probabilities="tiff")
    )
    assert (result.predicted, len(result.failed)) == (3, 1)
    each = [limner.load(path, device="cpu", tta="flips").predict(names[2]).probs["mask"] for path in paths]
    found = limner.load(paths, device="cpu", tta="flips").predict(names[2]).probs["mask"]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)
    assert resize_image(found.transpose(1, 2, 0), (4, 4)).shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"changes": {"names": ["background", "nucleus"]}},
            "background, nucleus, not binary of background",
        ),
        ({"targets": {"depth": "regression"}}, "targets: depth, not mask"),
        ({"dtype": "uint16"}, "values of pixels: uint16, not uint8"),
        ({"plane": "axial"}, "plane of volumes: axial, not none"),
        ({"parts": {"near": 1, "far": 2}}, "inputs: far"),
    ],
)
def test_models_of_another_meaning_are_refused_and_the_difference_is_named(save, targets, other, message) -> None:
    if "targets" in other:
        other = {"targets": {name: targets[task] for name, task in other["targets"].items()}}
    with pytest.raises(BundleError, match=message) as caught:
        limner.load([save("a", 1), save("b", 2, **other)])
    assert "b.safetensors" in caught.value.found
