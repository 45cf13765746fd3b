"""Runs as lines for the terminal and as a table for spreadsheets."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from photograft.data.csv_text import table_csv
from photograft.reporting.clean import clean_text
from photograft.reporting.columns import count_columns, cut_columns
from photograft.tracking.run_row import RunRow

_WIDEST = 32  # columns of a cell


def runs_lines(rows: Sequence[RunRow], *, settings: Sequence[str] = ()) -> list[str]:
    """One line per run below a line of heads; `settings` are names of those that get a column each."""
    heads = [*_CELLS, *settings]
    cells = [heads, *([*(cell(row) for cell in _CELLS.values()), *_given(row, settings)] for row in rows)]
    # The name is what other commands take, and is never cut.
    cells = [[clean_text(name), *(cut_columns(clean_text(cell), _WIDEST) for cell in line)] for name, *line in cells]
    widths = [max(count_columns(line[i]) for line in cells) for i in range(len(heads))]
    shown = [i for i, head in enumerate(heads) if head in _ALWAYS or any(line[i] for line in cells[1:])]
    return ["  ".join(_padded(line[i], widths[i], right=heads[i] in _RIGHT) for i in shown).rstrip() for line in cells]


def runs_csv(rows: Sequence[RunRow]) -> str:
    """The runs as CSV: all columns, then the settings in which these runs differ."""
    documents = [asdict(row) for row in rows]
    names = [name for name in documents[0] if name != "settings"] if documents else ["run"]
    differing = [name for name in differing_settings([row.settings or {} for row in rows]) if name not in names]
    lines = [
        [_cell(each[name]) for name in names] + [_cell((each["settings"] or {}).get(name)) for name in differing]
        for each in documents
    ]
    return table_csv([[*names, *differing], *lines])


def differing_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of settings that are not the same in all runs, in the order in which the runs have them."""
    names = dict.fromkeys(name for each in settings for name in each)
    first = settings[0] if settings else {}
    return [name for name in names if any(each.get(name) != first.get(name) for each in settings)]


def local_time(created: str | None) -> str:
    """A time as ISO 8601 with a zone, in the zone of this machine, where the names of runs have their dates from."""
    if created is None:
        return ""
    try:
        return f"{datetime.datetime.fromisoformat(created).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return created


def score_words(row: RunRow) -> str:
    """Accuracy with its interval in percent; of pretraining its error; of others their state."""
    if row.status != "finished":
        return row.status
    if row.mse is not None:
        return f"mse {row.mse:.4f}"
    if row.accuracy is None:
        return ""
    if row.accuracy_low is None or row.accuracy_high is None:
        return f"{100 * row.accuracy:.1f} %"
    return f"{100 * row.accuracy:.1f} % ({100 * row.accuracy_low:.1f} to {100 * row.accuracy_high:.1f})"


_CELLS: Mapping[str, Callable[[RunRow], str]] = {
    "run": lambda row: row.run,
    "date": lambda row: local_time(row.created)[:16],
    "data": lambda row: row.data or "",
    "photos": lambda row: _count(row.photos),
    "classes": lambda row: _count(row.classes),
    "judged on": lambda row: row.judged or "",
    "n": lambda row: _count(row.n),
    "accuracy (95 %)": score_words,
    "macro-F1": lambda row: "" if row.macro_f1 is None else f"{row.macro_f1:.3f}",
    "graft": lambda row: row.graft or "",
    "backbone": lambda row: row.backbone or "",
    "tags": lambda row: ", ".join(row.tags),
}
_ALWAYS = ("run", "date", "data", "accuracy (95 %)")
_RIGHT = ("photos", "classes", "n", "macro-F1")


def _given(row: RunRow, names: Sequence[str]) -> list[str]:
    return ["" if (value := (row.settings or {}).get(name)) is None else _text(value) for name in names]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else _text(value)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - count_columns(cell))
    return space + cell if right else cell + space
