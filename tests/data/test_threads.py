"""Ordered work on threads."""

import threading
import time

import pytest

from limner.data.threads import THREADS, map_ordered


def test_order_is_kept_whoever_finishes_first():
    def work(number):
        time.sleep(0.002 * (number % 3))
        return number

    assert list(map_ordered(work, range(100))) == list(range(100))


def test_work_stays_a_little_ahead_of_the_reader():
    started = []
    results = map_ordered(started.append, range(10_000))
    next(results)
    results.close()
    assert len(started) < 20 * THREADS


def test_an_error_arrives_in_its_turn_and_leaves_no_thread():
    before = threading.active_count()
    results = map_ordered(lambda number: 1 // (3 - number), range(1000))
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert threading.active_count() == before
