"""The one entry to a source of photos: a folder, an archive or a table becomes a `Listing`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.annotations import read_annotations
from photograft.data.boxes import attach_boxes
from photograft.data.choose import choose
from photograft.data.files import PhotoFiles, open_files, printable
from photograft.data.folders import list_files, list_photos
from photograft.data.labels import gives_label, label_by_pattern, label_table, settle_rows
from photograft.data.listing import Listing
from photograft.data.locate import Locator
from photograft.data.parts import PART_NAMES
from photograft.data.patterns import PathPattern
from photograft.data.tables import MAX_TABLE_MB, TABLE_SUFFIXES, Table, parse_table, read_table
from photograft.data.urls import UrlPath, source_path
from photograft.errors import ConfigError, DataError, ImageRejected

_ANNOTATIONS = ("voc", "coco", "yolo")
_KINDS = ("auto", "folders", "pattern", *_ANNOTATIONS)


def list_source(
    photos: Path, config: DataConfig, *, slices: Sequence[str] = (), seed: int = 0, min_classes: int = 2
) -> Listing:
    """List the rows of a source with their labels, groups, parts, values and boxes, chosen by the settings.

    `photos` is a folder, an archive, or a table (CSV, TSV, JSONL, a JSON list, Parquet) whose folder is then the root;
    folders and tables also at a URL (`photograft.data.urls.source_path`). `slices` names columns to keep as values;
    `seed` draws the photos of data.per_class. Rows are in order of path and object.

    Raises:
        DataError: the photos, their labels or their boxes need the user's attention.
        ConfigError: a setting names a column, class or file that is not there.
    """
    photos = source_path(photos)
    is_table = is_table_file(photos)
    with open_files(photos.parent if is_table else photos) as files:
        if is_table:
            _require_no_other_labels(config)
            listing = label_table(read_table(photos), files, config, slices=slices)
        else:
            listing = _list(files, config, slices, min_classes)
        if config.boxes in _ANNOTATIONS or config.labels.from_ in _ANNOTATIONS:
            paths = [found.path for found in listing.files]
            listing = attach_boxes(listing, read_annotations(files, paths, config), config)
        elif config.boxes == "csv":
            listing = attach_boxes(listing, None, config)
    listing = choose(listing, config, seed=seed, min_classes=min_classes)
    return replace(listing, files=tuple(sorted(listing.files, key=lambda found: (found.path, found.object))))


def is_table_file(photos: Path) -> bool:
    """Whether a path that `source_path` gives is that of a table: by its extension, and on a disk a file."""
    named = photos.suffix.lower() in TABLE_SUFFIXES
    return named and (isinstance(photos, UrlPath) or _is_file(photos))


def _list(files: PhotoFiles, config: DataConfig, slices: Sequence[str], min_classes: int) -> Listing:
    """The labelled rows of a folder or archive, before annotations."""
    source = config.labels.from_
    if source not in _KINDS:
        table, bases = _find_table(files, source)
        return label_table(table, files, config, slices=slices, bases=bases)
    if config.boxes == "csv":
        raise ConfigError("data.boxes is csv, so PHOTOS or data.labels.from has to be a table with columns of boxes.")
    if source in _ANNOTATIONS:
        _require_no_columns(config, slices, f"labels come from annotations (data.labels.from={source})")
        return _with_part_segments(list_files(files, config, annotated=True))
    pattern = None if config.labels.pattern is None else PathPattern(config.labels.pattern)
    if pattern is None and source == "pattern":
        raise ConfigError("data.labels.from is pattern: data.labels.pattern has to say which.")
    if pattern is None:
        _require_no_columns(config, slices, "labels come from class folders")
        return list_photos(files, config, min_classes=min_classes)
    if source != "folders" and gives_label(config, pattern):
        return label_by_pattern(list_files(files, config, annotated=True), config, pattern, slices=slices)
    return label_by_pattern(list_photos(files, config, min_classes=min_classes), config, pattern, slices=slices)


def _find_table(files: PhotoFiles, name: str) -> tuple[Table, tuple[str, ...]]:
    """The table that data.labels.from names, and the folders that its paths may be relative to."""
    path = Path(name).expanduser()
    beside = list(dict.fromkeys((path, files.root.parent / path)))
    for candidate in beside:
        if _is_file(candidate):
            return read_table(candidate), ("", *_top_folders(files), *_way_to(candidate.parent, files))
    inside = Locator(files, ("", *_top_folders(files))).find(name)
    if inside is not None:
        shown = printable(files.root / inside)
        try:
            content, _ = files.read(inside, max_file_mb=MAX_TABLE_MB)
        except ImageRejected as rejected:
            raise DataError(f"The table {shown} cannot be read: {rejected.reason}.") from rejected
        return parse_table(content, name=shown), tuple(dict.fromkeys(("", inside.rpartition("/")[0])))
    looked = ", ".join(printable(each) for each in (*beside, files.root / name))
    raise ConfigError(
        f"data.labels.from is {name!r}: neither one of {', '.join(_KINDS)} nor a table that is there (looked for "
        f"{looked})."
    )


def _way_to(folder: Path, files: PhotoFiles) -> tuple[str, ...]:
    """The folder of a table, as seen from the folder of the photos; an archive and a URL have no outside."""
    if not files.root.is_dir() or isinstance(files.root, UrlPath):
        return ()
    try:
        return (Path(os.path.relpath(folder, files.root)).as_posix(),)
    except ValueError:  # on another drive
        return ()


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - the method of Path raises where a folder above cannot be read


def _top_folders(files: PhotoFiles) -> tuple[str, ...]:
    """The one folder at the top of an archive, in which all others lie."""
    if files.root.is_dir():
        return ()
    folders = [entry.name for entry in files.entries("") if entry.is_folder and not entry.name.startswith(("__", "."))]
    return tuple(folders) if len(folders) == 1 else ()


def _with_part_segments(listing: Listing) -> Listing:
    """The listing with the part that a folder above each photo names; in parts, photos outside of them are left out."""
    rows = []
    for found in listing.files:
        folders = found.path.lower().split("/")[:-1]
        rows.append(replace(found, part=next((PART_NAMES[f] for f in folders if f in PART_NAMES), None)))
    in_parts = [row for row in rows if row.part is not None]
    settled, notes = settle_rows(in_parts or rows, printable(listing.root))
    if in_parts and len(in_parts) < len(rows):
        notes += (f"{len(rows) - len(in_parts)} photos lie in no folder of a part and are left out",)
    return replace(listing, files=settled, notes=(*listing.notes, *notes))


def _require_no_other_labels(config: DataConfig) -> None:
    source = config.labels.from_
    if source in _KINDS and source != "auto":
        raise ConfigError(
            f"data.labels.from is {source}, but a table is given as PHOTOS: give the folder of the photos, or leave "
            "data.labels.from at auto."
        )


def _require_no_columns(config: DataConfig, slices: Sequence[str], because: str) -> None:
    """Settings that name columns need a table or a pattern, or they would be silently without effect."""
    labels = config.labels
    names = ("path", "column", "factors", "group", "part", "separator")
    asked = [f"data.labels.{name}" for name in names if getattr(labels, name) not in (None, ())]
    if labels.from_ in _ANNOTATIONS and "data.labels.separator" in asked:
        asked.remove("data.labels.separator")
    asked += ["report.slices"] if slices else []
    if asked:
        raise ConfigError(
            f"{asked[0]} names a column, but {because}: give a table as PHOTOS or as data.labels.from, or a pattern on "
            "the path as data.labels.pattern."
        )
