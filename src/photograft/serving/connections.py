"""Connections of clients: their number is limited, they must send at a pace, and all errors have one form.

uvicorn limits how long an idle connection is kept between requests, and nothing else: a client that sends one byte a
minute would hold a connection for ever (https://en.wikipedia.org/wiki/Slowloris_(cyber_attack)).
"""

from __future__ import annotations

import json
import secrets
import time
from asyncio import BaseTransport
from dataclasses import dataclass
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from photograft.serving.guard import Refused, error_body

_WRITE_S = 30.0
"""Seconds in which a client must take an answer."""


@dataclass(frozen=True)
class Pace:
    """How many connections there may be, and how fast clients must send.

    The head of a request, and the beginning of its body, must be there in `read_s`; the rest of the body at
    `bytes_per_s`.
    """

    most: int
    read_s: float
    bytes_per_s: float


class Connections:
    """All connections of a server: makes them, and ends those that are too slow."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.open: set[Connection] = set()
        self.refused = 0
        self._looked = 0.0

    def __call__(self, *arguments: Any, **named: Any) -> Connection:
        """A new connection, as uvicorn asks for it."""
        return Connection(self, *arguments, **named)

    def end_slow(self) -> None:
        """End connections that have stood still for too long; looks once a second, however often it is called."""
        now = time.monotonic()
        if now - self._looked < min(1.0, self.pace.read_s / 4):
            return
        self._looked = now
        for connection in tuple(self.open):
            connection.end_if_slow(now)


class Connection(H11Protocol):
    """A connection of uvicorn's, within limits."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._all = connections
        self._ended = False
        self._state: tuple[object, ...] = ()
        self._since = time.monotonic()
        self._received = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the connection, or refuse it where there are too many."""
        super().connection_made(cast(Any, transport))
        self._all.open.add(self)
        if len(self._all.open) > self._all.pace.most:
            self._all.refused += 1
            self._end(Refused(503, "too_many_connections", "Too many connections are open: try again in a moment."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._all.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a client sends, unless it was told that nothing is answered."""
        if self._ended:
            return
        self._received += len(data)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; nothing more is read."""
        self._end(Refused(400, "not_http", "What was sent is not HTTP as it is understood here."))

    def end_if_slow(self, now: float) -> None:
        """End the connection where it has stood in one state for longer than that state may last."""
        answering = self.cycle is not None and not self.cycle.response_complete
        theirs = self.conn.their_state
        state = (id(self.cycle), theirs, answering, self.flow.write_paused, self._ended)
        if state != self._state:
            self._state, self._since, self._received = state, now, 0
            return
        pace = self._all.pace
        if theirs is h11.SEND_BODY:
            allowed = pace.read_s + self._received / pace.bytes_per_s
        elif answering and not self.flow.write_paused:
            return  # it is our turn
        else:
            allowed = pace.read_s if theirs is h11.IDLE and not self._ended else _WRITE_S
        if now - self._since <= allowed:
            return
        if self._ended or self.transport.is_closing() or (answering and self.cycle.response_started):
            self.transport.abort()
        else:
            self._end(Refused(408, "too_slow", "The request did not arrive in time."))

    def _end(self, refused: Refused) -> None:
        """Answer without the application, and close."""
        self._ended = True
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(_raw(refused))
        if self.cycle is not None:  # what waits for the rest of the request hears that there is none
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _raw(refused: Refused) -> bytes:
    request_id = secrets.token_hex(8)
    body = json.dumps(error_body(refused.code, refused.message, request_id)).encode()
    phrase = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}[refused.status]
    lines = (
        f"HTTP/1.1 {refused.status} {phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        *(["retry-after: 1"] if refused.status == 503 else []),
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
