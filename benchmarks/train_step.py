"""Training step: Limner against the same U-Net in plain eager fp32 PyTorch.

    python benchmarks/train_step.py            # about 10 minutes on 2 cores

Both sides train the network of 31,037,698 parameters (3 channels in, 2 out) on the same uint8
pictures with cross-entropy and AdamW. The plain side is the loop most repositories have: float32,
channels first, PyTorch's allocator, no augmentation. Limner's side is what `limner train` runs,
nothing left out: batches from its loader, augmentation, bf16, channels-last, gradient clipping,
moving average, in Lightning. Each measurement is a process of its own; sides alternate, so that a
noisy machine disturbs both. The ratio of medians is what counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES = ((128, 8), (512, 1))


def plain(size: int, batch: int, steps: int) -> list[float]:
    import torch

    from limner.models import create_model

    torch.manual_seed(0)
    model = create_model("unet", in_channels=3, out_channels=2).train()
    assert sum(parameter.numel() for parameter in model.parameters()) == 31_037_698
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    pictures = torch.randint(0, 256, (8 * batch, 3, size, size), dtype=torch.uint8)
    masks = torch.randint(0, 2, (8 * batch, size, size))
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        chosen = torch.randint(0, 8 * batch, (batch,))
        images = pictures[chosen].float() / 255
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images)["mask"], masks[chosen])
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begin)
    return seconds


def limner(size: int, batch: int, steps: int) -> list[float]:
    from limner.allocator import keep_large_blocks

    keep_large_blocks()
    import lightning.pytorch as pl
    import numpy as np
    import torch

    from limner.augment import PRESETS
    from limner.data.cache import Taken
    from limner.inference.hardware import choose_precision
    from limner.losses import create_loss
    from limner.models import create_model
    from limner.training.loader import Batches, EpochOrder
    from limner.training.module import Objective, SegmentationModule
    from limner.training.optimizers import create_optimizer

    class Memory:
        """Samples in memory, as the cache gives them."""

        uniform = True
        ids = tuple(f"{number}" for number in range(8 * batch))

        def __init__(self) -> None:
            rng = np.random.default_rng(0)
            self.images = rng.integers(0, 256, (8 * batch, size, size, 3), dtype=np.uint8)
            self.masks = rng.integers(0, 2, (8 * batch, size, size), dtype=np.uint8)

        def __len__(self) -> int:
            return len(self.images)

        def size(self, index: int) -> tuple[int, int]:
            return size, size

        def take(self, indices: np.ndarray) -> Taken:
            return Taken(list(self.images[indices]), {"mask": list(self.masks[indices])})

    class Timer(pl.Callback):
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.mark = time.perf_counter()

        def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs, *_) -> None:
            assert isinstance(module, SegmentationModule)
            module.state.step += 1
            outputs["loss"].item()
            now = time.perf_counter()
            self.seconds.append(now - self.mark)
            self.mark = now

    torch.manual_seed(0)
    model = create_model("unet", in_channels=3, out_channels={"mask": 2})
    module = SegmentationModule(
        model,
        lambda epoch: Objective({"mask": create_loss("ce", task="multiclass")}),
        PRESETS["default"],
        value_range=(0.0, 255.0),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        optimizer=lambda network: create_optimizer("adamw", network, lr=1e-3),
        rate=lambda state: 1e-3,
        ema=0.99,
        grad_clip=1.0,
        memory_format=torch.channels_last,
    )
    timer = Timer()
    samples = Memory()
    order = EpochOrder(len(samples), batch, steps=steps, seed=0)
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed" if choose_precision("auto", torch.device("cpu")) == "bf16" else "32-true",
        max_steps=steps,
        max_epochs=-1,
        callbacks=[timer],
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, Batches(samples, order, module.state, size=(size, size)))
    return timer.seconds


def measure(side: str, size: int, batch: int, steps: int) -> list[float]:
    arguments = [sys.executable, __file__, "--side", side, "--size", size, "--batch", batch, "--steps", steps]
    done = subprocess.run([str(word) for word in arguments], check=True, capture_output=True, text=True)
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def compare(rounds: int, steps: int) -> None:
    import torch

    print(f"torch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    print("| picture | batch | plain eager fp32, images/s | Limner, images/s | ratio |")
    print("|---|--:|--:|--:|--:|")
    for size, batch in CASES:
        times: dict[str, list[float]] = {"plain": [], "limner": []}
        for _ in range(rounds):
            for side in times:
                # The first steps pay for memory and kernels being set up.
                times[side] += measure(side, size, batch, steps)[2:]
        rate = {side: batch / statistics.median(seconds) for side, seconds in times.items()}
        ratio = rate["limner"] / rate["plain"]
        print(f"| {size}² | {batch} | {rate['plain']:.3f} | {rate['limner']:.3f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=Path(__file__).name)
    parser.add_argument("--side", choices=("plain", "limner"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.side:
        side = plain if given.side == "plain" else limner
        print(json.dumps(side(given.size, given.batch, given.steps)))
    else:
        compare(given.rounds, given.steps)


if __name__ == "__main__":
    main()
