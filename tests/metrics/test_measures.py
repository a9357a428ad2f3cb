"""Bands, objects and areas, and what empty masks count for."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import erosion

from limner.metrics import MEASURES, Measured, MeasureOptions, measure
from limner.metrics.boundary import band_width, boundary_counts
from limner.metrics.measures import POOLED
from limner.metrics.objects import object_counts

OPTIONS = MeasureOptions(tolerance=1.0)
NAN = float("nan")


def masks(seed, shape=(50, 70), smooth=2.0):
    rng = np.random.default_rng(seed)
    first, second = (ndimage.gaussian_filter(rng.random(shape), smooth) for _ in range(2))
    return first > 0.5, (0.7 * first + 0.3 * second) > 0.5


@pytest.mark.parametrize("width", [1, 2, 5])
def test_bands_are_what_erosions_take_away(width):
    pair = masks(width)
    bands = []
    for mask in pair:
        inside = np.pad(mask, 1)  # as in the paper's code: beyond the edge is outside
        for _ in range(width):
            inside = erosion(inside, np.ones((3, 3)))
        bands.append(mask & ~inside[1:-1, 1:-1])
    expected = (bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()
    assert boundary_counts(*pair, width) == expected


def test_a_band_is_two_hundredths_of_the_diagonal():
    assert band_width((300, 400)) == 10


@pytest.mark.parametrize("seed", range(4))
def test_objects_match_as_a_search_of_all_pairs_finds(seed):
    truth, prediction = masks(seed, smooth=1.5)
    true, found = (
        [set(map(tuple, region.coords)) for region in regionprops(label(mask, connectivity=2))]
        for mask in (truth, prediction)
    )
    matched = sum(len(one & other) / len(one | other) > 0.5 for one in true for other in found)
    assert object_counts(truth, prediction) == (matched, len(found) - matched, len(true) - matched)
    assert 0 < matched < len(true)


def test_objects_touch_at_corners_and_half_is_not_enough():
    assert object_counts(np.eye(4, dtype=bool), np.ones((4, 4), bool)) == (0, 1, 1)
    half = np.array([[1, 1, 0, 0]], bool)
    assert object_counts(half, np.array([[1, 0, 0, 0]], bool)) == (0, 1, 1)
    assert object_counts(half, half) == (1, 0, 0)


EMPTY = np.zeros((3, 4), np.uint8)
THERE = EMPTY.copy()
THERE[0, :2] = 1
MORE = EMPTY.copy()
MORE[0, :3] = 1


@pytest.mark.parametrize(
    ("truth", "prediction", "nsd", "hd95", "assd", "boundary_iou", "object_f1", "area_error", "area_abs_error"),
    [
        pytest.param(EMPTY, EMPTY, *[NAN] * 7, id="both empty"),
        pytest.param(THERE, EMPTY, 0, 10, 10, 0, 0, -1, 2 * 4, id="missed"),
        pytest.param(EMPTY, THERE, 0, 10, 10, 0, 0, NAN, 2 * 4, id="false alarm"),
        pytest.param(THERE, THERE, 1, 0, 0, 1, 1, 0, 0, id="perfect"),
        pytest.param(EMPTY + 255, THERE, *[NAN] * 7, id="all ignored"),
    ],
)
def test_the_policy(truth, prediction, nsd, hd95, assd, boundary_iou, object_f1, area_error, area_abs_error):
    # A picture of 3×4 pixels of 2×2 mm: the diagonal is 10 mm.
    table = measure(truth, prediction, range(1, 2), OPTIONS, spacing=(2.0, 2.0))
    got = {name: function(Measured.from_table(table))[1] for name, function in MEASURES.items()}
    assert got == pytest.approx(
        {
            "nsd": nsd,
            "hd95": hd95,
            "assd": assd,
            "boundary_iou": boundary_iou,
            "object_f1": object_f1,
            "area_error": area_error,
            "area_abs_error": area_abs_error,
        },
        nan_ok=True,
    )


def test_areas_have_a_sign_and_a_unit():
    table = Measured.from_table(measure(THERE, MORE, range(1, 2), OPTIONS, spacing=(0.5, 3.0)))
    assert MEASURES["area_error"](table)[1] == pytest.approx(0.5)
    assert MEASURES["area_abs_error"](table)[1] == pytest.approx(1.5)


def test_the_background_is_not_measured_and_ignored_pixels_are_nobodys():
    truth, prediction = MORE.copy(), THERE.copy()
    truth[0, 2] = 255
    table = measure(truth, prediction, range(1, 2), OPTIONS)
    assert np.isnan(table[0]).all()
    scores = {name: function(Measured.from_table(table))[1] for name, function in MEASURES.items()}
    assert (scores["nsd"], scores["hd95"], scores["area_error"]) == (1, 0, 0)


def test_planes_are_measured_each_by_itself():
    truth, prediction = np.stack([THERE, MORE], axis=-1), np.stack([MORE, MORE], axis=-1)
    table = measure(truth, prediction, range(2), OPTIONS)
    np.testing.assert_array_equal(table[0], measure(THERE, MORE, range(1, 2), OPTIONS)[1])
    assert MEASURES["boundary_iou"](Measured.from_table(table))[1] == 1


def test_pooled_scores_come_from_sums():
    images = [measure(*pair, range(1, 2), OPTIONS) for pair in ((THERE, MORE), (THERE, EMPTY))]
    pooled = {name: MEASURES[name](Measured.from_table(np.sum(images, axis=0)))[1] for name in POOLED}
    assert pooled["object_f1"] == pytest.approx(2 * 1 / (2 * 1 + 1))
    assert pooled["area_error"] == pytest.approx((1 - 2) / 4)
    assert pooled["boundary_iou"] == pytest.approx(2 / (3 + 2))
