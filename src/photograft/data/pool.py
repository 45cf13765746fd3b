"""Decoder processes: photos are decoded in parallel, in order, and none can crash, hang or fill the program."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, TypeVar, cast, final

from photograft.contract import Contract
from photograft.data.boxes import Boxed
from photograft.data.images import Decoded
from photograft.data.wire import pack_annotation, receive, send
from photograft.data.worker import unpack
from photograft.errors import ImageRejected, PhotograftError
from photograft.values import Annotation

DIED: Final = "the decoder process was ended by"
"""How the reason of a photo begins that ended two decoder processes one after the other."""

_Key = TypeVar("_Key")
_Job = tuple[bytes | Boxed, "Future[Decoded]"]

_AHEAD_PER_WORKER = 4
_AHEAD_BYTES = 256 * 2**20
_TICK_S = 0.25


@final
class DecodePool:
    """A pool of decoder processes, to be used as a context manager and from as many threads as wanted.

    Processes start when the first photos come, never more than are needed. They end with `close`, when the pool is
    garbage, when the program ends, and when the program is killed.
    """

    def __init__(self, contract: Contract, *, workers: int | None = None, timeout_s: float = 10.0) -> None:
        """Prepare `workers` processes (by default one per core, eight at most).

        `timeout_s` are the CPU seconds that one photo may take. Where the system cannot limit those, and where a
        process is stuck without using the CPU, a limit of three times that plus five seconds on the clock holds.
        """
        self.contract = contract
        self._size = max(1, workers or min(8, _count_cores()))
        self._greeting = {"contract": contract.model_dump(mode="json"), "timeout_s": timeout_s}
        self._ticks = math.ceil((3 * timeout_s + 5) / _TICK_S)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._closed = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._finalizer = weakref.finalize(self, _shut_down, self._jobs, self._workers, self._threads, self._stop)

    def decode(self, data: bytes, annotation: Annotation | None = None) -> Decoded:
        """Decode the bytes of one file, cropped to its annotation as the contract says.

        Raises:
            ImageRejected: if the file cannot be used as a photo.
            PhotograftError: if decoder processes cannot be started, or the pool is closed.
        """
        try:
            return self.submit(data if annotation is None else Boxed(data, annotation)).result()
        except CancelledError as error:
            raise PhotograftError("the decoder pool was closed") from error

    def submit(self, photo: bytes | Boxed) -> Future[Decoded]:
        """Have one file decoded; what comes of it is that of `decode`."""
        future: Future[Decoded] = Future()
        with self._lock:
            if self._closed:
                raise PhotograftError("the decoder pool is closed")
            self._in_flight += 1
            if self._in_flight > len(self._workers) and len(self._workers) < self._size:
                self._add_worker()
            self._jobs.put((photo, future))
        future.add_done_callback(self._count_done)
        return future

    def map(self, items: Iterable[tuple[_Key, bytes | Boxed]]) -> Iterator[tuple[_Key, Decoded | ImageRejected]]:
        """Decode many files in parallel and yield the results in their order.

        `items` is read lazily: at most four photos per process, or 256 MB, ahead of what has been yielded.
        """
        for key, outcome in self.map_where_needed(items):
            if outcome is not None:
                yield key, outcome

    def map_where_needed(
        self, items: Iterable[tuple[_Key, bytes | Boxed | None]]
    ) -> Iterator[tuple[_Key, Decoded | ImageRejected | None]]:
        """As `map`, but items without bytes are passed on in their place, with None."""
        pending: deque[tuple[_Key, int, Future[Decoded] | None]] = deque()
        n_bytes = 0
        try:
            for key, job in items:
                size = 0 if job is None else len(job.data if isinstance(job, Boxed) else job)
                pending.append((key, size, None if job is None else self.submit(job)))
                n_bytes += size
                del job
                while pending and (
                    pending[0][2] is None or len(pending) >= _AHEAD_PER_WORKER * self._size or n_bytes > _AHEAD_BYTES
                ):
                    done, size, future = pending.popleft()
                    n_bytes -= size
                    yield done, _outcome(future)
            while pending:
                done, _, future = pending.popleft()
                yield done, _outcome(future)
        finally:
            for _, _, future in pending:
                if future is not None:
                    future.cancel()

    def close(self) -> None:
        """End the processes; photos that still wait are given up."""
        with self._lock:
            self._closed = True  # what came before is given up here, what comes later is refused: nobody waits for ever
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count_done(self, _: Future[Decoded]) -> None:
        with self._lock:
            self._in_flight -= 1

    def _add_worker(self) -> None:
        # The threads hold no reference to the pool, so that a forgotten pool is collected and its processes end.
        if not self._workers:
            self._threads.append(_start_thread(_watch, self._workers, self._stop))
        worker = _Worker(self._greeting, self._ticks)
        self._workers.append(worker)
        self._threads.append(_start_thread(_serve, self._jobs, worker))


def _outcome(future: Future[Decoded] | None) -> Decoded | ImageRejected | None:
    try:
        return None if future is None else future.result()
    except ImageRejected as rejected:
        return rejected


def _start_thread(target: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="photograft-decode", daemon=True)
    thread.start()
    return thread


def _serve(jobs: queue.SimpleQueue[_Job | None], worker: _Worker) -> None:
    """Hand the jobs of the queue to one worker, until None comes."""
    while (job := jobs.get()) is not None:
        photo, future = job
        del job
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(worker.decode(photo))
        except BaseException as error:  # whatever it is, the one who waits for this photo must hear of it
            future.set_exception(error)
        del photo, future  # not to be held while waiting for the next photo
    worker.end()


def _watch(workers: list[_Worker], stop: threading.Event) -> None:
    """Kill workers that take too long on the clock. Counts ticks, so that a suspended program kills none."""
    while not stop.wait(_TICK_S):
        for worker in tuple(workers):
            worker.tick()


def _shut_down(
    jobs: queue.SimpleQueue[_Job | None],
    workers: list[_Worker],
    threads: list[threading.Thread],
    stop: threading.Event,
) -> None:
    stop.set()
    with contextlib.suppress(queue.Empty):
        while job := jobs.get_nowait():
            job[1].cancel()
    for worker in workers:
        jobs.put(None)
        worker.give_up()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(timeout=5)


@final
class _Worker:
    """One decoder process, which is replaced when it dies."""

    def __init__(self, greeting: dict[str, Any], ticks: int) -> None:
        self._greeting = greeting
        self._ticks = ticks
        self._ticks_left: int | None = None
        self._killed_by_watch = False
        self._given_up = False
        self._is_ready = False
        self._lock = threading.Lock()
        self._process = self._start()

    def decode(self, photo: bytes | Boxed) -> Decoded:
        """Decode one file. A process that dies gets a second try, since something else may have killed it."""
        reason = ""
        for _ in range(2):
            self._await_ready()
            try:
                return self._ask(photo)
            except (EOFError, OSError):
                reason = self._bury()
        raise ImageRejected("corrupt", f"{DIED} {reason}")

    def tick(self) -> None:
        """Count one tick of the clock against the photo at hand."""
        with self._lock:
            if self._ticks_left is None:
                return
            self._ticks_left -= 1
            if self._ticks_left <= 0:
                self._killed_by_watch = True
                self._process.kill()

    def give_up(self) -> None:
        """Stop at once what is being decoded."""
        with self._lock:
            self._given_up = True
            if self._ticks_left is not None:
                self._process.kill()

    def end(self) -> None:
        """Let the process end and wait for it."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(BinaryIO, stream).close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, photo: bytes | Boxed) -> Decoded:
        data, annotation = (photo.data, photo.annotation) if isinstance(photo, Boxed) else (photo, None)
        with self._lock:
            if self._given_up:
                raise PhotograftError("the decoder pool was closed")
            self._ticks_left = self._ticks
        try:
            send(cast(BinaryIO, self._process.stdin), pack_annotation(annotation), data)
            header, payload = receive(cast(BinaryIO, self._process.stdout))
        finally:
            with self._lock:
                self._ticks_left = None
        return unpack(header, payload)

    def _bury(self) -> str:
        """Replace a dead process; says what ended it, or raises ``timeout``."""
        self.end()
        code, killed_by_watch, timeout_s = self._process.returncode, self._killed_by_watch, self._greeting["timeout_s"]
        self._replace()
        if killed_by_watch or code == -getattr(signal, "SIGPROF", 0):
            remedy = "leave the photo out, save it again, or raise the setting data.timeout_s"
            raise ImageRejected("timeout", f"decoding it takes longer than {timeout_s:g} seconds; {remedy}")
        return _name_end(code)

    def _replace(self) -> None:
        with self._lock:
            if self._given_up:
                raise PhotograftError("the decoder pool was closed")
            self._killed_by_watch = False
            self._process = self._start()

    def _await_ready(self) -> None:
        with self._lock:
            late = self._killed_by_watch  # the watch came just after the answer: no photo's fault
        if self._is_ready and self._process.poll() is None and not late:
            return
        if self._is_ready:
            self.end()
            self._replace()
        try:
            receive(cast(BinaryIO, self._process.stdout))
        except (EOFError, OSError) as error:
            self.end()
            raise PhotograftError(
                f"the decoder process cannot start ({_name_end(self._process.returncode)}): "
                f"run `{sys.executable} -m photograft.data.worker` to see why"
            ) from error
        self._is_ready = True

    def _start(self) -> subprocess.Popen[bytes]:
        self._is_ready = False
        process = subprocess.Popen(
            # -P: a file called numpy.py in the user's folder must not be imported.
            [sys.executable, "-P", "-W", "ignore", "-m", "photograft.data.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            **_own_group(),
        )
        with contextlib.suppress(OSError):  # if it has died already, _await_ready says so
            send(cast(BinaryIO, process.stdin), self._greeting)
        return process


def _own_group() -> dict[str, Any]:
    """Keep Ctrl-C on the terminal away from the processes, also while they start."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


def _environment() -> dict[str, str]:
    """The same packages as this program finds, and one thread per process."""
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def _name_end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
