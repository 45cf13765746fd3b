"""The run's tables of photos: manifest.csv, splits.csv and issues.csv, written and read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from photograft.values import Issue, Manifest, Photo, Splits

# A spreadsheet takes cells that begin so for formulas. A quote in front stops that, and is taken off again on reading.
_GUARDED = ("=", "+", "-", "@", "'", "\t", "\r")
_NUMBERS = ("size_bytes", "width", "height", "turn")


def manifest_csv(manifest: Manifest) -> bytes:
    """Every file with its one verdict, one row each. Names that are not UTF-8 keep their bytes."""
    names = [f.name for f in fields(Photo)]
    return _write([names, *([getattr(photo, n) for n in names] for photo in manifest.photos)])


def read_manifest(content: bytes, root: Path) -> Manifest:
    """The manifest that `manifest_csv` wrote."""
    photos = []
    for row in csv.DictReader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")):
        values: dict[str, Any] = {name: value.removeprefix("'") for name, value in row.items()}
        values |= {name: int(values[name]) for name in _NUMBERS}
        photos.append(Photo(**values | {"label": values["label"] or None, "part": values["part"] or None}))
    return Manifest(root, tuple(photos))


def read_test_paths(content: bytes) -> set[str]:
    """Paths of the test part in what `splits_csv` wrote."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
    return {row["path"].removeprefix("'") for row in rows if row["part"] == "test"}


def splits_csv(manifest: Manifest, splits: Splits) -> bytes:
    """Part, fold and duplicate group of every usable photo."""
    columns = zip(manifest.usable.photos, splits.part_N, splits.fold_N, splits.group_N, splits.leaked_N, strict=True)
    rows = (
        [p.path, p.label, str(part), "" if fold < 0 else int(fold), int(group), int(leaked)]
        for p, part, fold, group, leaked in columns
    )
    return _write([["path", "label", "part", "fold", "group", "leaked"], *rows])


def issues_csv(issues: Sequence[Issue]) -> bytes:
    """What was found about the data: kind, sentence, remedy, and the photos concerned."""
    rows = ([i.kind, i.message, i.remedy, *i.paths] for i in issues)
    return _write([["kind", "message", "remedy", "photos"], *rows])


def _write(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(
            ["" if v is None else f"'{v}" if str(v).startswith(_GUARDED) and isinstance(v, str) else v for v in row]
        )
    return text.getvalue().encode("utf-8", "surrogateescape")
