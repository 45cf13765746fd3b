from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.config.data import DataConfig
from photograft.workflow.render import _thumbnails


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        (DataConfig(), {"noise.png", "flat.jpg"}),
        (DataConfig(formats=("JPEG",)), {"flat.jpg"}),
        (DataConfig(max_file_mb=1), {"flat.jpg"}),
        (DataConfig(max_pixels=100_000), {"flat.jpg"}),
    ],
)
def test_thumbnails_follow_the_limits_of_the_run(tmp_path: Path, limits: DataConfig, shown: set[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("RGB", (100, 80)).save(tmp_path / "flat.jpg")
    assert set(_thumbnails(tmp_path, ("flat.jpg", "noise.png", "gone.jpg"), limits)) == shown
