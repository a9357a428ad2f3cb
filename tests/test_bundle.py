"""A bundle comes back as it was, in any process, or is refused with a reason."""

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from limner.bundle import (
    BundleMeta,
    DataSpec,
    InputSpec,
    ModelSpec,
    TargetSpec,
    TilingSpec,
    load_bundle,
    read_meta,
    save_bundle,
)
from limner.errors import BundleError, OutputError
from limner.models import Ensemble, create_model, members


def make_meta(**changes: Any) -> BundleMeta:
    values: dict[str, Any] = {
        "model": ModelSpec(name="unet", kwargs={"in_channels": 3, "out_channels": {"mask": 1}, "conv_sizes": [4, 8]}),
        "inputs": InputSpec(
            channels=3,
            dtype="uint8",
            low=0.0,
            high=255.0,
            mean=[0.5, 0.4, 0.3],
            std=[0.2, 0.2, 0.2],
            fit="resize",
            size=(40, 48),
        ),
        "targets": {
            "mask": TargetSpec(
                task="binary",
                names=["background", "lesion"],
                colors=[(0, 0, 0), (230, 60, 20)],
                label_map={"values": [[0], [255]]},
                thresholds=[0.5, 0.4],
                temperature=1.5,
            )
        },
        "tiling": TilingSpec(size=512, overlap=0.5),
        "data": DataSpec(hash="abc123", count=12, splits={"train": 8, "val": 2, "test": 2}),
        "scores": {"mask": {"dice": 0.9}},
        "licence": "CC-BY-4.0",
    }
    return BundleMeta(**(values | changes))


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("unet", in_channels=3, out_channels={"mask": 1}, conv_sizes=(4, 8))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    save_bundle(tmp_path / "model.safetensors", make_model(), make_meta())
    return tmp_path / "model.safetensors"


