"""An exported page in real Chromium, served as any static host would."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from photograft.errors import ConfigError
from photograft.models.bundle import read_bundle
from photograft.tracking.cache import cache_folder
from photograft.workflow.export_web import export_web, find_runtime

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def runtime_or_skip() -> Path:
    """The browser's runtime: from the user's cache, else by npm into that of the tests."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm to fetch onnxruntime-web")
    try:
        return find_runtime()
    except ConfigError as error:
        pytest.skip(f"needs npm with its registry: {error}")


def export_page(bundle: Path, folder: Path) -> Path:
    """The page of a bundle."""
    runtime = runtime_or_skip()
    assert cache_folder() in runtime.parents
    folder.mkdir(parents=True)
    export_web(read_bundle(bundle), folder)
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which Python's own server gives the folder."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def opened(chromium: Any, folder: Path, **context: Any) -> Iterator[Any]:
    """The page, ready, which must have complained of nothing and asked nobody but its own host."""
    with served(folder) as address:
        window = chromium.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **context})
        page = window.new_page()
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.failure}: {request.url}"))
        window.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.locator("body.is-ready").wait_for()
        yield page
        window.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((address, f"blob:{address}"))] == []
    assert any(url.endswith("runtime/ort.wasm") for url in asked)  # also what the worker asked for was seen


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
