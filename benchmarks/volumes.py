"""Seconds to read the slices of one compressed volume, one after the other.

    python benchmarks/volumes.py

The volume is 256×256×100 of 16 bits, smooth with noise, compressed as nibabel does. Two ways of the same work:
Limner's `read_image` for every slice (the last few volumes stay unpacked in memory), and nibabel's `dataobj[..., k]`
on a file opened for each of ten slices, as a reader without memory does. Three turns, alternating; medians. The
processor's time counts, so that other work on the machine does not.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter

from limner.images import page_location, read_image, read_info

SIZE = (256, 256, 100)
TURNS = 3
FEW = 10


def main() -> None:
    generator = np.random.default_rng(0)
    voxels = gaussian_filter(generator.normal(0, 1, SIZE), 4) * 20_000 + generator.normal(300, 15, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        nibabel.save(nibabel.Nifti1Image(voxels.astype(np.int16), np.diag([-1.0, -1, 3, 1])), path)
        ways: dict[str, Callable[[int], None]] = {
            "limner, 100 slices": lambda turn: _limner(path, turn),
            f"a file opened per slice, {FEW} slices": lambda _: _per_slice(path),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        headers = []
        for turn in range(TURNS):
            for name, way in ways.items():
                seconds[name].append(_timed(partial(way, turn)))
            headers.append(_timed(lambda: [read_info(page_location(str(path), k, "axial")) for k in range(SIZE[2])]))
        print(f"{SIZE[2]} slices of {SIZE[0]}×{SIZE[1]}, {path.stat().st_size / 1e6:.1f} MB compressed")
        for name, turns in seconds.items():
            print(f"{name}: {statistics.median(turns):.2f} s (from {min(turns):.2f} to {max(turns):.2f})")
        print(f"100 headers: {statistics.median(headers):.2f} s")


def _timed(way: Callable[[], object]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


def _limner(path: Path, turn: int) -> None:
    os.utime(path, (turn, turn))  # a file of another time is unpacked anew
    for page in range(SIZE[2]):
        read_image(page_location(str(path), page, "axial"))


def _per_slice(path: Path) -> None:
    for page in range(0, SIZE[2], SIZE[2] // FEW):
        np.asarray(nibabel.nifti1.load(path).dataobj[..., page], np.float32)


if __name__ == "__main__":
    main()
