"""The server with a real model, and its page in real Chromium."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photograft.config.serve import serve_config
from photograft.serving.serve import serve

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@contextmanager
def serving(*models: Path, limits: tuple[str, ...] = (), **options: Any) -> Iterator[str]:
    """The server in a thread, and its address."""
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended = threading.Event()

    def started(address: str, _: str) -> None:
        addresses.put(address)

    given = {"port": 0, "opened": started, "ended": ended, "config": serve_config(limits), **options}
    thread = threading.Thread(target=serve, args=(list(models),), kwargs=given, daemon=True)
    thread.start()
    try:
        yield addresses.get(timeout=60)
    finally:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def opened(
    chromium: Any, address: str, *, size: dict[str, int] = DESKTOP, quiet: bool = True, **options: Any
) -> Iterator[Any]:
    """The page in a window, which asks nobody else for anything and, where `quiet`, has nothing to complain about."""
    context = chromium.new_context(**{"locale": "en-US", "viewport": size, "accept_downloads": True, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"{request.failure}: {request.url}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("#tested:not(:empty)").wait_for()
    yield page
    context.close()
    origin = address.partition("?")[0]
    assert [url for url in asked if not url.startswith((origin, f"blob:{origin}"))] == []
    wrong = [each for each in complaints if "Content Security" in each or each.startswith("error: ")]
    assert (complaints if quiet else wrong) == []


def choose(page: Any, *files: Path) -> None:
    page.set_input_files("#files", [str(each) for each in files])


def answer(page: Any, kind: str = "ok") -> str:
    """The headline once an answer of a kind is there."""
    label = page.locator(f"#answers .is-{kind} .label")
    label.first.wait_for()
    return str(label.first.inner_text())


def finished(page: Any) -> None:
    page.locator("#progress").wait_for(state="hidden")
    page.locator("#rows tr").first.wait_for()


def downloaded(page: Any) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.locator("#download").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()
