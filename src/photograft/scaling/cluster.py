"""`--on ray[:ADDRESS]`: a Ray cluster for as long as a command takes."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from photograft.errors import ConfigError, MissingExtraError
from photograft.models.device import usable_cores
from photograft.workflow.narrator import Narrator

_STORE_BYTES = 200_000_000
"""Memory of Ray's object store on this machine: blocks hold numbers of rows and a model, never pixels."""
_CONNECT_S = 10.0
_LOST = ("terminated", "died", "dead", "lost", "failed", "unavailable")
_SAID = "Ray: a worker or a machine does not answer; what it had begun is done again elsewhere."


@dataclass(frozen=True)
class On:
    """Where the work of a command is done: on a Ray cluster, or on one of this machine's own without `address`."""

    address: str | None = None


def parse_on(text: str) -> On:
    """What `--on` says: ``ray`` starts Ray on this machine, ``ray:ADDRESS`` joins a cluster that runs.

    Raises:
        ConfigError: It says something else.
        MissingExtraError: Ray is not installed.
    """
    engine, separator, address = text.partition(":")
    if engine != "ray" or (separator and not address):
        raise ConfigError(
            f"--on {text}: give `ray` for the cores of this machine, or `ray:ADDRESS` for a cluster that runs, such as "
            "ray:auto or ray:10.0.0.5:6379."
        )
    if any(importlib.util.find_spec(module) is None for module in ("ray", "pyarrow")):
        raise MissingExtraError("--on ray", "ray")
    return On(address or None)


@dataclass(frozen=True)
class Cluster:
    """A cluster that is joined: cores of all its machines together, and how many machines these are."""

    n_cores: int
    n_machines: int


@contextmanager
def open_cluster(on: On, narrator: Narrator) -> Iterator[Cluster]:
    """Join the cluster, or start Ray on this machine; what was started ends with the block.

    Within a program that has joined a cluster itself, that one is used and left alone.

    Raises:
        ConfigError: There is no cluster at the address, or one that other releases of Ray or Python run.
    """
    _quiet()
    import ray

    if ray.is_initialized():
        if on.address is not None:
            narrator.say("This program has joined a Ray cluster already: that one is used.")
        yield _joined()
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if on.address is None:
        # "local" keeps away from a cluster that runs here already, also one whose command was killed.
        options |= {
            "address": "local",
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
    else:
        require_listener(on)
        options |= {"address": on.address}
    try:
        with _without_stderr():  # its core tells there that it was told to be quiet
            ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = "on this machine" if on.address is None else f"at {on.address}"
        raise ConfigError(f"--on: no Ray cluster could be joined {where}: {_first_line(error)}") from error
    try:
        cluster = _joined()
        machines = f"{cluster.n_machines} machine{'' if cluster.n_machines == 1 else 's'}"
        narrator.say(f"Ray: {cluster.n_cores} cores on {machines}")
        with redirect_stdout(_Complaints(narrator)):
            try:
                yield cluster
            finally:
                ray.shutdown()  # here, since Ray then prints what it has held back of messages that repeat
    finally:
        ray.shutdown()


def require_listener(on: On) -> None:
    """Refuse an address where nobody listens at once: Ray tries it for minutes.

    Raises:
        ConfigError: nobody listens there.
    """
    address = on.address or ""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():  # a cluster of this machine: auto, or none
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise ConfigError(
            f"--on: no Ray cluster could be joined at {address} ({error.strerror or error}). `ray start --head` on its "
            "first machine says the address."
        ) from error


def _joined() -> Cluster:
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    cores = sum(node["Resources"].get("CPU", 0) for node in alive)
    if cores < 1:
        raise ConfigError("--on: no machine of the Ray cluster offers a core (ray start --num-cpus N).")
    return Cluster(int(cores), len(alive))


def _quiet() -> None:
    """Keep what Ray says about itself away from the user: its logs are in the folder of its session."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless asked
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as later releases of Ray do; else it warns
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of its own settings that nobody has set
        import ray.data

        context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Complaints(io.TextIOBase):
    """Takes what Ray prints when a worker or a machine is lost, in many lines and on stdout; says one sentence."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator, self._told = narrator, False

    def write(self, text: str) -> int:
        if any(sign in text.lower() for sign in _LOST):
            if not self._told:
                self._narrator.say(_SAID)
            self._told = True
        elif text.strip() and not self._told:
            self._narrator.say(f"Ray: {text.strip()}")
        return len(text)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Leave out what native code writes to stderr; Python's exceptions come through."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
