"""The image of the server, as far as it can be checked without an engine: its lines, its environment, its start."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import typer

from photograft.cli.main import app
from photograft.workflow.train import TrainedRun

CHECKOUT = Path(__file__).resolve().parent.parent
TEXT = (CHECKOUT / "Dockerfile").read_text("utf-8").replace("\\\n", "")
LINES = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
MOST_MB = 270
"""Of the environment: the image of Python that it stands on has less than 130 MB, and the whole shall have 400."""


def values(instruction: str) -> list[str]:
    return [value for name, value in LINES if name == instruction]


def test_what_is_copied_is_there_and_let_through() -> None:
    allowed = [line[1:] for line in (CHECKOUT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"]
    sources = [name for value in values("COPY") if not value.startswith("--from") for name in value.split()[:-1]]
    assert sources and all((CHECKOUT / name).exists() for name in sources)
    assert all(any(fnmatch.fnmatch(name, pattern) for pattern in allowed) for name in sources)


def test_it_is_pinned_unprivileged_and_started_with_flags_that_there_are() -> None:
    assert all(re.search(r":\d+\.\d+-slim", value) for value in values("FROM"))
    assert values("USER") == ["10001:10001"]
    program, verb = json.loads(values("ENTRYPOINT")[0])
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    flags = {flag for each in command.params for flag in each.opts}
    assert program == "photograft" and {each for each in json.loads(values("CMD")[0]) if each[:2] == "--"} <= flags


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the image is one of Linux")
def test_its_environment_is_small_and_serves_where_nothing_can_be_written(tiny_run: TrainedRun, tmp_path: Path) -> None:
    source, environment = tmp_path / "source", tmp_path / "photograft"
    source.mkdir()
    for name in (name for value in values("COPY") if not value.startswith("--from") for name in value.split()[:-1]):
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, source / name)
    build = values("RUN")[0].replace("/opt/photograft", str(environment)).replace("python -m", f"{sys.executable} -m")
    subprocess.run(["sh", "-ec", build], cwd=source, check=True, capture_output=True, timeout=900)
    size_mb = sum(f.lstat().st_size for f in environment.rglob("*") if f.is_file()) / 1e6
    assert size_mb < MOST_MB, f"{size_mb:.0f} MB"
    assert not list(environment.glob("lib/*/site-packages/torch"))

    model = Path(shutil.copytree(tiny_run.bundle, tmp_path / "model"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = [{"/model": str(model), "8000": port}.get(each, each) for each in json.loads(values("CMD")[0])]
    command = [str(environment / "bin" / "photograft"), "serve", *options]
    process = subprocess.Popen(
        [*_read_only(tmp_path), *command],
        cwd="/",
        env={"PATH": f"{environment / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
        | {"PHOTOGRAFT_TOKEN": "s3cret-of-a-test", "PYTHONDONTWRITEBYTECODE": "1"},
        stderr=subprocess.PIPE,
    )
    try:
        assert ask(port, "/readyz", process) == 200
        assert ask(port, "/v1/model", process) == 401
        assert ask(port, "/v1/model", process, token="s3cret-of-a-test") == 200
    finally:
        process.terminate()
        told = process.communicate(timeout=30)[1].decode()
    assert process.returncode in (0, 143), told


def _read_only(folder: Path) -> list[str]:
    """What a command is started by to see all file systems of this machine read-only."""
    script = "awk '{print $2}' /proc/self/mounts | while read -r at; do mount -o remount,bind,ro \"$at\" || true; done"
    start = ["unshare", "--mount", "sh", "-c", f'{script} 2>/dev/null; exec "$@"', "sh"]
    probe = subprocess.run([*start, "touch", str(folder / "can-write")], capture_output=True, check=False)
    if probe.returncode == 0 or b"Read-only" not in probe.stderr:
        pytest.skip("needs a user who may mount file systems read-only for one process")
    return start


def ask(port: str, path: str, process: subprocess.Popen[bytes], *, token: str = "") -> int:
    """The status of an answer, waiting until there is one."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for _ in range(300):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 503:
                return error.code
        except OSError:
            assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.1)
    raise AssertionError(f"no answer from {path}")
