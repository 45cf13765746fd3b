"""The run's tables of photos: manifest.csv, splits.csv and issues.csv, written and read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from photograft.data.csv_text import read_table, table_csv
from photograft.values import Issue, Manifest, Photo, Splits

_FIELDS = tuple(f.name for f in fields(Photo))
_NUMBERS = ("size_bytes", "width", "height", "turn", "object")
_FRACTIONS = ("brightness", "contrast", "sharpness")
_COLUMN = "column."


def manifest_csv(manifest: Manifest) -> str:
    """Every row with its one verdict. Names that are not UTF-8 keep their bytes.

    Several labels are a JSON list, a box is ``left,top,right,bottom``, fractions have three decimals, and every named
    value has a column ``column.<name>``.
    """
    plain = [name for name in _FIELDS if name != "values"]
    columns = list(dict.fromkeys(name for photo in manifest.photos for name, _ in photo.values))
    rows = []
    for photo in manifest.photos:
        values = dict(photo.values)
        rows.append([*(_cell(photo, name) for name in plain), *(values.get(name) for name in columns)])
    return table_csv([[*plain, *(f"{_COLUMN}{name}" for name in columns)], *rows])


def read_manifest(content: bytes, root: Path) -> Manifest:
    """The manifest that `manifest_csv` wrote."""
    return Manifest(root, tuple(_photo(row) for row in read_table(content)))


def read_parts(content: bytes) -> dict[str, str]:
    """Part of each row, by `Photo.name`, in what `splits_csv` wrote."""
    return {row["path"]: row["part"] for row in read_table(content)}


def splits_csv(manifest: Manifest, splits: Splits) -> str:
    """Part, folds and group of every usable row, named by `Photo.name`; `photograft.data.given_split` reads it back.

    A fold that is blank is no fold. ``sha256`` finds files that were moved.
    """
    repeats = [f"fold_{r + 2}" for r in range(len(splits.repeats_RN))]
    rows: list[list[Any]] = [["path", "label", "part", "fold", *repeats, "group", "leaked", "sha256"]]
    for i, photo in enumerate(manifest.usable.photos):
        folds = ["" if fold < 0 else int(fold) for fold in (splits.fold_N[i], *splits.repeats_RN[:, i])]
        what = [photo.name, photo.label or _cell(photo, "labels"), str(splits.part_N[i])]
        rows.append([*what, *folds, int(splits.group_N[i]), int(splits.leaked_N[i]), photo.sha256])
    return table_csv(rows)


def issues_csv(issues: Sequence[Issue]) -> str:
    """What was found about the data: kind, sentence, remedy, and the photos concerned."""
    rows = ([i.kind, i.message, i.remedy, *i.paths] for i in issues)
    return table_csv([["kind", "message", "remedy", "photos"], *rows])


def _cell(photo: Photo, name: str) -> Any:
    value = getattr(photo, name)
    if name == "labels":
        return json.dumps(value, ensure_ascii=False) if value else ""
    if name == "box":
        return "" if value is None else ",".join(map(str, value))
    return f"{value:.3f}" if name in _FRACTIONS else value


def _photo(row: dict[str, str]) -> Photo:
    # Fields that an older release did not write keep their defaults.
    values: dict[str, Any] = {name: row[name] for name in _FIELDS if name in row}
    values |= {name: int(values[name]) for name in _NUMBERS if name in values}
    values |= {name: float(values[name]) for name in _FRACTIONS if name in values}
    values |= {name: values[name] or None for name in ("label", "part")}
    values["labels"] = tuple(json.loads(values.get("labels") or "[]"))
    box = values.get("box")
    values["box"] = tuple(map(int, box.split(","))) if box else None
    columns = ((name.removeprefix(_COLUMN), cell) for name, cell in row.items() if name.startswith(_COLUMN))
    return Photo(**values | {"values": tuple(columns)})
