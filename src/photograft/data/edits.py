"""The journal of edits: corrections of labels, choice and boxes, kept apart from the photos.

One row per correction, never changed or taken away: ``time,action,sha256,object,path,value,note``. A row is known by
the line that it stands on. ``sha256`` names the content of a file, so that moved and renamed photos keep their edits
and copies share them; ``path`` is for people. ``object`` is the number of an annotated object, 0 for every row of the
file. Later rows win. The actions:

- ``relabel``: `value` is the new label; several are a JSON list, or separated by ``;``.
- ``exclude``: the photo is left out; ``include`` takes that back.
- ``keep``: somebody looked and the label is right; changes nothing. `value` is that label, empty whatever it is.
- ``box``: `value` is ``left,top,right,bottom`` in pixels of the upright photo; empty for the whole photo.
- ``undo``: `value` is the line of an earlier row, which no longer counts. Undoing an undo brings that back.
"""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from photograft.data.append import append_row
from photograft.data.csv_text import read_edited
from photograft.data.files import printable
from photograft.data.listing import Found
from photograft.data.tables import require_no_problems, table_bytes
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation, Rect

COLUMNS = ("time", "action", "sha256", "object", "path", "value", "note")
ACTIONS = ("relabel", "exclude", "include", "box", "keep", "undo")
SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class Edit:
    """One row of the journal. `line` is where it starts in the file; `in_force` is False once it is undone."""

    line: int
    time: str
    action: str
    sha256: str
    object: int
    path: str
    value: str
    note: str
    in_force: bool = True


@dataclass(frozen=True, slots=True)
class Edited:
    """A row as edits leave it: `excluded` names the edit that leaves it out, `edited` says what was changed."""

    found: Found
    excluded: str = ""
    edited: str = ""


@dataclass(frozen=True)
class Edits:
    """A journal that was read. `name` is how messages call it; `classes` are names that new labels are matched to."""

    name: str
    rows: tuple[Edit, ...]
    classes: tuple[str, ...] = ()

    def for_classes(self, classes: Iterable[str]) -> Edits:
        """The same edits for photos of these classes: some systems store a name in another Unicode form than is typed.

        A label that differs from a class only by that is the class.
        """
        return replace(self, classes=tuple(classes))

    @property
    def has_boxes(self) -> bool:
        """Whether a box is corrected."""
        return any(edit.action == "box" and edit.in_force for edit in self.rows)

    def apply(self, found: Found, sha256: str) -> Edited:
        """Correct one row of a listing, once the SHA-256 of its file is known."""
        edited, said = Edited(found), []
        for edit in self._by_content.get(sha256, ()):
            if edit.object not in (0, found.object):
                continue
            where = f"{self.name}:{edit.line}"
            if edit.action in ("exclude", "include"):
                reason = f"{where}: {edit.note}" if edit.note else where
                edited = replace(edited, excluded=reason if edit.action == "exclude" else "")
                continue
            before = edited.found
            after = (
                self._relabel(before, edit.value) if edit.action == "relabel" else _move_box(before, edit.value, where)
            )
            if after != before:
                said.append(f"{where}: {edit.action}")
                edited = replace(edited, found=after)
        return replace(edited, edited="; ".join(said))

    def unused(self, seen: Set[str]) -> int:
        """Number of rows in force about contents that are not among those seen."""
        return sum(len(edits) for sha256, edits in self._by_content.items() if sha256 not in seen)

    def _relabel(self, found: Found, value: str) -> Found:
        if found.labels or (found.label is None and value.startswith("[")):
            return replace(found, label=None, labels=tuple(map(self._class, _labels(value))))
        return replace(found, label=self._class(value))

    def _class(self, label: str) -> str:
        return label if label in self.classes else self._by_form.get(unicodedata.normalize("NFC", label), label)

    @cached_property
    def _by_form(self) -> dict[str, str]:
        return {unicodedata.normalize("NFC", name): name for name in self.classes}

    @cached_property
    def _by_content(self) -> dict[str, list[Edit]]:
        edits: dict[str, list[Edit]] = {}
        for edit in self.rows:
            if edit.in_force and edit.action not in ("keep", "undo"):
                edits.setdefault(edit.sha256, []).append(edit)
        return edits


