"""`compose`: a data set of cut-outs placed on backgrounds, with exact masks and depths.

Layer: workflow.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from limner.files import atomic_path, require_empty
from limner.images import encode_jpeg, encode_png, write_zip
from limner.render import Placement, compose, draw_placement
from limner.threads import ordered_map
from limner.types import Progress, Size, no_progress
from limner.workflow.compose_inputs import Background, Cutout, find_backgrounds, find_cutouts
from limner.workflow.depths import Depth, load_depth

MOST_PER_ARCHIVE = 80_000
"""Composites in one archive; more go into several, cut between backgrounds."""

_COLUMNS = ("composite", "background", "foreground", "top", "left", "height", "width", "flip")


@dataclass(frozen=True)
class Composed:
    """What `compose_data` wrote.

    Attributes:
        folder: Where to.
        count: Composites.
        backgrounds: Backgrounds.
        foregrounds: Cut-outs.
        archives: Names of the archives.
    """

    folder: Path
    count: int
    backgrounds: int
    foregrounds: int
    archives: list[str]


@dataclass(frozen=True)
class _Task:
    """One composite to make; its number makes its place random, whoever works on it and when."""

    background: int
    cutout: int
    number: int


@dataclass(frozen=True)
class _Made:
    """One composite, compressed."""

    name: str
    composite: bytes
    mask: bytes
    depth: bytes | None
    placement: Placement


def compose_data(
    backgrounds: str | Path,
    foregrounds: str | Path,
    out: str | Path,
    *,
    per_pair: int = 2,
    size: Size | None = None,
    seed: int = 0,
    depth: str = "plane",
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Composed:
    """Place every cut-out on every background, and write the layout `composites` as zip archives.

    The result is the same byte for byte whatever the number of threads. Archives appear whole or not at
    all; one that is interrupted is left out.

    Args:
        backgrounds: Folder, archive or pattern of pictures.
        foregrounds: Folder, archive or pattern of cut-outs: pictures with an opacity channel.
        out: A new or empty folder.
        per_pair: Composites of each cut-out on each background.
        size: Size of the composites; None is that of the background. Backgrounds are cut to its proportions.
        seed: Seed of places, scales and flips.
        depth: `none`, `plane` (see `limner.render.plane_depth`), or `module:function`, which is called with the
            background, the cut-out and the placement and gives `height width` numbers from 0 to 1.
        threads: Composites under way at a time; None is one per processor.
        progress: Told of the progress, as stage `compose`.

    Raises:
        DataError: No pictures, cut-outs without opacity, or a depth function that gives something else.
        ConfigError: An unknown depth function.
        OutputError: `out` holds something already, or cannot be written.
    """
    folder = Path(out)
    require_empty(folder)
    scenes = find_backgrounds(backgrounds, folder, size)
    cutouts = find_cutouts(foregrounds, folder, max((scene.size for scene in scenes), key=max))
    maker = _Maker(scenes, cutouts, load_depth(depth), seed)
    archives = _write_backgrounds(folder, scenes)
    per_background = len(cutouts) * per_pair
    total = per_background * len(scenes)
    done = 0
    with _table(folder / "placements.csv") as table:
        for suffix, numbers in _blocks(len(scenes), per_background):
            tasks = (
                _Task(scene, cutout, number)
                for scene, cutout, number in itertools.product(numbers, range(len(cutouts)), range(per_pair))
            )
            with _Archives(folder, suffix, depth=depth != "none") as block:
                for made in ordered_map(maker.make, tasks, threads=threads or os.cpu_count() or 1):
                    block.add(made)
                    table(made)
                    done += 1
                    progress("compose", done, total)
            archives += block.names
    return Composed(folder, total, len(scenes), len(cutouts), archives)


class _Maker:
    """Makes composites; used from several threads at once."""

    def __init__(
        self, backgrounds: Sequence[Background], cutouts: Sequence[Cutout], depth: Depth | None, seed: int
    ) -> None:
        self._backgrounds = backgrounds
        self._cutouts = cutouts
        self._depth = depth
        self._seed = seed
        # Tasks of one background follow one another; a few stay, as threads are not all at the same one.
        self._read = functools.lru_cache(maxsize=4)(self._read_background)

    def make(self, task: _Task) -> _Made:
        background, cutout = self._read(task.background), self._cutouts[task.cutout]
        rng = np.random.default_rng((self._seed, task.background, task.cutout, task.number))
        placement = draw_placement(rng, background.shape[:2], cutout.pixels.shape[:2])
        composite, mask = compose(background, cutout.pixels, placement)
        depth = None if self._depth is None else self._depth(background, cutout.pixels, placement)
        return _Made(
            name=f"{self._backgrounds[task.background].name}__{cutout.name}__{task.number + 1}",
            composite=encode_jpeg(composite),
            mask=encode_png(mask.astype(np.uint8) * 255),
            depth=None if depth is None else encode_png(np.rint(depth * 255).astype(np.uint8)),
            placement=placement,
        )

    def _read_background(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        return self._backgrounds[number].read()


class _Archives:
    """The archives of one block, of which none takes its place before all are whole."""

    def __init__(self, folder: Path, suffix: str, *, depth: bool) -> None:
        sets = ("fg_bg", "fg_bg_mask", "fg_bg_depth") if depth else ("fg_bg", "fg_bg_mask")
        self._sets = {name: f"{name}{suffix}" for name in sets}
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.names = [f"{name}.zip" for name in self._sets.values()]

    def __enter__(self) -> _Archives:
        with self._stack as stack:
            self._writers = {
                name: stack.enter_context(write_zip(self._folder / f"{archive}.zip"))
                for name, archive in self._sets.items()
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def add(self, made: _Made) -> None:
        pictures = {"fg_bg": (made.composite, "jpg"), "fg_bg_mask": (made.mask, "png")}
        if made.depth is not None:
            pictures["fg_bg_depth"] = (made.depth, "png")
        for name, (content, suffix) in pictures.items():
            self._writers[name].add(f"{self._sets[name]}/{made.name}.{suffix}", content)


def _write_backgrounds(folder: Path, backgrounds: Sequence[Background]) -> list[str]:
    with write_zip(folder / "bg.zip") as archive:
        for background in backgrounds:
            archive.add(f"bg/{background.name}.jpg", encode_jpeg(background.read(), 95))
    return ["bg.zip"]


def _blocks(backgrounds: int, per_background: int) -> Iterator[tuple[str, range]]:
    """Suffix and backgrounds of each set of archives."""
    each = max(1, MOST_PER_ARCHIVE // per_background)
    for number, first in enumerate(range(0, backgrounds, each), 1):
        yield f"_{number}" if each < backgrounds else "", range(first, min(first + each, backgrounds))


@contextlib.contextmanager
def _table(path: Path) -> Iterator[functools.partial[None]]:
    """A table of all placements that takes its place at the end; gives what adds a row."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        yield functools.partial(_add_row, writer)


def _add_row(writer: object, made: _Made) -> None:
    background, foreground, _ = made.name.rsplit("__", 2)
    place = made.placement
    row = (made.name, background, foreground, place.top, place.left, place.height, place.width, int(place.flip))
    writer.writerow(row)  # type: ignore[attr-defined]
