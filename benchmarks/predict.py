"""Folder prediction: Limner's engines against a plain eager loop, SMP, MONAI and nnU-Net, over the same pictures.

    python benchmarks/predict.py --environments DIR                 # 200 of 512×512 and 20 of 1280×1918
    python benchmarks/predict.py --environments DIR --share 0.1     # a tenth of them

Drawn pictures of cells in colour, as PNG; untrained networks, one binary target. `predict_peers.py` says what the other
sides do. Limner's sides are `limner predict`: read, predict and write at once. Every side but SMP, which has its own
networks, runs the same network. Sides that cut large pictures use tiles of 512 with a quarter over the neighbour; the
plain loop and SMP predict them whole. Each measurement is a process of its own, sides alternate, and what comes before
the network's first answer (imports, loading, compiling, starting workers) is left out of the rate. The clock tells how
long it takes; the processor's seconds, of the process and its workers, depend less on what else the machine does.
Memory is the most that these hold together. At the end: seconds of a whole command on one small picture.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limner.inference.inputs import ModelInput

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "unet": ("unet", {"conv_sizes": [16, 32, 64, 128]}),
    "mobilenetv2": ("encoder_unet", {"encoder": "mobilenetv2_100"}),
}
SETS = {"512×512": (200, (512, 512)), "1280×1918": (20, (1280, 1918))}
PEERS = {"plain loop": "", "SMP": "segmentation-models-pytorch", "MONAI": "monai", "nnU-Net": "nnunetv2"}
LIMNER = ("torch float32", "torch bf16", "onnxruntime float32", "openvino float32", "openvino bf16", "openvino int8")
ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, share: float) -> None:
    """Pictures of each size, and per network a bundle of each precision and a file in int8."""
    import numpy as np
    import torch

    import limner
    from limner.bundle import (
        BundleMeta,
        DataSpec,
        InputSpec,
        ModelSpec,
        TargetSpec,
        TilingSpec,
        load_bundle,
        save_bundle,
    )
    from limner.exporting.formats import write_model
    from limner.images import read_image, write_image
    from limner.models import create_model

    for name, (count, size) in SETS.items():
        limner.sample("cells", folder / name, count=max(6, round(count * share)), size=size)
        for path in (folder / name / "images").iterdir():
            # Readers of the peers count channels, and the drawn pictures are grey.
            write_image(path, np.repeat(read_image(str(path))[..., :1], 3, axis=2))
    examples = [read_image(str(path)) for path in sorted((folder / "512×512/images").iterdir())[:8]]
    inputs = InputSpec(
        channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.25] * 3, fit="native", size=(512, 512)
    )
    for name, (architecture, kwargs) in NETWORKS.items():
        torch.manual_seed(0)
        kwargs = {"in_channels": 3, "out_channels": {"mask": 1}, **kwargs}
        model = create_model(architecture, **kwargs).eval()
        meta = BundleMeta(
            model=ModelSpec(name=architecture, kwargs=kwargs),
            inputs=inputs,
            targets={"mask": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0), (255, 0, 0)])},
            tiling=TilingSpec(size=512, overlap=0.25),
            precision="float32",
            data=DataSpec(hash="0", count=0),
        )
        save_bundle(folder / f"{name}.safetensors", model, meta)
        about = {
            "limner": meta.model_dump_json(),
            "limner_export": json.dumps({"to": "openvino", "precision": "int8", "stride": model.stride}),
        }
        write_model(
            folder / f"{name}-int8.xml",
            load_bundle(folder / f"{name}.safetensors"),
            to="openvino",
            precision="int8",
            about=about,
            examples=examples,
        )


class Finished(list[float]):
    """When each picture was finished, and the processor's seconds until the first one was."""

    begun = 0.0

    def append(self, moment: float) -> None:
        """Note a moment."""
        self.begun = self.begun or time.process_time()
        super().append(moment)


def measure(folder: Path, network: str, size: str, side: str, out: Path) -> tuple[float, float]:
    """Seconds per picture by the clock and of the processor, from the first finished one on."""
    pictures = sorted((folder / size / "images").iterdir())
    finished = Finished()
    if side in PEERS:
        import predict_peers

        predict_peers.PREDICT[side](folder / f"{network}.safetensors", pictures, out, finished)
    else:
        import limner
        from limner.inference.predictor import Predictor

        attempt = Predictor.attempt_opinions

        def timed(self: Predictor, inputs: Iterable[ModelInput]) -> Iterator[tuple[ModelInput, Any]]:
            for answer in attempt(self, inputs):
                finished.append(time.perf_counter())
                yield answer

        # Masks are written behind, so that the first one is no measure of when the first picture was predicted.
        Predictor.attempt_opinions = timed  # type: ignore[method-assign]
        engine, precision = side.split()
        # In int8 a model is a file that was exported.
        int8 = precision == "int8"
        limner.predict(
            folder / (f"{network}-int8.xml" if int8 else f"{network}.safetensors"),
            [folder / size / "images"],
            out,
            engine=None if int8 else engine,
            precision="auto" if int8 else precision,
            device="cpu",
        )
        finished.append(time.perf_counter())  # the last masks are written
    # Workers count whole, with their start: when they began to work is not known.
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = time.process_time() - finished.begun + workers.ru_utime + workers.ru_stime
    return (finished[-1] - finished[0]) / (len(pictures) - 1), busy / (len(pictures) - 1)


