"""Every line that a verdict on masks says to type is typed, and must give what it promises."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.data.labels import read_target
from limner.workflow.check import Checked, check

COLORS = np.array([[0, 0, 0], [220, 20, 60], [0, 120, 200]], np.uint8)
NEAR = np.array([[0, 0, 0], [220, 20, 60], [221, 22, 60]], np.uint8)
BLACK, RED, ROSE, BLUE = (0, 0, 0), (220, 20, 60), (221, 22, 60), (0, 120, 200)
_LINE = re.compile(r"[`'](data\.\w+=[^`']+)[`']")


def typed(checked: Checked) -> list[str]:
    """The lines that the verdict on the masks says to type."""
    (finding,) = [finding for finding in checked.findings if finding.kind == "mask-values"]
    return _LINE.findall(finding.remedy)


def run(zoo: Any, line: str) -> Checked:
    return check(zoo.root, overrides=[line], settings={"data.cache": False})


def alternately(*kinds: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    turns = itertools.cycle(kinds)
    return lambda ids: next(turns)(ids)


def rim(ids: np.ndarray, value: int, dtype: type = np.uint8) -> np.ndarray:
    marked = ids.astype(dtype)
    marked[:3] = value
    return marked


def jpeg(ids: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(ids * 127).save(stream, "JPEG", quality=75)
    return stream.getvalue()


def speckled(ids: np.ndarray) -> np.ndarray:
    """0 and a mixture of 254 and 255."""
    return np.where(ids == 1, 254 + (np.indices(ids.shape).sum(axis=0) // 4 % 2), 0).astype(np.uint8)


def numbered(ids: np.ndarray) -> np.ndarray:
    """Eight objects in some masks, nine in others."""
    objects = np.zeros(ids.shape, np.uint8)
    for number in range(8 + int(ids.sum()) % 2):
        row, column = divmod(number, 5)
        objects[2 + row * 12 : 10 + row * 12, 2 + column * 12 : 10 + column * 12] = number + 1
    return objects


def colored_objects(ids: np.ndarray) -> np.ndarray:
    """Objects, each of a colour that no other has."""
    colors = np.random.default_rng(int(ids.sum())).integers(60, 255, (10, 3), np.uint8)
    return np.vstack([COLORS[:1], colors])[numbered(ids)]


def depth(ids: np.ndarray) -> np.ndarray:
    return np.random.default_rng(int(ids.sum())).integers(0, 9000, ids.shape, np.uint16)


Expected = dict[str, tuple[str, tuple[Any, ...], tuple[int, ...]]]
"""Line → task, stored values per class, ignored values."""

REFUSED: dict[str, tuple[Callable[[np.ndarray], Any], str, int, Expected]] = {
    "ids and 255": (
        lambda ids: rim(ids, 255),
        ".png",
        3,
        {
            "data.ignore_values=[255]": ("multiclass", ((0,), (1,), (2,)), (255,)),
            "data.values=[[0],[1],[2],[255]]": ("multiclass", ((0,), (1,), (2,), (255,)), ()),
        },
    ),
    "-1 in int64": (
        lambda ids: rim(ids, -1, np.int64),
        ".npy",
        3,
        {
            "data.ignore_values=[-1]": ("multiclass", ((0,), (1,), (2,)), (-1,)),
            "data.values=[[-1],[0],[1],[2]]": ("multiclass", ((-1,), (0,), (1,), (2,)), ()),
        },
    ),
    "half 0/1, half 0/255": (
        alternately(lambda ids: ids, lambda ids: ids * 255),
        ".png",
        2,
        {
            "data.values=[[0],[1,255]]": ("binary", ((0,), (1, 255)), ()),
            "data.ignore_values=[255]": ("binary", ((0,), (1,)), (255,)),
            "data.values=[[0],[1],[255]]": ("multiclass", ((0,), (1,), (255,)), ()),
        },
    ),
    "254 beside 255": (
        speckled,
        ".png",
        2,
        {
            'data.values=[["0-127"],["128-255"]]': ("binary", (tuple(range(128)), tuple(range(128, 256))), ()),
            "data.ignore_values=[255]": ("binary", ((0,), (254,)), (255,)),
            "data.values=[[0],[254],[255]]": ("multiclass", ((0,), (254,), (255,)), ()),
        },
    ),
    "three levels in JPEG": (
        jpeg,
        ".jpg",
        3,
        {
            'data.values=[["0-63"],["64-190"],["191-255"]]': (
                "multiclass",
                (tuple(range(64)), tuple(range(64, 191)), tuple(range(191, 256))),
                (),
            ),
            "data.targets={mask: {task: regression}}": ("regression", (), ()),
        },
    ),
    "numbered objects": (
        numbered,
        ".png",
        2,
        {
            'data.values=[[0],["other"]]': ("binary", ((0,), ("other",)), ()),
            f"data.values=[{','.join(f'[{number}]' for number in range(10))}]": (
                "multiclass",
                tuple((number,) for number in range(10)),
                (),
            ),
        },
    ),
    "objects of a colour each": (
        colored_objects,
        ".png",
        2,
        {'data.values=[[[0,0,0]],["other"]]': ("binary", ((BLACK,), ("other",)), ())},
    ),
    "colours that nearly agree": (
        lambda ids: NEAR[ids],
        ".png",
        3,
        {
            "data.values=[[[0,0,0]],[[220,20,60],[221,22,60]]]": ("binary", ((BLACK,), (RED, ROSE)), ()),
            "data.values=[[[0,0,0]],[[220,20,60]],[[221,22,60]]]": ("multiclass", ((BLACK,), (RED,), (ROSE,)), ()),
        },
    ),
    "depth": (
        depth,
        ".png",
        2,
        {
            'data.values=[[0],["other"]]': ("binary", ((0,), ("other",)), ()),
            'data.values=[["0-4499"],["4500-8999"]]': (
                "binary",
                (tuple(range(4500)), tuple(range(4500, 9000))),
                (),
            ),
            "data.targets={mask: {task: regression}}": ("regression", (), ()),
        },
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_refusal_says_to_type_is_accepted(zoo: Any, kind: str) -> None:
    mask, suffix, classes, expected = REFUSED[kind]
    zoo.fill(mask, mask_suffix=suffix, classes=classes, count=6)
    refused = zoo.check()
    assert refused.outcome == "cannot train"
    assert set(typed(refused)) == set(expected)
    for line, (task, values, ignore) in expected.items():
        checked = run(zoo, line)
        assert checked.outcome != "cannot train", (line, checked.findings[0])
        found = checked.label_maps["mask"]
        assert (found.task, found.values if task != "regression" else (), found.ignore) == (task, values, ignore), line


LIKELY: dict[str, tuple[Callable[[np.ndarray], Any], str, int]] = {
    "0 and 7": (lambda ids: ids * 7, ".png", 2),
    "1 and 2": (lambda ids: ids + 1, ".png", 2),
    "gaps": (lambda ids: np.array([0, 5, 9], np.uint16)[ids] * 100, ".png", 3),
    "colours": (lambda ids: COLORS[ids], ".png", 3),
    "JPEG": (lambda ids: jpeg(ids * 2), ".jpg", 2),
}


@pytest.mark.parametrize("kind", LIKELY)
def test_the_line_of_a_likely_verdict_changes_nothing_but_how_sure_it_is(zoo: Any, kind: str) -> None:
    mask, suffix, classes = LIKELY[kind]
    zoo.fill(mask, mask_suffix=suffix, classes=classes, count=6)
    likely = zoo.check()
    (line,) = typed(likely)
    told = run(zoo, line)
    assert likely.outcome != "cannot train"
    assert told.outcome == "clean"
    (verdict,) = [finding for finding in told.findings if finding.kind == "mask-values"]
    assert verdict.evidence[-1] == "sure: as told"
    for name in zoo.truth:
        ids = [read_target(f"{zoo.root}/masks/{name}{suffix}", found.label_maps["mask"]) for found in (likely, told)]
        assert np.array_equal(*ids)


@pytest.mark.parametrize(
    ("mask", "suffix", "says"),
    [
        (lambda ids: np.where(np.indices(ids.shape)[0] < 3, np.nan, ids).astype(np.float32), ".npy", "in place of NaN"),
        (lambda ids: np.random.default_rng(0).random(ids.shape, np.float32), ".npy", "with whole numbers"),
        (lambda ids: Image.fromarray(COLORS[ids]).resize((31, 23)).resize((64, 48)), ".png", "without smoothing"),
    ],
    ids=["NaN", "fractions", "resized colours"],
)
def test_what_no_line_can_settle_says_how_to_save_the_masks(
    zoo: Any, refuses: Callable[..., Any], mask: Callable[[np.ndarray], Any], suffix: str, says: str
) -> None:
    zoo.fill(mask, mask_suffix=suffix, count=6)
    checked = refuses("mask-values", says=says)
    assert not [line for line in typed(checked) if line.startswith(("data.values", "data.ignore"))]
