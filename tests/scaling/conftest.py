"""Ray as tests use it: three machines as separate processes on this one, which may be killed."""

from __future__ import annotations

import gc
import os
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

STORE_BYTES = 80_000_000


class ThreeMachines:
    """A cluster of three nodes with one core each; the first is the head, on which nothing is killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
        self._cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
        self._others = [self._cluster.add_node(**options) for _ in range(2)]
        self.address: str = self._cluster.address

    def kill_one(self) -> None:
        """SIGKILL for the raylet of the last node, as when a machine is switched off; its workers go with it."""
        for processes in self._others.pop().all_processes.values():
            for info in processes:
                os.kill(info.process.pid, signal.SIGKILL)
                info.process.wait()

    def shutdown(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@pytest.fixture(autouse=True)
def _leftovers_of_ray(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect what Ray leaves open here, and not in whatever test comes next, which would fail for it."""
    yield
    if request.node.get_closest_marker("ray") is not None:
        collect_leftovers()


def blocks_done_before(said: str) -> int:
    """How many blocks a command found done, by what it said.

    After a command was killed its workers may still write the blocks they are at, until Ray ends them: these come on
    top of what was written when it died.
    """
    told = re.search(r"(\d+) of \d+ blocks are done already", said)
    assert told is not None, said
    return int(told[1])


def collect_leftovers() -> None:
    """Close what Ray leaves open, without the warnings that Python gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@dataclass
class Reads:
    """What was opened in places, by name, and how many bytes were read of all of it."""

    names: list[str] = field(default_factory=list)
    n_bytes: int = 0


class _Counted:
    """A file whose reads are counted."""

    def __init__(self, file: Any, reads: Reads) -> None:
        self._file, self._reads = file, reads

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._reads.n_bytes += len(data)
        return data

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def count_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Reads]:
    """Call it, and what is read of places from then on is counted."""

    def begin() -> Reads:
        from photograft.scaling.place import Place

        opened, reads = Place.open, Reads()

        def counting(place: Place, name: str) -> Any:
            reads.names.append(name)
            return _Counted(opened(place, name), reads)

        monkeypatch.setattr(Place, "open", counting)
        return reads

    return begin


@pytest.fixture
def three_machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreeMachines]:
    """A fresh cluster; `address` is what `--on ray:ADDRESS` takes."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    # Nodes and commands use the loopback interface, the only one that tests may reach.
    monkeypatch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # the same in the processes of commands
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves sockets and files open, which Python tells
        machines = ThreeMachines()
        yield machines
        machines.shutdown()
