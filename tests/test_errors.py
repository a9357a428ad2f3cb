from __future__ import annotations

import inspect
import pickle

import pytest

from limner import errors
from limner.errors import DataError, LimnerError, shorten


def test_every_error_is_a_limner_error():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]

    assert len(kinds) == 8
    assert all(issubclass(kind, LimnerError) for kind in kinds)


def test_message_has_three_parts_and_its_details():
    error = DataError("a mask per image", "two are missing", "Add them.", details=["a.png", "b.png"])

    assert str(error).splitlines() == [
        "Expected: a mask per image",
        "Found:    two are missing",
        "          - a.png",
        "          - b.png",
        "To do:    Add them.",
    ]


def test_error_survives_the_way_from_a_worker_process():
    error = DataError("x", "y", "z", details=["a"])

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is DataError
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (3, ["0", "1", "2"]), (1004, ["0", "1", "2", "… and 1,001 more"])]
)
def test_shorten_counts_what_it_leaves_out(count, expected):
    assert shorten([str(number) for number in range(count)], most=3) == expected
