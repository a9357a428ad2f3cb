"""Stored values as users write them."""

import pytest

from limner.data.fixed_values import parse_ignored, parse_values
from limner.errors import ConfigError


@pytest.mark.parametrize(
    "values",
    [
        [[0]],
        [[0], []],
        [[0], [0]],
        [[0], ["1-3"], [2]],
        [[0], ["#ff0000"]],
        [[0], ["red"]],
        [[0], ["9-3"]],
        [[0], [None]],
        [[0], [[1, 2]]],
        [[number] for number in range(255)],
    ],
)
def test_what_cannot_be_meant_is_refused(values):
    with pytest.raises(ConfigError, match=r"data\.values"):
        parse_values(values, [])


def test_a_value_is_not_both_ignored_and_a_class():
    with pytest.raises(ConfigError, match="255 stands twice"):
        parse_values([[0], [255]], [255])


def test_ignored_values():
    assert parse_ignored([255, "3-5", "#010203"]) == (255, 3, 4, 5, (1, 2, 3))
    with pytest.raises(ConfigError):
        parse_ignored(["other"])
