from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from limner.bundle import TargetSpec, save_bundle
from limner.errors import BundleError, ConfigError, DataError, ResourceError
from limner.images import write_image
from limner.inference.predictor import Predictor


def pictures(*shapes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def toy_probs(toy: nn.Module, picture: np.ndarray) -> np.ndarray:
    """What the network says, without the predictor: zeros outside the picture, as its convolution has them."""
    images = (torch.from_numpy(picture).permute(2, 0, 1)[None] / 255 - 0.5) / 0.25
    with torch.no_grad():
        return toy(images)["mask"].sigmoid()[0].numpy()


def test_it_computes_what_the_network_computes(make_meta, make_toy) -> None:
    (picture,) = pictures((16, 24, 3))
    prediction = Predictor(make_toy(), make_meta(), precision="float32").predict(picture)
    expected = toy_probs(make_toy(), picture)
    np.testing.assert_allclose(prediction.probs["mask"], expected, atol=1e-6)
    np.testing.assert_array_equal(prediction.mask, expected[0] > 0.5)


def test_tiles_agree_with_the_whole(make_meta, make_toy) -> None:
    (picture,) = pictures((64, 97, 3))
    toy = make_toy()
    tiled = Predictor(toy, make_meta(tile=32), precision="float32").predict(picture)
    whole = toy_probs(make_toy(), picture)
    assert set(toy.sizes) == {(32, 32)}
    # Tiles see zeros beyond their edge; the gaussian gives those pixels next to no weight.
    np.testing.assert_allclose(tiled.probs["mask"][:, 1:-1, 1:-1], whole[:, 1:-1, 1:-1], atol=0.02)


def test_tiles_agree_exactly_where_the_network_looks_at_one_pixel(make_meta) -> None:
    class Pixelwise(nn.Module):
        stride = 8

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1)

        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"mask": self.conv(images)}

    (picture,) = pictures((50, 70, 3))
    model = Pixelwise()
    whole = Predictor(model, make_meta(), precision="float32").predict(picture)
    tiled = Predictor(model, make_meta(tile=24, overlap=0.3), precision="float32").predict(picture)
    np.testing.assert_allclose(tiled.probs["mask"], whole.probs["mask"], atol=1e-6)
    np.testing.assert_array_equal(tiled.mask, whole.mask)


@pytest.mark.parametrize("inputs", [{}, {"fit": "resize", "size": (20, 28)}], ids=["native", "resize"])
@pytest.mark.parametrize("tile", [16, 512])
def test_batch_size_changes_nothing(make_meta, make_unet, inputs, tile) -> None:
    meta = make_meta(tile=tile, **inputs)
    many = pictures((30, 41, 3), (30, 41, 3), (30, 41, 3), (9, 5, 3), (30, 41, 3))
    one, three = (
        list(Predictor(make_unet(meta), meta, precision="float32", batch_size=count).predict_many(many))
        for count in (1, 3)
    )
    for alone, together in zip(one, three, strict=True):
        np.testing.assert_array_equal(alone.mask, together.mask)
        np.testing.assert_allclose(alone.probs["mask"], together.probs["mask"], atol=1e-6)
    assert [prediction.mask.shape for prediction in three] == [picture.shape[:2] for picture in many]


@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (1000, 3), (25, 33), (16, 16), (2, 1)])
@pytest.mark.parametrize("fit", ["native", "resize"])
def test_every_size_comes_back_at_its_own(make_meta, make_unet, size, fit) -> None:
    meta = make_meta(tile=64, fit=fit, size=(24, 20))
    prediction = Predictor(make_unet(meta), meta).predict(pictures((*size, 3))[0])
    assert prediction.mask.shape == size
    assert prediction.mask.dtype == np.uint8
    assert prediction.probs["mask"].shape == (1, *size)
    assert prediction.probs["mask"].dtype == np.float32
    assert ((prediction.probs["mask"] >= 0) & (prediction.probs["mask"] <= 1)).all()


