"""The review server over real sockets: who may ask, what is shown, what is written, how it ends."""

from __future__ import annotations

import json
import queue
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from photograft.data.edits import read_edits
from photograft.errors import ConfigError, MissingExtraError
from photograft.serving import review as module
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.train import TrainedRun

from .drawn_runs import make_run, serving, serving_here

ASSETS = ("/", "/assets/review.js", "/assets/ground.css", "/assets/review.css")
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass
class Page:
    """A server, and a browser that has opened its page."""

    run: RunFolder
    address: str
    client: httpx.Client
    write: str

    @property
    def journal(self) -> Path:
        return self.run.path.parent.parent / "edits.csv"

    def items(self) -> list[dict[str, Any]]:
        return list(self.client.get("/api/queue").json()["items"])

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers={"x-photograft-write": self.write})


@contextmanager
def open_page(run: RunFolder, address: str) -> Iterator[Page]:
    origin, _, token = address.partition("/?token=")
    with httpx.Client(base_url=origin, trust_env=False, timeout=20) as client:
        html = client.get("/", params={"token": token}).text
        yield Page(run, address, client, re.findall(r'name="write" content="([^"]+)"', html)[0])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One server for the tests that only ask."""
    run = make_run(tmp_path_factory.mktemp("review"))
    with serving_here(run) as address, open_page(run, address) as opened:
        yield opened


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Page]:
    """A server with a journal that is not there yet."""
    run = make_run(tmp_path)
    with serving_here(run) as address, open_page(run, address) as opened:
        yield opened


def told(answer: httpx.Response) -> str:
    """The code of an error, whose form is checked."""
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"} and set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"] and len(error["request_id"]) == 16
    assert not re.search(r"/(tmp|home|work|usr|runs)|Traceback|\.py|File ", answer.text)
    return str(error["code"])


def test_nothing_is_told_without_the_token(page: Page) -> None:
    origin = page.address.partition("/?")[0]
    known = page.items()[0]["id"]
    with httpx.Client(base_url=origin, trust_env=False) as stranger:
        for path in ("/", "/?token=", "/?token=x", "/api/queue", "/api/queue?token=x", f"/photos/{known}/small", "/no"):
            answer = stranger.get(path)
            assert (answer.status_code, told(answer)) == (401, "no_token")
        # The token is taken from the address of the page alone: that of a picture may be passed on.
        token = page.address.partition("token=")[2]
        assert stranger.get("/api/queue", params={"token": token}).status_code == 401
        cookie = f"photograft-{httpx.URL(origin).port}=é".encode()
        assert told(stranger.get("/api/queue", headers=[(b"cookie", cookie)])) == "no_token"


def test_the_cookie_is_for_this_page_alone(page: Page) -> None:
    answer = page.client.get("/")
    flags = answer.headers["set-cookie"]
    assert flags.startswith(f"photograft-{page.client.base_url.port}=") and flags.endswith("HttpOnly; SameSite=Strict")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.address.partition("token=")[2] not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}", ""]
)
def test_other_host_names_are_refused(page: Page, host: str) -> None:
    port = page.client.base_url.port
    answer = page.client.get("/api/queue", headers={"host": host.format(port=port)})
    assert (answer.status_code, told(answer)) == (403, "wrong_host")
    assert page.client.get("/api/queue", headers={"host": f"LOCALHOST:{port}"}).status_code == 200


def test_only_the_loopback_address_is_bound(page: Page) -> None:
    port = page.client.base_url.port
    for address in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe, pytest.raises(OSError):
            probe.connect((address, port))


def test_every_answer_has_the_headers(page: Page) -> None:
    known = page.items()[0]["id"]
    for path in (*ASSETS, "/api/queue", f"/photos/{known}/large", "/no"):
        answer = page.client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert page.client.options("/api/queue", headers={"origin": "http://evil.example"}).status_code in (403, 405)


def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    texts = [page.client.get(path).raise_for_status().text for path in ASSETS]
    assert not re.findall(r"https?://|@import|url\(|\beval\b|innerHTML", "".join(texts))
    assert not re.findall(r"<script(?![^>]* src=)|\son\w+=|style=", texts[0])


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../guard.py",
        "/assets/%2e%2e/guard.py",
        "/assets/..%2fguard.py",
        "/assets/index.html",
        "/photos/%2e%2e%2f%2e%2e%2fetc%2fpasswd/large",
        "/photos/..%2f..%2fsecret.txt/small",
        "/photos/0123456789abcdef01234567/large",
        "/photos/{id}/original",
        "/photos/{id}/../large",
        "/photos/{id}%00/large",
        "/api/neighbours/x",
        "/docs",
        "/openapi.json",
    ],
)
def test_nothing_is_served_by_path(page: Page, path: str) -> None:
    given = path.format(id=page.items()[0]["id"])
    status, body = raw_get(page, given)
    assert status == 404 and json.loads(body)["error"]["code"] in ("not_found", "unknown_photo")


def raw_get(page: Page, path: str) -> tuple[int, bytes]:
    """Ask for a path as it stands, dots and all, which a client would take out."""
    port = page.client.base_url.port
    cookie = "; ".join(f"{name}={value}" for name, value in page.client.cookies.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_pictures_are_encoded_anew(page: Page) -> None:
    item = page.items()[0]
    original = page.run.path.parent.parent / "나의 사진" / item["path"]
    assert b"taken at home" in original.read_bytes()
    for size, side in (("large", 240), ("small", 240)):
        answer = page.client.get(f"/photos/{item['id']}/{size}")
        assert answer.headers["content-type"] == "image/jpeg" and b"taken at home" not in answer.content
        (shown := page.run.path / f"{size}.jpg").write_bytes(answer.content)
        with Image.open(shown) as picture:
            assert picture.format == "JPEG" and picture.size == (side, side * 2 // 3)
        shown.unlink()


def test_a_photo_that_was_changed_or_is_gone_is_told(fresh: Page) -> None:
    items = fresh.items()
    root = fresh.run.path.parent.parent / "나의 사진"
    (root / items[0]["path"]).write_bytes(b"GIF89a")
    (root / items[1]["path"]).unlink()
    for item in items[:2]:
        assert told(fresh.client.get(f"/photos/{item['id']}/large")) == "no_picture"
    assert fresh.client.get(f"/photos/{items[2]['id']}/large").status_code == 200


def test_only_the_page_writes(page: Page) -> None:
    body = {"id": page.items()[0]["id"], "action": "keep"}
    right = {"x-photograft-write": page.write}
    port = page.client.base_url.port
    refused: list[tuple[dict[str, str], int, str]] = [
        ({}, 403, "no_write_token"),
        ({"x-photograft-write": "x"}, 403, "no_write_token"),
        ({"x-photograft-write": page.address.partition("token=")[2]}, 403, "no_write_token"),
        (right | {"origin": "http://evil.example"}, 403, "wrong_origin"),
        (right | {"origin": "null"}, 403, "wrong_origin"),
        (right | {"origin": f"http://127.0.0.1:{port + 1}"}, 403, "wrong_origin"),
        (right | {"sec-fetch-site": "cross-site"}, 403, "wrong_origin"),
        (right | {"content-type": "text/plain"}, 415, "not_json"),
    ]
    for headers, status, code in refused:
        content = json.dumps(body)
        answer = page.client.post(
            "/api/decisions", content=content, headers={"content-type": "application/json"} | headers
        )
        assert (answer.status_code, told(answer)) == (status, code)
    assert told(page.client.get("/api/decisions")) in ("wrong_method", "not_found")
    assert told(page.client.put("/api/decisions", json=body, headers=right)) == "wrong_method"
    assert not page.journal.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"),
        ({"id": "x", "action": "keep"}, "unknown_photo"),
        ({"id": "{id}", "action": "keep", "more": 1}, "bad_request"),
        ({"id": "{id}", "action": ["keep"]}, "bad_request"),
        ({"id": "{id}", "action": "box"}, "bad_decision"),
        ({"id": "{id}", "action": "relabel"}, "bad_decision"),
        ({"id": "{id}", "action": "relabel", "labels": [" "]}, "bad_decision"),
        ({"id": "{id}", "action": "relabel", "labels": ["a\nb"]}, "bad_decision"),
        ({"id": "{id}", "action": "relabel", "labels": ["x" * 201]}, "bad_decision"),
        ({"id": "{id}", "action": "relabel", "labels": ["a", "b"]}, "bad_decision"),
    ],
)
def test_what_is_no_decision_is_refused(page: Page, body: dict[str, Any], code: str) -> None:
    known = page.items()[0]["id"]
    answer = page.post("/api/decisions", **{key: known if value == "{id}" else value for key, value in body.items()})
    assert answer.status_code in (404, 422) and told(answer) == code
    assert not page.journal.exists()


def test_what_is_too_large_or_no_json_is_refused(page: Page) -> None:
    right = {"x-photograft-write": page.write, "content-type": "application/json"}
    large = page.client.post("/api/decisions", content=b"[" * 20_000, headers=right)
    assert (large.status_code, told(large)) == (413, "too_large")
    unannounced = page.client.post("/api/decisions", content=iter([b"[" * 20_000]), headers=right)
    assert unannounced.status_code in (400, 413) and told(unannounced) in ("bad_request", "too_large")
    deep = page.client.post("/api/decisions", content=b"[" * 16_000, headers=right)
    assert deep.status_code in (400, 422) and told(deep) == "bad_request"
    assert page.client.get("/api/queue").status_code == 200


def test_decisions_are_rows_at_once_and_known_to_the_next_session(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with serving(run) as (address, process), open_page(run, address) as page:
        items = page.items()
        for item, action, labels in zip(items, ("keep", "relabel", "exclude"), ([], ["=데이지;<b>"], []), strict=False):
            assert page.post("/api/decisions", id=item["id"], action=action, labels=labels).status_code == 200
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    rows = read_edits(page.journal).rows
    assert [(row.action, row.value) for row in rows] == [
        ("keep", items[0]["labels"][0]), ("relabel", "=데이지;<b>"), ("exclude", "")
    ]  # fmt: skip
    assert [row.path for row in rows] == [item["path"] for item in items[:3]]
    with serving_here(run) as address, open_page(run, address) as page:
        decided = [item["decision"] and item["decision"]["action"] for item in page.items()]
    assert decided[:3] == ["keep", "relabel", "exclude"] and not any(decided[3:])


def test_two_pages_lose_no_row(tmp_path: Path) -> None:
    run = make_run(tmp_path, n=24, conflict=False)
    with ExitStack() as stack:
        addresses = [stack.enter_context(serving_here(run)) for _ in range(2)]
        pages = [stack.enter_context(open_page(run, address)) for address in addresses]
        threads = stack.enter_context(ThreadPoolExecutor(4))
        queues = [page.items() for page in pages]
        jobs = [(pages[i % 2], queues[i % 2][i]["id"]) for i in range(24)]
        answers = list(threads.map(lambda job: job[0].post("/api/decisions", id=job[1], action="exclude"), jobs))
        assert {answer.status_code for answer in answers} == {200}
        assert pages[0].client.get("/api/summary").json()["counts"]["excluded"] == 24
    assert len(read_edits(pages[0].journal).rows) == 24


def test_a_journal_that_was_damaged_meanwhile_is_told_without_its_place(fresh: Page) -> None:
    known = fresh.items()[0]["id"]
    fresh.journal.write_text("path,label\n", "utf-8")
    answer = fresh.post("/api/decisions", id=known, action="keep")
    assert answer.status_code == 500 and told(answer) == "not_written"
    assert fresh.journal.read_text("utf-8") == "path,label\n"


def test_similar_photos_are_shown_once_they_are_known(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(tiny_run.run, tmp_path / "runs" / "2026 나의 run")))
    with serving_here(run, limit=2) as address, open_page(run, address) as page:
        item = page.items()[0]
        near: dict[str, Any] = {"ready": False}
        deadline = time.monotonic() + 60
        while not near["ready"] and time.monotonic() < deadline:
            near = page.client.get(f"/api/neighbours/{item['id']}").json()
            time.sleep(0.05)
        assert len(near["neighbours"]) == 6
        assert {one["label"] for one in near["neighbours"]} <= set(tiny_run.headline.classes)
        assert item["id"] not in [one["id"] for one in near["neighbours"]]
        shown = page.client.get(f"/photos/{near['neighbours'][0]['id']}/small")
        assert shown.headers["content-type"] == "image/jpeg"
        assert told(page.client.get(f"/api/neighbours/{near['neighbours'][0]['id']}")) == "unknown_photo"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(tmp_path: Path, number: signal.Signals) -> None:
    run = make_run(tmp_path)
    with serving(run) as (address, process), open_page(run, address) as page:
        page.post("/api/decisions", id=page.items()[0]["id"], action="relabel", labels=["daisy"])
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "0 kept, 1 relabelled, 0 excluded, 7 open" in out and "photograft runs compare" in out
    assert "Traceback" not in err


def test_the_page_can_end_it(fresh: Page) -> None:
    assert fresh.post("/api/end").status_code == 200
    with pytest.raises(httpx.TransportError):
        for _ in range(200):
            fresh.client.get("/api/queue")


def test_a_taken_port_and_a_missing_part_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"--port: \d+ cannot be used"):
            module.review(run.path, port=taken.getsockname()[1], browser=False)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"photograft\[serve\]"):
        module.review(run.path, browser=False)
    assert not (tmp_path / "edits.csv").exists()


def test_the_browsers_command_line_opens_the_page_a_single_time(tmp_path: Path) -> None:
    """Other users of the machine can read that line once the browser runs."""
    given: queue.SimpleQueue[str] = queue.SimpleQueue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webbrowser.open", given.put)
        with serving_here(make_run(tmp_path), browser=True) as address:
            once = given.get(timeout=60)
            assert once.partition("token=")[0] == address.partition("token=")[0] and once != address
            with httpx.Client(trust_env=False) as browser:
                assert browser.get(once).status_code == 200
                assert browser.get(address.partition("?")[0]).status_code == 200  # by the cookie
            with httpx.Client(trust_env=False) as reader:
                assert told(reader.get(once)) == "no_token"
