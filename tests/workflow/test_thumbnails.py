from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.config import Config
from photograft.config.cache import CacheConfig
from photograft.config.data import DataConfig
from photograft.data.hashing import hash_file
from photograft.values import Photo
from photograft.workflow.thumbnails import draw_thumbnails


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
    photos = {n: Photo(n, "a", sha256=hash_file(tmp_path / n) if n != "gone.jpg" else "0" * 64) for n in names}
    config = Config(data=limits, cache=CacheConfig(dir=tmp_path / "cache"))
    pictures = draw_thumbnails(tmp_path, photos, config)
    assert set(pictures) == shown
    for name in shown:  # once drawn, a picture comes from the cache
        (tmp_path / name).unlink()
    assert draw_thumbnails(tmp_path, photos, config) == pictures


def test_a_photo_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "flat.jpg")
    config = Config(cache=CacheConfig(dir=tmp_path / "cache"))
    assert draw_thumbnails(tmp_path, {"flat.jpg": Photo("flat.jpg", "a", sha256="0" * 64)}, config) == {}


def test_photos_that_are_all_gone_are_not_shown(tmp_path: Path) -> None:
    config = Config(cache=CacheConfig(dir=tmp_path / "cache"))
    assert draw_thumbnails(tmp_path / "gone", {"a.jpg": Photo("a.jpg", "a", sha256="0" * 64)}, config) == {}


def test_the_box_of_a_photo_is_what_is_shown(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (150, 20, 180, 80))
    picture.save(tmp_path / "a.png")
    photo = Photo("a.png", "a", sha256=hash_file(tmp_path / "a.png"), box=(150, 20, 180, 80))
    config = Config(cache=CacheConfig(dir=tmp_path / "cache"))
    drawn = draw_thumbnails(tmp_path, {"crop": photo, "whole": replace(photo, box=None)}, config)
    crop, whole = (Image.open(io.BytesIO(drawn[name])) for name in ("crop", "whole"))
    assert crop.height == 2 * crop.width and whole.width == 2 * whole.height
    assert np.asarray(crop)[..., 2].min() > 200 and np.asarray(crop)[..., 0].max() < 60
