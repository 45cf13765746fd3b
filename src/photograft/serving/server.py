"""A server on this machine for one page: it ends well on Ctrl-C, on SIGTERM, and when the page says so."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from photograft.errors import ConfigError

HOST = "127.0.0.1"
_DRAIN_S = 3


def bind(port: int) -> socket.socket:
    """A socket of the loopback address; port 0 takes one that is free. Raises ConfigError where it is taken."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(signal, "SIGHUP"):  # elsewhere the option would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"--port: {port} cannot be used ({error}); leave --port out to take a free one.") from error
    return bound


def serve(app: ASGIApp, bound: socket.socket, *, started: Callable[[], None], ended: threading.Event) -> None:
    """Answer requests until a signal comes or `ended` is set; `started` is called once requests are answered."""
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_DRAIN_S,
    )
    _Server(config, started, ended).run(sockets=[bound])


class _Server(uvicorn.Server):
    """A server for which a signal is the usual way to end, and nothing that the caller must hear of."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ended: threading.Event) -> None:
        super().__init__(config)
        self._when_started, self._ended = started, ended

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()

    async def on_tick(self, counter: int) -> bool:
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
        self.should_exit = True