def rewrite_header(path: Path, change: Any) -> None:
    """Change the description inside a bundle as another program would."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        described = json.loads(file.metadata()["limner"])
    change(described)
    save_file(tensors, path, metadata={"limner": json.dumps(described)})


def test_weights_and_description_come_back_exactly(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    model = make_model().eval()
    images = torch.rand(2, 3, 20, 28)
    with torch.inference_mode():
        assert torch.equal(loaded.model(images)["mask"], model(images)["mask"])
    assert loaded.meta == make_meta(created=loaded.meta.created)
    assert loaded.meta.created.endswith("+00:00")
    assert set(loaded.meta.versions) == {"python", "torch", "numpy"}
    assert not loaded.model.training


def test_a_loaded_model_can_be_trained_further(bundle: Path) -> None:
    model = load_bundle(bundle).model.train()
    model(torch.rand(2, 3, 8, 8))["mask"].mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_ensemble_comes_back_with_all_its_members(tmp_path: Path) -> None:
    models = [make_model().eval() for _ in range(3)]
    torch.nn.init.ones_(next(models[1].parameters()))
    described = make_meta()
    meta = described.model_copy(update={"model": described.model.model_copy(update={"members": 3})})
    save_bundle(tmp_path / "e.safetensors", Ensemble(models), meta)
    loaded = load_bundle(tmp_path / "e.safetensors")
    images = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        for member, model in zip(members(loaded.model), models, strict=True):
            assert torch.equal(member(images)["mask"], model(images)["mask"])
    with pytest.raises(BundleError, match="do not fit"):
        save_bundle(tmp_path / "e.safetensors", Ensemble(models[:2]), meta)


def test_half_precision_weights_are_stored_as_float32(tmp_path: Path) -> None:
    save_bundle(tmp_path / "b.safetensors", make_model().to(torch.bfloat16), make_meta())
    kinds = {tensor.dtype for tensor in load_bundle(tmp_path / "b.safetensors").model.state_dict().values()}
    assert kinds == {torch.float32, torch.int64}  # int64: batch norm's counter


def test_a_fresh_process_needs_nothing_but_the_file(bundle: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = bundle.rename(elsewhere / "renamed.safetensors")
    script = (
        "import sys; from limner.bundle import read_meta\n"
        f"meta = read_meta({str(moved)!r}); print(meta.targets['mask'].names, 'torch' in sys.modules)\n"
        "from limner.bundle import load_bundle\n"
        f"print(load_bundle({str(moved)!r}).model.stride)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=elsewhere, check=True)
    assert result.stdout.splitlines() == ["['background', 'lesion'] False", "4"]


def test_saving_leaves_one_file_and_replaces_the_old(bundle: Path) -> None:
    save_bundle(bundle, make_model(), make_meta(licence="MIT"))
    assert [path.name for path in bundle.parent.iterdir()] == ["model.safetensors"]
    assert read_meta(bundle).licence == "MIT"


def test_saving_where_nothing_can_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        save_bundle(tmp_path / "file" / "model.safetensors", make_model(), make_meta())


def test_a_description_of_another_network_is_refused_when_saving(tmp_path: Path) -> None:
    other = ModelSpec(name="unet", kwargs={"in_channels": 3, "out_channels": {"mask": 2}, "conv_sizes": [4, 8]})
    with pytest.raises(BundleError, match=r"of another shape: heads.*\(1, 4, 1, 1\), not \(2, 4, 1, 1\)"):
        save_bundle(tmp_path / "b.safetensors", make_model(), make_meta(model=other))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "another kind of file"),
        (b"\x89PNG\r\n\x1a\n and so on", "another kind of file"),
        (pickle.dumps({"weights": [1.0]}), "a pickle, which could run code"),
        (b"PK\x03\x04 as torch.save writes", "a pickle, which could run code"),
        (struct.pack("<Q", 40) + b'{"weight": {"dtype"', "cut off or changed"),
    ],
    ids=["empty", "picture", "pickle", "torch archive", "broken header"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=message):
        load_bundle(path)


@pytest.mark.parametrize("kept", [0.99, 0.5])
def test_a_truncated_bundle_is_refused(bundle: Path, kept: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(BundleError, match="cut off"):
        load_bundle(bundle)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        load_bundle(tmp_path / "none.safetensors")
    with pytest.raises(BundleError, match="a folder"):
        read_meta(tmp_path)


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(BundleError, match="without Limner's description"):
        load_bundle(tmp_path / "foreign.safetensors")


def test_a_newer_format_names_the_version_to_upgrade_to(bundle: Path) -> None:
    rewrite_header(bundle, lambda described: described.update(format=2, limner="3.1.0", novelty=[1]))
    with pytest.raises(BundleError, match=r"(?s)format 2, by Limner 3\.1\.0.*Upgrade to Limner 3\.1\.0 or later"):
        load_bundle(bundle)


def test_unknown_post_processing_is_refused_rather_than_left_out(bundle: Path) -> None:
    rewrite_header(bundle, lambda described: described.update(post_processing=[{"fill_holes": {}}], limner="1.4.0"))
    with pytest.raises(BundleError, match=r"(?s)post-processing.*Limner 1\.4\.0 or later"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(ensemble=5), "ensemble: Extra inputs"),
        (lambda d: d["inputs"].update(channels="3"), "inputs.channels: Input should be a valid integer"),
        (lambda d: d["inputs"].update(high=-1.0), "low must be below high"),
        (lambda d: d["inputs"].update(mean=[0.5]), "mean and std need one number for each of the 3 channels"),
        (lambda d: d["inputs"].update(size=None), "fit 'resize' needs a size"),
        (lambda d: d["targets"]["mask"].update(colors=[[0, 0, 0]]), "2 names but 1 colours"),
        (lambda d: d["targets"]["mask"].update(temperature=0.0), "targets.mask.temperature"),
        (lambda d: d["targets"]["mask"].update(dice_curve=[[0.5, 0.9], [0.4, 0.95]]), "dice_curve must rise"),
        (lambda d: d.update(targets={}), "targets: "),
        (
            lambda d: d.update(post_processing=[{"target": "mask", "label": "liver", "step": "largest"}]),
            "post-processing of 'liver'",
        ),
        (lambda d: d.update(familiar={"features": [[1.0]], "scale": [1.0, 2.0], "limit": 1.0}), "the 2 numbers"),
        (lambda d: d.pop("data"), "data: Field required"),
        (lambda d: d.pop("format"), "no format number"),
    ],
)
def test_impossible_descriptions_are_refused_by_name(bundle: Path, change: Any, message: str) -> None:
    rewrite_header(bundle, change)
    with pytest.raises(BundleError, match=message):
        read_meta(bundle)


def test_a_description_that_is_not_json_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "b.safetensors", metadata={"limner": "{half"})
    with pytest.raises(BundleError, match="not JSON"):
        read_meta(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.update(name="vnet"), "vnet"),
        (lambda model: model["kwargs"].update(attention=True), "attention"),
        (lambda model: model["kwargs"].pop("in_channels"), "in_channels"),
    ],
    ids=["architecture", "setting", "missing setting"],
)
def test_unknown_networks_are_refused_by_name(bundle: Path, change: Any, message: str) -> None:
    rewrite_header(bundle, lambda described: change(described["model"]))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)


def test_missing_and_unexpected_weights_are_named(bundle: Path) -> None:
    with safe_open(bundle, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        header = file.metadata()
    gone = next(iter(tensors))
    tensors["stranger"] = tensors.pop(gone).clone()
    save_file(tensors, bundle, metadata=header)
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle)
    assert caught.value.details == (f"missing: {gone}", "unexpected: stranger")


@pytest.mark.parametrize(("threshold", "thresholds"), [(0.5, []), (0.3, [0.3, 0.3])])
def test_bundles_with_one_threshold_for_all_classes_are_read(
    bundle: Path, threshold: float, thresholds: list[float]
) -> None:
    def as_before(described: dict[str, Any]) -> None:
        target = described["targets"]["mask"]
        del target["thresholds"]
        target["threshold"] = threshold

    rewrite_header(bundle, as_before)
    assert load_bundle(bundle).meta.targets["mask"].thresholds == thresholds
