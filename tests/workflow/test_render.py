from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.config import Config
from photograft.config.cache import CacheConfig
from photograft.config.data import DataConfig
from photograft.data.hashing import hash_file
from photograft.reporting.records import manifest_csv
from photograft.tracking.run_folder import RunFolder
from photograft.values import Manifest, Photo
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
    names = ("flat.jpg", "noise.png", "gone.jpg")
    photos = [Photo(n, "a", sha256=hash_file(tmp_path / n) if n != "gone.jpg" else "0" * 64) for n in names]
    run = RunFolder(tmp_path)
    run.write("manifest.csv", manifest_csv(Manifest(tmp_path, tuple(photos))))
    config = Config(data=limits, cache=CacheConfig(dir=tmp_path / "cache"))
    pictures = _thumbnails(run, tmp_path, names, config)
    assert set(pictures) == shown
    for name in shown:  # once drawn, a picture comes from the cache
        (tmp_path / name).unlink()
    assert _thumbnails(run, tmp_path, names, config) == pictures


def test_a_photo_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "flat.jpg")
    run = RunFolder(tmp_path)
    run.write("manifest.csv", manifest_csv(Manifest(tmp_path, (Photo("flat.jpg", "a", sha256="0" * 64),))))
    assert _thumbnails(run, tmp_path, ("flat.jpg",), Config(cache=CacheConfig(dir=tmp_path / "cache"))) == {}
