"""`report`: draw the page of a run again, from report.json and the photos that are still there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from photograft.config import load_config
from photograft.config.data import DataConfig
from photograft.contract import make_contract
from photograft.data.pool import DecodePool
from photograft.data.scan import read_photo
from photograft.errors import ImageRejected, ModelError
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.run_folder import RunFolder, open_run

_SIDE_PX = 224


def report(run: str | os.PathLike[str]) -> Path:
    """Render report.html of a finished run again; gives its path.

    Photos that were moved or deleted since are shown without a picture.
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
    thumbnails = _thumbnails(root, thumbnail_paths(document), config.data) if config.report.thumbnails else {}
    return run.write("report.html", render_html(document, thumbnails=thumbnails))


def _thumbnails(root: Path, paths: tuple[str, ...], limits: DataConfig) -> dict[str, bytes]:
    """Pictures by path, decoded within the limits of the run: what it took is shown, however large."""
    thumbnails = {}
    contract = make_contract(_SIDE_PX, max_pixels=limits.max_pixels, formats=limits.formats)
    with DecodePool(contract, timeout_s=limits.timeout_s) as pool:
        for path, decoded in pool.map(_read_each(root, paths, limits.max_file_mb)):
            if not isinstance(decoded, ImageRejected):
                thumbnails[path] = make_thumbnail(decoded.pixels, width=decoded.width, height=decoded.height)
    return thumbnails


def _read_each(root: Path, paths: tuple[str, ...], max_file_mb: int) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            yield path, read_photo(root / path, max_file_mb=max_file_mb)[0]
        except ImageRejected:
            continue
