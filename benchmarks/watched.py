"""What a command on a cluster takes: seconds, CPU and memory of all its processes, Ray's included, by what they do."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROLES = ("command", "worker", "decoder", "ray")
"""The process that was started; actors that work on blocks; processes that decode; everything else."""

_SAMPLE_S = 0.2
_WORKER = "Worker("
"""In the title that Ray gives an actor of `photograft.scaling.jobs.Worker`."""


@dataclass(frozen=True)
class Watched:
    """A command that ended well.

    `cpu_s` are seconds of computing of all processes together, as sampled; `cpu_by_role` the same by role. Memory is
    resident, in MB: pages that processes share count in each. `worker_mb` is the largest worker process with the
    decoders that it started, `rest_mb` the largest sum of everything but the command and workers.
    """

    wall_s: float
    cpu_by_role: dict[str, float]
    command_mb: float
    worker_mb: float
    rest_mb: float
    all_mb: float

    @property
    def cpu_s(self) -> float:
        """Of all processes together."""
        return sum(self.cpu_by_role.values())


def run_watched(
    command: Sequence[str | os.PathLike[str]], *, env: dict[str, str], accept: Sequence[int] = (0,)
) -> Watched:
    """Run a command to its end, and watch all processes that this one has started, a cluster's too.

    Raises RuntimeError with the end of stderr where the command fails.
    """
    with tempfile.TemporaryFile() as told:
        watch = _Watch()
        began = time.perf_counter()
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            env={**os.environ, **env},
        )
        watch.start(process.pid)
        try:
            process.wait()
            wall_s = time.perf_counter() - began
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            watch.stop()
        if process.returncode not in accept:
            told.seek(0)
            text = "\n".join(told.read().decode(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"{' '.join(map(str, command))} ended with exit code {process.returncode}:\n{text}")
    return watch.result(wall_s)


def workers_of(pid: int) -> list[int]:
    """Process ids of the actors that work on blocks below a process."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if _is_worker(process):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


class _Watch:
    """Samples all descendants of this process until it is stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._role: dict[tuple[int, float], str] = {}
        self._cpu: dict[tuple[int, float], float] = {}
        self._before: dict[tuple[int, float], float] = {}
        self._peak = {"command": 0.0, "worker": 0.0, "rest": 0.0, "all": 0.0}
        self._sample(None)
        self._before = dict(self._cpu)

    def start(self, command: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(command,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def result(self, wall_s: float) -> Watched:
        cpu_by_role = dict.fromkeys(ROLES, 0.0)
        for key, cpu_s in self._cpu.items():
            cpu_by_role[self._role[key]] += cpu_s - self._before.get(key, 0.0)
        peak = self._peak
        return Watched(wall_s, cpu_by_role, peak["command"], peak["worker"], peak["rest"], peak["all"])

    def _run(self, command: int) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self._sample(command)

    def _sample(self, command: int | None) -> None:
        rss_mb: dict[str, float] = defaultdict(float)
        by_worker: dict[int, float] = defaultdict(float)
        owner: dict[int, int] = {}
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    key, parent = (process.pid, process.create_time()), process.ppid()
                    times, mb = process.cpu_times(), process.memory_info().rss / 1e6
                    role = self._role_of(process, command, parent in owner)
            except psutil.Error:
                continue
            self._role[key], self._cpu[key] = role, times.user + times.system
            if role == "worker":
                owner[process.pid] = process.pid
            elif parent in owner:
                owner[process.pid] = owner[parent]
            rss_mb["all"] += mb
            if process.pid in owner:
                by_worker[owner[process.pid]] += mb
            else:
                rss_mb["command" if role == "command" else "rest"] += mb
        rss_mb["worker"] = max(by_worker.values(), default=0.0)
        for name, mb in rss_mb.items():
            self._peak[name] = max(self._peak[name], mb)

    def _role_of(self, process: psutil.Process, command: int | None, of_worker: bool) -> str:
        key = (process.pid, process.create_time())
        if process.pid == command:
            return "command"
        if self._role.get(key) == "worker" or _is_worker(process):
            return "worker"
        if of_worker or (process.ppid() == command and not _is_rays(process)):
            return "decoder"
        return self._role.get(key, "ray")


def _is_worker(process: psutil.Process) -> bool:
    line = process.cmdline()
    return bool(line) and line[0].startswith("ray::") and _WORKER in line[0]


def _is_rays(process: psutil.Process) -> bool:
    line = " ".join(process.cmdline())
    return line.startswith("ray::") or f"{os.sep}ray{os.sep}" in line


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
