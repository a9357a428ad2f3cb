"""Fixtures for tests that run the whole of Limner."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import limner
from limner.cli import main

# A change is judged by the same examples each time; at home, new ones are tried.
# Machines are busy at times, so no example has a deadline.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


SMALL = {
    "training.device": "cpu",
    "training.precision": "float32",
    "training.batch": 4,
    "training.steps_per_epoch": 2,
    "data.size": [32, 32],
    "data.fit": "resize",
    "model.conv_sizes": [4, 8],
}
"""Settings of a training of a second or two."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn pictures of cells with masks."""
    return Path(limner.sample("cells", tmp_path_factory.mktemp("data") / "cells", count=12))


@pytest.fixture(scope="session")
def small_train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "limner.Run"]:
    """`train` with settings that take a second or two; further settings by name."""

    def run(data: Path | None, out: Path | None = None, **arguments: object) -> "limner.Run":
        settings = SMALL | {"training.epochs": 2} | dict(arguments.pop("settings", {}))  # type: ignore[arg-type]
        return limner.train(data, out=out, settings=settings, **arguments)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def trained(
    cells: Path, small_train: Callable[..., "limner.Run"], tmp_path_factory: pytest.TempPathFactory
) -> "limner.Run":
    """A finished run on the cells; read it, do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return small_train(cells, tmp_path_factory.mktemp("runs") / "cells")


@pytest.fixture
def every_task(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes the bundle of an untrained network, whose norms have statistics, with a target of each task."""
    import torch

    from limner import bundle as bundles
    from limner.models import Ensemble, create_model

    options: dict[str, dict[str, Any]] = {
        "unet": {"conv_sizes": [4, 8]},
        "improved_unet": {"conv_sizes": [4, 8, 8]},
        "encoder_unet": {"encoder": "test_resnet", "decoder_sizes": [8, 8, 4, 4, 4]},
    }
    black = (0, 0, 0)
    targets = {
        "binary": bundles.TargetSpec(
            task="binary", names=["rest", "cell"], colors=[black] * 2, thresholds=[0.5, 0.4], temperature=1.5
        ),
        "multiclass": bundles.TargetSpec(
            task="multiclass", names=["a", "b", "c"], colors=[black] * 3, thresholds=[0.5, 0.6, 0.4], temperature=0.8
        ),
        "multilabel": bundles.TargetSpec(task="multilabel", names=["x", "y"], colors=[black] * 2),
        "regression": bundles.TargetSpec(task="regression", names=["depth"], colors=[black], low=1.0, high=5.0),
    }

    def create(architecture: str, kwargs: dict[str, Any]) -> Any:
        network = create_model(architecture, **kwargs)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        return network

    def make(architecture: str, members: int = 1, **given: Any) -> Path:
        channels = given.get("channels", 3)
        inputs: dict[str, Any] = {
            "channels": channels,
            "dtype": "uint8",
            "low": 0.0,
            "high": 255.0,
            "mean": [0.5] * channels,
            "std": [0.25] * channels,
            "fit": "native",
        }
        outputs = {"binary": 1, "multiclass": 3, "multilabel": 2, "regression": 1}
        kwargs = {**options[architecture], "in_channels": channels, "out_channels": outputs}
        torch.manual_seed(5)
        networks = [create(architecture, kwargs) for _ in range(members)]
        meta = bundles.BundleMeta(
            model=bundles.ModelSpec(name=architecture, kwargs=kwargs, members=members),
            inputs=bundles.InputSpec(**(inputs | given)),
            targets=targets,
            tiling=bundles.TilingSpec(size=64),
            data=bundles.DataSpec(hash="0", count=1),
        )
        path = tmp_path_factory.mktemp(architecture) / "model.safetensors"
        bundles.save_bundle(path, networks[0] if members == 1 else Ensemble(networks), meta)
        return path

    return make


@pytest.fixture(name="limner")
def _command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command in this process; a traceback fails the test."""

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["limner", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def refused(limner: Callable[..., Result]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2; gives the block that it printed."""

    def run(*words: object) -> str:
        result = limner(*words)
        assert (result.code, result.out) == (2, ""), result
        for label in ("Error\n", "Expected  ", "Found     ", "To do     "):
            assert label in result.err, result.err
        return result.err

    return run


class Scans:
    """Writes DICOM and NIfTI as other programs do. Series and volumes of one array lie in one place."""

    axial = (1, 0, 0, 0, 1, 0)
    affine = np.array([[-0.7, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 3, -7], [0, 0, 0, 1.0]])
    """Of NIfTI voxels `columns rows slices` that lie where `series` puts its slices."""

    def picture(self, stored: np.ndarray, **attributes: Any) -> Any:
        """A DICOM data set of stored numbers `[frames] height width [3]`; attributes replace what is usual."""
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        found = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        color = stored.ndim > 2 and stored.shape[-1] == 3
        frames = stored if stored.ndim == 3 + color else stored[None]
        found.Rows, found.Columns = frames.shape[1:3]
        if len(frames) > 1:
            found.NumberOfFrames = len(frames)
        found.SamplesPerPixel = 3 if color else 1
        found.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
        if color:
            found.PlanarConfiguration = 0
        found.BitsAllocated = 8 * stored.itemsize
        found.BitsStored = attributes.pop("BitsStored", found.BitsAllocated)
        found.HighBit = found.BitsStored - 1
        found.PixelRepresentation = int(stored.dtype.kind == "i")
        found.PixelData = stored.tobytes() + bytes(stored.nbytes % 2)
        for name, value in attributes.items():
            setattr(found, name, value)
        return found

    def dicom(self, path: Path, stored: np.ndarray, **attributes: Any) -> str:
        """Write such a data set, and give its location."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.picture(stored, **attributes).save_as(path, enforce_file_format=True)
        return str(path)

    def series(self, folder: Path, voxels: np.ndarray, names: list[str] | None = None, **attributes: Any) -> None:
        """Axial slices 3 mm apart, from the feet up, of `slices height width`."""
        from pydicom.uid import generate_uid

        usual = {"SeriesInstanceUID": generate_uid(), "PixelSpacing": [0.5, 0.7]}
        for number, plane in enumerate(voxels):
            name = names[number] if names else f"IM{number:04}.dcm"
            place = {"ImageOrientationPatient": list(self.axial), "ImagePositionPatient": [10, 20, 3 * number - 7]}
            self.dicom(folder / name, plane, **(usual | place | attributes))

    def nifti(self, path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, **header: Any) -> str:
        """Write voxels `slices height width` as such a volume, or voxels as they are under an affine of their own."""
        import nibabel

        path.parent.mkdir(parents=True, exist_ok=True)
        stored = voxels.T if affine is None else voxels
        image = nibabel.Nifti1Image(stored, self.affine if affine is None else affine)
        for name, value in header.items():
            image.header[name] = value
        nibabel.save(image, path)
        return str(path)


@pytest.fixture(scope="session")
def scans() -> Scans:
    """Writes DICOM and NIfTI."""
    return Scans()
