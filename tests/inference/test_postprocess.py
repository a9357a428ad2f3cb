import numpy as np
import pytest
from scipy import ndimage

from limner.bundle import PostStep, TargetSpec
from limner.inference.postprocess import tidy

COLORS = [(0, 0, 0), (200, 0, 0), (0, 0, 200)]
BINARY = TargetSpec(task="binary", names=["background", "cell"], colors=COLORS[:2])
CLASSES = TargetSpec(task="multiclass", names=["ground", "cell", "nucleus"], colors=COLORS)
PLANES = TargetSpec(task="multilabel", names=["heart", "ventricle"], colors=COLORS[1:])


def mask(text: str) -> np.ndarray:
    rows = {".": 0, "#": 1, "o": 2}
    return np.array([[rows[letter] for letter in line] for line in text.split()], np.uint8)


def step(kind: str, label: str = "cell", area: int = 0) -> PostStep:
    return PostStep(target="mask", label=label, step=kind, area=area)


BEFORE = mask("""
    ###...#
    #.#..#.
    ###....
    ......#
""")


@pytest.mark.parametrize(
    ("steps", "after"),
    [
        ([step("largest")], "###.... #.#.... ###.... ......."),
        ([step("fill_holes")], "###...# ###..#. ###.... ......#"),
        # Two pixels that touch at a corner are one object.
        ([step("min_area", area=2)], "###...# #.#..#. ###.... ......."),
        ([step("min_area", area=3)], "###.... #.#.... ###.... ......."),
        ([step("min_area", area=9), step("fill_holes")], "....... ....... ....... ......."),
        ([step("fill_holes"), step("min_area", area=9)], "###.... ###.... ###.... ......."),
    ],
)
def test_steps_act_in_order(steps: list[PostStep], after: str) -> None:
    np.testing.assert_array_equal(tidy(BEFORE, BINARY, steps), mask(after))


def test_a_hole_keeps_the_objects_of_other_classes() -> None:
    found = tidy(mask("##### #.o.# #####"), CLASSES, [step("fill_holes")])
    np.testing.assert_array_equal(found, mask("##### ##o## #####"))


def test_only_the_class_that_is_named_changes() -> None:
    found = tidy(mask("#.o..o.o"), CLASSES, [step("largest", "nucleus")])
    np.testing.assert_array_equal(found, mask("#.o....."))


def test_planes_may_overlap() -> None:
    both = np.stack([mask("###.#"), mask("##..#")], axis=2)
    found = tidy(both, PLANES, [step("largest", "ventricle")])
    np.testing.assert_array_equal(found[..., 0], both[..., 0])
    np.testing.assert_array_equal(found[..., 1], mask("##..."))


def test_an_empty_mask_stays_empty_and_the_given_one_unchanged() -> None:
    empty, given = np.zeros((5, 5), np.uint8), BEFORE.copy()
    assert not tidy(empty, BINARY, [step("largest"), step("fill_holes"), step("min_area", area=3)]).any()
    tidy(given, BINARY, [step("largest")])
    np.testing.assert_array_equal(given, BEFORE)


def test_the_largest_is_the_largest_of_random_masks() -> None:
    random = np.random.default_rng(0).random((60, 70)) < 0.35
    found = tidy(random.astype(np.uint8), BINARY, [step("largest")])
    objects, count = ndimage.label(random, np.ones((3, 3)))
    assert found.sum() == max(ndimage.sum(random, objects, range(1, count + 1)))
