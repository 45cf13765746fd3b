"""`serve`: answer requests about photos with a finished model, until a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.config.serve import ServeConfig
from photograft.errors import ConfigError, MissingExtraError
from photograft.features.engine_onnx import SideBySideEngine
from photograft.inference.heads import Heads, open_heads
from photograft.workflow.narrator import Narrator, Silent

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from photograft.serving.access import ServiceAccess
    from photograft.serving.service import Service
    from photograft.serving.similar import SimilarPhotos


def serve(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    open_to_all: bool = False,
    allow_hosts: Sequence[str] = (),
    index: str | os.PathLike[str] | None = None,
    min_probability: float | None = None,
    config: ServeConfig | None = None,
    verbose: bool = False,
    narrator: Narrator | None = None,
    opened: Callable[[str, str], None] | None = None,
    ended: threading.Event | None = None,
) -> int | None:
    """Serve a model over HTTP until Ctrl-C, SIGTERM or `ended`.

    Args:
        models: A run or bundle, and further runs, bundles or head packs on the same network.
        host: The address to listen on; another than this machine's own needs a token, or `open_to_all`.
        port: The port; 0 takes one that is free.
        token: What requests must name; None asks for nothing.
        open_to_all: Listen on another address without a token.
        allow_hosts: Further host names that requests may be addressed to; `*` for any.
        index: An index of photos to search similar ones in.
        min_probability: Below it a photo is unsure; the model has a limit of its own.
        config: Limits of requests.
        verbose: Tell of every request.
        narrator: Who is told what happens.
        opened: Called once requests are answered, with the address and with what is served, in words.
        ended: Ends the server when it is set.

    Returns:
        The signal that ended it before the last requests were answered, if any did.

    Raises:
        MissingExtraError: FastAPI or uvicorn is not installed.
        ConfigError: The port is taken, or the address cannot be resolved or needs a token.
        ModelError: The models cannot be loaded, or do not share a network.
    """
    _check(host, token, open_to_all=open_to_all)
    from photograft.serving.access import ServiceAccess
    from photograft.serving.server import bind

    narrator, config = narrator or Silent(), config or ServeConfig()
    paths = [Path(models)] if isinstance(models, str | os.PathLike) else [Path(each) for each in models]
    with (
        open_heads(paths, min_probability=min_probability, engine=SideBySideEngine) as heads,
        bind(port, host) as bound,
        _open_service(heads, config, index, narrator) as (service, similar),
    ):
        taken = int(bound.getsockname()[1])
        access = ServiceAccess(host=host, port=taken, token=token, hosts=allow_hosts)
        address = f"http://{_shown(host)}:{taken}/" + (f"?token={token}" if token else "")
        app = _make_app(service, access, similar, verbose=verbose, token=token)
        started = None if opened is None else partial(opened, address, _told(heads, similar))
        return _run(app, bound, service, started=started, ended=ended or threading.Event())


def _check(host: str, token: str | None, *, open_to_all: bool) -> None:
    """Refuse what cannot be served before anything is loaded."""
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("The server", "serve")
    from photograft.serving.access import is_loopback
    from photograft.serving.server import resolve

    resolve(host, 0)
    if token == "":
        raise ConfigError("--token: it is empty, and would keep nobody out: give one, or leave the flag out.")
    if token and not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token):
        raise ConfigError("--token: only letters, digits and ._~+/=- can be sent in every place where a token stands.")
    if not is_loopback(host) and not token and not open_to_all:
        raise ConfigError(
            f"--host: {host} can be reached from other machines, so everybody could ask. Give a --token, "
            "or --open where that is meant."
        )


@contextlib.contextmanager
def _open_service(
    heads: Heads, config: ServeConfig, index: str | os.PathLike[str] | None, narrator: Narrator
) -> Iterator[tuple[Service, SimilarPhotos | None]]:
    """The service, and its index where one is named."""
    from photograft.serving.service import Service
    from photograft.serving.similar import SimilarPhotos
    from photograft.workflow.search import open_index

    with contextlib.ExitStack() as stack:
        opened = None if index is None else stack.enter_context(open_index(Path(index)))
        service = Service(heads, config, say=narrator.say)
        stack.callback(service.close)
        yield service, None if opened is None else SimilarPhotos(opened, service)


def _make_app(
    service: Service, access: ServiceAccess, similar: SimilarPhotos | None, *, verbose: bool, token: str | None
) -> ASGIApp:
    from photograft.serving.api import make_app
    from photograft.serving.guard import token_cookie

    cookie = token_cookie(access.port, token) if token else None
    return make_app(service, access, similar=similar, verbose=verbose, cookie=cookie)


def _run(
    app: ASGIApp,
    bound: socket.socket,
    service: Service,
    *,
    started: Callable[[], None] | None,
    ended: threading.Event,
) -> int | None:
    """Warm up, call `started` and answer until the end; what went wrong in warming up is raised."""
    from photograft.serving.connections import Connections, Pace
    from photograft.serving.server import serve as run

    limits = service.config
    connections = Connections(Pace(limits.connections, limits.read_seconds, 1000 * limits.slowest_kb))
    failed: list[BaseException] = []

    def warm_up() -> None:
        task = asyncio.get_running_loop().create_task(service.warm_up())
        task.add_done_callback(warmed)

    def warmed(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            failed.append(error)
            ended.set()
        elif started is not None:
            started()

    forced = run(
        app,
        bound,
        started=warm_up,
        ended=ended,
        protocol=connections,
        drain_s=limits.drain_seconds,
        tick=connections.end_slow,
    )
    if failed:
        raise failed[0]
    return forced


def _told(heads: Heads, similar: SimilarPhotos | None) -> str:
    """Heads and index, as in "flowers and styles (with an index of 60 photos)"."""
    *first, last = heads.names
    names = f"{', '.join(first)} and {last}" if first else last
    return names if similar is None else f"{names} (with an index of {similar.index.n:,} photos)"


def _shown(host: str) -> str:
    """The host of an address that can be opened on this machine."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
