"""Reading ahead: the next batches are read in a thread while a step computes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from queue import Empty, Queue
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def prefetched(jobs: Iterable[Job], read: Callable[[Job], Result], *, depth: int = 2) -> Generator[Result]:
    """`read` of every job, in order, up to `depth` of them ahead of what was taken.

    An error of `read` or of `jobs` is raised where its result would come. Closing the generator ends the thread.
    """
    ready: Queue[tuple[bool, Result | BaseException | None]] = Queue(depth)
    stop = threading.Event()

    def fill() -> None:
        try:
            for job in jobs:
                result = read(job)
                if stop.is_set():
                    return
                ready.put((True, result))
            ready.put((False, None))
        except BaseException as error:  # whatever it is, it belongs to whom the result would have gone
            ready.put((False, error))

    thread = threading.Thread(target=fill, name="photograft-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            good, item = ready.get()
            if good:
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return
    finally:
        stop.set()
        while thread.is_alive():
            with suppress(Empty):  # the thread may be waiting for a place
                ready.get(timeout=0.01)
