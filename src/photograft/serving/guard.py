"""What stands before every request: who may ask, what answers say, and errors in one form.

`PageAccess` is for a page of this machine. Such a page shows the user's photos and writes files; it is reached through
the loopback address alone, and yet any web site that is open in the same browser can send requests there. So: a secret
in the address that is opened, then in a cookie; a second one in a header of everything that writes, which no other site
can set or read; only the own host names, since a site can give its name this address (DNS rebinding); and headers that
let the page load nothing but itself.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 16_384
WRITE_HEADER = "x-photograft-write"

_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }.items()
)


@dataclass
class Secrets:
    """What proves that a request comes from the page that was opened here.

    `once` opens the page a single time: it is for the browser that is started here, whose command line every user of
    the machine can read.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    write: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    once: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def spend_once(self) -> None:
        """From now on the token for a single time opens nothing."""
        self.once = secrets.token_urlsafe(24)

    def cookie(self, port: int) -> str:
        """The header that gives the token to the browser."""
        return token_cookie(port, self.token)


class Refused(Exception):
    """A request that is not answered, with its status, a code for programs and a sentence for people.

    `headers` go with the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})


class Access(Protocol):
    """Who may ask."""

    def check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise Refused unless the request, with these headers by their names in small letters, may be answered."""


def error_body(code: str, message: str, request_id: str) -> dict[str, Any]:
    """The one form of errors."""
    return {"error": {"code": code, "message": message, "request_id": request_id}}


class Guard:
    """ASGI application around another one, which it lets no unwanted request reach.

    `most_body_bytes` hold for every body; without, the application itself limits what it reads. `answered` is told of
    every request: its scope, the status of the answer, and the seconds that it took.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        say: Callable[[str], None],
        most_body_bytes: int | None = None,
        answered: Callable[[Scope, int, float], None] | None = None,
    ) -> None:
        self.app, self.access, self.say = app, access, say
        self._most_body_bytes, self._answered = most_body_bytes, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # nothing else is spoken here: WebSockets are closed unopened
        scope["request_id"] = request_id = secrets.token_hex(8)
        started, status = time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _guarded(message["headers"], request_id)
            await send(message)

        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            self.access.check(scope, headers)
            limit = self._most_body_bytes
            await self.app(scope, receive if limit is None else _limited(receive, limit), send_guarded)
        except Refused as refused:
            if not status:
                await _answer(send_guarded, refused, request_id)
        except Exception as error:
            self.say(f"request {request_id} failed: {type(error).__name__}: {error}")
            if not status:
                message = "Something went wrong; the terminal says what."
                await _answer(send_guarded, Refused(500, "unexpected", message), request_id)
        finally:
            if self._answered is not None:
                self._answered(scope, status, time.perf_counter() - started)


class PageAccess:
    """Who may ask for a page of this machine: the browser that was started here, by host name, token and headers."""

    def __init__(self, *, port: int, secrets: Secrets) -> None:
        self.port, self.secrets = port, secrets
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    def check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise Refused unless the request comes from the page that was opened here."""
        if headers.get("host", "").lower() not in self._hosts:
            raise Refused(403, "wrong_host", "This address is answered on 127.0.0.1 and localhost only.")
        if not self._knows_token(scope, headers):
            message = "Open the address that the terminal shows: it holds a token that is missing here."
            raise Refused(401, "no_token", message)
        if scope["method"] not in ("GET", "HEAD"):
            self._check_write(headers)

    def _check_write(self, headers: dict[str, str]) -> None:
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self._hosts}:
            raise Refused(403, "wrong_origin", "Another site may not write here.")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Refused(403, "wrong_origin", "Another site may not write here.")
        if not same(headers.get(WRITE_HEADER, ""), self.secrets.write):
            raise Refused(403, "no_write_token", "The page is out of date: load it again.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "not_json", "What is sent must be JSON.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            raise Refused(413, "too_large", "That is more than one decision.")

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether cookie or, for the page itself, address holds the token; both are compared in constant time."""
        given = [read_cookie(headers.get("cookie", ""), cookie_name(self.port))]
        if scope["path"] == "/":
            given += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])[:1]
            if same(given[-1], self.secrets.once):
                self.secrets.spend_once()
                return True
        return any([same(each, self.secrets.token) for each in given])  # noqa: C419 - no comparison is left out


def token_cookie(port: int, token: str) -> str:
    """The header that gives a token to the browser."""
    return f"{cookie_name(port)}={token}; Path=/; HttpOnly; SameSite=Strict"


def same(given: str, secret: str) -> bool:
    """Whether a secret was given, in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def cookie_name(port: int) -> str:
    """What the cookie with the token is called: cookies of one host are shared by its ports."""
    return f"photograft-{port}"


def read_cookie(header: str, name: str) -> str:
    """The value of a cookie; empty where there is none."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _limited(receive: Receive, most_bytes: int) -> Receive:
    """The same body, refused as soon as it is too large, whatever its header said."""
    size = 0

    async def read() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise Refused(413, "too_large", "That is more than one decision.")
        return message

    return read


def _guarded(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    given = {name.lower() for name, _ in headers}
    added = (*_HEADERS, (b"x-request-id", request_id.encode()))
    return [*headers, *(each for each in added if each[0] not in given)]


async def _answer(send: Send, refused: Refused, request_id: str) -> None:
    body = json.dumps(error_body(refused.code, refused.message, request_id)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in refused.headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
