import numpy as np
import pytest

from limner.data.check.features import Features, describe
from limner.data.check.symmetries import symmetries
from limner.data.labels import LabelMap

MAP = LabelMap("multiclass", ("a", "b", "c"), ((0, 0, 0),) * 3, "values", ((0,), (1,), (2,)))


def noise(size, channels=1, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (*size, channels)).astype(dtype)


def test_objects_of_each_class_are_counted_at_full_size():
    mask = np.zeros((40, 60), np.uint8)
    mask[2:5, 3:7] = 1
    mask[10:12, 50:60] = 1
    mask[30, 30] = 2
    mask[0, 59] = 255

    found = describe(noise((40, 60)), {"mask": mask}, {"mask": MAP}).masks["mask"]

    assert found.area.tolist() == [40 * 60 - 12 - 20 - 1 - 1, 32, 1]
    assert found.objects[1:].tolist() == [2, 1]
    assert found.smallest[1:].tolist() == [12, 1]
    assert found.largest[1:].tolist() == [20, 1]
    assert found.boxes[1:].tolist() == [[2, 3, 12, 60], [30, 30, 31, 31]]
    assert found.ignored == 1


def test_planes_may_overlap():
    label_map = LabelMap("multilabel", ("a", "b"), ((0, 0, 0),) * 2, "planes", ())
    planes = np.zeros((20, 20, 2), np.uint8)
    planes[:10, :, 0] = 1
    planes[5:, :5, 1] = 1

    found = describe(noise((20, 20)), {"mask": planes}, {"mask": label_map}).masks["mask"]

    assert found.area.tolist() == [200, 75]
    assert found.boxes.tolist() == [[0, 0, 10, 20], [5, 0, 20, 5]]


@pytest.mark.parametrize(
    ("image", "levels", "blank"),
    [
        (np.full((9, 9, 1), 7, np.uint8), 1, True),
        (np.arange(100, dtype=np.uint16).reshape(10, 10, 1) * 600, 100, False),
        (np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8, 1), 64, False),
        (noise((30, 30), 4), 200, False),
    ],
)
def test_intensities(image, levels, blank):
    found = describe(image, {}, {})
    assert found.blank == blank
    assert (found.low, found.high) == (image.min(), image.max())
    assert abs(int(found.levels) - levels) <= (5 if levels == 200 else 0)


def test_numbers_that_are_none_are_told():
    image = np.ones((8, 8, 1), np.float32)
    image[0, 0] = np.nan
    assert not describe(image, {}, {}).finite


def test_a_picture_and_its_quarter_turn_have_turned_maps():
    image = noise((64, 96), 3)
    one, other = describe(image, {}, {}), describe(np.rot90(image).copy(), {}, {})
    assert np.abs(np.rot90(one.grey).astype(int) - other.grey).max() <= 1


def test_arrays_give_the_features_back():
    samples = [
        describe(noise((32, 32), seed=seed), {"mask": None if seed else np.eye(32, dtype=np.uint8)}, {"mask": MAP})
        for seed in range(3)
    ]
    stacked = Features.stack(samples)

    restored = Features.from_arrays(stacked.to_arrays())

    assert len(restored) == 3
    assert restored.masks["mask"].known.tolist() == [True, False, False]
    assert restored.subset([2]).hash.tolist() == [int(samples[2].hash)]
    assert sum(array.nbytes for array in stacked.to_arrays().values()) < 3 * 7000


def test_the_eight_symmetries_are_different_and_closed():
    square = np.arange(9).reshape(3, 3)
    versions = {version.tobytes() for version in symmetries(square)}
    assert len(versions) == 8
    assert {again.tobytes() for version in symmetries(square) for again in symmetries(version)} == versions
