"""Guides whose commands are run as they stand."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).resolve().parent.parent / "docs" / "guides"
PER_CLASS = 60


@pytest.fixture
def textile_photos(tmp_path: Path) -> Path:
    """Some of the photos of the demo, in `photos/` of a fresh folder."""
    found = importlib.util.find_spec("conformal_clip_data")
    if found is None or found.origin is None:
        pytest.skip("needs the demo extra: conformal-clip-data is not installed")
    photos = tmp_path / "photos"
    for folder in sorted((Path(found.origin).parent / "data/textile_images/simulated").iterdir()):
        if folder.is_dir():
            (photos / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:PER_CLASS]:
                shutil.copy(photo, photos / folder.name)
    return photos


@pytest.mark.slow
def test_commands_from_photos_to_a_service(textile_photos: Path) -> None:
    _need("fastapi", "uvicorn", "torch", "timm")
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    blocks = _blocks("service.md")
    assert len(blocks) == 5
    printed = _run("\n".join(blocks).replace("8000", str(port)), textile_photos.parent)
    assert '"predictions"' in printed and '"matches"' in printed and '"classes"' in printed
    assert "Accuracy" in printed


@pytest.mark.slow
@pytest.mark.ray
def test_commands_once_plain_and_once_on_ray(textile_photos: Path) -> None:
    _need("ray", "pyarrow", "pandas", "torch", "timm")
    blocks, folder = _blocks("cluster.md"), textile_photos.parent
    assert len(blocks) == 3
    printed = _run("\n".join(blocks), folder)  # `cmp` in them ends it where results differ
    lines = (folder / "plain.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(list(textile_photos.rglob("*.jpg")))
    assert f"{len(lines) - 1} rows are in" in printed
    assert not (folder / "jobs").exists() or not list((folder / "jobs").iterdir())


def _need(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if shutil.which("bash") is None:
        pytest.skip("needs bash")


def _blocks(guide: str) -> list[str]:
    """The commands of a guide, in order."""
    return re.findall(r"^```sh\n(.*?)^```", (GUIDES / guide).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def _run(commands: str, folder: Path) -> str:
    """Run the commands as a user would, each after the one before has done; gives what they print.

    A server that is left behind ends with the shell.
    """
    script = "\n".join(["set -eux", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", commands])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr
