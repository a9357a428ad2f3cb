"""`limner check` on many pictures of 512 × 512: seconds, processor time and memory, the first time and again.

    python benchmarks/check_scale.py                          # 2,500, 5,000 and 10,000 samples, 1 GB of disk
    python benchmarks/check_scale.py --counts 1000
    python benchmarks/check_scale.py --features 25000 50000 100000

Draws JPEG pictures and PNG masks from a seed: smooth colours, grain, and one to five objects with an outline;
one in a hundred is an altered copy of another. Then the command runs as a process of its own, with an empty
cache: once, again, with one sample more, with one mask changed, and without a cache. What is read lies in the
system's file cache, since it was just written. A stage's processor time is all that the process used up to the
end of that stage since the one before; `start` is what comes before the first.

With `--features` no file is drawn: descriptions of samples are, of which copies and pairs are then judged.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sized
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage

from limner.data.catalog import Catalog
from limner.data.check.copies import NEIGHBOURS, descriptors, find_copies
from limner.data.check.features import FREQUENCIES, GRID, Features, MaskFeatures
from limner.data.check.matching import check_matching
from limner.data.check.neighbours import near_pairs
from limner.images import encode_jpeg, encode_png, resize_image

SIDE = 512
COPIES = 100  # one sample in so many is an altered copy
_CHUNK = 250


def draw_sample(rng: np.random.Generator, grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its mask of 0 and 255."""
    smooth = resize_image(rng.uniform(40, 215, (6, 6, 3)).astype(np.float32), (SIDE, SIDE))
    top, left = rng.integers(0, grain.shape[0] - SIDE, 2)
    image = smooth + grain[top : top + SIDE, left : left + SIDE] * rng.uniform(5, 11)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(rng.integers(1, 6)):
        radii = rng.integers(16, 70, 2)
        row, column = rng.integers(70, SIDE - 70, 2)
        rows, columns = np.ogrid[-radii[0] : radii[0] + 1, -radii[1] : radii[1] + 1]
        angles = np.arctan2(rows, columns)
        bumps = 1 + 0.15 * np.sin(rng.integers(2, 6) * angles + rng.uniform(0, 6))
        inside = (rows / radii[0]) ** 2 + (columns / radii[1]) ** 2 < bumps**2 * 0.75
        box = np.s_[row - radii[0] : row + radii[0] + 1, column - radii[1] : column + radii[1] + 1]
        mask[box][inside] = 255
        image[box][inside] = image[box][inside] * 0.5 + rng.uniform(0, 255, 3) * 0.5
    return image.clip(0, 255).astype(np.uint8), mask


def draw_chunk(folder: str, first: int, count: int) -> None:
    """Write samples `first` to `first + count`."""
    grain = np.random.default_rng(0).standard_normal((2 * SIDE, 2 * SIDE, 1)).astype(np.float32)
    for number in range(first, first + count):
        copy = number % COPIES == COPIES - 1
        image, mask = draw_sample(np.random.default_rng(number - 7 if copy else number), grain)
        if copy:
            image, mask = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        write_sample(Path(folder), number, image, mask, 60 if copy else 85)


def write_sample(folder: Path, number: int, image: np.ndarray, mask: np.ndarray, quality: int) -> None:
    """Write one picture and its mask."""
    (folder / "images" / f"{number:06d}.jpg").write_bytes(encode_jpeg(image, quality))
    (folder / "masks" / f"{number:06d}.png").write_bytes(encode_png(mask))


