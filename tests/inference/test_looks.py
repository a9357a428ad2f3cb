import numpy as np
import pytest
import torch
from torch import nn

from limner.errors import ConfigError
from limner.inference.predictor import Predictor
from limner.models import Ensemble, create_model


def picture(shape: tuple[int, ...] = (24, 32, 3)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_views_are_averaged_as_probabilities(make_meta, make_toy) -> None:
    meta = make_meta().model_copy(update={"symmetries": ["flip_h", "flip_v"]})
    found = Predictor(make_toy(), meta, precision="float32", uncertainty="tta").predict(picture()).probs["mask"]
    single = Predictor(make_toy(), meta, precision="float32")
    expected = [single.predict(picture()[::v, ::h].copy()).probs["mask"][:, ::v, ::h] for v in (1, -1) for h in (1, -1)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-6)


def test_members_of_an_ensemble_are_averaged_as_probabilities(make_meta, make_toy) -> None:
    toy = type(make_toy())
    networks = [toy(3, mask=1) for _ in range(3)]
    each = [
        Predictor(network, make_meta(), precision="float32").predict(picture()).probs["mask"] for network in networks
    ]
    together = Predictor(Ensemble(networks), make_meta(), precision="float32").predict(picture()).probs["mask"]
    assert np.abs(each[0] - each[1]).max() > 0.1
    np.testing.assert_allclose(together, np.mean(each, axis=0), atol=1e-6)


def test_dropout_makes_unsure_and_repeats_itself(make_meta) -> None:
    torch.manual_seed(0)
    network = create_model("unet", in_channels=3, out_channels={"mask": 1}, conv_sizes=[4, 8], dropout=0.5).eval()
    plain = Predictor(network, make_meta(), precision="float32").predict(picture())
    dropping = Predictor(network, make_meta(), precision="float32", uncertainty="dropout")
    one, two = dropping.predict(picture()), dropping.predict(picture())
    np.testing.assert_array_equal(one.probs["mask"], two.probs["mask"])
    assert np.abs(one.probs["mask"] - plain.probs["mask"]).max() > 0.01
    assert not any(part.training for part in network.modules() if isinstance(part, nn.Dropout))


def test_numbers_have_the_deviation_of_the_looks_as_uncertainty(make_meta, make_toy, targets) -> None:
    meta = make_meta({"depth": targets["regression"]}).model_copy(update={"symmetries": ["flip_h"]})
    single = Predictor(make_toy(depth=1), meta, precision="float32").predict(picture())
    assert single.uncertainty == {}
    found = Predictor(make_toy(depth=1), meta, precision="float32", uncertainty="tta").predict(picture())
    assert found.uncertainty["depth"].shape == (24, 32)
    assert 0 < found.uncertainty["depth"].max() <= 1


@pytest.mark.parametrize(
    ("source", "message"), [("dropout", "trained with dropout"), ("members", "several networks"), ("magic", "one of")]
)
def test_a_model_that_cannot_doubt_so_says_what_to_do(make_meta, make_toy, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Predictor(make_toy(), make_meta(), uncertainty=source)
