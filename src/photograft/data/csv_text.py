"""Tables as CSV text: UTF-8, Unix newlines, quoted, and harmless when a spreadsheet opens them.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula. Such a name gets an apostrophe
in front, and so does a name that begins with an apostrophe, so that `unguard_cell` gives every name back. All tables
are guarded alike: the same path is the same cell in each. Names that are not UTF-8 keep their bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_GUARDED = ("'", "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def table_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Write rows of text and numbers as CSV, text guarded; None is an empty cell."""
    return write_cells(
        [["" if v is None else guard_cell(v) if isinstance(v, str) else str(v) for v in row] for row in rows]
    )


def read_table(content: bytes) -> list[dict[str, str]]:
    """Read rows by column name from what `table_csv` wrote, cells as they were before guarding."""
    rows = csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
    header = next(rows, [])
    return [{name: unguard_cell(cell) for name, cell in zip(header, row, strict=False)} for row in rows]


def read_edited(content: bytes) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table that `table_csv` wrote and that a spreadsheet or an editor may have saved since.

    Returns the header, in lower case, and per row that is not blank the line that it starts on and its cells. Tolerates
    a byte order mark, and semicolons or tabs instead of commas.
    """
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text))
    header = [name.strip().lower() for name in next(lines, [])]
    rows, line = [], lines.line_num + 1
    for cells in lines:
        if any(cell.strip() for cell in cells):
            rows.append((line, {name: unguard_cell(cell) for name, cell in zip(header, cells, strict=False)}))
        line = lines.line_num + 1
    return header, rows


def find_delimiter(text: str) -> str:
    """What separates the cells of the header: a comma, a semicolon or a tab."""
    first_line = text.partition("\n")[0]
    return max(",;\t", key=first_line.count)


def write_cells(rows: Iterable[Sequence[str]], *, delimiter: str = ",") -> str:
    """Write cells as they are, quoted where need be."""
    # The csv module leaves a lone carriage return unquoted, which it then refuses to read.
    quoted = frozenset('"\r\n' + delimiter)
    return "".join(delimiter.join(_quote(cell, quoted) for cell in row) + "\n" for row in rows)


def guard_cell(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_GUARDED) else text


def unguard_cell(text: str) -> str:
    """Return the text that `guard_cell` was given."""
    return text.removeprefix("'")


def _quote(cell: str, quoted: frozenset[str]) -> str:
    return '"' + cell.replace('"', '""') + '"' if quoted & set(cell) else cell
