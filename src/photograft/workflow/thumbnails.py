"""Small pictures of rows of a manifest: from the cache, so that a second run opens no photo, or decoded anew."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from photograft.config import Config
from photograft.contract import Box, make_contract
from photograft.data.boxes import Boxed, settled_annotation
from photograft.data.files import open_files
from photograft.data.hashing import hash_bytes
from photograft.data.pool import DecodePool
from photograft.data.scan import decoder_key
from photograft.errors import ImageRejected
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Photo

_SIDE_PX = 224


def draw_thumbnails(root: Path, photos: Mapping[str, Photo], config: Config) -> dict[str, bytes]:
    """JPEG thumbnails by the names of `photos`, of the box where a photo has one, decoded within the run's limits.

    Photos that were moved, changed or deleted since they were scanned have none, unless the cache still does.
    """
    if not photos:
        return {}
    data = config.data
    contract = make_contract(_SIDE_PX, max_pixels=data.max_pixels, formats=data.formats, box=Box(source="csv"))
    kind = f"thumbnail:{decoder_key(contract)}"
    pictures: dict[str, bytes] = {}
    with (
        Cache(cache_folder(config.cache.dir), max_bytes=int(config.cache.max_gb * 1e9)) as cache,
        DecodePool(contract, timeout_s=data.timeout_s) as pool,
    ):
        for name, photo in photos.items():
            if entry := cache.find_scan(photo.content, kind):
                pictures[name] = base64.b64decode(entry["jpeg"])
        missing = {name: photo for name, photo in photos.items() if name not in pictures}
        for name, outcome in pool.map_where_needed(read_unchanged(root, missing, max_file_mb=data.max_file_mb)):
            if outcome is not None and not isinstance(outcome, ImageRejected):
                left, top, right, bottom = outcome.box or (0, 0, outcome.width, outcome.height)
                jpeg = make_thumbnail(outcome.pixels, width=right - left, height=bottom - top)
                cache.remember_scan(missing[name].content, kind, {"jpeg": base64.b64encode(jpeg).decode()})
                pictures[name] = jpeg
    return pictures


def read_unchanged(root: Path, photos: Mapping[str, Photo], *, max_file_mb: int) -> Iterator[tuple[str, bytes | Boxed]]:
    """Yield (name, what is to be decoded) of those photos that are still what they were."""
    if not photos or not root.exists():
        return
    with open_files(root) as files:
        for name, photo in sorted(photos.items(), key=lambda item: files.position(item[1].path)):
            try:
                content, _ = files.read(photo.path, max_file_mb=max_file_mb)
            except ImageRejected:
                continue
            if hash_bytes(content) == photo.sha256:
                yield name, Boxed(content, settled_annotation(photo.box)) if photo.box else content
