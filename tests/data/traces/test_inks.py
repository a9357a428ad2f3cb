from __future__ import annotations

import pytest

from limner.data.traces.inks import parse_inks
from limner.errors import ConfigError


def test_a_colour_without_structure_stands_for_itself():
    assert [(ink.name, ink.structure) for ink in parse_inks(["blue", "red = right ventricle"])] == [
        ("blue", "blue"),
        ("red", "right ventricle"),
    ]


@pytest.mark.parametrize(
    "texts", [["bluish"], ["#12345"], ["#808080"], ["blue", "blue=lv"], ["blue=a", "red=a"], ["red=../x"], []]
)
def test_what_cannot_be_meant_is_refused(texts):
    with pytest.raises(ConfigError):
        parse_inks(texts)
