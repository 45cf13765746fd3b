"""One pass of the network for photos of several requests, and a bound on how many photos are in the house."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from photograft.inference.classifier import Prediction
from photograft.inference.heads import Heads
from photograft.serving.guard import Refused
from photograft.values import FloatArray, PixelArray

_GATHER_S = 0.002
"""How long a batch waits for photos that are being decoded at the time."""


@dataclass(frozen=True)
class Answered:
    """What came of one photo: what every head says, by its name, and the embeddings (1, D) by network."""

    predictions: dict[str, Prediction]
    embeddings: dict[str, FloatArray]


@dataclass(frozen=True)
class _Job:
    pixels: dict[str, PixelArray]
    answer: asyncio.Future[Answered]


class House:
    """Counts the photos that are decoded, wait or are predicted, and takes no more than it has room for."""

    def __init__(self, room: int) -> None:
        self.room, self.inside, self.refused = room, 0, 0

    @contextmanager
    def admit(self, n: int) -> Iterator[None]:
        """Room for `n` photos; raises Refused (503) where there is none."""
        if self.inside + n > self.room:
            self.refused += 1
            raise Refused(
                503, "queue_full", "The server has as many photos as it can take: try again.", {"retry-after": "1"}
            )
        self.inside += n
        try:
            yield
        finally:
            self.inside -= n


class Batcher:
    """A thread that takes what photos there are through the network, at most `most` at once.

    It waits for further photos only while some are being decoded, as `coming` says, and then two milliseconds: a client
    alone is answered at once. `seen` is told how many photos a pass had.
    """

    def __init__(self, heads: Heads, *, most: int, coming: Callable[[], int], seen: Callable[[int], None]) -> None:
        self._heads, self._most, self._coming, self._seen = heads, most, coming, seen
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="photograft-batch", daemon=True)
        self._thread.start()

    async def run(self, pixels: dict[str, PixelArray]) -> Answered:
        """What the heads say of one photo."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(pixels, answer))
        return await answer

    def close(self) -> None:
        """End the thread after the pass at hand."""
        self._jobs.put(None)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, ended = self._gather(job)
            batch = [each for each in batch if not each.answer.cancelled()]
            if batch:
                self._pass(batch)
            del job, batch  # pixels are not to be held while waiting
            if ended:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        """A job and others that are there, or come soon; and whether there will be no more."""
        batch = [first]
        while len(batch) < self._most:
            try:
                wait = self._jobs.empty() and self._coming() > len(batch)
                job = self._jobs.get(timeout=_GATHER_S) if wait else self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _pass(self, batch: Sequence[_Job]) -> None:
        loop = batch[0].answer.get_loop()
        self._seen(len(batch))
        try:
            embeddings = self._heads.embed([job.pixels for job in batch])
            said = self._heads.describe(embeddings, [""] * len(batch))
            rows = [{key: each_ND[i : i + 1] for key, each_ND in embeddings.items()} for i in range(len(batch))]
            answers = [Answered(*each) for each in zip(said, rows, strict=True)]
        except Exception as error:  # whoever waits must hear of it
            _tell(loop, _fail, batch, error)
        else:
            _tell(loop, _answer, batch, answers)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *arguments: object) -> None:
    if not loop.is_closed():  # a second signal ends the loop while a pass is on
        loop.call_soon_threadsafe(what, *arguments)


def _answer(batch: Sequence[_Job], answers: Sequence[Answered]) -> None:
    for job, answer in zip(batch, answers, strict=True):
        if not job.answer.done():
            job.answer.set_result(answer)


def _fail(batch: Sequence[_Job], error: Exception) -> None:
    for job in batch:
        if not job.answer.done():
            job.answer.set_exception(error)
