"""The other sides of `training.py`: the loop most repositories have, and training as peers show it.

Each function trains the network `create_model(name, **kwargs)` of Limner on the first pictures of `folder`, in the way
its project shows, and calls `mark` after each step. Peers need their own package beside Limner.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from limner.models import create_model


class Case(Protocol):
    """See `training.py`."""

    size: int
    batch: int
    count: int
    epochs: int


Mark = Callable[[], None]


def pairs(folder: Path, count: int) -> list[tuple[Path, Path]]:
    """The first pictures with their masks."""
    masks = {path.stem.removesuffix("_mask"): path for path in (folder / "masks").iterdir()}
    return [(path, masks[path.stem]) for path in sorted((folder / "images").iterdir())][:count]


def network(name: str, kwargs: dict[str, Any], outputs: int = 1) -> nn.Module:
    """Limner's network."""
    torch.manual_seed(0)
    return create_model(name, in_channels=3, out_channels={"mask": outputs}, **kwargs).train()


class Pairs(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Pillow → float32 tensors, as most repositories read them."""

    def __init__(self, paths: list[tuple[Path, Path]]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        image, mask = (np.asarray(Image.open(path)) for path in self.paths[number])
        return {
            "image": (torch.from_numpy(image.transpose(2, 0, 1) / 255).float() - 0.5) / 0.25,
            "mask": torch.from_numpy((mask > 0)[None].astype(np.float32)),
        }


def plain(name: str, kwargs: dict[str, Any], case: Case, folder: Path, out: Path, mark: Mark) -> None:
    """A DataLoader with two workers and a float32 loop; no augmentation."""
    model = network(name, kwargs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = Pairs(pairs(folder, case.count))
    loader = torch.utils.data.DataLoader(data, batch_size=case.batch, shuffle=True, num_workers=2)
    for _ in range(case.epochs):
        for batch in loader:
            optimizer.zero_grad()
            logits = model(batch["image"])["mask"]
            loss = nn.functional.binary_cross_entropy_with_logits(logits, batch["mask"])
            loss.backward()
            optimizer.step()
            loss.item()
            mark()


def smp(name: str, kwargs: dict[str, Any], case: Case, folder: Path, out: Path, mark: Mark) -> None:
    """A Lightning module as in the examples of segmentation_models.pytorch: its Dice loss and statistics; float32.

    As in its example of pets, without augmentation.
    """
    import lightning.pytorch as pl
    import segmentation_models_pytorch as library

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = network(name, kwargs)
            self.loss = library.losses.DiceLoss(library.losses.BINARY_MODE, from_logits=True)
            self.outputs: list[dict[str, Tensor]] = []

        def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
            logits = self.model(batch["image"])["mask"]
            loss: Tensor = self.loss(logits, batch["mask"])
            predicted = logits.sigmoid() > 0.5
            tp, fp, fn, tn = library.metrics.get_stats(predicted.long(), batch["mask"].long(), mode="binary")
            self.outputs.append({"tp": tp, "fp": fp, "fn": fn, "tn": tn})
            return loss

        def on_train_batch_end(self, *_: Any) -> None:
            mark()

        def on_train_epoch_end(self) -> None:
            sums = [torch.cat([item[name] for item in self.outputs]) for name in ("tp", "fp", "fn", "tn")]
            self.log("iou", library.metrics.iou_score(*sums, reduction="micro-imagewise"))
            self.outputs.clear()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000, eta_min=1e-5)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    data = Pairs(pairs(folder, case.count))
    loader = torch.utils.data.DataLoader(data, batch_size=case.batch, shuffle=True, num_workers=2)
    trainer = pl.Trainer(max_epochs=case.epochs, log_every_n_steps=1, accelerator="cpu", default_root_dir=out)
    trainer.fit(Module(), loader)


def monai(name: str, kwargs: dict[str, Any], case: Case, folder: Path, out: Path, mark: Mark) -> None:
    """MONAI's transforms, cache, DataLoader and loss, as in its tutorials; float32."""
    from monai.data import CacheDataset, DataLoader
    from monai.losses import DiceCELoss

    model = network(name, kwargs)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_function = DiceCELoss(sigmoid=True)
    samples = [{"image": str(image), "label": str(mask)} for image, mask in pairs(folder, case.count)]
    data = CacheDataset(samples, monai_transforms(), cache_rate=1.0, num_workers=2, progress=False)
    loader = DataLoader(data, batch_size=case.batch, shuffle=True, num_workers=2)
    for _ in range(case.epochs):
        for batch in loader:
            optimizer.zero_grad()
            logits = model(torch.as_tensor(batch["image"].as_tensor()))["mask"]
            loss = loss_function(logits, batch["label"].as_tensor())
            loss.backward()
            optimizer.step()
            loss.item()
            mark()


def monai_transforms(*, read: bool = True, changed: bool = True) -> Any:
    """Reading, which a cache keeps, and random changes much like those of Limner's default."""
    from monai import transforms as library

    both = ["image", "label"]
    reading: list[Any] = [
        library.LoadImaged(both, image_only=True),
        library.EnsureChannelFirstd(both),
        library.ScaleIntensityRanged(["image"], 0, 255, 0, 1),
        library.ScaleIntensityRanged(["label"], 0, 255, 0, 1),
        library.NormalizeIntensityd(["image"], subtrahend=0.5, divisor=0.25),  # type: ignore[arg-type]
    ]
    changing: list[Any] = [
        library.RandFlipd(both, prob=0.5, spatial_axis=0),
        library.RandAffined(
            both, prob=0.9, rotate_range=0.26, scale_range=0.2, translate_range=8, mode=["bilinear", "nearest"],
            padding_mode="reflection",
        ),
        library.RandAdjustContrastd(["image"], prob=0.3),
        library.RandScaleIntensityd(["image"], factors=0.2, prob=0.3),
        library.RandGaussianNoised(["image"], prob=0.2, std=0.05),
        library.RandGaussianSmoothd(["image"], prob=0.2),
    ]  # fmt: skip
    return library.Compose(reading * read + changing * changed)


def nnunet(name: str, kwargs: dict[str, Any], case: Case, folder: Path, out: Path, mark: Mark) -> None:
    """nnU-Net's fingerprint, plan, preprocessing, loader with two workers, augmentation, loss and step.

    Its own trainer with the network exchanged and without deep supervision, which the others do not have; size and
    batch are set in its plan. On a CPU it computes in float32.
    """
    trainer = nnunet_trainer(network(name, kwargs), case, folder, out)
    trainer.on_train_start()
    for _ in range(case.epochs):
        trainer.on_train_epoch_start()
        for _ in range(case.count // case.batch):
            trainer.train_step(next(trainer.dataloader_train))
            mark()


def nnunet_trainer(model: nn.Module, case: Case, folder: Path, out: Path) -> Any:
    """nnU-Net's trainer, about to begin."""
    for place in ("raw", "preprocessed", "results"):
        (out / place).mkdir()
        os.environ[f"nnUNet_{place}"] = str(out / place)
    os.environ["nnUNet_n_proc_DA"] = "2"  # noqa: SIM112 (its name)
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from predict_peers import TwoClasses

    class Trainer(nnUNetTrainer):  # type: ignore[misc]
        @staticmethod
        def build_network_architecture(
            plans_manager: Any, configuration_manager: Any, num_input_channels: int, num_output_channels: int,
            enable_deep_supervision: bool = False,
        ) -> nn.Module:  # fmt: skip
            network: nn.Module = TwoClasses(model)
            return network

        def set_deep_supervision_enabled(self, enabled: bool) -> None:
            """There is none."""

        def plot_network_architecture(self) -> None:
            """Not timed: it needs a package of its own."""

    raw = out / "raw" / "Dataset001_Cells"
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    for image, mask in pairs(folder, case.count):
        Image.open(image).save(raw / "imagesTr" / f"{image.stem}_0000.png")
        ids = (np.asarray(Image.open(mask)) > 0).astype(np.uint8)
        Image.fromarray(ids).save(raw / "labelsTr" / f"{image.stem}.png")
    about = {
        "channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "cell": 1},
        "numTraining": case.count, "file_ending": ".png",
    }  # fmt: skip
    (raw / "dataset.json").write_text(json.dumps(about))
    extract_fingerprints([1], num_processes=2)
    plan_experiments([1])
    path = out / "preprocessed" / "Dataset001_Cells" / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["2d"] |= {"patch_size": [case.size, case.size], "batch_size": case.batch}
    path.write_text(json.dumps(plans))
    preprocess([1], configurations=("2d",), num_processes=(2,))
    trainer = Trainer(plans | {"continue_training": False}, "2d", "all", about, device=torch.device("cpu"))
    trainer.enable_deep_supervision = False
    return trainer


TRAIN: dict[str, Callable[[str, dict[str, Any], Case, Path, Path, Mark], None]] = {
    "plain loop": plain,
    "SMP + Lightning": smp,
    "MONAI": monai,
    "nnU-Net": nnunet,
}
