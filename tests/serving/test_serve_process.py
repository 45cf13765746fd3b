"""`photograft serve` as a process: how it starts and ends, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from photograft.workflow.train import TrainedRun

from .served import read_all, serving_process, slow_photo

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def half_sent(address: str, photo: bytes) -> socket.socket:
    """A connection whose request lacks its last bytes."""
    port = httpx.URL(address).port
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /v1/predict HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(photo)}\r\n\r\n"
    connection.sendall(head.encode() + photo[:-2])
    return connection


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_lets_requests_end(tiny_run: TrainedRun, photo_folder: Path, number: signal.Signals) -> None:
    photo = next(photo_folder.rglob("*.jpg")).read_bytes()
    with serving_process(tiny_run.bundle) as (address, process), half_sent(address, photo) as connection:
        httpx.get(f"{address}readyz", trust_env=False).raise_for_status()
        process.send_signal(number)
        time.sleep(0.5)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}healthz", trust_env=False)
        connection.sendall(photo[-2:])
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 200") and b'"label"' in answer
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines() == ["Ctrl-C ends it; requests that were begun are answered first."]


@needs_signals
@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tiny_run: TrainedRun) -> None:
    with serving_process(tiny_run.bundle) as (address, process), half_sent(address, slow_photo()):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(8) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_nothing_is_stored_and_nothing_heavy_is_loaded(
    tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path
) -> None:
    """Neither a form nor a large body becomes a file, and no other line is said than was asked for."""
    photo = next(photo_folder.rglob("*.jpg")).read_bytes()
    places = {name: str(tmp_path) for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "PHOTOGRAFT_CACHE")}
    with serving_process(tiny_run.bundle, "--verbose", **places) as (address, process):
        files = [("files", ("비밀.jpg", photo)), ("files", ("large.bin", b"\x89PNG" + bytes(5_000_000)))]
        rows = httpx.post(f"{address}v1/predict", files=files, trust_env=False).json()["predictions"]
        assert [row["label"] is None for row in rows] == [False, True]
        assert list(tmp_path.iterdir()) == []
        if Path("/proc").is_dir():
            opened = []
            for each in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(FileNotFoundError):  # it has just been closed
                    opened.append(os.readlink(each))
            assert not [each for each in opened if "deleted" in each or str(tmp_path) in each]
            loaded = Path(f"/proc/{process.pid}/maps").read_text()
            assert not re.search(r"/(torch|sklearn|scipy|pandas)/", loaded)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
        assert re.fullmatch(r"[0-9a-f]{16} POST /v1/predict 200 [\d.]+ ms", said[-1])
        assert "비밀" not in "".join(said)


@pytest.mark.slow
def test_what_cannot_be_served_says_so(tiny_run: TrainedRun, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "photograft", "serve", *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
        assert not done.stdout and "Traceback" not in done.stderr
        return done.returncode, done.stderr

    assert run(str(tmp_path))[0] == 4
    code, said = run(str(tiny_run.bundle), "--host", "0.0.0.0")
    assert code == 2 and "--token" in said and "--open" in said
    code, said = run(str(tiny_run.bundle), "--set", "qeue=3")
    assert code == 2 and "queue" in said
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = run(str(tiny_run.bundle), "--port", str(taken.getsockname()[1]))
        assert code == 2 and "--port 0 to take a free one" in said
    code, said = run(str(tiny_run.bundle), "--host", "192.0.2.7", "--open")
    assert code == 2 and "--host: 192.0.2.7 is no address of this machine" in said