def test_every_task(make_meta, make_unet, targets) -> None:
    meta = make_meta(targets)
    prediction = Predictor(make_unet(meta), meta, precision="float32").predict(pictures((19, 13, 3))[0])
    assert {name: mask.shape for name, mask in prediction.masks.items()} == {
        "binary": (19, 13),
        "multiclass": (19, 13),
        "multilabel": (19, 13, 2),
    }
    assert {name: probs.shape[0] for name, probs in prediction.probs.items()} == {
        "binary": 1,
        "multiclass": 3,
        "multilabel": 2,
    }
    np.testing.assert_allclose(prediction.probs["multiclass"].sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(prediction.masks["multiclass"], prediction.probs["multiclass"].argmax(axis=0))
    np.testing.assert_array_equal(
        prediction.masks["multilabel"], (prediction.probs["multilabel"] > 0.5).transpose(1, 2, 0)
    )
    assert prediction.values["regression"].shape == (19, 13)
    with pytest.raises(ConfigError, match="binary, multiclass, multilabel"):
        _ = prediction.mask


def test_temperature_and_threshold_are_the_bundles(make_meta, make_toy) -> None:
    spec = TargetSpec(
        task="binary", names=["no", "yes"], colors=[(0, 0, 0), (9, 9, 9)], thresholds=[0.5, 0.3], temperature=2.0
    )
    (picture,) = pictures((16, 16, 3))
    prediction = Predictor(make_toy(), make_meta({"mask": spec}), precision="float32").predict(picture)
    plain = toy_probs(make_toy(), picture)
    logits = np.log(plain / (1 - plain))
    np.testing.assert_allclose(prediction.probs["mask"], 1 / (1 + np.exp(-logits / 2)), atol=1e-5)
    np.testing.assert_array_equal(prediction.mask, prediction.probs["mask"][0] > 0.3)


def test_bf16_says_nearly_the_same(make_meta, make_unet) -> None:
    meta = make_meta()
    (picture,) = pictures((32, 32, 3))
    exact, rough = (
        Predictor(make_unet(meta), meta, precision=kind).predict(picture).probs["mask"] for kind in ("float32", "bf16")
    )
    assert rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 0.05


def test_a_model_in_training_is_left_as_it_was(make_meta, make_unet) -> None:
    meta = make_meta()
    model = make_unet(meta).train()
    frozen = next(part for part in model.modules() if isinstance(part, nn.BatchNorm2d))
    frozen.eval()
    modes = [part.training for part in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    predictions = Predictor(model, meta).predict_many(pictures((8, 8, 3), (12, 8, 3)))
    next(predictions)
    # Between predictions too: the generator may be waiting while training goes on.
    assert [part.training for part in model.modules()] == modes
    next(predictions)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model(torch.rand(2, 3, 8, 8))["mask"].sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_predictions_follow_the_weights_of_a_live_model(make_meta, make_toy) -> None:
    model = make_toy()
    predictor = Predictor(model, make_meta(), precision="float32")
    (picture,) = pictures((8, 8, 3))
    first = predictor.predict(picture)
    with torch.no_grad():
        model.convs["mask"].bias += 5
    assert (predictor.predict(picture).probs["mask"] > first.probs["mask"]).all()


def test_pictures_are_read_no_further_than_a_batch_ahead(make_meta, make_toy) -> None:
    taken: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(1)
            yield np.zeros((8, 8, 3), np.uint8)

    predictions = Predictor(make_toy(), make_meta(), batch_size=3).predict_many(endless())
    for _ in range(4):
        next(predictions)
    assert len(taken) == 6


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_bundle_predicts_as_its_model_did(make_meta, make_unet, tmp_path, precision) -> None:
    meta = make_meta(fit="resize", size=(24, 24))
    model = make_unet(meta)
    save_bundle(tmp_path / "model.safetensors", model, meta)
    (picture,) = pictures((30, 20, 3))
    write_image(tmp_path / "a.png", picture)
    loaded = Predictor.from_file(tmp_path / "model.safetensors", device="cpu", precision=precision)
    expected = Predictor(model, meta, precision=precision).predict(picture)
    found = loaded.predict(tmp_path / "a.png")
    np.testing.assert_allclose(found.probs["mask"], expected.probs["mask"], atol=1e-6)
    np.testing.assert_array_equal(found.mask, expected.mask)


def test_bad_arguments_and_files_are_named(make_meta, make_toy, tmp_path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        Predictor.from_file(tmp_path / "none.safetensors")
    for device in ("gpu", "cuda:99", "cpu:x"):
        with pytest.raises(ConfigError, match=device):
            Predictor(make_toy(), make_meta(), device=device)
    with pytest.raises(ConfigError, match="fp16"):
        Predictor(make_toy(), make_meta(), precision="fp16")
    with pytest.raises(DataError, match=r"missing\.png"):
        Predictor(make_toy(), make_meta()).predict(tmp_path / "missing.png")
    with pytest.raises(DataError, match="picture 2"):
        list(Predictor(make_toy(), make_meta()).predict_many([*pictures((4, 4, 3)), np.zeros((4, 4), np.uint16)]))


class Small(nn.Module):
    """A network on a machine that has memory for so many pixels at once."""

    stride = 4

    def __init__(self, most_pixels: int, error: Exception) -> None:
        super().__init__()
        self.most_pixels = most_pixels
        self.error = error
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        if images.numel() // 3 > self.most_pixels:
            raise self.error
        return {"mask": self.conv(images)}


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory: you tried to allocate"),
    MemoryError("no room"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["device", "cpu", "python"])
def test_memory_is_saved_by_smaller_batches_then_by_tiles(make_meta, error, caplog) -> None:
    model = Small(10**9, error)
    meta = make_meta()
    many = pictures(*[(256, 256, 3)] * 4)
    expected = list(Predictor(model, meta, precision="float32", batch_size=4).predict_many(many))
    for most_pixels in (256 * 256, 130 * 130):
        model.most_pixels = most_pixels
        predictor = Predictor(model, meta, precision="float32", batch_size=4)
        for found, wanted in zip(predictor.predict_many(many), expected, strict=True):
            np.testing.assert_allclose(found.probs["mask"], wanted.probs["mask"], atol=1e-6)
    assert "going on with 2" in caplog.text
    assert "tiles of 512 pixels; going on with 128" in caplog.text


@pytest.mark.parametrize(
    ("error", "said"),
    [(OUT_OF_MEMORY[0], "CUDA out of memory"), (MemoryError(), "MemoryError")],
    ids=["device", "without a word"],
)
def test_too_little_memory_is_said_with_a_remedy(make_meta, error, said) -> None:
    predictor = Predictor(Small(100, error), make_meta())
    with pytest.raises(ResourceError, match=rf"(?s)'picture 1' \(200×300\).*{said}.*To do:"):
        predictor.predict(pictures((200, 300, 3))[0])


def test_a_picture_that_did_not_fit_changes_nothing_for_the_next(make_meta, make_toy) -> None:
    toy = make_toy()
    usual, memory = toy.forward, [0]

    def forward(images: torch.Tensor) -> dict[str, torch.Tensor]:
        if images.shape[2] > memory[0]:
            raise OUT_OF_MEMORY[0]
        return usual(images)

    toy.forward = forward
    predictor = Predictor(toy, make_meta(), batch_size=2)
    with pytest.raises(ResourceError):
        predictor.predict(pictures((500, 500, 3))[0])
    memory[0] = 1000
    list(predictor.predict_many(pictures((300, 300, 3), (300, 300, 3))))
    assert (toy.sizes, toy.batch_sizes) == ([(300, 300)], [2])


def test_large_pictures_come_alone_and_their_tiles_together(make_meta, make_toy) -> None:
    toy = make_toy()
    predictor = Predictor(toy, make_meta(tile=16, overlap=0.0), batch_size=4)
    predictions = predictor.predict_many(pictures((32, 32, 3), (32, 32, 3), (8, 8, 3), (8, 8, 3)))
    next(predictions)
    assert toy.batch_sizes == [4]
    list(predictions)
    assert toy.batch_sizes == [4, 4, 2]


def test_other_errors_of_a_network_are_not_hidden(make_meta) -> None:
    predictor = Predictor(Small(0, RuntimeError("sizes do not match")), make_meta())
    with pytest.raises(RuntimeError, match="sizes do not match"):
        predictor.predict(pictures((8, 8, 3))[0])
