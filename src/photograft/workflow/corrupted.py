"""One photo made worse in every way, as small pictures for the report: from the cache, or made anew."""

from __future__ import annotations

import base64
from pathlib import Path

from photograft.config import Config
from photograft.contract import Box, make_contract
from photograft.data.corruptions import KINDS, REVISION, corrupt
from photograft.data.pool import DecodePool
from photograft.data.scan import decoder_key
from photograft.errors import ImageRejected
from photograft.evaluation.robustness import UNCHANGED
from photograft.reporting.robustness_section import EXAMPLES, MIDDLE
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Photo, PixelArray
from photograft.workflow.thumbnails import read_unchanged

_SIDE_PX = 224


def draw_corrupted(root: Path, photo: Photo, config: Config) -> dict[str, bytes]:
    """JPEG pictures of a photo as each of `EXAMPLES`, by their names; none where it was moved, changed or deleted."""
    data = config.data
    contract = make_contract(_SIDE_PX, max_pixels=data.max_pixels, formats=data.formats, box=Box(source="csv"))
    kind = f"corrupted:{REVISION}:{config.split.seed}:{decoder_key(contract)}"
    with (
        Cache(cache_folder(config.cache.dir), max_bytes=int(config.cache.max_gb * 1e9)) as cache,
        DecodePool(contract, workers=1, timeout_s=data.timeout_s) as pool,
    ):
        if entry := cache.find_scan(photo.content, kind):
            return {name: base64.b64decode(entry[name]) for name in EXAMPLES}
        for _, outcome in pool.map(read_unchanged(root, {photo.name: photo}, max_file_mb=data.max_file_mb)):
            if isinstance(outcome, ImageRejected):
                break
            left, top, right, bottom = outcome.box or (0, 0, outcome.width, outcome.height)
            pictures = {
                name: make_thumbnail(pixels, width=right - left, height=bottom - top)
                for name, pixels in _make(outcome.pixels, photo_key(photo, seed=config.split.seed)).items()
            }
            texts = {name: base64.b64encode(jpeg).decode() for name, jpeg in pictures.items()}
            cache.remember_scan(photo.content, kind, texts)
            return pictures
    return {}


def photo_key(photo: Photo, *, seed: int) -> tuple[int, int]:
    """What the random numbers of a photo follow from."""
    return seed, int(photo.sha256[:16], 16)


def _make(pixels_HWC: PixelArray, key: tuple[int, int]) -> dict[str, PixelArray]:
    worse = {f"{kind} {MIDDLE}": corrupt(pixels_HWC, kind, MIDDLE, key=key) for kind in KINDS}
    return {UNCHANGED: pixels_HWC, **worse}
