"""What one row of a table, or the path of one photo, says: label, group, part, values and box."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from photograft.data.columns import BoxColumns, Columns
from photograft.data.parts import PART_NAMES
from photograft.data.tables import Cell

FACTOR_SEPARATOR: Final = " | "
"""What stands between the values of the factors in the name of a class."""

Box4 = tuple[float, float, float, float]
"""left, top, right, bottom, in pixels or in fractions of the sides."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one row says of a photo; `where` names the row, `picture` is the size that the box belongs to, or zeros."""

    where: str
    label: str | None = None
    labels: tuple[str, ...] = ()
    group: str = ""
    part: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    box: Box4 | None = None
    picture: tuple[int, int] = (0, 0)


class RowReader:
    """Reads rows by their columns. `problems` collects what is wrong; `separator` and `several` are for many labels."""

    def __init__(self, columns: Columns, *, separator: str | None, several: bool = False) -> None:
        self.problems: list[str] = []
        self._columns = columns
        self._separator = separator
        self._several = several or separator is not None

    def path(self, cells: Mapping[str, Cell], where: str) -> str | None:
        """The path of a row; None, and a problem, where there is none."""
        given = cells.get(self._columns.path or "", "")
        if isinstance(given, str) and given and "\0" not in given:
            return given
        what = "no file's path, but a list or a NUL byte," if given else "no path"
        self._complain(where, f"{what} in column {self._columns.path!r}")
        return None

    def read(self, cells: Mapping[str, Cell], where: str) -> Said | None:
        """What a row says; None, and problems, where it is wrong."""
        before = len(self.problems)
        columns = self._columns
        label, labels = self._labels(cells, where)
        said = Said(
            where,
            label,
            labels,
            _text(cells, columns.group) if columns.group else "",
            self._part(cells, where),
            tuple((name, _text(cells, name)) for name in columns.values),
            self._box(cells, where),
            self._picture(cells, where),
        )
        return said if len(self.problems) == before else None

    def _labels(self, cells: Mapping[str, Cell], where: str) -> tuple[str | None, tuple[str, ...]]:
        columns = self._columns
        if columns.factors:
            values = [_text(cells, name) for name in columns.factors]
            for name, value in zip(columns.factors, values, strict=True):
                if not value:
                    self._complain(where, f"the factor {name!r} is empty")
                if FACTOR_SEPARATOR in f" {value} ":
                    self._complain(where, f"the factor {name!r} is {value!r}: no value may hold {FACTOR_SEPARATOR!r}")
            return FACTOR_SEPARATOR.join(values), ()
        if columns.label is None:
            return None, ()
        if not self._several:
            label = _text(cells, columns.label)
            if not label:
                self._complain(where, f"the label in column {columns.label!r} is empty")
            return label, ()
        cell = cells.get(columns.label, "")
        parts = cell if isinstance(cell, tuple) else cell.split(self._separator) if self._separator else (cell,)
        labels = tuple(sorted({part.strip() for part in parts} - {""}))
        if not labels:
            self._complain(where, f"the label in column {columns.label!r} is empty")
        return None, labels

    def _part(self, cells: Mapping[str, Cell], where: str) -> str | None:
        if self._columns.part is None:
            return None
        name = _text(cells, self._columns.part)
        part = PART_NAMES.get(name.lower())
        if part is None:
            self._complain(where, f"the part {name!r} in column {self._columns.part!r} is not train, val or test")
        return part

    def _box(self, cells: Mapping[str, Cell], where: str) -> Box4 | None:
        if self._columns.box is None:
            return None
        texts = _box_texts(cells, self._columns.box)
        if not any(texts):
            return None
        numbers = [_number(text) for text in texts]
        if len(numbers) != 4 or None in numbers:
            self._complain(where, f"the box ({', '.join(texts)}) is not four numbers")
            return None
        a, b, c, d = (number for number in numbers if number is not None)
        right, bottom = (a + c, b + d) if self._columns.box.is_size else (c, d)
        if right <= a or bottom <= b:
            self._complain(where, f"the box ({', '.join(texts)}) is empty or inverted")
            return None
        return a, b, right, bottom

    def _picture(self, cells: Mapping[str, Cell], where: str) -> tuple[int, int]:
        box = self._columns.box
        texts = [_text(cells, name) for name in box.picture] if box else []
        if not any(texts):
            return 0, 0
        sizes = [_number(text) for text in texts]
        width, height = (0 if size is None or size != int(size) else int(size) for size in sizes)
        if min(width, height) < 1:
            self._complain(where, f"the size of the picture ({' x '.join(texts)}) is not two whole numbers")
        return width, height

    def _complain(self, where: str, problem: str) -> None:
        self.problems.append(f"{where}: {problem}")


def _text(cells: Mapping[str, Cell], name: str) -> str:
    cell = cells.get(name, "")
    return cell if isinstance(cell, str) else ", ".join(cell)


def _box_texts(cells: Mapping[str, Cell], box: BoxColumns) -> list[str]:
    if len(box.names) > 1:
        return [_text(cells, name) for name in box.names]
    cell = cells.get(box.names[0], "")
    return list(cell) if isinstance(cell, tuple) else [t for t in re.split(r"[\s,;]+", cell.strip("[](){} ")) if t]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
