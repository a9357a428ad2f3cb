"""Training: Limner against a plain loop, SMP with Lightning, MONAI and nnU-Net, with the same network and pictures.

    python benchmarks/training.py --environments DIR               # some twenty minutes on 2 cores
    python benchmarks/training.py --environments DIR --only parts  # loader and augmentation alone

Drawn pictures of cells in colour with a binary mask, as PNG. `training_peers.py` says what the other sides do; all
train the same network, at the same size and batch. Limner's side is `limner train`, nothing left out but validation:
augmentation, gradient clipping, moving average, checkpoints. Each measurement is a process of its own, and sides
alternate. It yields

- images/s of a step: the median, without the first two;
- images/s of the second epoch, from the end of the first to its own: its cache is warm, its workers start anew;
- seconds of the processor per picture in that time, of workers too, which depend less on what else the machine does;
- the start: seconds from the process's beginning to the end of its first step, what is prepared before it included;
- the most memory that the process and its workers hold together.

`training_costs.py` measures how Limner's own cost grows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from predict import environment, memory

PEERS = {"plain loop": "", "SMP + Lightning": "segmentation-models-pytorch", "MONAI": "monai", "nnU-Net": "nnunetv2"}
SIDES = (*PEERS, "Limner")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "classic U-Net": ("unet", {"conv_sizes": [64, 128, 256, 512]}),
    "U-Net on MobileNetV2": ("encoder_unet", {"encoder": "mobilenetv2_100"}),
}
PARTS = ("loader", "augmentation")


@dataclass(frozen=True)
class Case:
    """What is trained, on how many pictures, for how many epochs."""

    network: str
    size: int
    batch: int
    count: int
    epochs: int


STEPS = [Case(name, size, batch, 6 * batch, 1) for name in NETWORKS for size, batch in ((128, 8), (512, 1))]
EPOCH = Case("U-Net on MobileNetV2", 256, 8, 200, 2)


@dataclass(frozen=True)
class Measured:
    """What one process gave: images/s of a step and of the second epoch, processor seconds, start, bytes."""

    step: float
    epoch: float
    busy: float
    start: float
    held: float


class Steps:
    """When each step ended, and what the processor had spent by then."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.busy: list[float] = []

    def mark(self) -> None:
        """Note that a step has ended."""
        self.moments.append(time.time())
        self.busy.append(self._busy())

    @staticmethod
    def _busy() -> float:
        """Seconds of this process and of its workers, those that have not ended too."""
        total = sum(os.times()[:4])
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue  # ended meanwhile
            if int(fields[1]) == os.getpid():
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total


def limner(case: Case, folder: Path, out: Path, steps: Steps) -> None:
    """`limner train`, with as few validation and test samples as it takes."""
    from limner.allocator import keep_large_blocks

    keep_large_blocks()
    import limner
    from limner.training import callbacks
    from limner.training.progress import Silent

    class Watch(Silent):
        def step(self, state: object, loss: float) -> None:
            steps.mark()

    callbacks.REPORT_EVERY = -1.0  # each step, not one a second

    name, kwargs = NETWORKS[case.network]
    limner.train(
        folder,
        out=out / "run",
        settings={
            "model.name": name,
            **{f"model.{key}": value for key, value in kwargs.items()},
            "model.pretrained": False,
            "data.split": f"{case.count}:2:2",
            "data.fit": "resize",
            "data.size": [case.size, case.size],
            "data.cache_dir": str(out / "cache"),
            "training.batch": case.batch,
            "training.epochs": case.epochs,
            "training.steps_per_epoch": case.count // case.batch,
            "training.pilot": False,
            "training.device": "cpu",
        },
        reporter=Watch(),
    )


def one(side: str, case: Case, folder: Path, out: Path) -> Steps:
    """Train, in this process."""
    steps = Steps()
    if side == "Limner":
        limner(case, folder, out, steps)
    else:
        import training_peers

        name, kwargs = NETWORKS[case.network]
        training_peers.TRAIN[side](name, kwargs, case, folder, out, steps.mark)
    return steps


