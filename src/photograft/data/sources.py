"""The one entry to a source of photos: a folder, an archive or a table becomes a `Listing`."""

from __future__ import annotations

from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.files import open_files
from photograft.data.folders import list_photos
from photograft.data.listing import Listing


def list_source(
    photos: Path, config: DataConfig, *, slices: tuple[str, ...] = (), seed: int = 0, min_classes: int = 2
) -> Listing:
    """List the rows of a source with their labels, groups, parts, values and boxes, chosen by the settings.

    `photos` is a folder, an archive, or a table (CSV, TSV, JSONL, a JSON list) whose folder is then the root. `slices`
    names columns to keep as values; `seed` draws the photos of data.per_class.

    Raises:
        DataError: the photos, their labels or their boxes need the user's attention.
        ConfigError: a setting names a column, class or file that is not there.
    """
    with open_files(photos) as files:
        return list_photos(files, config, min_classes=min_classes)
