"""The loader or the augmentation of one side of `training.py` alone; prints images/s.

    python benchmarks/training_parts.py loader|augmentation SIDE FOLDER SIZE

Loaders give batches of 8, in two passes of which the second counts: caches are warm then. Augmentations change
pictures that are in memory, in one process, for some seconds; they are each library's own, with much the same changes.
`none` is printed where a side has none of its own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training_peers import Pairs, monai_transforms, network, nnunet_trainer, pairs

from training import EPOCH, Case

BATCH = 8
SECONDS = 4.0


def rate_of(batches: Callable[[], Iterable[Any]], count: int) -> float:
    """Images/s of the second pass."""
    for _ in batches():
        pass
    begun = time.perf_counter()
    for _ in batches():
        pass
    return count / (time.perf_counter() - begun)


def rate_of_changes(change: Callable[[int], Any], images: int = 1) -> float:
    """Images/s of something done again and again, to so many images at once."""
    change(0)
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        done += 1
        change(done)
    return images * done / (time.perf_counter() - begun)


def load_plainly(folder: Path, case: Case) -> float:
    """Two workers, float32, default collate."""
    data = Pairs(pairs(folder, case.count))
    return rate_of(lambda: torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=2), case.count)


def load_monai(folder: Path, case: Case) -> float:
    """Its cache in memory and two workers."""
    from monai.data import CacheDataset, DataLoader

    samples = [{"image": str(image), "label": str(mask)} for image, mask in pairs(folder, case.count)]
    data = CacheDataset(samples, monai_transforms(changed=False), cache_rate=1.0, num_workers=2, progress=False)
    return rate_of(lambda: DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=2), case.count)


def load_limner(folder: Path, case: Case) -> float:
    """`limner train`'s loader, from its cache."""
    from limner.training.build import open_batches
    from limner.training.plan import make_plan
    from limner.training.state import TrainingState
    from limner.workflow.settings import prepare_data, read_settings

    settings = {
        "data.split": f"{case.count}:2:2", "data.fit": "resize", "data.size": [case.size, case.size],
        "training.batch": BATCH, "training.steps_per_epoch": case.count // BATCH, "training.device": "cpu",
    }  # fmt: skip
    config = read_settings(None, (), settings, data=folder)
    data = prepare_data(config, lambda *_: None)
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    with tempfile.TemporaryDirectory() as cache:
        batches = open_batches(config, plan, data, plan.course.phases[0], TrainingState(), cache_dir=Path(cache))
        # A pass of so few pictures takes milliseconds.
        return rate_of(lambda: (batch for _ in range(20) for batch in batches), 20 * case.count)


def _stored(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    read = [[np.asarray(Image.open(path)) for path in pair] for pair in pairs(folder, BATCH)]
    return np.stack([image for image, _ in read]), np.stack([(mask > 0).astype(np.uint8) for _, mask in read])


def change_with_torchvision(folder: Path, case: Case) -> float:
    """Version 2 of its transforms, sample by sample."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    change = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(15, translate=(0.05, 0.05), scale=(0.8, 1.25), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.1, contrast=0.2),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            v2.RandomApply([v2.GaussianNoise(sigma=0.03)], p=0.3),
            v2.RandomApply([v2.GaussianBlur(5, (0.1, 1.0))], p=0.3),
            v2.Normalize([0.5] * 3, [0.25] * 3),
        ]
    )
    images, masks = _stored(folder)
    samples = [
        (tv_tensors.Image(torch.from_numpy(image.transpose(2, 0, 1).copy())), tv_tensors.Mask(torch.from_numpy(mask)))
        for image, mask in zip(images, masks, strict=True)
    ]
    return rate_of_changes(lambda number: change(*samples[number % BATCH]))


def change_with_monai(folder: Path, case: Case) -> float:
    """Its dictionary transforms, sample by sample."""
    read, change = monai_transforms(changed=False), monai_transforms(read=False)
    samples = [read({"image": str(image), "label": str(mask)}) for image, mask in pairs(folder, BATCH)]
    return rate_of_changes(lambda number: change(dict(samples[number % BATCH])))


def change_with_nnunet(folder: Path, case: Case) -> float:
    """Its transforms for training, sample by sample, on pictures large enough that turning leaves no gaps."""
    with tempfile.TemporaryDirectory() as out:
        few = Case(case.network, case.size, BATCH, 2 * BATCH, 1)
        trainer = nnunet_trainer(network("unet", {"conv_sizes": [4]}), few, folder, Path(out))
        trainer.initialize()
        rotation, flat, _, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        size = trainer.configuration_manager.patch_size
        change = trainer.get_training_transforms(size, rotation, None, axes, flat, use_mask_for_norm=[False] * 3)
        images, masks = _stored(folder)
        margin = ((0, 0), (case.size // 4, case.size // 4), (case.size // 4, case.size // 4))
        samples = [
            (
                torch.from_numpy(np.pad(image.transpose(2, 0, 1).astype(np.float32) / 255, margin, mode="reflect")),
                torch.from_numpy(np.pad(mask[None].astype(np.int16), margin, mode="reflect")),
            )
            for image, mask in zip(images, masks, strict=True)
        ]

        def changed(number: int) -> Any:
            image, mask = samples[number % BATCH]
            return change(image=image.clone(), segmentation=mask.clone())

        return rate_of_changes(changed)


def change_with_limner(folder: Path, case: Case) -> float:
    """The default preset, on batches, as a training step has it."""
    from limner.augment import PRESETS
    from limner.inference.numbers import to_unit_range

    augmentation = PRESETS["default"]
    images, masks = _stored(folder)
    stored, target = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(masks)

    def changed(number: int) -> Any:
        draw = augmentation.draw(0, 0, np.arange(BATCH) + BATCH * number, (case.size, case.size))
        batch, targets = augmentation.apply(to_unit_range(stored, 0.0, 255.0), {"mask": target}, draw)
        return (batch - 0.5) / 0.25, targets

    return rate_of_changes(changed, BATCH)


MEASURE = {
    "loader": {"plain loop": load_plainly, "MONAI": load_monai, "Limner": load_limner},
    "augmentation": {
        "plain loop": change_with_torchvision,
        "MONAI": change_with_monai,
        "nnU-Net": change_with_nnunet,
        "Limner": change_with_limner,
    },
}


def main() -> None:
    part, side, folder, size = sys.argv[1:]
    from limner.allocator import keep_large_blocks

    if side == "Limner":
        keep_large_blocks()
    count = sum(1 for _ in (Path(folder) / "images").iterdir()) - 4
    chosen = MEASURE[part].get(side)
    case = Case(EPOCH.network, int(size), BATCH, count, 1)
    print("none" if chosen is None else f"{chosen(Path(folder), case):,.0f}")


if __name__ == "__main__":
    main()
