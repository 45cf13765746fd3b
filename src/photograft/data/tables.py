"""Tables that users bring: CSV, TSV, JSON lines, a JSON list or Parquet, as rows with the lines that they stand on.

Whatever is wrong is collected, so that the user sees all problems at once.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from photograft.data.files import printable, read_input
from photograft.data.parquet_tables import MAGIC, parquet_rows
from photograft.errors import DataError, ImageRejected

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx", ".xls", ".ods"})
"""Extensions, in lower case, by which a file is taken for a table; spreadsheets get an error that says what to do."""

MAX_TABLE_MB: Final = 500
MAX_CELL: Final = 100_000

Cell = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line of the file on which it begins, of Parquet its number, and its cells by column.

    Lists come from JSON and Parquet only.
    """

    line: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """A table in the order of its file. `name` is how messages call it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """Read a table from a file of up to 500 MB; raises DataError as `parse_table` does, and if it cannot be read."""
    return parse_table(table_bytes(path, f"The table {printable(path)}"), name=printable(path))


def table_bytes(path: Path, what: str) -> bytes:
    """The bytes of a file of up to 500 MB, never of a pipe or device; raises DataError that says why not of `what`."""
    try:
        return read_input(path, max_file_mb=MAX_TABLE_MB)[0]
    except ImageRejected as rejected:
        reason = rejected.reason.removeprefix("the system cannot read it: ")
        if rejected.verdict == "too_large_file":
            reason = f"it is larger than the {MAX_TABLE_MB} MB that a table may have"
        raise DataError(f"{what} cannot be read: {reason}.") from rejected


def parse_table(content: bytes, *, name: str) -> Table:
    """Read a table: a header and rows separated by comma, semicolon or tab, one JSON object per row, or Parquet.

    Text is UTF-8, else UTF-16 with a byte order mark, else that of Korean Windows (cp949), which is noted. Header and
    cells are stripped, and blank rows passed over. JSON numbers become text (1.0 is "1"), null an empty cell.

    Raises:
        DataError: it is no table, or has problems, with the file and line of each.
        MissingExtraError: it is Parquet, and what reads that is not installed.
    """
    draft = _Draft(name)
    if content.startswith(MAGIC):
        for number, row in enumerate(parquet_rows(content, name, draft.notes), start=1):
            _add_object(number, row, draft)
    else:
        text, draft.notes = _decode(content, name)
        _read_text(text, draft)
    require_no_problems(draft.problems, f"The table {name}")
    return Table(name, tuple(draft.columns), tuple(draft.rows), tuple(draft.notes))


def require_no_problems(problems: Sequence[str], what: str) -> None:
    """Raise DataError if there are problems: `what` has them, the first twenty are shown."""
    if not problems:
        return
    more = [f"  ... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise DataError("\n".join([f"{what} has {count}:", *(f"  {p}" for p in problems[:_SHOWN]), *more]))


_SHOWN = 20


@dataclass
class _Draft:
    name: str
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def complain(self, line: int, problem: str) -> None:
        self.problems.append(f"{self.name}:{line}: {problem}")

    def add(self, line: int, cells: dict[str, Cell]) -> None:
        long = [column for column, cell in cells.items() if len(cell) > MAX_CELL]
        if long:
            self.complain(line, f"the cell of {long[0]!r} is longer than {MAX_CELL:,}")
        else:
            self.rows.append(Row(line, cells))


def _read_text(text: str, draft: _Draft) -> None:
    start = text.lstrip()[:1]
    if not start:
        raise DataError(f"{draft.name} is empty: it needs a header and rows.")
    if start == "[":
        _read_json_list(text, draft)
    elif start == "{":
        _read_json_lines(text, draft)
    else:
        _read_csv(text, draft)


# -- text -------------------------------------------------------------------------------------------------

_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def _decode(content: bytes, name: str) -> tuple[str, list[str]]:
    if content.startswith(_SPREADSHEETS):
        raise DataError(f"{name} is a spreadsheet or an archive: save the sheet as CSV (UTF-8) and give that file.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), []
        except UnicodeDecodeError as error:
            raise DataError(f"{name} begins like UTF-16 but is not: save it as CSV (UTF-8).") from error
    if b"\0" in content[:4096]:
        raise DataError(f"{name} is no text, so no table: give a CSV, TSV or JSONL file, saved as UTF-8, or Parquet.")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    try:
        return content.decode("cp949"), [f"{name} is not UTF-8: it is read as cp949, the encoding of Korean Windows"]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}:{line}: the text is neither UTF-8 nor cp949 (Korean Windows): save it as CSV (UTF-8)."
        ) from error


# -- CSV --------------------------------------------------------------------------------------------------


def _read_csv(text: str, draft: _Draft) -> None:
    rows = _csv_rows(text, draft)
    line, header = next(rows, (1, []))
    names = [cell.strip() for cell in header]
    twice = [name for name, n in Counter(filter(None, names)).items() if n > 1]
    if twice:
        draft.complain(line, f"columns with the same name: {', '.join(map(repr, twice))}")
    draft.columns = list(dict.fromkeys(filter(None, names)))
    unnamed = [str(i) for i, name in enumerate(names, start=1) if not name]
    while names and not names[-1]:  # a spreadsheet leaves separators at the end
        names.pop()
        unnamed.pop()
    if unnamed:
        draft.notes.append(f"{draft.name}: columns without a name are not read: number {', '.join(unnamed)}")
    for line, row in rows:
        cells = [cell.strip() for cell in row]
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        if len(cells) != len(names):
            draft.complain(line, f"{len(cells)} cells, and the header has {len(names)}")
        else:
            draft.add(line, {name: cell for name, cell in zip(names, cells, strict=True) if name})


def _csv_rows(text: str, draft: _Draft) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line on which each begins: a quoted cell may hold several lines."""
    first_line = text.lstrip("\r\n \ufeff").partition("\n")[0]
    unquoted = re.sub(r'"[^"]*"', "", first_line)
    delimiter = max(",;\t", key=unquoted.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            if "field limit" in str(error):
                draft.complain(line, f"a cell is longer than {csv.field_size_limit():,}, or a quote does not close")
            else:
                draft.complain(line, f"the quotes from here on do not close as they should ({error})")
            return
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, row
        line = reader.line_num + 1


# -- JSON -------------------------------------------------------------------------------------------------


_BETWEEN = re.compile(r"[\s,]*")


def _read_json_lines(text: str, draft: _Draft) -> None:
    _refuse_one_object(text, draft.name)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                draft.complain(number, f"no JSON: {error}")
            else:
                _add_object(number, value, draft)


def _refuse_one_object(text: str, name: str) -> None:
    """A JSON file that is one object over several lines is no table: most likely it holds annotations."""
    try:
        json.loads(text.lstrip().partition("\n")[0])
        several = bool(text.strip().partition("\n")[2])
    except (ValueError, RecursionError):
        several = False
    if several:
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if {"images", "annotations"} <= value.keys():
        raise DataError(
            f"{name} is a COCO file of annotations, not of photos: give the folder of the photos, and set "
            f"data.annotations={name} with data.boxes=coco, data.labels.from=coco, or both."
        )
    if any(isinstance(v, dict | list) for v in value.values()):
        raise DataError(f"{name} is one JSON object: a table is a list of objects, or has one object per line.")


def _read_json_list(text: str, draft: _Draft) -> None:
    decoder = json.JSONDecoder()
    place, line = text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    while True:
        start = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # it always matches
        line += text.count("\n", place, start)
        if text[start : start + 1] in ("]", ""):
            if text[start + 1 :].strip() or not text[start : start + 1]:
                draft.complain(line, "the list does not end as it should")
            return
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            draft.complain(line, f"no JSON: {error}")
            return
        _add_object(line, value, draft)
        line += text.count("\n", start, place)


def _add_object(line: int, value: Any, draft: _Draft) -> None:
    if not isinstance(value, dict):
        draft.complain(line, 'not an object with a name for each value, as in {"path": "1.jpg", "label": "rose"}')
        return
    cells = {name.strip(): _cell(v) for name, v in value.items()}
    nested = [name for name, cell in cells.items() if cell is None]
    if nested:
        draft.complain(line, f"the value of {nested[0]!r} is nested: text, a number, or a list of those is needed")
        return
    draft.columns += [name for name in cells if name and name not in draft.columns]
    draft.add(line, {name: cell for name, cell in cells.items() if cell is not None})


def _cell(value: Any) -> Cell | None:
    """Text of a JSON value; None where it is nested."""
    if isinstance(value, list):
        items = tuple(_cell(item) for item in value)
        return tuple(i for i in items if isinstance(i, str)) if all(isinstance(i, str) for i in items) else None
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return None if isinstance(value, dict) else str(value)
