"""Batches for training: read by one thread while the network computes.

Layer: training.

The cache holds decoded pictures in a memory map, so a batch is one indexed copy; a thread that
stays two batches ahead hides it, and worker processes would only add copies between processes.
What a batch holds depends on (seed, epoch, position) alone: never on timing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from limner.data.cache import Samples
from limner.training.phases import Course
from limner.training.state import TrainingState
from limner.types import IGNORE, Size


class Batch(TypedDict):
    """What a step gets.

    Attributes:
        images: `batch channels height width` in the stored dtype, laid out channels-last.
        targets: Per target `batch height width` uint8 ids, or `batch classes height width` planes.
        keys: One number per sample and pass, the augmentation's key.
        epoch: A scalar.
    """

    images: Tensor
    targets: dict[str, Tensor]
    keys: Tensor
    epoch: Tensor


_AHEAD = 2

Part: TypeAlias = Callable[[Int64[np.ndarray, " batch"]], Int64[np.ndarray, " part"]]


def whole(keys: Int64[np.ndarray, " batch"]) -> Int64[np.ndarray, " batch"]:
    """The part of a batch for a process that trains alone."""
    return keys


@dataclass(frozen=True)
class EpochOrder:
    """Which samples an epoch visits, in which order.

    Passes over all samples, each in an order of its own, follow one another without end, and an epoch is a
    stretch of them: however long it is, no sample is visited twice more often than another.

    Args:
        count: Training samples.
        batch: Samples per step.
        steps: Steps of an epoch.
        seed: Seed of the order.
    """

    count: int
    batch: int
    steps: int
    seed: int

    def keys(self, epoch: int) -> Int64[np.ndarray, "steps batch"]:
        """Keys `pass · count + sample` of the batches of `epoch`; each visit is augmented by its key."""
        length = self.steps * self.batch
        begin, end = epoch * length, (epoch + 1) * length
        first, last = begin // self.count, (end - 1) // self.count
        passes = [
            np.random.default_rng((self.seed, number)).permutation(self.count) + number * self.count
            for number in range(first, last + 1)
        ]
        offset = begin - first * self.count
        return np.concatenate(passes)[offset : offset + length].reshape(self.steps, self.batch)


class Batches:
    """Iterates over the batches of the epoch that `state` points at, from the batch it points at.

    Has no length on purpose: after a resume the first epoch is shorter than the others.
    """

    def __init__(
        self,
        samples: Samples,
        order: EpochOrder,
        state: TrainingState,
        *,
        size: Size,
        foreground: float = 0.0,
        main_target: str = "mask",
        part: Part = whole,
    ) -> None:
        """Prepare batches.

        Args:
            samples: Decoded training samples.
            order: Which samples come when.
            state: Says which epoch and batch come next.
            size: Size of the batches; larger pictures are cropped at random, smaller ones reflected.
            foreground: Share of crops centred on a foreground pixel of `main_target`.
            main_target: Target whose foreground crops are centred on; of no name where there are only numbers.
            part: Which keys of a batch are for this process, where several share it.
        """
        self.order = order
        self._samples = samples
        self._state = state
        self._size = size
        self._foreground = foreground
        self._main_target = main_target
        self._part = part

    def __iter__(self) -> Iterator[Batch]:
        epoch, start = self._state.epoch, self._state.batch
        keys = self.order.keys(epoch)[start:]
        return _ahead(self.make(epoch, self._part(row)) for row in keys)

    def at(self, epoch: int, number: int) -> Batch:
        """Batch `number`, from 0, of an epoch; of several processes the part of this one."""
        return self.make(epoch, self._part(self.order.keys(epoch)[number]))

    def make(self, epoch: int, keys: Int64[np.ndarray, " batch"]) -> Batch:
        """The batch of these keys; the same whenever it is asked for."""
        taken = self._samples.take(keys % self.order.count)
        if self._samples.uniform and self._samples.size(0) == self._size:
            images, targets = taken.stacked()
        else:
            images, targets = self._crop(epoch, keys, taken.images, taken.targets)
        return {
            # A channels-last array seen as batch channels height width is already what convolutions want.
            "images": _tensor(images).permute(0, 3, 1, 2),
            "targets": {
                name: _tensor(array) if array.ndim == 3 else _tensor(array).permute(0, 3, 1, 2)
                for name, array in targets.items()
            },
            "keys": torch.from_numpy(keys),
            "epoch": torch.tensor(epoch),
        }

    def _crop(
        self, epoch: int, keys: np.ndarray, images: list[np.ndarray], targets: dict[str, list[np.ndarray]]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        cropped: list[np.ndarray] = []
        cropped_targets: dict[str, list[np.ndarray]] = {name: [] for name in targets}
        for place, key in enumerate(keys):
            rng = np.random.default_rng((self.order.seed, epoch, int(key), 1))
            main = targets.get(self._main_target)
            corner = crop_corner(
                images[place].shape[:2], self._size, rng, None if main is None else main[place], self._foreground
            )
            cropped.append(crop(images[place], corner, self._size))
            for name, arrays in targets.items():
                cropped_targets[name].append(crop(arrays[place], corner, self._size))
        return np.stack(cropped), {name: np.stack(arrays) for name, arrays in cropped_targets.items()}


class PhasedBatches:
    """The batches of the phase that `state` points at.

    Args:
        course: The phases.
        state: Says which epoch comes next.
        open_phase: Opens the samples of a phase, which may take a while: it fills a cache.
    """

    def __init__(self, course: Course, state: TrainingState, open_phase: Callable[[int], Batches]) -> None:
        self._course = course
        self._state = state
        self._open_phase = open_phase
        self._opened: tuple[int, Batches] | None = None

    def open(self, epoch: int) -> Batches:
        """Open what the epoch after `epoch` finished ones needs, if it is not open."""
        number = self._course.number(epoch)
        if self._opened is None or self._opened[0] != number:
            self._opened = None  # the cache may need the room of the phase before
            self._opened = number, self._open_phase(number)
        return self._opened[1]

    def at(self, epoch: int, number: int) -> Batch:
        """Batch `number`, from 0, of the epoch after `epoch` finished ones."""
        return self.open(epoch).at(epoch, number)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.open(self._state.epoch))


def crop_corner(
    shape: tuple[int, ...], size: Size, rng: np.random.Generator, mask: np.ndarray | None, foreground: float
) -> tuple[int, int]:
    """Top left corner of a random crop; with probability `foreground` around a random foreground pixel.

    Of several classes each is as likely to be the one, however rare it is (Isensee et al. 2021, nnU-Net). Pictures
    smaller than the crop give corner 0 in that direction.
    """
    room = (max(0, shape[0] - size[0]), max(0, shape[1] - size[1]))
    if room == (0, 0):
        return 0, 0
    if mask is not None and rng.random() < foreground:
        pixels = _pixels_of_a_class(mask, rng)
        if pixels.size:
            row, column = divmod(int(pixels[rng.integers(pixels.size)]), shape[1])
            # Anywhere around that pixel, not always with it at the centre.
            top = row - int(rng.integers(size[0]))
            left = column - int(rng.integers(size[1]))
            return min(max(top, 0), room[0]), min(max(left, 0), room[1])
    return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))


def _pixels_of_a_class(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat positions of the pixels of one of the classes of a mask, drawn at random; none where there is no class."""
    if mask.ndim == 3:
        planes = np.flatnonzero(((mask > 0) & (mask != IGNORE)).any(axis=(0, 1)))
        return np.flatnonzero(mask[..., rng.choice(planes)] == 1) if planes.size else planes
    classes = np.flatnonzero(np.bincount(mask.ravel(), minlength=IGNORE + 1)[1:IGNORE]) + 1
    return np.flatnonzero(mask == rng.choice(classes)) if classes.size else classes


def crop(array: np.ndarray, corner: tuple[int, int], size: Size) -> np.ndarray:
    """Cut `size` from `corner`; what is missing at the right and bottom is filled by reflection."""
    part = array[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    missing = (size[0] - part.shape[0], size[1] - part.shape[1])
    if missing == (0, 0):
        return part
    padding = ((0, missing[0]), (0, missing[1])) + ((0, 0),) * (array.ndim - 2)
    return np.pad(part, padding, mode="symmetric")


def _tensor(array: np.ndarray) -> Tensor:
    # torch has few operations on uint16; int32 holds its values exactly.
    return torch.from_numpy(np.ascontiguousarray(array.astype(np.int32) if array.dtype == np.uint16 else array))


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Run an iterator in a thread that stays a few items ahead."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=_AHEAD)
    closed = threading.Event()

    def put(item: Batch | BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for batch in batches:
                if not put(batch):
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, name="limner-loader", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join(timeout=5)