def measure(python: str, side: str, case: Case, folder: Path) -> Measured:
    """Train in a process of its own."""
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile("w+") as errors:
        answer = Path(out) / "answer.json"
        command = [python, __file__, "--one", side, json.dumps(vars(case)), str(folder), out]
        begun = time.time()
        process = subprocess.Popen(command, stdout=errors, stderr=errors)
        most = 0
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(0.2)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{errors.read()[-3000:]}")
        found = json.loads(answer.read_text())
    moments, busy = found["moments"], found["busy"]
    per_epoch = len(moments) // case.epochs
    seconds = [later - earlier for earlier, later in itertools.pairwise(moments)][1:]
    images = per_epoch * case.batch
    return Measured(
        step=case.batch / statistics.median(seconds),
        epoch=images / (moments[-1] - moments[-1 - per_epoch]) if case.epochs > 1 else 0.0,
        busy=(busy[-1] - busy[-1 - per_epoch]) / images if case.epochs > 1 else 0.0,
        start=moments[0] - begun,
        held=most / 2**30,
    )


def measure_all(pythons: dict[str, str], case: Case, folder: Path, rounds: int) -> dict[str, Measured]:
    """Medians over rounds, sides alternating."""
    found: dict[str, list[Measured]] = {side: [] for side in pythons}
    for _ in range(rounds):
        for side, python in pythons.items():
            found[side].append(measure(python, side, case, folder))
    columns = {side: zip(*(vars(item).values() for item in items), strict=True) for side, items in found.items()}
    return {side: Measured(*map(statistics.median, values)) for side, values in columns.items()}


def draw_pictures(folder: Path, case: Case) -> Path:
    """Pictures in colour: readers of the peers count channels, and the drawn ones are grey."""
    import numpy as np

    import limner
    from limner.images import read_image, write_image

    place = folder / f"{case.count}x{case.size}"
    if not place.exists():
        limner.sample("cells", place, count=case.count + 4, size=(case.size, case.size))
        for path in (place / "images").iterdir():
            write_image(path, np.repeat(read_image(str(path))[..., :1], 3, axis=2))
    return place


def parts(pythons: dict[str, str], folder: Path) -> None:
    """Loader and augmentation alone, in images/s."""
    for part in PARTS:
        print(f"\n{part}, images/s\n\n| side | 128² | 512² |\n|---|--:|--:|", flush=True)
        for side, python in pythons.items():
            rates = []
            for size, count in ((128, 400), (512, 64)):
                place = draw_pictures(folder, replace(EPOCH, size=size, count=count))
                script = str(Path(__file__).with_name("training_parts.py"))
                command = [python, script, part, side, str(place), str(size)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
                rates.append(done.stdout.splitlines()[-1])
            if rates != ["none", "none"]:
                print(f"| {side} | {' | '.join(rates)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--environments", type=Path, help="folder of the peers' environments")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sides", nargs="*", default=list(SIDES))
    parser.add_argument("--only", nargs="*", default=["steps", "epoch", "parts"], choices=["steps", "epoch", "parts"])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), help="whose steps are measured")
    parser.add_argument("--one", nargs=4, metavar=("SIDE", "CASE", "FOLDER", "OUT"))
    arguments = parser.parse_args()
    if arguments.one:
        side, case, folder, out = arguments.one
        steps = one(side, Case(**json.loads(case)), Path(folder), Path(out))
        (Path(out) / "answer.json").write_text(json.dumps(vars(steps)))
        return
    import torch

    print(f"torch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    pythons = {side: environment(arguments.environments, side, PEERS) for side in arguments.sides}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "steps" in arguments.only:
            print("\nstep, images/s\n\n| network | picture | batch | " + " | ".join(pythons) + " |")
            print("|---|---|--:|" + "--:|" * len(pythons), flush=True)
            for case in (case for case in STEPS if case.network in arguments.networks):
                found = measure_all(pythons, case, draw_pictures(folder, case), arguments.rounds)
                plain = found["plain loop"].step
                cells = (f"{item.step:.3g} ({item.step / plain:.2f}×)" for item in found.values())
                print(f"| {case.network} | {case.size}² | {case.batch} | {' | '.join(cells)} |", flush=True)
        if "epoch" in arguments.only:
            found = measure_all(pythons, EPOCH, draw_pictures(folder, EPOCH), arguments.rounds)
            print(f"\n{EPOCH.count} pictures of {EPOCH.size}², batch {EPOCH.batch}, {EPOCH.network}\n")
            print("| side | images/s | × | processor s/image | × | start, s | GiB |\n|---|--:|--:|--:|--:|--:|--:|")
            base = found["plain loop"]
            for side, item in found.items():
                faster, lighter = item.epoch / base.epoch, base.busy / item.busy
                print(
                    f"| {side} | {item.epoch:.2f} | {faster:.2f} | {item.busy:.3f} | {lighter:.2f} "
                    f"| {item.start:.1f} | {item.held:.2f} |",
                    flush=True,
                )
        if "parts" in arguments.only:
            parts(pythons, folder)


if __name__ == "__main__":
    main()
