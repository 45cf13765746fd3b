"""`report`: draw the page of a run again, from report.json and the photos that are still there."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

from photograft.config import Config, load_config
from photograft.contract import make_contract
from photograft.data.files import read_photo
from photograft.data.hashing import hash_bytes
from photograft.data.pool import DecodePool
from photograft.data.scan import decoder_key
from photograft.errors import ImageRejected, ModelError
from photograft.reporting.clean import clean_text
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.records import read_manifest
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.cache import Cache, cache_folder
from photograft.tracking.run_folder import RunFolder, open_run
from photograft.values import Photo

_SIDE_PX = 224


def report(run: str | os.PathLike[str]) -> Path:
    """Render report.html of a finished run again; gives its path.

    Photos that were moved, changed or deleted since are shown without a picture, unless the cache still has it.
    """
    folder = open_run(Path(run))
    with folder.locked():
        return render_report(folder)


def render_report(run: RunFolder) -> Path:
    """Write report.html from the run's report.json."""
    try:
        document = json.loads(run.read("report.json"))
        root = Path(json.loads(run.read("run.json"))["photos"])
    except (ValueError, KeyError) as error:
        raise ModelError(f"{run.path}: report.json or run.json is damaged ({error}); train again.") from error
    config = load_config(run.path / "config.resolved.yaml")
    paths = thumbnail_paths(document) if config.report.thumbnails else ()
    return run.write("report.html", render_html(document, thumbnails=_thumbnails(run, root, paths, config)))


def _thumbnails(run: RunFolder, root: Path, paths: tuple[str, ...], config: Config) -> dict[str, bytes]:
    """Pictures by path: from the cache, so that a second run opens no photo, or decoded within the run's limits."""
    if not paths:
        return {}
    data = config.data
    contract = make_contract(_SIDE_PX, max_pixels=data.max_pixels, formats=data.formats)
    kind = f"thumbnail:{decoder_key(contract)}"
    # The report's paths are made printable; the manifest has them as they are.
    photos = {clean_text(p.path): p for p in read_manifest((run.path / "manifest.csv").read_bytes(), root).photos}
    wanted = {path: photos[path] for path in paths if path in photos}
    pictures: dict[str, bytes] = {}
    with (
        Cache(cache_folder(config.cache.dir), max_bytes=int(config.cache.max_gb * 1e9)) as cache,
        DecodePool(contract, timeout_s=data.timeout_s) as pool,
    ):
        for path, photo in wanted.items():
            if entry := cache.find_scan(photo.sha256, kind):
                pictures[path] = base64.b64decode(entry["jpeg"])
        missing = {path: photo for path, photo in wanted.items() if path not in pictures}
        for path, decoded in pool.map(_read_each(root, missing, data.max_file_mb)):
            if not isinstance(decoded, ImageRejected):
                jpeg = make_thumbnail(decoded.pixels, width=decoded.width, height=decoded.height)
                cache.remember_scan(missing[path].sha256, kind, {"jpeg": base64.b64encode(jpeg).decode()})
                pictures[path] = jpeg
    return pictures


def _read_each(root: Path, photos: dict[str, Photo], max_file_mb: int) -> Iterator[tuple[str, bytes]]:
    """Yield (path, bytes) of those photos that are still what they were."""
    for path, photo in photos.items():
        try:
            content, _ = read_photo(root / photo.path, max_file_mb=max_file_mb)
        except ImageRejected:
            continue
        if hash_bytes(content) == photo.sha256:
            yield path, content
