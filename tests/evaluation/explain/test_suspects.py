"""What pictures look like with faults, and the trees that tell it."""

from __future__ import annotations

import numpy as np
import pytest

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, PlantedSpec, TargetSpec, TilingSpec
from limner.errors import BundleError
from limner.evaluation.explain.appearance import appearance, grid, noise, portray
from limner.evaluation.explain.forest import grow
from limner.evaluation.explain.suspects import FEWEST_PICTURES, learn, rows_of, suspect

GREY = InputSpec(channels=1, dtype="uint16", low=0.0, high=4095.0, mean=[0.4], std=[0.2], fit="native")


def bars(seed: int) -> np.ndarray:
    """Upright bright bars of random widths on a dark ground, of 12 bits, with a little noise."""
    random = np.random.default_rng(seed)
    picture = np.full((48, 64, 1), 900.0)
    for left in random.integers(0, 56, 4):
        picture[:, left : left + random.integers(4, 9)] = random.uniform(2000, 2600)
    return (picture + random.normal(0, 40, picture.shape)).clip(0, 4095).astype(np.uint16)


def about(planted: PlantedSpec | None) -> BundleMeta:
    return BundleMeta(
        model=ModelSpec(name="unet", kwargs={}),
        inputs=GREY,
        targets={"mask": TargetSpec(task="binary", names=["background", "bar"], colors=[(0, 0, 0), (255, 0, 0)])},
        tiling=TilingSpec(size=256),
        planted=planted,
        data=DataSpec(hash="0", count=12),
    )


@pytest.fixture(scope="module")
def meta() -> BundleMeta:
    rows = [rows_of(bars(number), GREY, ["flip_h", "flip_v"], number) for number in range(12)]
    return about(learn(rows, [""] * 12))


def test_noise_is_measured_beside_edges() -> None:
    random = np.random.default_rng(0)
    unit = np.repeat(np.arange(100)[:, None] > 50, 100, axis=1)[..., None].astype(np.float32) / 2
    noisy = unit + random.normal(0, 0.05, unit.shape).astype(np.float32)
    assert noise(noisy) == pytest.approx(0.05, rel=0.1)
    assert noise(unit) == 0


def test_the_grid_of_jpeg_is_seen_wherever_it_begins() -> None:
    random = np.random.default_rng(0)
    plain = random.normal(0.5, 0.01, (64, 64, 1)).astype(np.float32)
    tiles = np.kron(random.uniform(0, 1, (9, 9)), np.ones((8, 8)))[3:67, 5:69, None].astype(np.float32)
    assert grid(plain) < 0.3 < grid(plain + tiles)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (5, 3), (300, 7)])
def test_pictures_of_every_size_have_the_same_numbers(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (*shape, 1)).astype(np.uint16)
    found = appearance(portray(pixels, GREY))
    assert np.isfinite(found).all()
    assert found.shape == appearance(portray(bars(0), GREY)).shape


def test_trees_part_what_no_single_number_does() -> None:
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, (300, 2))
    kinds = (rows[:, 0] * rows[:, 1] > 0).astype(np.int64)
    forest = grow(rows, kinds, np.ones(300), np.arange(300) // 3, 20)
    corners = np.array([[0.5, 0.5], [-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    shares = forest.shares(corners)
    assert shares.argmax(axis=1).tolist() == [1, 1, 0, 0]
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert (forest.left_out.argmax(axis=1) == kinds).mean() > 0.85


def test_groups_that_were_left_out_are_not_known() -> None:
    """Of rows that say their group and nothing else, those of another group tell nothing."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    kinds = random.integers(0, 2, 40)[groups]
    rows = random.uniform(0, 1, (40, 3))[groups]
    forest = grow(rows, kinds, np.ones(200), groups, 30)
    assert (forest.shares(rows).argmax(axis=1) == kinds).mean() > 0.9
    assert (forest.left_out.argmax(axis=1) == kinds).mean() < 0.75


def test_a_fault_of_16_bit_pictures_is_suspected(meta: BundleMeta) -> None:
    for seed in (100, 101):
        picture = bars(seed)
        usual = suspect(picture, meta)
        assert usual is not None
        assert usual.kind is None
        assert sum(usual.shares.values()) == pytest.approx(1)
        dark = suspect(picture // 8, meta)
        assert dark is not None
        assert (dark.kind, dark.words) == ("exposure", "much darker")
        inverted = suspect(4095 - picture, meta)
        assert inverted is not None
        assert inverted.kind == "inverted"


def test_a_turn_is_suspected_where_it_was_not_learned(meta: BundleMeta) -> None:
    turned = suspect(np.ascontiguousarray(bars(100).transpose(1, 0, 2)), meta)
    assert turned is not None
    assert turned.kind == "turned"


def test_what_is_not_known_is_not_suspected() -> None:
    few = [rows_of(bars(number), GREY, [], number) for number in range(FEWEST_PICTURES - 1)]
    assert learn(few, [""] * len(few)) is None
    assert suspect(bars(0), about(None)) is None


def test_a_damaged_table_is_refused(meta: BundleMeta) -> None:
    assert meta.planted is not None
    for table in ("AAAA", "é", meta.planted.table[:-8]):
        with pytest.raises(BundleError, match="rows of pictures with faults"):
            suspect(bars(0), about(meta.planted.model_copy(update={"table": table})))