def draw(folder: Path, count: int, already: int = 0) -> None:
    """Write the data set, on all cores; `already` samples of it are there."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(exist_ok=True)
    starts = range(already, count, _CHUNK)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        sizes = [min(_CHUNK, count - start) for start in starts]
        list(pool.map(draw_chunk, [str(folder)] * len(sizes), starts, sizes))


def measured_check(folder: str, page: str, *options: str) -> None:
    """Run the command in this process, and print what it took as JSON."""
    import limner.cli.console as console
    from limner.cli import main

    marks: dict[str, float] = {}

    class Watched(console.Stages):
        def __call__(self, name: str, done: int, total: int) -> None:
            marks.setdefault("start", time.process_time())
            if done >= total:
                marks.pop(name, None)
                marks[name] = time.process_time()
            super().__call__(name, done, total)

    console.Stages = Watched  # type: ignore[misc]
    begin = time.perf_counter()
    sys.argv = ["limner", "check", folder, "--out", page, "--json", *options]
    output = sys.stdout
    with tempfile.TemporaryFile("w+") as sys.stdout:
        with contextlib.suppress(SystemExit):
            main()
        sys.stdout.seek(0)
        found = json.loads(sys.stdout.read())
    sys.stdout = output
    marks["page and end"] = time.process_time()
    spent = dict(zip(marks, np.diff([0.0, *marks.values()]).tolist(), strict=True))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - begin,
                "cpu": usage.ru_utime + usage.ru_stime,
                "memory": usage.ru_maxrss / 1024,
                "stages": spent,
                "samples": found["samples"],
                "kinds": [finding["kind"] for finding in found["findings"]],
            }
        )
    )


def run(folder: Path, cache: Path, *options: str) -> dict[str, Any]:
    """The command in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder), str(folder / "check.html"), *options]
    environment = {**os.environ, "LIMNER_CACHE": str(cache)}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return dict(json.loads(result.stdout))