def read_edits(journal: Path) -> Edits:
    """Read a journal; raises DataError if it cannot be read, or with every problem by line."""
    what = f"data.edits: {printable(journal)}"
    try:
        header, rows = read_edited(table_bytes(journal, what))
    except csv.Error as error:
        raise DataError(f"{what} cannot be read: {error}.") from error
    name, problems, edits = printable(journal.name), [], []
    missing = [column for column in COLUMNS[1:6] if column not in header]
    if missing:
        problems.append(f"{name}:1: no column {', '.join(missing)}; a journal has {', '.join(COLUMNS)}")
        rows = []
    lines = {line for line, _ in rows}
    for line, cells in rows:
        found = _problems(cells, line, lines)
        problems += [f"{name}:{line}: {problem}" for problem in found]
        if not found:
            edits.append(_edit(line, cells))
    require_no_problems(problems, f"{printable(journal)} (data.edits)")
    return Edits(name, tuple(_settle(edits)))


def append_edit(
    journal: Path, action: str, sha256: str, *, path: str = "", value: str = "", note: str = "", number: int = 0
) -> None:
    """Add a row, whole or not at all; the journal is made if it is not there.

    `number` is that of the object, 0 for every row of the file.

    Raises:
        ConfigError: The action is unknown, or the value does not fit it.
        DataError: The journal cannot be written, or is none.
    """
    cells = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "action": action, "sha256": sha256}
    cells |= {"object": str(number), "path": printable(path), "value": value, "note": note}
    problems = _problems(cells, None, set())
    if problems:
        raise ConfigError(f"{printable(journal)}: {'; '.join(problems)}.")
    append_row(journal, COLUMNS, cells, required=COLUMNS[1:6])


def undo_edit(journal: Path, line: int) -> None:
    """Add a row that undoes the one on this line; raises ConfigError if there is none, DataError as `read_edits`."""
    edit = next((edit for edit in read_edits(journal).rows if edit.line == line), None)
    if edit is None:
        raise ConfigError(f"{printable(journal)} has no row on line {line}; `photograft edits list` shows the rows.")
    append_edit(journal, "undo", edit.sha256, path=edit.path, value=str(line), number=edit.object)


def _settle(edits: list[Edit]) -> list[Edit]:
    """Say which rows are in force: an undo names an earlier row, so that the last row decides first."""
    undone: set[int] = set()
    for edit in reversed(edits):
        if edit.action == "undo" and edit.line not in undone:
            undone.add(int(edit.value))
    return [replace(edit, in_force=edit.line not in undone) for edit in edits]


def _edit(line: int, cells: dict[str, str]) -> Edit:
    text = {name: cells.get(name, "").strip() for name in COLUMNS}
    number = int(text["object"] or 0)
    action, sha256 = text["action"].lower(), text["sha256"].lower()
    return Edit(line, text["time"], action, sha256, number, text["path"], text["value"], text["note"])


def _problems(cells: dict[str, str], line: int | None, lines: Set[int]) -> list[str]:
    """What is wrong with a row; without `line`, of one that is still to be written."""
    action, sha256, number, value = (cells.get(name, "").strip() for name in ("action", "sha256", "object", "value"))
    if action.lower() not in ACTIONS:
        return [f"the action {action!r} is none of {', '.join(ACTIONS)}"]
    action, problems = action.lower(), []
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256) and not (action == "undo" and not sha256):
        problems.append(f"sha256 {sha256!r} is not 64 hexadecimal digits")
    if number and not re.fullmatch(r"[0-9]{1,9}", number):
        problems.append(f"object {number!r} is not a number from 0 on")
    if action == "relabel" and not _labels(value):
        problems.append("relabel needs the new label as value")
    if action in ("exclude", "include") and value:
        problems.append(f"{action} takes no value: reasons belong into note")
    if action == "box" and value and _box(value) is None:
        problems.append(f"box {value!r} is not left,top,right,bottom in pixels with left < right and top < bottom")
    target = int(value) if re.fullmatch(r"[0-9]{1,9}", value) else -1
    if action == "undo" and (target < 0 or (line is not None and (target not in lines or target >= line))):
        problems.append(f"undo {value!r} is not the line of an earlier row")
    return problems


def _labels(value: str) -> tuple[str, ...]:
    """Several labels from a JSON list or text with separators, each once."""
    try:
        listed = json.loads(value) if value.startswith("[") else None
    except (ValueError, RecursionError):
        listed = None
    names = [str(name) for name in listed] if isinstance(listed, list) else value.split(SEPARATOR)
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _move_box(found: Found, value: str, where: str) -> Found:
    box = _box(value)
    return replace(found, annotation=Annotation((Rect(*box),), source=where) if box else None)


def _box(value: str) -> tuple[float, float, float, float] | None:
    try:
        left, top, right, bottom = (float(number) for number in value.split(","))
    except ValueError:
        return None
    sound = all(map(math.isfinite, (left, top, right, bottom))) and left < right and top < bottom
    return (left, top, right, bottom) if sound else None
