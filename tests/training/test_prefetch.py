"""Reading ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from photograft.training.prefetch import prefetched


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "photograft-prefetch"]


def test_results_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetched(range(50), lambda job: job * 2)) == [2 * i for i in range(50)]
    assert not threads()


def test_an_error_comes_where_its_result_would() -> None:
    results = prefetched(range(5), lambda job: 1 // (3 - job))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not threads()


def test_an_error_of_the_jobs_comes_too() -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(prefetched(jobs(), abs))


def test_closing_ends_the_thread_in_the_midst_of_endless_jobs() -> None:
    read: list[int] = []
    results = prefetched(iter(int, 1), lambda job: read.append(job) or job, depth=3)
    next(results)
    results.close()
    assert not threads()
    assert len(read) <= 6


def test_reading_goes_on_while_the_last_result_is_used() -> None:
    read: list[int] = []
    results = prefetched(range(10), lambda job: read.append(job) or job)
    next(results)
    end = time.monotonic() + 10
    while len(read) < 3 and time.monotonic() < end:
        time.sleep(0.001)
    assert len(read) >= 3
    results.close()
