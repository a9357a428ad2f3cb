"""Colours of classes differ from one another."""

import pytest

from limner.data.class_colors import class_colors


@pytest.mark.parametrize("count", [1, 2, 8, 9, 40])
def test_every_class_has_a_colour_of_its_own(count):
    colors = class_colors(count)
    assert len(set(colors)) == len(colors) == count
    assert colors[0] == (0, 0, 0)


def test_classes_without_background_are_never_black():
    assert (0, 0, 0) not in class_colors(5, background=False)
