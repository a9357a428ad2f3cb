"""How the cost of training grows with picture size, number of pictures, classes and workers; prints and draws it.

    python benchmarks/training_costs.py [--out benchmarks/training_costs.svg]

Drawn pictures, Limner's U-Net for CPUs (widths 16 to 256 unless a row says otherwise) with its default augmentation,
one process a point:

- picture size: a step of one picture of 64² to 1024²;
- pictures: the start until the first step, cold, and an epoch's time per picture, for 100 to 3,200 pictures of 64²
  (widths 4 and 8: the network must not hide the rest);
- classes: a step of 4 pictures of 256² with 2 to 128 classes, of ids that overlap in no pixel;
- workers: batches of a warm cache from Limner's one thread, and from PyTorch's DataLoader with 0 to 4 worker processes
  over the same files.

`--share` measures instead how much of the machine's own rate of bf16 convolutions a whole training step of the classic
U-Net (64 to 512) reaches, at 128² and batch 8 and at 512² and batch 1: augmentation, loss, optimiser and moving average
are in its time, and only the multiplications of its convolutions are counted. The machine's rate is that of the fastest
of three 3×3 convolutions, forward and backward, alone, in the layout that is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

SIZES = (64, 128, 256, 512, 1024)
COUNTS = (100, 400, 1600, 3200)
CLASSES = (2, 8, 32, 128)
WORKERS = (0, 1, 2, 4)
STEPS = 8
ROUNDS = 3
SMALL, CLASSIC = (16, 32, 64, 128, 256), (64, 128, 256, 512)
CONVOLUTIONS = ((64, 256), (128, 128), (256, 64))
"""Channels and side of those that the machine's rate is measured with."""


def step_seconds(size: int, batch: int, classes: int, conv_sizes: Sequence[int] = SMALL) -> float:
    """Median of some steps of `limner train`'s module on random pictures in memory."""
    import torch

    from limner.augment import PRESETS
    from limner.inference.hardware import choose_precision
    from limner.losses import create_loss
    from limner.models import create_model
    from limner.training.module import Objective, SegmentationModule
    from limner.training.optimizers import create_optimizer
    from limner.types import Task

    torch.manual_seed(0)
    task: Task = "binary" if classes == 2 else "multiclass"
    loss = "bce+dice" if classes == 2 else "ce+dice"
    outputs = 1 if classes == 2 else classes
    model = create_model("unet", in_channels=3, out_channels={"mask": outputs}, conv_sizes=list(conv_sizes))
    module = SegmentationModule(
        model,
        lambda epoch: Objective({"mask": create_loss(loss, task=task)}),
        PRESETS["default"],
        value_range=(0.0, 255.0),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        optimizer=lambda network: create_optimizer("adamw", network, lr=1e-3),
        rate=lambda state: 1e-3,
        ema=0.99,
        grad_clip=1.0,
        memory_format=torch.channels_last,
    )
    module.train()
    module.on_train_epoch_start()
    optimizer = module.configure_optimizers()
    bf16 = choose_precision("auto", torch.device("cpu")) == "bf16"
    seconds = []
    for number in range(STEPS):
        images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        target = torch.randint(0, classes, (batch, size, size), dtype=torch.uint8)
        keys = torch.arange(batch) + batch * number
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            module.training_step(
                {"images": images, "targets": {"mask": target}, "keys": keys, "epoch": torch.tensor(0)}, number
            )
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        module.follow()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[2:])


def convolution_rate() -> float:
    """Most bf16 FLOP/s of a 3×3 convolution on this machine, forward and backward."""
    import torch

    best = 0.0
    for channels, side in CONVOLUTIONS:
        for layout in (torch.contiguous_format, torch.channels_last):
            convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            convolution = convolution.bfloat16().to(memory_format=layout)
            images = torch.randn(4, channels, side, side, dtype=torch.bfloat16).contiguous(memory_format=layout)
            images.requires_grad_()
            seconds = []
            for _ in range(STEPS):
                begun = time.perf_counter()
                result = convolution(images)
                result.backward(torch.ones_like(result))
                seconds.append(time.perf_counter() - begun)
            work = 3 * 2 * 9 * channels**2 * side**2 * 4
            best = max(best, work / statistics.median(seconds[2:]))
    return best


