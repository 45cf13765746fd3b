"""Copies of a finished run that differ from it in what a test says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from photograft.data.csv_text import read_table, table_csv

Row = dict[str, str]


def copy_run(run: Path, folder: Path) -> Path:
    """Copy a run's folder, without the checksums that would tell that it is changed afterwards."""
    shutil.copytree(run, folder)
    (folder / "checksums.json").unlink()
    return folder


def change_table(file: Path, change: Callable[[int, Row], Row | None]) -> None:
    """Replace every row of a table by what `change` makes of its number and cells; None leaves it out."""
    rows = read_table(file.read_bytes())
    changed = [row for i, given in enumerate(rows) if (row := change(i, dict(given))) is not None]
    content = table_csv([list(rows[0]), *(list(row.values()) for row in changed)])
    file.write_bytes(content.encode("utf-8", "surrogateescape"))


def change_json(file: Path, change: Callable[[Any], None]) -> None:
    """Let `change` alter what a JSON file holds."""
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def make_wrong(run: Path, rows: set[int]) -> None:
    """Have the run name these rows of its predictions wrongly, and all others rightly."""
    classes = sorted({row["label"] for row in read_table((run / "predictions.csv").read_bytes())})

    def change(i: int, row: Row) -> Row:
        other = classes[(classes.index(row["label"]) + 1) % len(classes)]
        return row | {"predicted": other if i in rows else row["label"], "probability": "0.75"}

    change_table(run / "predictions.csv", change)
