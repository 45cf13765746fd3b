"""A splits.csv that the user edited: read, matched to the photos, and checked, with every problem at once.

It needs the columns ``path`` and ``part``. ``fold``, ``fold_2``, ... are the folds and their further draws, ``sha256``
finds files that were moved; other columns are for people.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.config.split import SplitConfig
from photograft.data.csv_text import read_edited
from photograft.data.files import printable
from photograft.data.groups import fold_leaks, leaks
from photograft.data.parts import PART_NAMES
from photograft.data.row_names import RowNames
from photograft.data.split import Rows, fold_parts
from photograft.data.tables import require_no_problems, table_bytes
from photograft.errors import DataError
from photograft.values import BoolArray, IntArray, Issue, Manifest, Photo, Splits

_MAX_FOLDS = 20
_NAMED = 10
_SHOWN = 3


def read_splits(
    path: Path, manifest: Manifest, duplicate_N: IntArray, config: SplitConfig, *, group_column: str | None = None
) -> Splits:
    """Read the parts and folds of the usable rows of `manifest` (N of them) from a splits.csv.

    Rows are matched by `Photo.name`, in any Unicode form, else by SHA-256. An empty part leaves the photo out. Folds
    that are missing or blank throughout are drawn. What the file divides stays divided and is stated as a leak;
    `config.on_leak`, and the other arguments, are as in `photograft.data.split.split`.

    Raises:
        DataError: The file cannot be read, or has problems, with the line of each.
    """
    table, what = _Table(path, manifest), f"split.file: {printable(path)}"
    try:
        table.read(table_bytes(path, what))
    except csv.Error as error:
        raise DataError(f"{what} cannot be read: {error}.") from error
    part_N = np.array([table.part_of.get(row, "") for row in range(len(manifest.photos))], dtype="<U5")
    folds_RN = table.folds(part_N)
    table.check_complete()
    if not table.problems:
        table.check_classes(part_N)
    require_no_problems(table.problems, f"{printable(path)} (split.file)")
    rng = np.random.default_rng(config.seed)
    splits = fold_parts(Rows(manifest, duplicate_N, group_column), part_N, config, rng, given_RN=folds_RN)
    return replace(splits, statement=" ".join([splits.statement, *table.notes()]))


def check_splits(manifest: Manifest, splits: Splits, *, group_column: str | None = None) -> tuple[Issue, ...]:
    """Every group of the usable rows of `manifest` that crosses from the test part or between folds.

    `group_column` is what the user's groups are called.
    """
    name = group_column or "group"
    over_test_N = leaks(splits.part_N, splits.group_N)
    over_folds_N = fold_leaks(np.vstack([splits.fold_N[None], splits.repeats_RN]), splits.group_N)
    return (
        *_leak_issues(manifest, splits, over_test_N, "both in the test part and outside it", name),
        *_leak_issues(manifest, splits, over_folds_N, "in several folds", name),
    )


def _leak_issues(manifest: Manifest, splits: Splits, leaked_N: BoolArray, where: str, name: str) -> Iterator[Issue]:
    leaked_M = np.flatnonzero(leaked_N)
    if not len(leaked_M):
        return
    leaked_M = leaked_M[np.argsort(splits.group_N[leaked_M], kind="stable")]
    for rows in np.split(leaked_M, np.flatnonzero(np.diff(splits.group_N[leaked_M])) + 1):
        photos = [manifest.photos[row] for row in rows]
        values = ", ".join(sorted({photo.group for photo in photos} - {""}))
        what = f"photos of {name} {values}" if values else "duplicates"
        yield Issue(
            "leak",
            tuple(photo.name for photo in photos),
            f"{len(photos)} {what} stand {where}: {_name_some(photos)}.",
            "Give them one part and one fold; split.on_leak=drop leaves those beside the test part out.",
            must_fix=True,
        )


def _name_some(photos: Sequence[Photo]) -> str:
    named = ", ".join(printable(photo.name) for photo in photos[:_SHOWN])
    return f"{named} and {len(photos) - _SHOWN} more" if len(photos) > _SHOWN else named


@dataclass
class _Table:
    """What the file says of the rows of a manifest, and what is wrong with it."""

    path: Path
    manifest: Manifest
    problems: list[str] = field(default_factory=list)
    part_of: dict[int, str] = field(default_factory=dict)
    line_of: dict[int, int] = field(default_factory=dict)
    cells_of: dict[int, dict[str, str]] = field(default_factory=dict)
    fold_columns: list[str] = field(default_factory=list)
    unknown: int = 0
    moved: int = 0

    def read(self, content: bytes) -> None:
        """Match every row of the file to a row of the manifest, and read its part."""
        header, rows = read_edited(content)
        missing = [name for name in ("path", "part") if name not in header]
        if missing:
            found = ", ".join(header) or "none"
            self.problems.append(f"{self.path.name}:1: there is no column {' and no column '.join(missing)} ({found})")
            return
        self.fold_columns = sorted((name for name in header if re.fullmatch(r"fold(_\d+)?", name)), key=_fold_number)
        names = RowNames(self.manifest.photos)
        by_name = [names.find(cells.get("path", "")) for _, cells in rows]
        taken = set(by_name)
        for (line, cells), found_by_name in zip(rows, by_name, strict=True):
            row = found_by_name
            if row is None:
                row = names.find_moved(cells.get("path", ""), cells.get("sha256", ""), taken)
                self.moved += row is not None
                taken.add(row)
            if row is None:
                self.unknown += 1
                continue
            self._read_row(row, line, cells)

    def _read_row(self, row: int, line: int, cells: dict[str, str]) -> None:
        if row in self.line_of:
            text = printable(cells["path"])
            self._problem(line, f"{text} is the same photo as in line {self.line_of[row]}: leave one of the lines")
            return
        self.line_of[row], self.cells_of[row] = line, cells
        part = cells.get("part", "").strip()
        if part and part.lower() not in PART_NAMES:
            self._problem(line, f"part {part!r} is not train, val, test or empty")
        self.part_of[row] = PART_NAMES.get(part.lower(), "")

    def folds(self, part_N: npt.NDArray[np.str_]) -> IntArray:
        """The folds of train and validation rows, shape (R, N); -1 elsewhere. R is 0 where all are blank."""
        folded = [row for row in self.cells_of if part_N[row] in ("train", "val")]
        draws = []
        for column in self.fold_columns:
            texts = {row: self.cells_of[row].get(column, "").strip() for row in folded}
            if not any(texts.values()):
                break
            fold_N = np.full(len(part_N), -1, dtype=np.int64)
            for row, text in texts.items():
                fold_N[row] = self._fold(row, column, text)
            draws.append(fold_N)
        if not draws:
            return np.empty((0, len(part_N)), dtype=np.int64)
        n_folds = int(draws[0].max()) + 1
        for column, fold_N in zip(self.fold_columns, draws, strict=False):
            self._check_draw(column, fold_N, n_folds)
        return np.stack(draws)

    def _fold(self, row: int, column: str, text: str) -> int:
        fold = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1
        if not text:
            problem = f"{column} is empty although the photo is in {self.part_of[row]}: clear the column to draw anew"
            self._problem(self.line_of[row], problem)
        elif not 0 <= fold < _MAX_FOLDS:
            self._problem(self.line_of[row], f"{column} {text!r} is not a number from 0 to {_MAX_FOLDS - 1}")
            return -1
        return fold

    def _check_draw(self, column: str, fold_N: IntArray, n_folds: int) -> None:
        present = set(fold_N.tolist()) - {-1}
        if n_folds < 2:
            self.problems.append(f"{self.path.name}: {column} has one fold only: there must be at least two, 0 and 1")
        elif present - set(range(n_folds)):
            self.problems.append(f"{self.path.name}: {column} has other folds than fold, which has 0 to {n_folds - 1}")
        elif set(range(n_folds)) - present:
            empty = ", ".join(map(str, sorted(set(range(n_folds)) - present)))
            self.problems.append(f"{self.path.name}: {column} has no photo in fold {empty} of 0 to {n_folds - 1}")

    def check_complete(self) -> None:
        """Every usable photo needs a row; leaving it out takes an empty part."""
        photos = self.manifest.photos
        missing = [photo.name for row, photo in enumerate(photos) if row not in self.line_of]
        if missing and self.line_of:
            named = ", ".join(map(printable, missing[:_NAMED]))
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            missing_rows = f"no row for {len(missing)} of {len(photos)} photos: {named}{more}"
            remedy = "add a row for each, with an empty part to leave the photo out"
            self.problems.append(f"{self.path.name}: {missing_rows}; {remedy}")
        elif missing and not self.problems:
            self.problems.append(f"{self.path.name}: none of its rows names a photo of {printable(self.manifest.root)}")

    def check_classes(self, part_N: npt.NDArray[np.str_]) -> None:
        """Each class that is used must be in train, and in test where there is such a part."""
        if not (part_N == "train").any():
            self.problems.append(f"{self.path.name}: no photo has the part train")
            return
        classes = self.manifest.classes
        member_NK = self.manifest.label_matrix(classes)
        for part in ("train", "test"):
            in_part_N = part_N == part
            if in_part_N.any():
                lacking = [classes[k] for k in np.flatnonzero(~member_NK[in_part_N].any(axis=0))]
                self.problems += [f"{self.path.name}: no photo of class {name} has the part {part}" for name in lacking]

    def notes(self) -> tuple[str, ...]:
        """Sentences on rows that were matched in another way than by name, or not at all."""
        notes, name = [], self.path.name
        if self.moved:
            was = "1 photo was" if self.moved == 1 else f"{self.moved:,} photos were"
            notes.append(f"{was} found in {name} by content, under another path.")
        if self.unknown:
            rows = "1 row names" if self.unknown == 1 else f"{self.unknown:,} rows name"
            notes.append(f"{rows} no usable photo in {name}.")
        return tuple(notes)

    def _problem(self, line: int, text: str) -> None:
        self.problems.append(f"{self.path.name}:{line}: {text}")


def _fold_number(column: str) -> int:
    return int(column.removeprefix("fold").removeprefix("_") or 1)
