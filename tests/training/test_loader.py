"""Batches: what training sees, in which order."""

import time

import numpy as np
import pytest
import torch

from limner.data.samples import Taken
from limner.training.loader import Batches, EpochOrder, crop, crop_corner
from limner.training.state import TrainingState
from limner.types import IGNORE


class Memory:
    """Samples in memory; sample n is filled with n."""

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self.sizes = sizes
        self.ids = tuple(str(number) for number in range(len(sizes)))
        self.uniform = len(set(sizes)) == 1

    def __len__(self) -> int:
        return len(self.sizes)

    def size(self, index: int) -> tuple[int, int]:
        return self.sizes[index]

    def take(self, indices: np.ndarray) -> Taken:
        images = [np.full((*self.sizes[i], 3), i, np.uint8) for i in indices]
        return Taken(images, {"mask": [image[..., 0] % 2 for image in images]})


def test_every_sample_is_visited_as_often_as_asked() -> None:
    order = EpochOrder(count=10, batch=5, steps=6, seed=1)
    keys = order.keys(epoch=4)
    assert keys.shape == (6, 5)
    assert np.bincount(keys.ravel() % 10).tolist() == [3] * 10
    assert len(np.unique(keys)) == 30, "each visit has a key of its own, so that it is augmented anew"


def test_order_changes_with_epoch_and_seed_and_with_nothing_else() -> None:
    order = EpochOrder(count=50, batch=8, steps=6, seed=1)
    assert np.array_equal(order.keys(0), EpochOrder(50, 8, 6, 1).keys(0))
    assert not np.array_equal(order.keys(0), order.keys(1))
    assert not np.array_equal(order.keys(0), EpochOrder(50, 8, 6, 2).keys(0))


def test_samples_left_out_of_one_epoch_come_in_another() -> None:
    order = EpochOrder(count=9, batch=4, steps=2, seed=0)
    keys = np.concatenate([order.keys(epoch).ravel() for epoch in range(9)])
    assert np.bincount(keys % 9).tolist() == [8] * 9
    assert len(np.unique(keys)) == 72


def test_epochs_shorter_than_a_pass_visit_all_samples_in_turn() -> None:
    order = EpochOrder(count=40, batch=4, steps=3, seed=0)
    first = np.concatenate([order.keys(epoch).ravel() for epoch in range(4)])[:40]
    assert sorted(first.tolist()) == list(range(40))


def test_fewer_samples_than_a_batch_are_repeated() -> None:
    keys = EpochOrder(count=2, batch=4, steps=1, seed=0).keys(0)
    assert keys.shape == (1, 4)
    assert np.bincount(keys.ravel() % 2).tolist() == [2, 2]


def test_batches_are_channels_last_views_of_stored_pixels() -> None:
    samples = Memory([(6, 4)] * 8)
    batches = list(Batches(samples, EpochOrder(8, 2, 4, 0), TrainingState(), size=(6, 4)))
    assert len(batches) == 4
    images = batches[0]["images"]
    assert images.shape == (2, 3, 6, 4)
    assert images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[:, 0, 0, 0].tolist() == (batches[0]["keys"] % 8).tolist()
    assert batches[0]["targets"]["mask"].shape == (2, 6, 4)


def test_a_stopped_epoch_goes_on_with_the_batch_it_would_have_had() -> None:
    samples, order = Memory([(4, 4)] * 12), EpochOrder(12, 3, 4, 7)
    whole = [batch["keys"].tolist() for batch in Batches(samples, order, TrainingState(epoch=2), size=(4, 4))]
    rest = [batch["keys"].tolist() for batch in Batches(samples, order, TrainingState(epoch=2, batch=2), size=(4, 4))]
    assert rest == whole[2:]


def test_crops_depend_on_seed_epoch_and_sample_alone() -> None:
    samples = Memory([(40, 50), (64, 30), (20, 20)])
    batches = Batches(samples, EpochOrder(3, 3, 1, 0), TrainingState(), size=(32, 32), foreground=0.5)
    together = batches.make(3, np.array([0, 1, 2]))
    alone = batches.make(3, np.array([1]))
    assert together["images"].shape == (3, 3, 32, 32)
    assert torch.equal(together["images"][1], alone["images"][0])


def test_an_unreadable_picture_reaches_the_training_thread() -> None:
    class Broken(Memory):
        def take(self, indices: np.ndarray) -> Taken:
            raise OSError("gone")

    batches = Batches(Broken([(4, 4)] * 2), EpochOrder(2, 1, 2, 0), TrainingState(), size=(4, 4))
    with pytest.raises(OSError, match="gone"):
        next(iter(batches))


def test_leaving_an_epoch_early_ends_its_thread() -> None:
    import threading

    batches = iter(Batches(Memory([(4, 4)] * 100), EpochOrder(100, 1, 100, 0), TrainingState(), size=(4, 4)))
    next(batches)
    batches.close()
    time.sleep(0.3)
    assert not any(thread.name == "limner-loader" for thread in threading.enumerate())


def test_small_pictures_are_reflected_to_the_crop() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    expected = [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert crop(array, (0, 0), (3, 4)).tolist() == expected


def test_foreground_crops_hold_foreground() -> None:
    mask = np.zeros((200, 300), np.uint8)
    mask[150, 20] = 1
    mask[0, :] = IGNORE
    rng = np.random.default_rng(0)
    for _ in range(50):
        top, left = crop_corner((200, 300), (64, 64), rng, mask, 1.0)
        assert 0 <= top <= 136
        assert 0 <= left <= 236
        assert mask[top : top + 64, left : left + 64].max() >= 1
        assert (mask[top : top + 64, left : left + 64] == 1).any()


def test_rare_classes_are_met_as_often_as_common_ones() -> None:
    mask = np.zeros((200, 300), np.uint8)
    mask[:, :100] = 1
    mask[190, 290] = 2
    planes = np.stack([mask == 1, mask == 2], axis=2).astype(np.uint8)
    for given in (mask, planes):
        rng = np.random.default_rng(0)
        corners = [crop_corner((200, 300), (32, 32), rng, given, 1.0) for _ in range(200)]
        rare = sum(top + 32 > 190 and left + 32 > 290 for top, left in corners)
        assert 70 < rare < 130
    assert crop_corner((200, 300), (32, 32), rng, np.full((200, 300), IGNORE, np.uint8), 1.0)


def test_16_bit_pictures_keep_their_values() -> None:
    class Deep(Memory):
        def take(self, indices: np.ndarray) -> Taken:
            return Taken([np.full((4, 4, 1), 60_000, np.uint16) for _ in indices], {})

    batch = next(iter(Batches(Deep([(4, 4)]), EpochOrder(1, 1, 1, 0), TrainingState(), size=(4, 4))))
    assert batch["images"].unique().tolist() == [60_000]
