"""The guide from photos to a service: its commands are run as they stand."""

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

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "service.md"
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
def test_commands_of_the_guide(textile_photos: Path) -> None:
    for module in ("fastapi", "uvicorn", "torch", "timm"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs the extras train and serve: {module} is not installed")
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs curl and bash")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    # As a user would, each command after the one before has done; a server that is left behind ends with the shell.
    script = "\n".join(["set -eux", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", *blocks]).replace(
        "8000", str(port)
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=textile_photos.parent,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert '"predictions"' in done.stdout and '"matches"' in done.stdout and '"classes"' in done.stdout
    assert "Accuracy" in done.stdout + done.stderr