def step_work(size: int, batch: int) -> int:
    """FLOP of forward and backward of the classic U-Net, by torch's own count."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from limner.models import create_model

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = create_model("unet", in_channels=3, out_channels=1, conv_sizes=list(CLASSIC))
        network(torch.empty(batch, 3, size, size))["mask"].sum().backward()
    return int(counter.get_total_flops())


def share(size: int, batch: int) -> list[tuple[float, float]]:
    """FLOP/s of a whole step, and of the machine just before and after, in several rounds: both drift."""
    work, rates, reached = step_work(size, batch), [convolution_rate()], []
    for _ in range(ROUNDS):
        reached.append(work / step_seconds(size, batch, 2, CLASSIC))
        rates.append(convolution_rate())
    return [(one, (before + after) / 2) for one, (before, after) in zip(reached, pairwise(rates), strict=True)]


def start_and_epoch(count: int) -> tuple[float, float]:
    """Seconds until the first step of `limner train`, imports left out, and of its second epoch per picture."""
    import limner
    from limner.training import callbacks
    from limner.training.progress import Silent

    callbacks.REPORT_EVERY = -1.0  # each step, not one a second
    moments: list[float] = []

    class Watch(Silent):
        def step(self, state: object, loss: float) -> None:
            moments.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        place = limner.sample("cells", Path(folder) / "cells", count=count + 4, size=(64, 64))
        begun = time.perf_counter()
        limner.train(
            place,
            out=Path(folder) / "run",
            settings={
                "data.split": f"{count}:2:2", "data.cache_dir": str(Path(folder) / "cache"), "model.conv_sizes": [4, 8],
                "training.batch": 20, "training.epochs": 2, "training.steps_per_epoch": count // 20,
                "training.pilot": False, "training.device": "cpu",
            },
            reporter=Watch(),
        )  # fmt: skip
    steps = count // 20
    return moments[0] - begun, (moments[-1] - moments[steps - 1]) / count


def loader_rate(workers: int) -> float:
    """Images/s of batches of 8 of 200 pictures of 128²: Limner's thread for -1, else so many DataLoader workers."""
    import torch
    from training_parts import load_limner, rate_of
    from training_peers import Pairs, pairs

    from training import EPOCH, Case, draw_pictures

    case = Case(EPOCH.network, 128, 8, 200, 1)
    with tempfile.TemporaryDirectory() as folder:
        place = draw_pictures(Path(folder), case)
        if workers < 0:
            return float(load_limner(place, case))
        data = Pairs(pairs(place, case.count))
        return float(rate_of(lambda: torch.utils.data.DataLoader(data, 8, shuffle=True, num_workers=workers), 200))


def one(what: str, number: int) -> Any:
    """A point, in this process."""
    from limner.allocator import keep_large_blocks

    if what != "workers" or number < 0:
        keep_large_blocks()
    if what == "size":
        return step_seconds(number, 1, 2)
    if what == "share":
        return share(number, 8 if number == 128 else 1)
    if what == "classes":
        return step_seconds(256, 4, number)
    return loader_rate(number) if what == "workers" else start_and_epoch(number)


def measure(what: str, number: int) -> Any:
    """A point, in a process of its own."""
    command = [sys.executable, __file__, "--one", what, str(number)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def draw(found: dict[str, dict[int, Any]], out: Path) -> None:
    """One panel a curve; both axes logarithmic where proportional growth is a straight line of slope 1."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "limner"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained")
    sizes, counts, classes, workers = (found[name] for name in ("size", "count", "classes", "workers"))
    pixels = [size**2 / 1e6 for size in sizes]
    axes[0].loglog(pixels, list(sizes.values()), "o-", label="measured")
    per_pixel = sizes[512] / (512**2 / 1e6)
    axes[0].loglog(pixels, [per_pixel * value for value in pixels], ":", color="grey", label="proportional")
    axes[0].set(xlabel="million pixels", ylabel="s/step", title="Picture size")
    axes[1].loglog(list(counts), [start for start, _ in counts.values()], "o-", label="start, s")
    axes[1].loglog(list(counts), [1000 * each for _, each in counts.values()], "s--", label="epoch, ms/picture")
    axes[1].set(xlabel="training pictures", title="Pictures")
    axes[2].semilogx(list(classes), list(classes.values()), "o-")
    axes[2].set(xlabel="classes", ylabel="s/step", title="Classes", ylim=(0, None))
    axes[3].semilogy([number for number in workers if number >= 0], [workers[n] for n in workers if n >= 0], "o-",
                     label="DataLoader")  # fmt: skip
    axes[3].axhline(workers[-1], color="C1", label="Limner's thread")
    axes[3].set(xlabel="worker processes", ylabel="images/s", title="Loader")
    for place in (0, 1, 3):
        axes[place].legend()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".svg"))
    parser.add_argument("--share", action="store_true", help="of the machine's rate of convolutions")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "NUMBER"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], int(arguments.one[1]))))
        return
    if arguments.share:
        for size in (128, 512):
            for reached, rate in measure("share", size):
                print(f"{size}²: {reached / 1e9:.0f} of {rate / 1e9:.0f} GFLOP/s, {reached / rate:.0%}", flush=True)
        return
    points = {"size": SIZES, "count": COUNTS, "classes": CLASSES, "workers": (-1, *WORKERS)}
    found: dict[str, dict[int, Any]] = {}
    for what, numbers in points.items():
        found[what] = {}
        for number in numbers:
            found[what][number] = measure(what, number)
            print(what, number, found[what][number], flush=True)
    draw(found, arguments.out)


if __name__ == "__main__":
    main()
