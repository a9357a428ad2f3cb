"""One forward of the three networks by each engine and precision, on a CPU.

    OMP_NUM_THREADS=1 python benchmarks/engines.py --rounds 7

Work: a batch of one colour picture of 512×512, drawn from a seed, from stored pixels to logits, by the engines that
`limner predict` uses; networks have random weights and a target of two classes. Int8 graphs are calibrated on two
such pictures, which is enough for speed and says nothing about accuracy.

Sides alternate in one process and one thread, after a warm-up. What is compared is the processor time of a forward,
which other programs on the machine disturb less than the clock; the median of all rounds. `×` is torch in float32 by
the side.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec, load_bundle, save_bundle
from limner.inference.engine import Engine
from limner.inference.engines import bundle_engines, choose_engine, int8_engines
from limner.inference.graphs import bundle_graphs
from limner.inference.hardware import has_fast_bf16
from limner.inference.quantising import quantized
from limner.models import create_model

NETWORKS: dict[str, dict[str, object]] = {
    "encoder_unet": {"encoder": "mobilenetv2_100"},
    "improved_unet": {"conv_sizes": [16, 32, 64, 128, 256]},
    "unet": {"conv_sizes": [32, 64, 128, 256]},
}
CPU = torch.device("cpu")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {platform.machine()}")
    print(f"bf16 in hardware: {has_fast_bf16('cpu')}")
    for precision in ("float32", "bf16", "int8"):
        print(f"--engine auto in {precision}: {choose_engine('auto', CPU, precision)}")
    print("\n| network | side | ms | × |\n|---|---|--:|--:|", flush=True)
    for name in arguments.networks:
        options = NETWORKS[name]
        found = measure(name, options, arguments.rounds, arguments.side)
        for side, seconds in found.items():
            faster = found["torch float32"] / seconds
            print(f"| {name} {options} | {side} | {1000 * seconds:.0f} | {faster:.1f} |", flush=True)


def measure(name: str, kwargs: dict[str, object], rounds: int, side: int) -> dict[str, float]:
    """Median processor seconds of a forward, by engine and precision."""
    torch.manual_seed(0)
    meta = describe(name, kwargs)
    model = create_model(name, **meta.model.kwargs).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_bundle(path, model, meta)
        sides = engines(path, pictures)
        seconds: dict[str, list[float]] = {side_name: [] for side_name in sides}
        for number in range(rounds + 1):
            for side_name, engine in sides.items():
                begin = time.process_time()
                engine.logits(pictures[number % len(pictures)][None])
                if number:  # the first is a warm-up
                    seconds[side_name].append(time.process_time() - begin)
    return {side_name: statistics.median(times) for side_name, times in seconds.items()}


def engines(path: Path, pictures: np.ndarray) -> dict[str, Engine]:
    """Every engine in every precision it computes in."""
    found: dict[str, Engine] = {}
    for name, precision in (
        ("torch", "float32"),
        ("torch", "bf16"),
        ("onnxruntime", "float32"),
        ("openvino", "float32"),
        ("openvino", "bf16"),
    ):
        made = bundle_engines(path, load_bundle(path), engine=name, device=CPU, precision=precision)
        found[f"{name} {precision}"] = made[1][0]
    bundle = load_bundle(path)
    graphs = [quantized(graph, list(pictures)) for graph in bundle_graphs(path, bundle)]
    load: Callable[[str], Engine] = lambda name: int8_engines(bundle, graphs, name)[0]  # noqa: E731
    return found | {f"{name} int8": load(name) for name in ("onnxruntime", "openvino")}


def describe(name: str, kwargs: dict[str, object]) -> BundleMeta:
    """A bundle's description of such a network."""
    return BundleMeta(
        model=ModelSpec(name=name, kwargs={"in_channels": 3, "out_channels": {"mask": 1}, **kwargs}),
        inputs=InputSpec(channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.25] * 3, fit="native"),
        targets={"mask": TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (250, 40, 10)])},
        tiling=TilingSpec(size=512),
        data=DataSpec(hash="0", count=1),
    )


if __name__ == "__main__":
    main()
