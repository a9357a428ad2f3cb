"""The spine project through the command line: grey .png beside .npy masks, a pretrained encoder, three modes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from limner.config import load_config, recipe_path
from limner.examples.spines import write_spines
from limner.images import read_info, read_mask
from limner.models import EncoderUNet

pytestmark = pytest.mark.slow

Limner = Callable[..., Any]

SHORT = ["size=[64,64]", "steps_per_epoch=2", "batch=4", "previews=0", "device=cpu", "precision=float32"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small slices, one of them beside the spine."""
    folder = tmp_path_factory.mktemp("spine") / "pictures"
    write_spines(folder, 8, size=(64, 64))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the whole encoder as timm stores them, random."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2.safetensors"
    save_file(timm.create_model("mobilenetv2_100", pretrained=False).state_dict(), path)
    return path


def test_from_raw_files_to_masks_and_pictures_of_them(
    limner: Limner, pictures: Path, weights: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "masks"
    phases = "training.phases=[{epochs: 1, freeze: [encoder]}, {epochs: 1, lr: 3.0e-4}]"
    words = ["--encoder-weights", weights, "-o", run, "--summary", phases, *SHORT]

    trained = limner("train", "-r", "spine", "-i", pictures / "images", "-m", pictures / "masks", *words)
    predicted = limner("predict", "-k", run, "-i", pictures / "images", "-o", out, "-b", 2)
    shown = limner("show", run, "--split", "val", "-n", 2)

    assert (trained.code, predicted.code, shown.code) == (0, 0, 0), trained.err
    assert "Found 8 pairs: mask name = image name. Unmatched: 0 images, 0 masks." in trained.err
    table = (run / "model.txt").read_text(encoding="utf-8")
    assert table in trained.err
    assert "decoder.blocks.0          128 × 4 × 4" in table
    assert "2,761,955 parameters" in table
    plan = (run / "plan.yaml").read_text(encoding="utf-8")
    assert f"value: {weights}" in plan
    config = load_config(run / "config.yaml")
    assert (config.recipe.title, config.model.name, config.data.channels) == ("spine", "encoder_unet", 3)
    summary = json.loads((run / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in summary["targets"]["mask"]["classes"]] == ["background", "disc", "vertebra"]
    assert summary["n_images"] == 2
    masks = [read_mask(str(out / f"{number}.png")).array for number in range(8)]
    assert {mask.shape for mask in masks} == {(64, 64)}
    assert set(np.unique(masks).tolist()) <= {0, 1, 2}
    assert shown.out == f"Sheet  {run / 'predictions-val.png'}\n"
    height, width = read_info(str(run / "predictions-val.png")).size
    assert height > 2 * 300
    assert width > 3 * 300


def test_a_training_goes_on_from_a_model_on_grey_pictures(limner: Limner, pictures: Path, tmp_path: Path) -> None:
    words = ["data.channels=3", "class_names=[background,disc,vertebra]", "conv_sizes=[4,8]", "-e", 1, *SHORT]
    assert limner("train", pictures, "-o", tmp_path / "first", *words).code == 0
    result = limner("train", "-k", tmp_path / "first", "-o", tmp_path / "second", "-e", 1, *SHORT)
    assert result.code == 0, result.err
    assert "Started from" in result.err
    first, second = (load_config(tmp_path / name / "config.yaml") for name in ("first", "second"))
    assert (second.data.channels, second.model.conv_sizes) == (3, first.model.conv_sizes)
    samples = [(tmp_path / name / "samples.csv").read_text(encoding="utf-8") for name in ("first", "second")]
    assert samples[0] == samples[1]


def test_the_encoder_starts_from_the_file_and_stays_as_it_is_while_frozen(
    limner: Limner, pictures: Path, weights: Path, tmp_path: Path
) -> None:
    words = ["--encoder-weights", weights, "-o", tmp_path / "run", "training.freeze=[encoder]", "-e", 1, *SHORT]
    assert limner("train", pictures, "-r", "spine", *words).code == 0
    trained, given = load_file(tmp_path / "run" / "model.safetensors"), load_file(weights)
    prefix = "encoder.network."
    own = {key.removeprefix(prefix): value for key, value in trained.items() if key.startswith(prefix)}
    assert len(own) > 250
    assert all(torch.equal(value, given[key]) for key, value in own.items())


def test_an_encoder_alone_is_enough_to_choose_the_network(limner: Limner, pictures: Path, tmp_path: Path) -> None:
    words = ["--encoder", "test_resnet", "--decoder", "pix2pix", "pretrained=false", "-e", 1, "--json", *SHORT]
    result = limner("train", pictures, "-o", tmp_path / "run", *words)
    assert result.code == 0, result.err
    config = load_config(tmp_path / "run" / "config.yaml").model
    assert (config.name, config.encoder, config.decoder) == ("encoder_unet", "test_resnet", "pix2pix")
    assert "test_resnet" in (tmp_path / "run" / "plan.yaml").read_text(encoding="utf-8")


def test_files_without_a_partner_are_counted(limner: Limner, refused: Limner, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    write_spines(folder, 8, size=(64, 64), unmatched=True)
    message = refused("train", folder, "-o", tmp_path / "run")
    assert "6 pairs, but 1 image without a mask and 1 mask without an image" in message
    words = ["--skip-unmatched", "-o", tmp_path / "run", "-e", 1, "conv_sizes=[4]", *SHORT]
    result = limner("train", folder, *words)
    assert result.code == 0
    assert "Found 6 pairs: mask name = image name. Unmatched: 1 image, 1 mask." in result.err


def test_the_published_network() -> None:
    settings = load_config(recipe_path("spine"))
    model = EncoderUNet(
        3, 3, encoder=settings.model.encoder, decoder="pix2pix", decoder_sizes=settings.model.decoder_sizes
    ).eval()
    shapes: list[tuple[int, ...]] = []
    for block in model.decoder.blocks:
        block.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        logits = model(torch.zeros(1, 3, 128, 128))["mask"]
    # Each block doubles the size, then joins the encoder's features: 96, 32, 24 and 16 channels.
    assert shapes == [(128 + 96, 8, 8), (64 + 32, 16, 16), (32 + 24, 32, 32), (16 + 16, 64, 64)]
    assert logits.shape == (1, 3, 128, 128)
