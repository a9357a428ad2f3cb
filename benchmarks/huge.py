"""Large pictures: memory and speed of `limner predict`, and against MONAI's sliding window.

    python benchmarks/huge.py                 # 30,000² mostly glass, 12,000² full, 4,096² against MONAI
    python benchmarks/huge.py --quick         # a ninth of the pixels
    python benchmarks/huge.py --only monai    # a part: glass, full or monai

A drawn picture of cells in colour, repeated over a tiled TIFF that is written by tile; an untrained U-Net of widths
8 to 32, one binary target, tiles of 512 that overlap by a quarter. The large picture is glass but for a sixteenth, as a
slide is, predicted with `--skip-empty`; the second one is full. MONAI's side is what its users write: the picture in
memory, `sliding_window_inference` with gaussian weights on the same network and tiles, fp32, eager, then the threshold
and tifffile. Its overlap and Limner's are the same share of a tile. Each measurement is a process of its own with the
threads of the machine; loading is left out. The peak is the process's resident memory, libraries included. Sides
alternate, and the ratio of medians is what counts; where other programs use the machine, the processor's seconds
(`CPU`) say more than the clock's.
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TILE, OVERLAP = 512, 0.25
KWARGS: dict[str, Any] = {"in_channels": 3, "out_channels": {"mask": 1}, "conv_sizes": [8, 16, 32]}


def make_model(path: Path) -> None:
    import torch

    from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec, save_bundle
    from limner.models import create_model

    torch.manual_seed(0)
    meta = BundleMeta(
        model=ModelSpec(name="unet", kwargs=KWARGS),
        inputs=InputSpec(channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.25] * 3, fit="native"),
        targets={"mask": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0), (255, 0, 0)])},
        tiling=TilingSpec(size=TILE, overlap=OVERLAP),
        data=DataSpec(hash="0", count=0),
    )
    save_bundle(path, create_model("unet", **KWARGS).eval(), meta)


def make_picture(path: Path, side: int, *, full: bool) -> None:
    """A tiled TIFF, of which one tile at a time is in memory."""
    import numpy as np
    import tifffile

    import limner
    from limner.images import read_image

    folder = path.parent / f"{path.stem}-cells"
    limner.sample("cells", folder, count=4, size=(TILE, TILE))
    cells = [read_image(str(cell))[..., :3] for cell in sorted((folder / "images").iterdir())]
    cells = [np.ascontiguousarray(np.broadcast_to(cell, (TILE, TILE, 3))) for cell in cells]
    glass = np.full((TILE, TILE, 3), 240, np.uint8)
    across = -(-side // TILE)

    def tiles() -> Iterator[np.ndarray]:
        for number in range(across * across):
            row, column = divmod(number, across)
            tissue = full or (row * 4 < across and column * 4 < across)
            yield cells[(row * 7 + column) % len(cells)] if tissue else glass

    tifffile.imwrite(
        path, tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE), compression="jpeg", photometric="rgb"
    )


def measure(side: str, model: Path, picture: Path, out: Path) -> dict[str, float]:
    tiles = empty = 0
    if side == "monai":
        import numpy as np
        import tifffile
        import torch
        from monai.inferers import sliding_window_inference

        from limner.bundle import load_bundle

        network = load_bundle(model).model
        before = memory()
        begun, worked = time.perf_counter(), time.process_time()
        image = torch.from_numpy(tifffile.imread(picture)).permute(2, 0, 1)[None].float()
        image = (image / 255 - 0.5) / 0.25
        with torch.no_grad():
            logits = sliding_window_inference(
                image, (TILE, TILE), 4, lambda tile: network(tile)["mask"], overlap=OVERLAP, mode="gaussian"
            )
        assert isinstance(logits, torch.Tensor)
        mask = (logits.sigmoid() > 0.5)[0, 0].numpy().astype(np.uint8)
        tifffile.imwrite(out, mask, tile=(TILE, TILE), compression="zlib")
    else:
        from limner.inference.huge import predict_huge
        from limner.inference.outputs import Outputs
        from limner.inference.predictor import Predictor

        way, _, skip = side.partition(" ")
        engine, precision = (way, "float32") if way == "openvino" else ("torch", way)
        predictor = Predictor.from_file(model, device="cpu", precision=precision, engine=engine)
        before = memory()
        begun, worked = time.perf_counter(), time.process_time()
        outputs = Outputs(out.parent, predictor.meta.targets)
        done = predict_huge(predictor, str(picture), outputs, out.stem, skip_empty=bool(skip))
        tiles, empty = done.tiles, done.empty
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - worked,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "before": before,
        "tiles": tiles,
        "empty": empty,
    }


def memory() -> float:
    """Resident GB now: libraries and model."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def run(side: str, model: Path, picture: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=picture.parent) as folder:
        command = [sys.executable, __file__, "--one", side, str(model), str(picture), f"{folder}/mask.tif"]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    measured: dict[str, float] = json.loads(found.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("glass", "full", "monai"))
    parser.add_argument("--one", nargs=4, metavar=("SIDE", "MODEL", "PICTURE", "OUT"))
    arguments = parser.parse_args()
    if arguments.one:
        side, *paths = arguments.one
        print(json.dumps(measure(side, *map(Path, paths))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_model(folder / "model.safetensors")
        share = 3 if arguments.quick else 1
        for name, length, side in (("glass", 30_000, "float32 skip"), ("full", 12_000, "float32")):
            if arguments.only in (None, name):
                picture = folder / f"{name}.tif"
                make_picture(picture, length // share, full=name == "full")
                tell(f"{length // share:,}², {name}", run(side, folder / "model.safetensors", picture))
        if arguments.only in (None, "monai"):
            picture = folder / "4096.tif"
            make_picture(picture, 4096 // share, full=True)
            against_monai(folder / "model.safetensors", picture, arguments.rounds)


def tell(name: str, found: dict[str, float]) -> None:
    print(
        f"{name}: {found['seconds']:.0f} s ({found['cpu']:.0f} s CPU), {found['tiles']:,.0f} tiles "
        f"({found['empty']:,.0f} empty), {found['tiles'] / found['seconds']:.1f} tiles/s, peak {found['peak']:.2f} GB "
        f"of which {found['before']:.2f} before, load average {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def against_monai(model: Path, picture: Path, rounds: int) -> None:
    sides = ("monai", "float32", "openvino", "auto")
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(run(side, model, picture))
            print(f"  {side}: {json.dumps(found[side][-1])}", file=sys.stderr, flush=True)
    medians = {
        side: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for side, runs in found.items()
    }
    reference = medians["monai"]
    print(f"against MONAI, load average {os.getloadavg()[0]:.1f}", flush=True)
    for side, one in medians.items():
        more, less = reference["peak"] - reference["before"], one["peak"] - one["before"]
        print(
            f"  {side:9s} {one['seconds']:6.1f} s {reference['seconds'] / one['seconds']:5.2f}×   "
            f"{one['cpu']:6.1f} s CPU {reference['cpu'] / one['cpu']:5.2f}×   "
            f"peak {one['peak']:.2f} GB, {less:.2f} above the libraries' ({more / less:.1f}× less)",
            flush=True,
        )


if __name__ == "__main__":
    main()
