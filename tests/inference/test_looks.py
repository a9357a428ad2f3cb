import itertools
import re

import numpy as np
import pytest
import torch
from torch import nn

from limner.bundle import ViewsSpec
from limner.errors import ConfigError
from limner.inference.predictor import Predictor
from limner.inference.view_evidence import views_sentence
from limner.models import Ensemble, create_model


def picture(shape: tuple[int, ...] = (24, 32, 3)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_views_are_averaged_as_probabilities(make_meta, make_toy) -> None:
    meta = make_meta().model_copy(update={"symmetries": ["flip_h", "flip_v"]})
    found = Predictor(make_toy(), meta, precision="float32", uncertainty="tta").predict(picture()).probs["mask"]
    single = Predictor(make_toy(), meta, precision="float32")
    expected = [single.predict(picture()[::v, ::h].copy()).probs["mask"][:, ::v, ::h] for v in (1, -1) for h in (1, -1)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 32, 3), (23, 37, 3)])
@pytest.mark.parametrize(("tta", "turns"), [("flips", False), ("symmetries", True)])
def test_views_are_undone_exactly_before_they_are_averaged(make_meta, make_toy, tta, turns, shape) -> None:
    single = Predictor(make_toy(), make_meta(), precision="float32")
    found = Predictor(make_toy(), make_meta(), precision="float32", tta=tta).predict(picture(shape)).probs["mask"][0]
    expected = []
    for quarter, mirror in itertools.product(range(4) if turns else (0, 2), (False, True)):
        seen = np.rot90(picture(shape)[:, ::-1] if mirror else picture(shape), quarter)
        back = np.rot90(single.predict(seen.copy()).probs["mask"][0], -quarter)
        expected.append(back[:, ::-1] if mirror else back)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-6)


def test_doubts_come_from_the_views_that_were_asked_for(make_meta, make_toy) -> None:
    meta = make_meta().model_copy(update={"symmetries": ["flip_h"]})
    toy = make_toy()
    Predictor(toy, meta, precision="float32", tta="scales", uncertainty="tta").predict(picture())
    assert sorted(toy.sizes) == [(20, 28), (24, 32), (32, 40)]  # of stride 4


def test_views_that_the_network_never_saw_are_warned_of(make_meta) -> None:
    meta = make_meta().model_copy(update={"symmetries": ["flip_h", "flip_v"]})
    assert views_sentence(meta, "flips") == "Views: 4 mirror images; what they buy this model has not been measured"
    assert "trained without rotate90, so they may harm" in views_sentence(meta, "symmetries")


def evidence(tta: str, gain: float, low: float | None, high: float | None) -> ViewsSpec:
    return ViewsSpec(tta=tta, gain=gain, low=low, high=high, times=8.04, images=50, source="validation pictures")


@pytest.mark.parametrize(
    ("known", "chosen", "sentence"),
    [
        ([], "none", "Views: none; what they would buy this model has not been measured.*limner calibrate MODEL DATA"),
        (
            [("flips", 0.004, 0.001, 0.007), ("symmetries", 0.012, 0.004, 0.021)],
            "symmetries",
            r"Views: 8 symmetries, \+0.012 Dice \(95 % interval 0.004 to 0.021\) on 50 validation pictures, 8.0 times",
        ),
        (
            [("symmetries", 0.001, -0.002, 0.003), ("scales", -0.1, -0.2, -0.05)],
            "none",
            r"none; 8 symmetries bought \+0.001 Dice \(95 % interval -0.002 to 0.003\) on 50 .* would cost .*; 3 sc",
        ),
        ([("scales", 0.2, None, None)], "none", "too few for an interval"),
    ],
)
def test_auto_takes_only_views_whose_gain_is_shown(make_meta, make_toy, known, chosen, sentence) -> None:
    meta = make_meta().model_copy(update={"views": [evidence(*one) for one in known]})
    model = Predictor(make_toy(), meta, tta="auto")
    assert model.tta == chosen
    assert re.search(sentence, views_sentence(meta, model.tta))


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
