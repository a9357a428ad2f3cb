"""Faults planted in pictures for a real small network: each must come out first, and none where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional

import limner
from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, PostStep, TargetSpec, TilingSpec
from limner.data.labels import LabelMap
from limner.evaluation.explain import suspects
from limner.evaluation.explain.causes import Evidence, rank_causes
from limner.evaluation.explain.findings import Sight
from limner.evaluation.explain.ladder import Background, Explanation, explain_picture
from limner.evaluation.explain.looking import Model
from limner.images import read_image, resize_image, resize_mask
from limner.inference.familiarity import features, learn
from limner.models import create_model

SIDE = 48
USUAL = Background(0.95, "on validation samples")
Explain = Callable[..., Explanation]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[np.ndarray, np.ndarray]]:
    """Drawn lesions with their masks, at the size of the network."""
    folder = limner.sample("lesions", tmp_path_factory.mktemp("data") / "lesions", count=36, size=(96, 96))
    found = []
    for mask in sorted(Path(folder).glob("*GroundTruth/*.png")):
        (image,) = Path(folder).glob(f"*Input/{mask.stem.removesuffix('_segmentation')}.*")
        size = (SIDE, SIDE)
        drawn = np.atleast_3d(read_image(str(mask)))[..., 0] > 0
        found.append((resize_image(read_image(str(image)), size), resize_mask(drawn, size).astype(np.uint8)))
    return found


@pytest.fixture(scope="module")
def model(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Model:
    """A U-Net that has learned the first 28 in some seconds, and remembers them, and how they look with faults."""
    pictures = np.stack([picture for picture, _ in pairs[:28]])
    truth = torch.from_numpy(np.stack([mask for _, mask in pairs[:28]])).float()[:, None]
    unit = pictures / 255
    mean, std = unit.mean(axis=(0, 1, 2)), unit.std(axis=(0, 1, 2))
    kwargs = {"in_channels": 3, "out_channels": {"mask": 1}, "conv_sizes": [8, 16, 32]}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = create_model("unet", **kwargs)
        images = torch.from_numpy(((unit - mean) / std).transpose(0, 3, 1, 2)).float().contiguous()
        optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
        for step in range(60):
            chosen = torch.arange(7) + 7 * (step % 4)
            sides = [-1] if step % 2 else []
            logits = network(images[chosen].flip(sides))["mask"]
            functional.binary_cross_entropy_with_logits(logits, truth[chosen].flip(sides)).backward()
            optimizer.step()
            optimizer.zero_grad()
    inputs = InputSpec(
        channels=3,
        dtype="uint8",
        low=0.0,
        high=255.0,
        mean=mean.tolist(),
        std=std.tolist(),
        fit="resize",
        size=(SIDE, SIDE),
    )
    known, others = (
        np.array([features(picture, inputs) for picture, _ in part]) for part in (pairs[:28], pairs[28:32])
    )
    rows = [suspects.rows_of(picture, inputs, ["flip_h"], n, 28) for n, (picture, _) in enumerate(pairs[:28])]
    label_map = LabelMap("binary", ("background", "lesion"), ((0, 0, 0), (255, 0, 0)), values=((0,), (255,)))
    meta = BundleMeta(
        model=ModelSpec(name="unet", kwargs=kwargs),
        inputs=inputs,
        targets={
            "mask": TargetSpec(
                task="binary",
                names=["background", "lesion"],
                colors=[(0, 0, 0), (255, 0, 0)],
                label_map=label_map.to_dict(),
            )
        },
        tiling=TilingSpec(size=256),
        symmetries=["flip_h"],
        familiar=learn(known, [""] * 28, others),
        planted=suspects.learn(rows, [""] * 28),
        data=DataSpec(hash="0", count=36),
    )
    return Model(network.eval(), meta)


@pytest.fixture(scope="module")
def unseen(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return pairs[32:34]


def first(found: Explanation) -> str:
    return found.causes[0].kind if found.causes else "nothing"


def dull(picture: np.ndarray, factor: float) -> np.ndarray:
    return (picture * factor).clip(0, 255).astype(np.uint8)


def of_another_kind(picture: np.ndarray) -> np.ndarray:
    tiles = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return resize_mask(tiles, (SIDE, SIDE))


def larger(picture: np.ndarray) -> np.ndarray:
    middle = slice(SIDE // 3, SIDE // 3 * 2)
    return resize_image(np.ascontiguousarray(picture[middle, middle]), (SIDE, SIDE))


def compressed(picture: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=4)
    return np.asarray(Image.open(file))


FAULTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "channels reversed": ("channels", lambda picture: np.ascontiguousarray(picture[..., ::-1])),
    "inverted": ("inverted", lambda picture: 255 - picture),
    "from 0 to 1": ("values", lambda picture: (picture / 255).astype(np.float32)),
    "16 bits": ("values", lambda picture: picture.astype(np.uint16) * 257),
    "dark": ("exposure", lambda picture: dull(picture, 0.2)),
    "overexposed": ("exposure", lambda picture: dull(picture.astype(np.float64), 2.2)),
    "gamma": ("exposure", lambda picture: (255 * (picture / 255) ** 4).astype(np.uint8)),
    "objects larger": ("size", larger),
    "noise": ("noisy", lambda picture: dull(picture + np.random.default_rng(0).normal(0, 60, picture.shape), 1)),
    "compressed": ("noisy", compressed),
    "moved": ("blurred", lambda picture: ndimage.uniform_filter1d(picture, 7, axis=1)),
    "another kind": ("another kind", of_another_kind),
    "constant": ("constant", lambda picture: np.full_like(picture, 90)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_picture_comes_first(model: Model, unseen: list[Any], fault: str) -> None:
    kind, plant = FAULTS[fault]
    found = [first(explain_picture(model, plant(picture), "x.png", {}, USUAL)) for picture, _ in unseen]
    assert found == [kind] * len(unseen)


def test_without_knowledge_of_faults_changes_that_help_are_named(model: Model, unseen: list[Any]) -> None:
    """Of models that were trained before faults were planted, or on too few pictures."""
    plain = replace(model, meta=model.meta.model_copy(update={"planted": None}))
    for fault in ("channels reversed", "inverted", "dark", "another kind"):
        kind, plant = FAULTS[fault]
        found = explain_picture(plain, plant(unseen[0][0]), "x.png", {}, USUAL)
        assert first(found) == kind
        assert "does not know how faults look" in next(rung.found for rung in found.rungs if rung.name == "looks")


def test_small_objects_are_found_by_their_mask(model: Model, pairs: list[Any]) -> None:
    picture, mask = pairs[35]
    found = explain_picture(model, np.tile(picture, (4, 4, 1)), "x.png", {"mask": np.tile(mask, (4, 4))}, USUAL)
    assert first(found) == "size"
    assert "times as large" in found.causes[0].evidence
    assert "real Dice" in found.causes[0].evidence


def test_pictures_as_given_have_no_cause(model: Model, unseen: list[Any]) -> None:
    for picture, _ in unseen:
        found = explain_picture(model, picture, "x.png", {}, USUAL)
        assert found.causes == []
        assert found.verdict.startswith("Nothing is wrong with how the picture is given; expected Dice 0.")


def test_a_threshold_that_hides_is_named(model: Model, unseen: list[Any]) -> None:
    spec = model.meta.targets["mask"].model_copy(update={"thresholds": [0.5, 0.9999]})
    strict = replace(model, meta=model.meta.model_copy(update={"targets": {"mask": spec}}))
    for picture, _ in unseen:
        found = explain_picture(strict, picture, "x.png", {}, USUAL)
        assert first(found) == "threshold"
        assert "is answered above 1" in found.causes[0].evidence


def test_steps_that_remove_all_are_named(model: Model, unseen: list[Any]) -> None:
    step = PostStep(target="mask", label="lesion", step="min_area", area=SIDE * SIDE)
    tidy = replace(model, meta=model.meta.model_copy(update={"post_processing": [step]}))
    for picture, _ in unseen:
        found = explain_picture(tidy, picture, "x.png", {}, USUAL)
        assert first(found) == "steps"
        assert "0.0% after" in next(rung.found for rung in found.rungs if rung.name == "steps")


def test_an_empty_answer_about_a_usual_picture_means_nothing_there() -> None:
    nothing = Evidence(Sight(0.6, "", 0.0, 0.0, 0.1), [])
    (cause,) = rank_causes(nothing)
    assert cause.kind == "nothing there"
    assert "highest probability 0.10" in cause.evidence
    # With a mask that is empty as well, there is nothing to explain.
    assert rank_causes(Evidence(Sight(0.6, "", 0.0, 0.0, 0.1, dice=1.0), [])) == []


def test_a_mask_given_as_picture_is_told(model: Model, unseen: list[Any]) -> None:
    _, mask = unseen[0]
    found = explain_picture(model, np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), "mask.png", {}, USUAL)
    assert first(found) == "mask file"
    assert "0, 255" in found.causes[0].evidence


def test_a_weak_model_is_told(model: Model, unseen: list[Any]) -> None:
    found = explain_picture(model, unseen[0][0], "x.png", {}, Background(0.41, "on 8 test pictures"))
    assert found.causes[0].title == "The model itself is weak: mean Dice 0.41 on 8 test pictures"
