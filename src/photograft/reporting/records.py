"""The run's tables of photos: manifest.csv, splits.csv and issues.csv, written and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from photograft.reporting.tables import read_table, table_csv
from photograft.values import Issue, Manifest, Photo, Splits

_NUMBERS = ("size_bytes", "width", "height", "turn")


def manifest_csv(manifest: Manifest) -> str:
    """Every file with its one verdict, one row each. Names that are not UTF-8 keep their bytes."""
    names = [f.name for f in fields(Photo)]
    return table_csv([names, *([getattr(photo, n) for n in names] for photo in manifest.photos)])


def read_manifest(content: bytes, root: Path) -> Manifest:
    """The manifest that `manifest_csv` wrote."""
    photos = []
    for row in read_table(content):
        values: dict[str, Any] = dict(row)
        values |= {name: int(values[name]) for name in _NUMBERS}
        photos.append(Photo(**values | {"label": values["label"] or None, "part": values["part"] or None}))
    return Manifest(root, tuple(photos))


def read_parts(content: bytes) -> dict[str, str]:
    """Part of each path in what `splits_csv` wrote."""
    return {row["path"]: row["part"] for row in read_table(content)}


def splits_csv(manifest: Manifest, splits: Splits) -> str:
    """Part, fold and duplicate group of every usable photo."""
    columns = zip(manifest.usable.photos, splits.part_N, splits.fold_N, splits.group_N, splits.leaked_N, strict=True)
    rows = (
        [p.path, p.label, str(part), "" if fold < 0 else int(fold), int(group), int(leaked)]
        for p, part, fold, group, leaked in columns
    )
    return table_csv([["path", "label", "part", "fold", "group", "leaked"], *rows])


def issues_csv(issues: Sequence[Issue]) -> str:
    """What was found about the data: kind, sentence, remedy, and the photos concerned."""
    rows = ([i.kind, i.message, i.remedy, *i.paths] for i in issues)
    return table_csv([["kind", "message", "remedy", "photos"], *rows])
