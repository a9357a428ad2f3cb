"""Folder prediction: Limner's engines against a plain eager loop over the same pictures.

    python benchmarks/predict.py                           # 200 pictures, three rounds: about an hour on 2 cores
    python benchmarks/predict.py --pictures 12 --rounds 1

Drawn pictures of cells, 512×512, colour, as PNG; untrained networks, one binary target. The plain side is the loop most
repositories have: one picture at a time, Pillow → float32, channels first, eager → sigmoid > 0.5 → Pillow. Limner's
sides are `limner predict`: reading and writing overlap the network. `int8` is a file of `limner export`, its proof left
out, used by the small reader one picture at a time. Each measurement is a process of its own, sides alternate, and what
comes before the second picture (imports, loading, compiling) is left out; the ratio of medians is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORKS = {
    "unet, widths 16–128": ("unet", {"conv_sizes": [16, 32, 64, 128]}),
    "mobilenetv2_100": ("encoder_unet", {"encoder": "mobilenetv2_100"}),
}
SIDES = ("plain", "torch", "torch bf16", "onnxruntime", "openvino", "openvino bf16", "openvino int8")


def make(folder: Path, count: int) -> None:
    """Pictures, and per network a bundle of each precision and a file in int8."""
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
    from limner.export.formats import write_model
    from limner.images import read_image
    from limner.models import create_model

    limner.sample("cells", folder / "cells", count=count, size=(512, 512))
    examples = [read_image(str(path))[..., :3] for path in sorted((folder / "cells/images").iterdir())[:8]]
    inputs = InputSpec(
        channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.25] * 3, fit="native", size=(512, 512)
    )
    for name, (architecture, kwargs) in NETWORKS.items():
        torch.manual_seed(0)
        kwargs = {"in_channels": 3, "out_channels": {"mask": 1}, **kwargs}
        model = create_model(architecture, **kwargs).eval()
        for precision in ("float32", "bf16"):
            meta = BundleMeta(
                model=ModelSpec(name=architecture, kwargs=kwargs),
                inputs=inputs,
                targets={"mask": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0), (255, 0, 0)])},
                tiling=TilingSpec(size=512),
                precision=precision,
                data=DataSpec(hash="0", count=0),
            )
            save_bundle(folder / f"{name}-{precision}.safetensors", model, meta)
        about = {
            "limner": meta.model_dump_json(),
            "limner_export": json.dumps({"to": "openvino", "precision": "int8", "stride": model.stride}),
        }
        bundle = load_bundle(folder / f"{name}-float32.safetensors")
        write_model(
            folder / f"{name}-int8.xml",
            bundle,
            to="openvino",
            precision="int8",
            about=about,
            examples=[np.ascontiguousarray(np.broadcast_to(example, (512, 512, 3))) for example in examples],
        )


def measure(folder: Path, network: str, side: str, out: Path) -> float:
    """Seconds per picture, from the first finished one on."""
    pictures = sorted((folder / "cells/images").iterdir())
    begun: list[float] = []
    if side == "plain":
        import numpy as np
        import torch
        from PIL import Image

        from limner.bundle import load_bundle

        model = load_bundle(folder / f"{network}-float32.safetensors").model
        for path in pictures:
            images = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float()
            with torch.no_grad():
                mask = model((images / 255 - 0.5) / 0.25)["mask"][0, 0].sigmoid() > 0.5
            Image.fromarray(mask.numpy().astype(np.uint8)).save(out / path.name)
            begun.append(time.perf_counter())
    elif side.endswith("int8"):
        import limner
        from limner.images import write_image

        model = limner.load(folder / f"{network}-int8.xml")
        for path in pictures:
            write_image(out / path.name, model.predict(path).mask)
            begun.append(time.perf_counter())
    else:
        import limner

        engine, _, precision = side.partition(" ")
        limner.predict(
            folder / f"{network}-{precision or 'float32'}.safetensors",
            [folder / "cells/images"],
            out,
            engine=engine,
            device="cpu",
            progress=lambda _stage, _done, _total: begun.append(time.perf_counter()),
        )
    return (begun[-1] - begun[0]) / (len(begun) - 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("FOLDER", "NETWORK", "SIDE"))
    arguments = parser.parse_args()
    if arguments.one:
        folder, network, side = arguments.one
        with tempfile.TemporaryDirectory() as out:
            print(json.dumps(measure(Path(folder), network, side, Path(out))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, arguments.pictures)
        for network in NETWORKS:
            seconds: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(arguments.rounds):
                for side in SIDES:
                    command = [sys.executable, __file__, "--one", str(folder), network, side]
                    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    seconds[side].append(float(found.splitlines()[-1]))
            plain = statistics.median(seconds["plain"])
            print(f"{network}, load average {os.getloadavg()[0]:.1f}", flush=True)
            for side, times in seconds.items():
                median = statistics.median(times)
                print(f"  {side:15s} {1 / median:7.2f} pictures/s  {plain / median:5.2f}×", flush=True)


if __name__ == "__main__":
    main()
