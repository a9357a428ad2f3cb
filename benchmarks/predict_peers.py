"""The other sides of `predict.py`: the loop most repositories have, and how peers predict a folder.

Each function predicts `pictures` with the network of a Limner bundle, as its project shows it, writes masks of 0 and 1
into `out`, and appends the time after each picture to `finished`. Peers need their own package beside Limner;
`predict.py` makes an environment for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from limner.bundle import load_bundle

TILE = 512


def plain(bundle: Path, pictures: list[Path], out: Path, finished: list[float]) -> None:
    """Pillow → eager float32 PyTorch → Pillow, one picture at a time, whole."""
    model = load_bundle(bundle).model.eval()
    for path in pictures:
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            logits = model((image - 0.5) / 0.25)["mask"]
        _write(logits[0, 0].sigmoid() > 0.5, out / path.name)
        finished.append(time.perf_counter())


class _Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        image = np.array(Image.open(self.paths[number]).convert("RGB")).transpose(2, 0, 1)
        return (torch.from_numpy(image).float() / 255 - 0.5) / 0.25, number


def smp(bundle: Path, pictures: list[Path], out: Path, finished: list[float]) -> None:
    """A model of segmentation_models.pytorch behind a DataLoader, as its examples have it.

    The network is SMP's own: its U-Net on MobileNetV2, or on ResNet34 in place of the plain U-Net.
    """
    import segmentation_models_pytorch as library

    encoder = "mobilenet_v2" if "mobilenet" in bundle.name else "resnet34"
    model = library.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).eval()
    batch = 4 if np.prod(Image.open(pictures[0]).size) <= TILE**2 else 1
    loader = torch.utils.data.DataLoader(_Pictures(pictures), batch_size=batch, num_workers=2)
    for images, numbers in loader:
        with torch.inference_mode():
            masks = model(images).sigmoid() > 0.5
        for mask, number in zip(masks, numbers.tolist(), strict=True):
            _write(mask[0], out / pictures[number].name)
            finished.append(time.perf_counter())


def monai(bundle: Path, pictures: list[Path], out: Path, finished: list[float]) -> None:
    """MONAI's transforms, DataLoader and sliding window (gaussian, a quarter over the neighbour, as its tutorials)."""
    from monai.data import DataLoader, Dataset
    from monai.inferers import sliding_window_inference
    from monai.transforms import Compose, EnsureChannelFirst, LoadImage, NormalizeIntensity, ScaleIntensityRange

    model = load_bundle(bundle).model.eval()
    prepare = Compose(
        [
            LoadImage(image_only=True),
            EnsureChannelFirst(),
            ScaleIntensityRange(a_min=0, a_max=255, b_min=0, b_max=1),
            NormalizeIntensity(subtrahend=0.5, divisor=0.25),  # type: ignore[arg-type]
        ]
    )
    loader = DataLoader(Dataset([str(path) for path in pictures], prepare), batch_size=1, num_workers=2)
    for path, images in zip(pictures, loader, strict=True):
        with torch.no_grad():
            logits = sliding_window_inference(
                images, (TILE, TILE), 4, lambda tiles: model(tiles)["mask"], overlap=0.25, mode="gaussian"
            )
        # Its reader of pictures puts columns first.
        _write((torch.as_tensor(logits)[0, 0].sigmoid() > 0.5).T, out / path.name)
        finished.append(time.perf_counter())


class TwoClasses(nn.Module):
    """The network with the two outputs that nnU-Net expects of a binary mask, and its normalisation."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Logits of both classes, of pictures of 0 to 1."""
        logits: Tensor = self.model((images - 0.5) / 0.25)["mask"]
        return torch.cat([torch.zeros_like(logits), logits], dim=1)


def nnunet(bundle: Path, pictures: list[Path], out: Path, finished: list[float]) -> None:
    """nnU-Net's predictor from files to files with the same network in it: its readers, tiles, workers and writers.

    Without mirroring, and with a quarter of a tile over the neighbour. It says nothing of single pictures, so the
    time of a picture is that of its call of the network.
    """
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    class Timed(nnUNetPredictor):  # type: ignore[misc]
        def predict_logits_from_preprocessed_data(self, data: Tensor) -> Tensor:
            logits: Tensor = super().predict_logits_from_preprocessed_data(data)
            finished.append(time.perf_counter())
            return logits

    order = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    resampling = "resample_data_or_seg_to_shape"
    configuration = {
        "data_identifier": "2d", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [TILE, TILE], "median_image_size_in_voxels": [TILE, TILE], "spacing": [1.0, 1.0],
        "normalization_schemes": ["RGBTo01Normalization"] * 3, "use_mask_for_norm": [False] * 3,
        "resampling_fn_data": resampling, "resampling_fn_data_kwargs": order,
        "resampling_fn_seg": resampling, "resampling_fn_seg_kwargs": {**order, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": resampling, "resampling_fn_probabilities_kwargs": {**order, "order": 1},
        "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
        "batch_dice": True,
    }  # fmt: skip
    plans = {
        "dataset_name": "Dataset001", "plans_name": "nnUNetPlans", "image_reader_writer": "NaturalImage2DIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "configurations": {"2d": configuration},
        "original_median_spacing_after_transp": [999.0, 1.0, 1.0], "experiment_planner_used": "ExperimentPlanner",
        "original_median_shape_after_transp": [1, TILE, TILE], "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(channel): {"mean": 0, "std": 1, "percentile_00_5": 0, "percentile_99_5": 1} for channel in range(3)
        },
    }  # fmt: skip
    manager = PlansManager(plans)
    network = TwoClasses(load_bundle(bundle).model.eval())
    predictor = Timed(
        tile_step_size=0.75, use_gaussian=True, use_mirroring=False, perform_everything_on_device=False,
        device=torch.device("cpu"), verbose=False, allow_tqdm=False,
    )  # fmt: skip
    dataset = {
        "channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".png",
    }  # fmt: skip
    predictor.manual_initialization(
        network, manager, manager.get_configuration("2d"), [network.state_dict()], dataset, "nnUNetTrainer", None
    )
    predictor.predict_from_files(
        [[str(path)] for path in pictures],
        [str(out / path.stem) for path in pictures],
        num_processes_preprocessing=2,
        num_processes_segmentation_export=2,
    )
    finished.append(time.perf_counter())  # the last masks are written


PREDICT: dict[str, Callable[[Path, list[Path], Path, list[float]], None]] = {
    "plain loop": plain,
    "SMP": smp,
    "MONAI": monai,
    "nnU-Net": nnunet,
}


def _write(mask: Tensor, path: Path) -> None:
    Image.fromarray(mask.numpy().astype(np.uint8)).save(path)
