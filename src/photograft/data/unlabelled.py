"""Photos to be looked at without their labels: which there are, and which of them are for testing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.csv_text import read_edited
from photograft.data.files import open_files, printable
from photograft.data.folders import list_files
from photograft.data.listing import Listing
from photograft.data.parts import PART_NAMES, settle_parts
from photograft.data.row_names import RowNames
from photograft.data.sources import is_table_file, list_source
from photograft.data.tables import require_no_problems, table_bytes
from photograft.data.urls import source_path
from photograft.errors import DataError
from photograft.values import Photo

_ABOUT_LABELS = ("boxes", "classes", "top_classes", "per_class", "rename", "labels")
"""Settings of data that need labels or annotations."""


def list_unlabelled(photos: Path, config: DataConfig, *, seed: int = 0) -> Listing:
    """List every photo of a folder or archive, however its folders are named; parts are those of folders such as test.

    Where labels are asked for after all, by a table or by settings that choose classes or boxes, it is `list_source`.

    Raises:
        DataError: there are no photos, or the source needs attention.
    """
    photos, usual = source_path(photos), DataConfig()
    if is_table_file(photos) or any(getattr(config, name) != getattr(usual, name) for name in _ABOUT_LABELS):
        return list_source(photos, config, seed=seed, min_classes=1)
    with open_files(photos) as files:
        listing = list_files(files, config)
    if not listing.files:
        notes = "".join(f"\n({note})" for note in listing.notes)
        raise DataError(f"{printable(photos)}: no photos in it.{notes}")
    return _with_parts(listing)


def find_set_apart(path: Path, photos: Sequence[Photo]) -> set[int]:
    """Rows of `photos` that a splits.csv gives to the test part or to none, by name or by content.

    Photos that it does not name are not set apart.

    Raises:
        DataError: The file cannot be read, or names none of the photos.
    """
    header, rows = read_edited(table_bytes(path, f"split.file: {printable(path)}"))
    missing = [name for name in ("path", "part") if name not in header]
    require_no_problems([f"{path.name}:1: there is no column {name}" for name in missing], f"{path} (split.file)")
    names, problems, apart, n_found = RowNames(photos), [], set[int](), 0
    for line, cells in rows:
        name, part = cells.get("path", ""), cells.get("part", "").strip().lower()
        if part and part not in PART_NAMES:
            problems.append(f"{path.name}:{line}: part {part!r} is not train, val, test or empty")
        row = names.find(name)
        if row is None:
            row = names.find_moved(name, cells.get("sha256", ""), set())
        if row is not None:
            n_found += 1
            if PART_NAMES.get(part, "test") == "test":
                apart.add(row)
    if not n_found:
        problems.append(f"{path.name}: none of its rows names one of the {len(photos):,} photos, by path or SHA-256")
    require_no_problems(problems, f"{printable(path)} (split.file)")
    return apart


def _with_parts(listing: Listing) -> Listing:
    """The listing with the part that a folder above each photo names; what is in no such folder has none."""
    parts = []
    for found in listing.files:
        folders = found.path.lower().split("/")[:-1]
        parts.append(next((PART_NAMES[name] for name in folders if name in PART_NAMES), None))
    kinds = {part for part in parts if part is not None}
    meaning: dict[str, str | None] = {kind: kind for kind in kinds}
    note = ""
    if "train" in kinds or (len(kinds) == 1 and None not in parts):
        meaning, note = settle_parts(kinds)
        if len(kinds) == 1:
            meaning, note = dict.fromkeys(kinds), ""
    files = [
        replace(found, part=None if part is None else meaning[part])
        for found, part in zip(listing.files, parts, strict=True)
    ]
    return replace(listing, files=tuple(files), notes=(*listing.notes, *filter(None, [note])))
