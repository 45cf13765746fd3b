"""Who may ask the server: host names, the token, and no other web site."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from starlette.types import Scope

from photograft.serving.guard import Refused, cookie_name, read_cookie, same

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_FREE = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""What is answered without the token: whoever watches over the server has none, and nothing is told there."""


class ServiceAccess:
    """Requests to a known host name, with the token where there is one, and from no page of another site.

    Names are compared without the port, which a tunnel or container may change. On other addresses than loopback every
    host that is a number is known too: only a name can be made to point here by somebody else.
    """

    def __init__(self, *, host: str, port: int, token: str | None, hosts: Sequence[str] = ()) -> None:
        self._token, self.port = token, port
        self._numbers = not is_loopback(host)
        self._any = "*" in hosts
        own = {socket.gethostname().lower()} if self._numbers else set()
        self._hosts = {*LOOPBACK_NAMES, *own, *(each.lower() for each in hosts)}

    def check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise Refused unless the request may be answered."""
        if not self._knows_host(headers.get("host", "")):
            raise Refused(403, "wrong_host", "This host name is not served: the option --allow-host adds it.")
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, headers):
            raise Refused(403, "wrong_origin", "Pages of other sites are not answered.")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"] != "/":
            raise Refused(403, "wrong_origin", "Pages of other sites are not answered.")
        if self._token is not None and scope["path"] not in _FREE and not self._knows_token(scope, headers):
            message = "A token is needed: in the header `Authorization: Bearer TOKEN`, or once as /?token=TOKEN."
            raise Refused(401, "no_token", message, {"www-authenticate": "Bearer"})

    def _knows_host(self, header: str) -> bool:
        name = _name(f"//{header}")
        if not name:
            return False
        return self._any or name in self._hosts or (self._numbers and _is_number(name))

    def _is_own(self, origin: str, headers: dict[str, str]) -> bool:
        """Whether an origin is the host that was asked; a proxy in between may have changed scheme and port."""
        return bool(_name(origin)) and _name(origin) == _name(f"//{headers.get('host', '')}")

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        found = [given.strip() if kind.lower() == "bearer" else ""]
        found.append(read_cookie(headers.get("cookie", ""), cookie_name(self.port)))
        if scope["path"] == "/":
            found += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])[:1]
        return any([same(each, self._token or "") for each in found])  # noqa: C419 - no comparison is left out


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(address: str) -> str:
    """The host name in an address, in small letters; empty where it cannot be read."""
    try:
        parts = urlsplit(address)
        _ = parts.port
        return "" if parts.username is not None else (parts.hostname or "")
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
