"""What one client may take of the server, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from photograft.config.serve import ServeConfig, serve_config
from photograft.errors import ConfigError
from photograft.workflow.train import TrainedRun

from .served import Served, read_all, served, slow_photo, told

LIMITS = {
    "body_mb": 0.5,
    "files": 4,
    "queue": 4,
    "pixels": 5_000_000,
    "photo_seconds": 0.5,
    "connections": 12,
    "uploads_mb": 1.2,
    "read_seconds": 0.5,
    "slowest_kb": 10,
}


@pytest.fixture(scope="module")
def server(tiny_run: TrainedRun) -> Iterator[Served]:
    with served(tiny_run.bundle, limits=LIMITS) as opened:
        yield opened


@pytest.fixture(scope="module")
def photo(photo_folder: Path) -> bytes:
    return next(photo_folder.rglob("*.jpg")).read_bytes()


def head(server: Served, *lines: str, path: str = "/v1/predict") -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{server.port}", *lines, "", "")).encode()


def raw_error(answer: bytes) -> tuple[int, str]:
    """Status and code of an error that came over a socket."""
    top, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert f"x-request-id: {error['request_id']}".encode() in top.lower()
    assert b"content-type: application/json" in top.lower() and b"nosniff" in top
    return int(top.split()[1]), str(error["code"])


def test_a_body_that_is_too_large(server: Served) -> None:
    data = b"x" * 600_000
    assert told(server.client.post("/v1/predict", content=data)) == (413, "too_large")
    chunked = (data[i : i + 50_000] for i in range(0, len(data), 50_000))
    assert told(server.client.post("/v1/predict", content=chunked)) == (413, "too_large")
    assert told(server.client.post("/v1/predict", files={"files": data})) == (413, "too_large")
    # Refused by its head alone: nothing of it is waited for.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head(server, "content-length: 20000000000", "expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_too_many_photos(server: Served, photo: bytes) -> None:
    files = [("files", photo)] * 5
    assert told(server.client.post("/v1/predict", files=files)) == (413, "too_many_photos")
    assert len(server.client.post("/v1/predict", files=files[:4]).json()["predictions"]) == 4
    assert told(server.client.post("/v1/heat-map", files=files[:2])) == (413, "too_many_photos")


def test_too_many_pixels(server: Served, tmp_path: Path) -> None:
    Image.new("L", (5001, 1000)).save(tmp_path / "large.png")
    row = server.predict((tmp_path / "large.png").read_bytes())
    assert row["status"] == "rejected" and row["reason"].startswith("too_many_pixels")
    name = server.client.get("/v1/model").json()["name"]
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 100_000, 3], "data": [0] * 300_000}
    answer = server.client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    assert told(answer) == (413, "too_large")


def test_a_full_queue_is_told_at_once(server: Served, photo: bytes) -> None:
    slow = slow_photo()
    with ThreadPoolExecutor(12) as pool:
        pending = [pool.submit(server.client.post, "/v1/predict", content=slow + bytes([i])) for i in range(7)]
        answers = [each.result() for each in pending]
    full = [each for each in answers if each.status_code == 503]
    assert full and all(told(each) == (503, "queue_full") for each in full)
    assert all(int(each.headers["retry-after"]) >= 1 for each in full)
    rows = [each.json()["predictions"][0] for each in answers if each.status_code == 200]
    assert rows and {row["reason"].partition(":")[0] for row in rows} == {"timeout"}
    assert server.predict(photo)["label"]


def test_what_takes_long_is_known_the_second_time(server: Served) -> None:
    slow = slow_photo() + b"again"
    first = server.predict(slow)
    assert first["status"] == "rejected" and first["reason"].startswith("timeout")
    started = time.perf_counter()
    assert server.predict(slow)["reason"] == first["reason"]
    assert time.perf_counter() - started < 0.3


def test_uploads_that_are_held_together(server: Served) -> None:
    waiting = [open_upload(server, 450_000) for _ in range(2)]
    time.sleep(0.1)
    try:
        assert told(server.client.post("/v1/predict", content=b"x" * 400_000)) == (503, "uploads_full")
    finally:
        for connection in waiting:
            connection.close()
    for _ in range(50):
        if server.client.post("/v1/predict", content=b"x" * 400_000).status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError("what was uploaded and left is still counted")


def open_upload(server: Served, n_bytes: int) -> socket.socket:
    """A connection that has sent most of its body."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(head(server, f"content-length: {n_bytes + 1}") + b"x" * n_bytes)
    return connection


@pytest.mark.parametrize("sent", [b"", b"POST /v1/pre", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come(server: Served, sent: bytes) -> None:
    started = time.monotonic()
    assert raw_error(server.raw(sent)) == (408, "too_slow")
    assert time.monotonic() - started < 5


def test_a_head_that_drips(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        started = time.monotonic()
        try:
            for byte in head(server, *["x-drip: drop"] * 50):
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        except OSError:  # it was closed
            pass
        assert time.monotonic() - started < 8


def test_a_body_that_drips(server: Served) -> None:
    answers: list[bytes] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        reader = threading.Thread(target=lambda: answers.append(read_all(connection)))
        connection.sendall(head(server, "content-length: 100000"))
        reader.start()
        started = time.monotonic()
        try:
            while time.monotonic() - started < 8 and reader.is_alive():
                connection.sendall(b"x" * 10)
                time.sleep(0.02)
        except OSError:
            pass
        reader.join(10)
    assert raw_error(answers[0]) == (408, "too_slow")


def test_too_many_connections(server: Served) -> None:
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    try:
        answer = server.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert raw_error(answer) == (503, "too_many_connections") and b"retry-after: 1" in answer
    finally:
        for connection in waiting:
            connection.close()
    time.sleep(0.2)
    assert server.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ],
)
def test_what_is_no_http(server: Served, sent: bytes) -> None:
    assert raw_error(server.raw(sent)) == (400, "not_http")


def test_a_body_that_breaks_off_or_is_damaged(server: Served, photo: bytes) -> None:
    start = head(server, "transfer-encoding: chunked")
    assert raw_error(server.raw(start + b"5\r\nabcde\r\nzz\r\n")) == (400, "not_http")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(start + b"5\r\nabc")
    websocket = ("connection: upgrade", "upgrade: websocket", "connection: close", "content-length: 0")
    assert server.raw(head(server, *websocket)).startswith(b"HTTP/1.1 422")
    assert server.predict(photo)["label"]


def test_an_answer_that_nobody_reads(server: Served, photo: bytes) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head(server, f"content-length: {len(photo)}") + photo)
    assert server.predict(photo)["label"]
    until = time.monotonic() + 10
    while "photograft_queue_photos 0.0" not in server.client.get("/metrics").text:
        assert time.monotonic() < until, "photos that nobody waits for are still counted"
        time.sleep(0.1)


def test_limits_are_read_from_texts() -> None:
    assert serve_config(["queue=7", "serve.body_mb=0.5"]) == ServeConfig(queue=7, body_mb=0.5)
    for wrong, said in [("queue", "name=value"), ("qeue=1", "queue"), ("queue=0", "queue=0"), ("queue=[", "queue")]:
        with pytest.raises(ConfigError, match=said):
            serve_config([wrong])
