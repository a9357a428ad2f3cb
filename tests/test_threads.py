import threading
import time

import pytest

from limner.threads import THREADS, ordered_map


def test_order_is_kept_when_later_items_finish_first() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number

    assert list(ordered_map(slow_first, range(10), threads=3, ahead=4)) == list(range(10))


def test_never_more_than_asked_is_under_way() -> None:
    taken: list[int] = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    results = ordered_map(lambda number: number, items(), threads=2, ahead=3)
    for number in results:
        assert len(taken) <= number + 1 + 3
    assert taken == list(range(20))


def test_work_overlaps() -> None:
    meeting = threading.Barrier(2, timeout=5)
    assert list(ordered_map(lambda number: meeting.wait() >= 0, range(4), threads=2, ahead=2)) == [True] * 4


def test_an_exception_comes_in_its_turn() -> None:
    def fail_at_two(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = ordered_map(fail_at_two, range(5), threads=2, ahead=5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_closing_drops_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.02)
        return number

    results = ordered_map(work, range(1000), threads=1, ahead=50)
    next(results)
    results.close()
    assert len(begun) < 10


def test_work_stays_a_little_ahead_of_the_reader() -> None:
    started: list[int] = []
    results = ordered_map(started.append, range(10_000))
    next(results)
    results.close()
    assert len(started) < 20 * THREADS
