"""A socket of this machine and a server on it, which ends well on Ctrl-C, on SIGTERM, and when the page says so."""

from __future__ import annotations

import errno
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from photograft.errors import ConfigError

HOST = "127.0.0.1"
_DRAIN_S = 3


def bind(port: int, host: str = HOST) -> socket.socket:
    """A socket of an address of this machine; port 0 takes one that is free. Raises ConfigError where it is taken."""
    # With the protocol's number, by which asyncio knows that answers in two parts must not wait for each other.
    family, kind, protocol, _, address = resolve(host, port)
    try:
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"--host: {host} is no address of this machine ({error}).") from error
    try:
        if hasattr(signal, "SIGHUP"):  # elsewhere the option would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        bound.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"--host: {host} is no address of this machine ({error}).") from error
        raise ConfigError(
            f"--port: {port} cannot be used ({error}); choose another, or --port 0 to take a free one."
        ) from error
    return bound


def resolve(host: str, port: int) -> tuple[int, int, int, str, Any]:
    """What a socket of an address is made with: family, kind, protocol, name, address.

    Raises:
        ConfigError: There is no such host.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigError(
            f"--host: there is no address for {host or 'an empty name'} ({error}); use an address of this machine, "
            "such as 127.0.0.1 for it alone, or 0.0.0.0 for other machines too."
        ) from error


def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    started: Callable[[], None],
    ended: threading.Event,
    protocol: Any = "auto",
    drain_s: float = _DRAIN_S,
    tick: Callable[[], None] | None = None,
) -> int | None:
    """Answer requests until a signal comes or `ended` is set; gives the signal that ended it at once, if any.

    A first signal lets requests that were begun end within `drain_s` seconds, a second one ends them.

    Args:
        app: What answers.
        bound: A socket that nobody listens on yet.
        started: Called once requests are answered.
        ended: What ends the server from within.
        protocol: What uvicorn takes as `http`.
        drain_s: See above.
        tick: Called about every tenth of a second.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=max(1, math.ceil(drain_s)),
    )
    server = _Server(config, started, ended, tick)
    server.run(sockets=[bound])
    return server.forced


class _Server(uvicorn.Server):
    """A server for which a signal is the usual way to end, and nothing that the caller must hear of."""

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        ended: threading.Event,
        tick: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._when_started, self._ended, self._tick = started, ended, tick
        self.forced: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()

    async def on_tick(self, counter: int) -> bool:
        if self._tick is not None:
            self._tick()
        return await super().on_tick(counter) or self._ended.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.forced = sig if self.should_exit else None
        self.should_exit = True
