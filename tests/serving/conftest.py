"""What tests of the page of the server have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.workflow.train import TrainedRun

from .page_windows import CHROMIUM, serving


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *camera])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tiny_run: TrainedRun) -> Iterator[str]:
    with serving(tiny_run.bundle) as found:
        yield found


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "잡음.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def tulip(photo_folder: Path) -> Path:
    return photo_folder / "노란 튤립" / "노란 튤립 00.jpg"
