"""Several processes that train one network, by torch.distributed: gloo on CPUs, nccl on GPUs.

They meet in two ways. Outside of a fit they leave notes in the launcher's store, and look for them every so often: that
may take hours, and a signal ends it at once. Within a fit they sum tensors, and a process that has died is noticed
because its connections close.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from photograft import __version__
from photograft.errors import ConfigError, PhotograftError
from photograft.models.device import usable_cores
from photograft.training.checkpoint import Checkpoint
from photograft.training.ranks import Launch, LostContact, Ranks, Told, as_error
from photograft.values import FloatArray

_JOIN = timedelta(minutes=10)
_STEP = timedelta(minutes=30)
"""How long one process waits for another within a fit, where its connections do not close: its machine lost power."""
_LOOK_S = 0.05
_LAST_WORDS_S = 1.0
_PIECE_BYTES = 4_000_000
"""Most of a note that goes into the store at once: torch's server closes the connection above 8 MiB."""


def join(launch: Launch) -> Several:
    """Meet the other processes, and share the machine's cores with those on it.

    Raises:
        ConfigError: they do not come, or are of another release.
    """
    torch.set_num_threads(max(usable_cores() // launch.local_size, 1))
    _take_device(launch)
    try:
        store, _, _ = next(iter(dist.rendezvous("env://", launch.rank, launch.size, timeout=_JOIN)))
        ranks = Several(launch, dist.PrefixStore("photograft", store))
        ranks.require_equal(f"{__version__} {torch.__version__}", "the release of photograft or torch")
        # The environment may name GPUs that nothing is trained on: numbers that steer always go over gloo.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        dist.init_process_group(
            backend, store=dist.PrefixStore("group", store), rank=launch.rank, world_size=launch.size, timeout=_STEP
        )
    except RuntimeError as error:
        raise ConfigError(
            f"process {launch.rank} of {launch.size} on {socket.gethostname()} does not reach the others at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} ({_first_line(error)}): see --rdzv-endpoint of "
            "torchrun, and that its port is open"
        ) from error
    return ranks


def _take_device(launch: Launch) -> None:
    """Make the GPU of this process the one that is used, before anything touches the first one in every process."""
    n_devices = torch.cuda.device_count()
    if not n_devices:
        return
    number = launch.local_rank % n_devices
    try:
        torch.cuda.set_device(number)
    except RuntimeError as error:
        raise ConfigError(
            f"process {launch.rank} of {launch.size} on {socket.gethostname()} cannot use GPU {number} "
            f"({_first_line(error)}): see nvidia-smi there; with CUDA_VISIBLE_DEVICES= the CPU is used"
        ) from error


class Several(Ranks):
    """One of several processes."""

    def __init__(self, launch: Launch, store: dist.Store) -> None:
        self.rank, self.size = launch.rank, launch.size
        self._launch = launch
        self._store = store
        self._notes = 0

    # -- notes

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """A block that one process of each machine runs first, and the others when it has filled the cache."""
        key = f"{self._next()}/{self._launch.machine}"
        if self._launch.local_rank != 0:
            self._read(key)
        yield
        if self._launch.local_rank == 0:
            self._write(key, None)

    def from_leader(self, compute: Callable[[], Told]) -> Told:
        """What the leader computes, for all."""
        key = self._next()
        if not self.leads:
            told: Told = self._read(key)
            return told
        value = compute()
        self._write(key, value)
        return value

    def from_neighbour(self, compute: Callable[[], Told]) -> Told | None:
        """What the first process of this machine computes, for the others on it; None for that one itself."""
        key = f"{self._next()}/{self._launch.machine}"
        if self._launch.local_rank != 0:
            told: Told = self._read(key)
            return told
        self._write(key, compute())
        return None

    def require_equal(self, text: str, what: str) -> None:
        """Raise ConfigError in all processes where one has another text."""
        key = self._next()
        self._write(f"{key}/{self.rank}", [text, socket.gethostname()])

        def others() -> list[list[Any]]:
            found = [(rank, *self._read(f"{key}/{rank}")) for rank in range(self.size)]
            return [[rank, host] for rank, theirs, host in found if theirs != text]

        differ = self.from_leader(others)
        if differ:
            rank, host = differ[0]
            error = ConfigError(
                f"{what} differs between the processes: process {rank} on {host} has another one than process 0. "
                "All machines need the same photos, settings and releases"
            )
            error.said = None  # type: ignore[attr-defined]  # all raise it, so the first one of each machine says it
            raise error

    def checkpoint(self, load: Callable[[], Checkpoint | None]) -> Checkpoint | None:
        """The checkpoint that the leader loads, for all: its numbers as a note, its tensors one after the other."""
        saved = load() if self.leads else None
        about = self.from_leader(lambda: None if saved is None else _describe(saved))
        if about is None:
            return None
        tensors = {}
        for name, (kind, shape) in about["tensors"].items():
            empty = torch.empty(shape, dtype=getattr(torch, kind))
            tensor = empty if saved is None else saved.tensors[name].contiguous()
            with _contact():
                if tensor.numel():
                    dist.broadcast(tensor.reshape(-1).view(torch.uint8), src=0)
            tensors[name] = tensor
        return Checkpoint(tensors, about["info"], about["step"], tuple(about["damaged"]))

    def explain(self, error: BaseException) -> BaseException:
        """What to raise instead of `error`, marked with whether another process of this machine says it.

        Where contact to another process was lost, that is its reason, if it had time to leave one.
        """
        try:
            if isinstance(error, LostContact):
                until = time.monotonic() + _LAST_WORDS_S
                while (failure := self._failure()) is None and time.monotonic() < until:
                    time.sleep(_LOOK_S)
                error = error if failure is None else as_error(failure)
            elif self._failure() is None:
                self._store.set("failed", json.dumps(self._last_words(error)))
            error.said = self._store.add(f"said/{self._launch.machine}", 1) > 1  # type: ignore[attr-defined]
        except RuntimeError:  # the store is gone with its process: better said twice than never
            pass
        return error

    def _last_words(self, error: BaseException) -> dict[str, Any]:
        who = f"process {self.rank} of {self.size} on {socket.gethostname()}"
        if isinstance(error, PhotograftError):
            return {"code": error.exit_code, "message": str(error) if self.leads else f"{who}: {error}"}
        if isinstance(error, KeyboardInterrupt):
            return {"code": 1, "message": f"{who} was stopped"}
        what = "".join(f"{type(error).__name__}: {error}".splitlines()[:1])
        return {"code": 1, "message": f"{who} failed: {what} (--debug shows where)"}

    def _failure(self) -> dict[str, Any] | None:
        if not self._store.check(["failed"]):
            return None
        failure: dict[str, Any] = json.loads(self._store.get("failed"))
        return failure

    def _next(self) -> str:
        """The name of the next note: all processes come to the same ones in the same order."""
        self._notes += 1
        return f"note/{self._notes}"

    def _write(self, key: str, value: Any) -> None:
        """Leave a note: its pieces first, then their number, which those that read it look for."""
        text = json.dumps(value)  # in ASCII
        starts = range(0, len(text), _PIECE_BYTES)
        with _contact():
            for number, start in enumerate(starts):
                self._store.set(f"{key}#{number}", text[start : start + _PIECE_BYTES])
            self._store.set(key, str(len(starts)))

    def _read(self, key: str) -> Any:
        with _contact():
            while not self._store.check([key]):
                if (failure := self._failure()) is not None:
                    raise as_error(failure)
                time.sleep(_LOOK_S)
            n_pieces = int(self._store.get(key))
            return json.loads(b"".join(self._store.get(f"{key}#{number}") for number in range(n_pieces)))

    # -- tensors

    def device(self, kind: str) -> str:
        """The GPU of this process's number on its machine, or the CPU.

        Raises:
            ConfigError: there are fewer GPUs than processes, or torch cannot train on several of this kind.
        """
        if kind == "cpu":
            return kind
        if kind != "cuda":
            raise ConfigError(f"model.device: several processes train on cpu or cuda, not on {kind}: set one of these")
        n_devices = torch.cuda.device_count()
        if self._launch.local_rank >= n_devices:
            raise ConfigError(
                f"{self._launch.local_size} processes on a machine with {n_devices} GPUs: give torchrun "
                f"--nproc-per-node {n_devices}, or set model.device=cpu"
            )
        return f"cuda:{self._launch.local_rank}"

    def parallel(self, network: nn.Module, device: str) -> nn.Module:
        """The network whose gradients are means over the processes; all begin with the leader's weights."""
        # Buffers need not be sent in every step: they stay as they are. The name of that option depends on the release.
        names = inspect.signature(DistributedDataParallel).parameters
        option = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        with _contact():
            return DistributedDataParallel(network, device_ids=None if device == "cpu" else [device], **{option: False})

    @contextmanager
    def gathering(self, network: nn.Module, *, last: bool) -> Iterator[None]:
        """Around forward and backward pass of a batch."""
        with _contact(), nullcontext() if last else network.no_sync():
            yield

    def total(self, number: float) -> float:
        """The sum over the processes."""
        return float(_summed(torch.tensor(number, dtype=torch.float64)))

    def highest(self, number: int) -> int:
        """The highest one of all processes."""
        return int(_summed(torch.tensor(number), dist.ReduceOp.MAX))

    def added(self, numbers_NM: FloatArray) -> FloatArray:
        """The sum over the processes."""
        added_NM: FloatArray = _summed(torch.from_numpy(np.ascontiguousarray(numbers_NM))).numpy()
        return added_NM

    def of_leader(self, numbers: tuple[float, ...]) -> tuple[float, ...]:
        """The leader's numbers."""
        tensor = torch.tensor(numbers, dtype=torch.float64)
        with _contact():
            dist.broadcast(tensor, src=0)
        return tuple(tensor.tolist())

    def leave(self) -> None:
        """Close the connections, when all have come here."""
        if dist.is_initialized():
            self.highest(0)
            dist.destroy_process_group()


def _summed(tensor: Tensor, how: Any = dist.ReduceOp.SUM) -> Tensor:
    with _contact():
        dist.all_reduce(tensor, how)
    return tensor


def _describe(saved: Checkpoint) -> dict[str, Any]:
    kinds = {n: [str(t.dtype).removeprefix("torch."), list(t.shape)] for n, t in saved.tensors.items()}
    return {"info": saved.info, "step": saved.step, "damaged": list(saved.damaged), "tensors": kinds}


@contextmanager
def _contact() -> Iterator[None]:
    """Whatever torch says when another process is gone, in words."""
    try:
        yield
    except RuntimeError as error:
        if not _is_about_others(error):
            raise
        if "PHOTOGRAFT_DEBUG" in os.environ:
            sys.stderr.write(f"{error}\n")
        raise LostContact(
            "Another process of this job has ended without a word (killed, out of memory, or its machine is gone): "
            "what torchrun says below names it."
        ) from error


def _is_about_others(error: RuntimeError) -> bool:
    """Whether an error is one of the connections, for which torch has a type in some places only."""
    text = str(error).lower()
    signs = ("gloo", "connection", "broken pipe", "nccl", "timed out", "socket")
    return isinstance(error, dist.DistError) or any(sign in text for sign in signs)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
