"""Distances between outlines: exactly DeepMind's, and known to differ from those between border pixels."""

import tracemalloc
import warnings

import numpy as np
import pytest
import surface_distance as deepmind
import torch
from monai.metrics import (
    HausdorffDistanceMetric,
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy import ndimage
from torchmetrics.functional.segmentation import hausdorff_distance

from limner.metrics import MEASURES, Measured, MeasureOptions, measure_masks
from limner.metrics.surface import assd, hd95, nsd, surface_distances

SPACINGS = [(1.0, 1.0), (0.5, 2.0), (1.7, 0.3)]
EMPTY = np.zeros((12, 16), bool)
SQUARE = EMPTY.copy()
SQUARE[2:8, 3:9] = True
SHIFTED = np.roll(SQUARE, 2, axis=1)


def blobs(seed, shape=(40, 61), smooth=2.0):
    rng = np.random.default_rng(seed)
    first, second = (ndimage.gaussian_filter(rng.random(shape), smooth) for _ in range(2))
    return first > 0.5, (0.6 * first + 0.4 * second) > 0.5


PAIRS = [*(blobs(seed, smooth=smooth) for seed, smooth in enumerate((0, 1, 2, 4))), (SQUARE, SHIFTED)]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("pair", PAIRS)
def test_all_three_are_deepminds(pair, spacing):
    distances = surface_distances(*pair, spacing)
    with quiet():
        theirs = deepmind.compute_surface_distances(*pair, spacing)
    assert hd95(distances) == pytest.approx(deepmind.compute_robust_hausdorff(theirs, 95))
    assert nsd(distances, 1.1) == pytest.approx(deepmind.compute_surface_dice_at_tolerance(theirs, 1.1))
    # Theirs are two directed means; the average over both surfaces weighs them by length.
    lengths = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
    directed = deepmind.compute_average_surface_distance(theirs)
    assert assd(distances) == pytest.approx(np.dot(directed, lengths) / sum(lengths))


@pytest.mark.parametrize("pair", PAIRS)
def test_surface_dice_is_monais_with_sub_voxels(pair):
    assert nsd(surface_distances(*pair), 1.1) == pytest.approx(monai(compute_surface_dice, pair, use_subvoxels=True))


def test_by_hand():
    # Two of 6 columns apart, a column being 0.5 wide.
    distances = surface_distances(SQUARE, SHIFTED, (3.0, 0.5))
    assert hd95(distances) == 1.0
    turn = np.hypot(3.0, 0.5) / 2
    # Of each long side, elements at 7 corners: a turn, five straight ones, a turn. Four and the turn are shared.
    side = 4 * 0.5 + turn
    outline = 10 * 0.5 + 10 * 3.0 + 4 * turn
    assert nsd(distances, 0.0) == pytest.approx(2 * side / outline)
    # Off the shared part: of each long side 0.5 is one column away and a turn two; both short sides are two.
    away = 2 * (0.5 * 0.5 + turn * 1.0) + 2 * 5 * 3.0 * 1.0
    assert assd(distances) == pytest.approx(away / outline)


@pytest.mark.parametrize("pair", PAIRS[2:])
def test_border_pixels_differ_by_less_than_a_pixel(pair):
    # MONAI measures between pixels of the masks' borders, each counting the same.
    distances = surface_distances(*pair)
    theirs = monai(compute_hausdorff_distance, pair, percentile=95)
    assert abs(hd95(distances) - theirs) <= 1
    theirs = monai(compute_average_surface_distance, pair, symmetric=True)
    assert abs(assd(distances) - theirs) <= 0.5


def test_where_border_pixels_say_something_else():
    # A pixel, and the same with a neighbour: of three border pixels one is 1 away.
    one, two = EMPTY.copy(), EMPTY.copy()
    one[5, 5] = two[5, 5] = two[5, 6] = True
    assert monai(compute_average_surface_distance, (one, two), symmetric=True) == pytest.approx(1 / 3)
    distances = surface_distances(one, two)
    # Their outlines are 4 turns, and 4 turns and 2 straight elements, of which 2 turns are 1 away.
    turn = np.sqrt(0.5)
    assert assd(distances) == pytest.approx(2 * turn / (8 * turn + 2))


@pytest.mark.parametrize(
    ("truth", "prediction", "theirs"),
    [(SQUARE, EMPTY, [np.nan, np.inf, 0]), (EMPTY, SQUARE, [np.nan, np.inf, 0]), (EMPTY, EMPTY, [np.nan] * 3)],
)
def test_empty_masks_in_monai_and_here(truth, prediction, theirs):
    pair = truth, prediction
    said = [
        monai(compute_hausdorff_distance, pair, percentile=95),
        monai(compute_average_surface_distance, pair, symmetric=True),
        monai(compute_surface_dice, pair),
    ]
    np.testing.assert_array_equal(said, theirs)
    ours = scores(truth, prediction, spacing=(3.0, 1.0))
    if truth.any() or prediction.any():
        diagonal = np.hypot(12 * 3.0, 16)
        assert (ours["hd95"], ours["assd"], ours["nsd"]) == pytest.approx((diagonal, diagonal, 0))
    else:
        assert np.isnan([ours["hd95"], ours["assd"], ours["nsd"]]).all()


def test_one_perfect_image_and_one_miss_is_zero_in_monai():
    metric = HausdorffDistanceMetric(percentile=95)
    with quiet():
        metric(tensor(SQUARE, EMPTY), tensor(SQUARE, SQUARE))
        assert float(metric.aggregate()) == 0
    ours = [scores(SQUARE, SQUARE)["hd95"], scores(SQUARE, EMPTY)["hd95"]]
    assert np.mean(ours) == pytest.approx((0 + 20) / 2)


def test_torchmetrics_crashes_without_objects():
    empty = torch.zeros(1, 12, 16).long()
    settings = {"num_classes": 2, "include_background": False, "input_format": "index"}
    with pytest.raises(RuntimeError):
        hausdorff_distance(empty, empty, **settings)
    assert np.isnan(scores(EMPTY, EMPTY)["hd95"])
    assert float(hausdorff_distance(empty, torch.from_numpy(SQUARE)[None].long(), **settings)) == np.inf


def test_a_miss_costs_what_is_asked():
    ours = scores(SQUARE, EMPTY, options=MeasureOptions(tolerance=1.0, miss_distance=50.0))
    assert (ours["hd95"], ours["assd"]) == (50, 50)
    assert "HD95 and ASSD are 50;" in MeasureOptions(tolerance=1.0, miss_distance=50.0).policy


def test_both_ways_of_searching_agree():
    # Few elements are searched in a tree, many in a distance transform; a far speck makes the same outline sparse.
    first, second = blobs(9, (30, 30), 1)
    near = surface_distances(first, second, (0.7, 1.3))
    far = [np.pad(mask, (0, 400)) for mask in (first, second)]
    for mask in far:
        mask[-1, -1] = True
    sparse = surface_distances(*far, (0.7, 1.3))
    assert sparse.from_truth[-len(near.from_truth) :] == pytest.approx(near.from_truth)
    assert sparse.near(1.0) - 4 * 2 * np.hypot(0.7, 1.3) / 2 == pytest.approx(near.near(1.0))


def test_the_empty_part_of_a_picture_costs_next_to_nothing():
    # Lengths of outlines and distances are float64: of the whole picture, either would take 8 bytes a pixel.
    near = surface_distances(*blobs(9, (30, 30), 1))
    truth, prediction = (np.pad(mask, ((700, 1270), (1500, 470))) for mask in blobs(9, (30, 30), 1))
    tracemalloc.start()
    try:
        far = surface_distances(truth, prediction)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * truth.size
    assert (hd95(far), assd(far), nsd(far, 2.0)) == (hd95(near), assd(near), nsd(near, 2.0))


def scores(truth, prediction, options=None, **spacing):
    table = measure_masks(truth, prediction, options or MeasureOptions(tolerance=1.0), **spacing)
    return {name: float(function(Measured.from_table(table[None]))[0]) for name, function in MEASURES.items()}


def tensor(*masks):
    return torch.from_numpy(np.stack(masks))[:, None].float()


class quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """MONAI warns of empty masks, and both use what is deprecated."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")


def monai(function, pair, **settings):
    truth, prediction = map(tensor, pair)
    if function is compute_surface_dice:
        settings["class_thresholds"] = [1.1]
    with quiet():
        return float(function(prediction, truth, include_background=True, **settings))
