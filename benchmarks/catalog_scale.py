"""A catalog of 400,000 samples: seconds and memory until it is ready to train on.

    python benchmarks/catalog_scale.py         # about a minute, 1.4 GB of disk under the temporary folder

Draws the depth project's data at its published size: 100 backgrounds and five archives of 80,000 members
each of composites, masks and depths, in which the background changes every 800. The members are real JPEGs
of 32 × 32 pixels, few different ones stored again and again with a number behind them, because what is
measured does not look at most of them: opening the archives, listing, pairing, finding the order of the
backgrounds by content, splitting, and looking at 2,000 samples. The measured part runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from limner.files import write_bytes
from limner.images import encode_jpeg, write_zip

BACKGROUNDS = 100
FOREGROUNDS = 100
ARCHIVES = 5
SIDE = 32


def draw(folder: Path, count: int) -> None:
    """Write the data set: every background one colour, every composite a square on it."""
    rng = np.random.default_rng(0)
    colors = rng.permutation(np.linspace(0, 255, 5 * BACKGROUNDS).reshape(BACKGROUNDS, 5))[:, [0, 2, 4]]
    colors = np.stack([rng.permutation(colors[:, channel]) for channel in range(3)], axis=1)
    scenes = [np.full((SIDE, SIDE, 3), color, np.uint8) for color in colors]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[12:20, 12:20] = 255
    composites = [np.where(mask[..., None] > 0, 255 - scene, scene) for scene in scenes]
    for number, scene in enumerate(scenes, 1):
        write_bytes(folder / "bg" / f"bg{number}.jpg", encode_jpeg(scene, 95))
    for number in range(1, FOREGROUNDS + 1):
        write_bytes(folder / "fg" / f"fg{number}.jpg", b"")
    run = count // ARCHIVES // BACKGROUNDS
    members = {
        "fg_bg": [encode_jpeg(composite) for composite in composites],
        "fg_bg_mask": [encode_jpeg(mask)],
        "fg_bg_depth": [encode_jpeg(np.maximum(mask, np.arange(SIDE, dtype=np.uint8)[:, None]))],
    }
    for name, pictures in members.items():
        for block in range(ARCHIVES):
            with write_zip(folder / f"{name}_{block + 1}.zip") as archive:
                for place in range(run * BACKGROUNDS):
                    number = block * run * BACKGROUNDS + place + 1
                    archive.add(
                        f"{name}_{block + 1}/img_{number}.jpg",
                        pictures[place // run % len(pictures)] + number.to_bytes(4),
                    )


def measure(folder: str) -> dict[str, float]:
    """Prepare the catalog; seconds, and how much the process grew."""
    from limner.data.catalog import Catalog
    from limner.data.prepare import prepare

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, busy = time.perf_counter(), time.process_time()
    prepared = prepare(folder, val=0.3, test=0)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    begin, table = time.process_time(), Path(folder) / "samples.csv"
    prepared.catalog.save(table)
    assert Catalog.load(table) == prepared.catalog
    kept = time.process_time() - begin
    for note in prepared.notes:
        sys.stderr.write(f"  {note}\n")
    return {
        "samples that remain": len(prepared.catalog),
        "seconds": round(seconds, 1),
        "seconds of processor time": round(busy, 1),
        "peak growth, MiB": round(grown),
        "seconds of processor time to write the table and read it again": round(kept, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400_000, help="composites, a multiple of 500")
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        sys.stdout.write(json.dumps(measure(arguments.measure)) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        draw(Path(folder), arguments.count)
        sys.stderr.write(f"drawn in {time.perf_counter() - begin:.0f} s\n")
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    main()
