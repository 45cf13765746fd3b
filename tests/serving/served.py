"""A server of predictions in a thread or as a process, and clients that no library would let be so rude."""

from __future__ import annotations

import io
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from photograft.config.serve import ServeConfig
from photograft.serving.serve import serve


@dataclass
class Served:
    """A running server: its address and a client of it."""

    address: str
    client: httpx.Client

    @property
    def port(self) -> int:
        return int(httpx.URL(self.address).port or 0)

    def predict(self, data: bytes, **query: Any) -> dict[str, Any]:
        """The row of one photo."""
        answer = self.client.post("/v1/predict", content=data, params=query)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["predictions"]
        return dict(row)

    def raw(self, sent: bytes, *, timeout: float = 20) -> bytes:
        """Everything that comes back for these bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(sent)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    got = b""
    try:
        while chunk := connection.recv(65536):
            got += chunk
    except ConnectionResetError:
        pass
    return got


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose form is checked."""
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"} and set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"] and len(error["request_id"]) == 16
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"/(tmp|home|work|usr|runs)|Traceback|\.py|File ", answer.text)
    return answer.status_code, str(error["code"])


@contextmanager
def served(
    model: Path | list[Path],
    *,
    limits: dict[str, Any] | None = None,
    told: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> Iterator[Served]:
    """A server in a thread, ended behind the block; `told` is called with what it says that it serves."""
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended = threading.Event()

    def started(address: str, what: str) -> None:
        told(what)
        addresses.put(address)

    named = {"port": 0, "config": ServeConfig(**(limits or {})), "opened": started, "ended": ended, **options}
    thread = threading.Thread(target=serve, args=(model,), kwargs=named, daemon=True)
    thread.start()
    address = addresses.get(timeout=60).partition("?")[0]
    try:
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            yield Served(address, client)
    finally:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def serving_process(model: Path, *options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`photograft serve` as a process and its address; ended behind the block."""
    command = [sys.executable, "-m", "photograft", "serve", str(model), "--port", "0", *options]
    names = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8", **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=names)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "no address within a minute"
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, process.communicate(timeout=10)[1]
        yield found.group(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)


def slow_photo() -> bytes:
    """A progressive JPEG whose last scan is repeated, so that it costs a decoder many seconds, and few bytes."""
    coarse = np.random.default_rng(0).integers(0, 256, (2, 2), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((2048, 2048)).save(buffer, "JPEG", progressive=True, quality=10)
    data = buffer.getvalue()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last_scan * 6000 + data[-2:]