def environment(folder: Path | None, side: str, peers: Mapping[str, str] = PEERS) -> str:
    """The Python that runs a side, made where it is missing."""
    package = peers.get(side)
    if not package:
        return sys.executable
    if folder is None:
        raise SystemExit(f"--environments DIR: {side} needs '{package}' in an environment of its own.")
    python = folder / package / "bin/python"
    if not python.exists():
        venv.create(folder / package, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", ROOT, package], check=True
        )
    return str(python)


def memory(process: int) -> int:
    """Bytes that a process and its children hold, shared pages shared out among them."""
    held = 0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            number, parent = (
                int(status.parent.name),
                int((status.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]),
            )
            if process in (number, parent):
                held += int(status.read_text().partition("\nPss:")[2].split()[0]) * 1024
        except (OSError, IndexError, ValueError):
            continue  # ended meanwhile
    return held


def run(python: str, *arguments: str) -> tuple[float, float, int]:
    """Seconds by the clock and of the processor that a measurement printed, and the most memory it held."""
    command = [python, __file__, "--one", *arguments]
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=printed, stderr=errors)
        most = 0
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(0.2)
        printed.seek(0), errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{errors.read()[-3000:]}")
        clock, busy = map(float, printed.read().splitlines()[-1].split())
        return clock, busy, most


def start_up(folder: Path, out: Path) -> dict[str, float]:
    """Median seconds of whole commands on one picture of 512×512."""
    picture = min((folder / "512×512/images").iterdir())
    limner = [sys.executable, "-m", "limner"]
    commands = {
        "python -c 'import torch'": [sys.executable, "-c", "import torch"],
        "python -c 'import timm'": [sys.executable, "-c", "import timm"],
        "limner --help": [*limner, "--help"],
    }
    for name in NETWORKS:
        bundle = str(folder / f"{name}.safetensors")
        commands[f"limner predict, one picture, {name}"] = [
            *limner, "predict", bundle, str(picture), "-o", str(out / name), "--overwrite"
        ]  # fmt: skip
    seconds = {}
    for name, command in commands.items():
        times = []
        for _ in range(4):
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - begun)
        seconds[name] = statistics.median(times[1:])
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--environments", type=Path, help="folder of the peers' environments")
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sides", nargs="*", default=[*PEERS, *LIMNER])
    parser.add_argument("--start-up", action="store_true", help="measure whole commands alone")
    parser.add_argument("--one", nargs=4, metavar=("FOLDER", "NETWORK", "SIZE", "SIDE"))
    arguments = parser.parse_args()
    if arguments.one:
        folder, network, size, side = arguments.one
        with tempfile.TemporaryDirectory() as out:
            print(*measure(Path(folder), network, size, side, Path(out)))
        return
    pythons = {side: environment(arguments.environments, side) for side in arguments.sides}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, arguments.share)
        for size in () if arguments.start_up else SETS:
            for network in NETWORKS:
                found: dict[str, list[tuple[float, float, int]]] = {side: [] for side in arguments.sides}
                for _ in range(arguments.rounds):
                    for side in arguments.sides:
                        found[side].append(run(pythons[side], temporary, network, size, side))
                print(f"{size}, {network}, load average {os.getloadavg()[0]:.1f}", flush=True)
                print("| side | pictures/s | × | processor s | × | GiB |\n|---|--:|--:|--:|--:|--:|", flush=True)
                plain = [statistics.median(values) for values in zip(*found["plain loop"], strict=True)]
                for side, results in found.items():
                    clock, busy, _ = (statistics.median(values) for values in zip(*results, strict=True))
                    most = max(held for _, _, held in results) / 2**30
                    faster, lighter = plain[0] / clock, plain[1] / busy
                    print(f"| {side} | {1 / clock:.2f} | {faster:.2f} | {busy:.3f} | {lighter:.2f} | {most:.2f} |")
        for name, seconds in start_up(folder, folder / "one").items():
            print(f"{name}: {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
