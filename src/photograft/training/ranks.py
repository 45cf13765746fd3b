"""The processes of one job, as `torchrun` starts them, and what one of them that is alone does in their place.

Imports no torch: whether there are several is told by the environment.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from photograft.errors import ConfigError, DataError, ModelError, PhotograftError, TrainingError
from photograft.values import FloatArray, IntArray

if TYPE_CHECKING:
    from photograft.training.checkpoint import Checkpoint

Told = TypeVar("Told")

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_KINDS = {kind.exit_code: kind for kind in (ConfigError, DataError, ModelError, TrainingError)}


@dataclass(frozen=True)
class Launch:
    """What a launcher says of this process: its number of `size`, and of `local_size` on this `machine`."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    machine: str


class LostContact(PhotograftError):
    """Another process of the job has ended without a word."""


class Ranks:
    """What processes that train together do together; this class is one process alone, which has nobody to ask.

    All call the same methods in the same order. Process 0 leads: it alone writes the run and speaks.
    """

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def share(self, row_N: IntArray) -> IntArray:
        """The part of some rows that is for this process, perhaps none; the parts one after another are all of them."""
        return np.array_split(row_N, self.size)[self.rank]

    # -- waiting for each other, however long it takes

    def in_turn(self) -> AbstractContextManager[None]:
        """A block that one process of each machine runs first, and the others when it has filled the cache."""
        return nullcontext()

    def from_leader(self, compute: Callable[[], Told]) -> Told:
        """What the leader computes, for all; it must be what JSON can hold."""
        return compute()

    def from_neighbour(self, compute: Callable[[], Told]) -> Told | None:
        """What the first process of this machine computes, for the others on it; None for that one itself."""
        compute()
        return None

    def require_equal(self, text: str, what: str) -> None:
        """Raise ConfigError in all processes where one has another text; `what` says what differs then."""

    def checkpoint(self, load: Callable[[], Checkpoint | None]) -> Checkpoint | None:
        """The checkpoint that the leader loads, for all."""
        return load()

    # -- within a fit

    def device(self, kind: str) -> str:
        """The device of that kind that is for this process."""
        return kind

    def parallel(self, network: Any, device: str) -> Any:
        """The network whose gradients are means over the processes; all begin with the leader's weights."""
        return network

    def gathering(self, network: Any, *, last: bool) -> AbstractContextManager[None]:
        """Around forward and backward pass of a batch; gradients are exchanged in the `last` one of a step."""
        return nullcontext()

    def total(self, number: float) -> float:
        """The sum over the processes."""
        return number

    def highest(self, number: int) -> int:
        """The highest one of all processes."""
        return number

    def added(self, numbers_NM: FloatArray) -> FloatArray:
        """The sum over the processes; each has filled its own rows, and left 0 in the others."""
        return numbers_NM

    def of_leader(self, numbers: tuple[float, ...]) -> tuple[float, ...]:
        """The leader's numbers, so that all decide alike."""
        return numbers

    # -- the end

    def leave(self) -> None:
        """There is nothing more to do together."""


ALONE = Ranks()


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What `torchrun`, or another launcher that sets what it sets, says of this process; None where it is alone.

    Raises:
        ConfigError: its variables are not numbers.
    """
    if any(name not in environment for name in _NAMES):
        return None
    try:
        rank, size, local_rank = (int(environment[name]) for name in _NAMES[:3])
        local_size = int(environment.get("LOCAL_WORLD_SIZE", "1"))
    except ValueError as error:
        raise ConfigError(f"RANK, WORLD_SIZE and LOCAL_RANK in the environment must be numbers: {error}") from error
    if size < 2:
        return None
    return Launch(rank, size, local_rank, local_size, environment.get("GROUP_RANK", platform.node()))


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes of this job, for as long as the block takes; one alone where no launcher has started more.

    What is raised in one of them ends all of them with the same exit code, and is said once on each machine.
    """
    launch = launched()
    if launch is None:
        yield ALONE
        return
    from photograft.training.distributed import join

    try:
        ranks = join(launch)
    except Exception as error:
        # The others may wait for this one without knowing why, so that nobody else says it.
        error.said = getattr(error, "said", False)  # type: ignore[attr-defined]
        raise
    try:
        yield ranks
    except SystemExit:
        raise
    except BaseException as error:
        _ignore_sigterm()
        told = ranks.explain(error)
        if told is error:
            raise
        raise told from error
    ranks.leave()


def is_said(error: BaseException) -> bool:
    """Whether another process on this machine says what went wrong.

    An error tells by its `said`; without one, or where it is None, all processes have the error, and the first says it.
    """
    said = getattr(error, "said", None)
    if said is not None:
        return bool(said)
    try:
        launch = launched()
    except ConfigError:  # that is what went wrong
        return False
    return launch is not None and launch.local_rank != 0


def as_error(failure: Mapping[str, Any]) -> PhotograftError:
    """What went wrong in another process, as an error of the same exit code."""
    code = int(failure["code"])
    error = _KINDS.get(code, PhotograftError)(str(failure["message"]))
    error.exit_code = code
    return error


def _ignore_sigterm() -> None:
    """The launcher, which sees another process end, would only cut off the last words of this one."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