def compare(counts: list[int]) -> None:
    """All runs, as tables."""
    rows: list[tuple[int, str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        folder.mkdir()
        already = 0
        for count in counts:
            draw(folder, count, already)
            already = count
            cache = Path(place) / f"cache{count}"
            rows.append((count, "first", run(folder, cache)))
            rows.append((count, "again", run(folder, cache)))
            draw(folder, count + 1, count)
            rows.append((count, "one sample more", run(folder, cache)))
            for name in ("images", "masks"):
                next((folder / name).glob(f"{count:06d}.*")).unlink()
            mask = folder / "masks" / "000001.png"
            before = mask.read_bytes()
            mask.write_bytes((folder / "masks" / "000002.png").read_bytes())
            rows.append((count, "one mask changed", run(folder, cache)))
            mask.write_bytes(before)
            rows.append((count, "without a cache", run(folder, cache, "data.cache=false")))
            kept = sum(path.stat().st_size for path in cache.rglob("*"))
            print(f"{count:,}: the cache holds {kept / 1e6:.0f} MB, load average {os.getloadavg()[0]:.1f}", flush=True)
        files = list((folder / "images").iterdir())
        print(f"a picture has {np.mean([file.stat().st_size for file in files]) / 1e3:.0f} kB")
    print_rows(rows)


def draw_features(count: int) -> Features:
    """Descriptions of samples: greys that are smooth with grain, one in a hundred mirrored from another's."""
    rng = np.random.default_rng(0)
    grey = np.empty((count, GRID, GRID), np.uint8)
    for start in range(0, count, _CHUNK):
        part = grey[start : start + _CHUNK]
        smooth = scipy.ndimage.zoom(rng.uniform(40, 215, (len(part), 6, 6)), (1, GRID / 6, GRID / 6), order=1)
        part[:] = (smooth + rng.normal(0, 4, part.shape)).clip(0, 255)
    copies = np.arange(COPIES - 1, count, COPIES)
    grey[copies] = grey[copies - 7][..., ::-1]
    spectrum = np.empty((count, FREQUENCIES, FREQUENCIES), np.float32)
    edges = np.empty_like(grey)
    for start in range(0, count, _CHUNK):
        part = grey[start : start + _CHUNK].astype(np.float32)
        spectrum[start : start + _CHUNK] = scipy.fft.dctn(part, axes=(1, 2), norm="ortho")[
            :, :FREQUENCIES, :FREQUENCIES
        ]
        edges[start : start + _CHUNK] = np.sqrt(np.hypot(*np.gradient(part, axis=(1, 2)))) * 13
    zeros, classes = np.zeros(count, np.int64), np.ones((count, 2), np.int64)
    maps = np.zeros((count, 3, GRID, GRID), np.uint8)
    maps[:, 0] = rng.integers(0, 2, (count, GRID, 1), np.uint8) * 255
    mask = MaskFeatures(
        known=np.ones(count, bool),
        area=classes,
        ignored=zeros,
        objects=classes,
        smallest=classes,
        largest=classes,
        boxes=np.zeros((count, 2, 4), np.int32),
        maps=maps,
    )
    return Features(
        size=np.full((count, 2), SIDE),
        channels=zeros + 3,
        low=zeros.astype(float),
        high=zeros + 255.0,
        finite=np.ones(count, bool),
        levels=zeros + 256,
        grey=grey,
        colour=np.full((count, 2, GRID // 2, GRID // 2), 128, np.uint8),
        edges=edges,
        spectrum=spectrum,
        hash=np.arange(count, dtype=np.uint64),
        masks={"mask": mask},
    )


def peak() -> float:
    """Most memory since the last call, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return float(found.split()[1]) / 1024


def measure(name: str, count: int, each: float, step: Callable[..., Sized], *arguments: Any) -> None:
    """Print what a step takes."""
    peak()
    before, begin, busy = peak(), time.perf_counter(), time.process_time()
    found = len(step(*arguments))
    wall, spent = time.perf_counter() - begin, time.process_time() - busy
    print(
        f"| {count:,} | {each:,.0f} | {name} | {found:,} | {wall:.1f} | {spent:.1f} | {peak() - before:,.0f} |",
        flush=True,
    )


def compare_features(counts: list[int]) -> None:
    """Copies and pairs among descriptions of samples."""
    print("| samples | bytes each | step | pairs | seconds | processor seconds | memory beyond, MiB |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for count in counts:
        features = draw_features(count)
        arrays = features.to_arrays().values()
        each = sum(array.nbytes for array in arrays) / count
        catalog = Catalog([f"{number:06d}" for number in range(count)], {"image": [""] * count}, {"mask": [""] * count})
        measure("candidates", count, each, candidates, features)
        measure("copies", count, each, find_copies, features)
        measure("pairs", count, each, check_matching, catalog, features)


def candidates(features: Features) -> Sized:
    """Pairs of look-alikes, which are then compared closely."""
    return near_pairs(descriptors(features.spectrum), NEIGHBOURS, 0.65).pairs


def print_rows(rows: list[tuple[int, str, dict[str, Any]]]) -> None:
    """Runs as Markdown tables."""
    print(
        "\n| samples | run | seconds | processor seconds | ms per sample | peak memory, MiB |"
        "\n|--:|---|--:|--:|--:|--:|"
    )
    for count, name, found in rows:
        each = 1000 * found["cpu"] / count
        print(
            f"| {count:,} | {name} | {found['wall']:.1f} | {found['cpu']:.1f} | {each:.1f} | {found['memory']:,.0f} |"
        )
    stages = list(dict.fromkeys(stage for *_, found in rows for stage in found["stages"]))
    print(f"\n| samples | run | {' | '.join(stages)} |\n|--:|---|{'--:|' * len(stages)}")
    for count, name, found in rows:
        spent = [f"{found['stages'].get(stage, 0):.1f}" for stage in stages]
        print(f"| {count:,} | {name} | {' | '.join(spent)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[2_500, 5_000, 10_000], help="samples")
    parser.add_argument("--features", type=int, nargs="+", help="samples whose descriptions are drawn instead")
    parser.add_argument("--draw", nargs=2, metavar=("FOLDER", "COUNT"), help="write a data set and leave it there")
    parser.add_argument("--measure", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measured_check(*arguments.measure)
    elif arguments.features:
        compare_features(arguments.features)
    elif arguments.draw:
        folder = Path(arguments.draw[0])
        folder.mkdir(parents=True)
        draw(folder, int(arguments.draw[1]))
    else:
        compare(arguments.counts)


if __name__ == "__main__":
    main()
