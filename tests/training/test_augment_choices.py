"""Which ways round training pictures may be shown, by what was measured of them."""

import pytest

from limner.config import AugmentConfig
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.training.augment_choices import decide_augment

CELLS = LabelMap("binary", ("background", "cell"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)))
NO_UP = {"flip_h": 0.48, "flip_v": 0.57, "rotate90": 0.52}
UP = {"flip_h": 0.65, "flip_v": 1.0, "rotate90": 1.0}


def fingerprint(**changes):
    facts = {
        "count": 100,
        "smallest": (200, 200),
        "median": (200, 200),
        "largest": (200, 200),
        "uniform_size": True,
        "channels": 1,
        "dtype": "uint8",
        "low": 0.0,
        "high": 255.0,
        "mean": (0.5,),
        "std": (0.2,),
        "class_share": {"mask": [0.8, 0.2]},
        "objects_per_picture": 1.0,
        "empty_masks": {"mask": 0},
    }
    return Fingerprint(**(facts | changes))


def decide(asked=None, label_maps=None, **facts):
    values, because = decide_augment(
        AugmentConfig(**(asked or {})), fingerprint(**facts), label_maps or {"mask": CELLS}
    )
    return {name: values[name] for name in ("flip_h", "flip_v", "rotate90")}, because


USUAL = {"flip_h": True, "flip_v": False, "rotate90": False}


def test_pictures_without_an_up_are_said_to_have_none():
    ways, because = decide(told_apart=NO_UP, independent=58)
    assert ways == USUAL
    assert (
        "57% upside down and 52% turned by a quarter, chance 50% (58 pictures or groups), so they have no up" in because
    )
    assert "flip_v=true rotate90=true" in because


@pytest.mark.parametrize("told", [UP, {**NO_UP, "rotate90": 0.95}])
def test_pictures_with_an_up_are_said_to_have_one(told):
    ways, because = decide(told_apart=told, independent=100)
    assert ways == USUAL
    assert because.endswith("so they have an up, or are of one series")


@pytest.mark.parametrize(("pictures", "sure"), [(20, False), (200, True)])
def test_a_few_pictures_must_be_the_more_alike(pictures, sure):
    # 0.75 + 1.645 · sqrt(0.75 · 0.25 / 20) is 0.91, of 200 pictures 0.80; the limit is 0.85.
    _, because = decide(told_apart=dict.fromkeys(NO_UP, 0.75), independent=pictures)
    assert ("so they have no up" in because) == sure


def test_of_too_few_pictures_it_is_not_known():
    ways, because = decide(independent=12)
    assert ways == USUAL
    assert "from 20 pictures or groups on, there are 12" in because


def test_what_is_set_wins_and_the_rest_follows():
    ways, because = decide({"flip_v": True}, told_apart=NO_UP, independent=58)
    assert ways == {"flip_h": True, "flip_v": True, "rotate90": False}
    assert because.startswith("set: flip_v; else ")
    _, because = decide({"flip_v": True, "rotate90": True}, told_apart=NO_UP, independent=58)
    assert "upside down" not in because


def test_a_preset_that_is_set_is_taken_as_it_is():
    pairs = {"mirrored_classes": ((1, 2),), "label_maps": {"mask": LUNGS}}
    assert decide({"preset": "none"}, **pairs) == (dict.fromkeys(NO_UP, False), "set")
    ways, because = decide({"preset": "light", "rotate90": True}, **pairs)
    assert ways == {"flip_h": True, "flip_v": False, "rotate90": True}
    assert because == "set"


LUNGS = LabelMap(
    "multiclass",
    ("background", "left lung", "right lung"),
    ((0, 0, 0), (9, 0, 0), (0, 9, 0)),
    "values",
    ((0,), (1,), (2,)),
)


def test_left_and_right_organs_are_not_mirrored():
    told = {"flip_h": 1.0, "flip_v": 1.0, "rotate90": 1.0}
    ways, because = decide(label_maps={"mask": LUNGS}, mirrored_classes=((1, 2),), told_apart=told, independent=40)
    assert ways == {"flip_h": False, "flip_v": False, "rotate90": False}
    assert "left lung and right lung look like mirror images" in because
    ways, _ = decide({"flip_h": True}, {"mask": LUNGS}, mirrored_classes=((1, 2),), told_apart=told, independent=40)
    assert ways["flip_h"]
