"""Rows of a table, or names of a pattern on paths, as labelled rows of a listing."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PureWindowsPath

from photograft.config.data import DataConfig
from photograft.data.columns import PART_COLUMN_NAMES, Columns, choose_columns, is_label_name
from photograft.data.files import PhotoFiles, printable
from photograft.data.listing import Found, Listing
from photograft.data.locate import Locator, is_absolute, tidy
from photograft.data.parts import settle_parts
from photograft.data.patterns import PathPattern
from photograft.data.rows import RowReader, Said
from photograft.data.tables import Table, require_no_problems
from photograft.errors import DataError
from photograft.values import Annotation, Rect


def label_table(
    table: Table,
    files: PhotoFiles,
    config: DataConfig,
    *,
    slices: Sequence[str] = (),
    bases: Sequence[str] = ("",),
) -> Listing:
    """Give the files that a table names their labels, groups, parts, values and boxes.

    Paths are relative to one of `bases`, folders of `files`. A file that is not there stays a row, which the scan will
    reject, unless most are missing. Names of data.labels.pattern can be used like columns.

    Raises:
        ConfigError: a setting names a column that is not there.
        DataError: rows have problems, with the line of each; or more than half of the files are not there.
    """
    pattern = None if config.labels.pattern is None else PathPattern(config.labels.pattern)
    names = list(dict.fromkeys((*table.columns, *(pattern.names if pattern else ()))))
    columns = choose_columns(names, config, slices=slices, where=f"the table {table.name}")
    several = any(isinstance(row.cells.get(columns.label or ""), tuple) for row in table.rows)
    reader = RowReader(columns, separator=config.labels.separator, several=several)
    locator = Locator(files, bases)
    by_path: dict[str, list[Said]] = {}
    missing: dict[str, None] = {}
    n_ignored = 0
    for row in table.rows:
        where = f"{table.name}:{row.line}"
        given = reader.path(row.cells, where)
        if given is None:
            continue
        found = locator.find(given)
        path = found or _as_given(given, bases[0])
        if _is_ignored(path, config):
            n_ignored += 1
            continue
        if found is None:
            missing[path] = None
        cells = row.cells if pattern is None else {**(pattern.match(path) or {}), **row.cells}
        said = reader.read(cells, where)
        if said is not None:
            by_path.setdefault(path, []).append(said)
    merger = _Merger(columns, [said for rows in by_path.values() for said in rows])
    merged = [merger.merge(path, by_path[path]) for path in sorted(by_path)]
    require_no_problems([*reader.problems, *merger.problems], f"The table {table.name}")
    if not merged:
        raise DataError(f"The table {table.name} has no rows that are used.")
    _require_most_files(list(missing), len(merged), files, table.name)
    settled, notes = settle_rows(merged, f"the table {table.name}")
    ignored = [f"{n_ignored} rows of {table.name} match data.ignore and are left out"] if n_ignored else []
    notes = (*files.notes, *table.notes, *notes, *merger.notes(table.name), *ignored, *_note_part(columns, table))
    return Listing(files.root, settled, _classes(settled), (*notes, *_note_missing(list(missing))))


def label_by_pattern(listing: Listing, config: DataConfig, pattern: PathPattern, *, slices: Sequence[str]) -> Listing:
    """Give files what the names of a pattern say of them; those that do not match are left out.

    If no name of the pattern is that of the label, the files keep the labels that they have.

    Raises:
        ConfigError: a setting names something that the pattern does not hold.
        DataError: too many files do not match: more than one in a hundred, and more than three.
    """
    where = f"the pattern {config.labels.pattern}"
    needs_label = gives_label(config, pattern)
    columns = choose_columns(
        pattern.names, config, slices=slices, where=where, needs_path=False, needs_label=needs_label
    )
    reader = RowReader(columns, separator=config.labels.separator)
    unmatched: list[str] = []
    rows: list[Found] = []
    for found in listing.files:
        cells = pattern.match(found.path)
        if cells is None:
            unmatched.append(found.path)
            continue
        said = reader.read(cells, printable(found.path))
        if said is not None:
            row = replace(found, part=said.part or found.part, group=said.group, values=said.values)
            rows.append(replace(row, label=said.label, labels=said.labels) if needs_label else row)
    _require_most_match(unmatched, len(listing.files), where)
    require_no_problems(reader.problems, where[:1].upper() + where[1:])
    settled, notes = settle_rows(rows, where) if columns.part else (tuple(rows), ())
    left_out = f"{len(unmatched)} files do not match {where} and are left out: {_some(unmatched)}"
    classes = _classes(settled) if needs_label else listing.classes
    return Listing(listing.root, settled, classes, (*listing.notes, *notes, *([left_out] if unmatched else [])))


def gives_label(config: DataConfig, pattern: PathPattern) -> bool:
    """Whether the pattern holds the label, and not the class folders."""
    labels = config.labels
    named = labels.column in pattern.names or bool(set(labels.factors) & set(pattern.names))
    return labels.from_ == "pattern" or named or any(map(is_label_name, pattern.names))


def settle_rows(rows: Sequence[Found], where: str) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """The rows with their parts as they are meant together, and sentences on that.

    Raises:
        DataError: there are parts but none for training.
    """
    kinds = {row.part for row in rows if row.part is not None}
    if not kinds:
        return tuple(rows), ()
    try:
        settled, note = settle_parts(kinds)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    changed = (replace(row, part=None if row.part is None else settled[row.part]) for row in rows)
    return tuple(changed), (f"{where}: {note}",) if note else ()


class _Merger:
    """Makes one row of a listing of all that a table says of a file."""

    def __init__(self, columns: Columns, rows: Iterable[Said]) -> None:
        self.problems: list[str] = []
        self._n_repeated = 0
        self._has_boxes = columns.box is not None
        boxes = [said.box for said in rows if said.box is not None]
        self._all_relative = all(max(map(abs, box)) <= 1 for box in boxes) and any(map(_has_fraction, boxes))

    def merge(self, path: str, rows: list[Said]) -> Found:
        """The row of one file. Without boxes, its rows must say the same; else they must agree on group and part."""
        first = rows[0]
        for said in rows[1:]:
            line = first.where.rpartition(":")[2]
            if (said.group, said.part) != (first.group, first.part):
                self._complain(said, f"{printable(path)} has another group or part than on line {line}")
            elif not self._has_boxes and _content(said) != _content(first):
                what = f"{_label(said)!r} on line {line} is {_label(first)!r}"
                same = "with other values" if _label(said) == _label(first) else what
                self._complain(said, f"{printable(path)} comes twice: {same}")
            self._n_repeated += _content(said) == _content(first) and said.box == first.box
        found = Found(path, first.label, first.part, labels=first.labels, group=first.group, values=first.values)
        return self._with_boxes(found, rows) if self._has_boxes else found

    def notes(self, name: str) -> list[str]:
        """A sentence on rows that come more than once."""
        return [f"{name}: {self._n_repeated} rows repeat another one"] if self._n_repeated else []

    def _with_boxes(self, found: Found, rows: list[Said]) -> Found:
        agree = all(_label(said) == _label(rows[0]) for said in rows)
        boxed = list({(said.box, _label(said)): said for said in rows if said.box is not None}.values())
        relative = {self._all_relative or _is_relative(said.box) for said in boxed if said.box is not None}
        if len(relative) > 1:
            self._complain(boxed[1], "boxes of one photo are given in pixels and in fractions")
        if len({said.picture for said in boxed}) > 1:
            self._complain(boxed[1], "boxes of one photo belong to pictures of different sizes")
        if not agree:
            for said in rows:
                if said.box is None or len(said.labels) > 1:
                    self._complain(said, "rows of one photo have different labels: each needs a box and one label")
            values = tuple(v for v in found.values if all(v in said.values for said in rows))
            found = replace(found, label=None, labels=(), values=values)
        if not boxed:
            return found
        rects = tuple(Rect(*said.box, label=_one_label(said)) for said in boxed if said.box is not None)
        width, height = boxed[0].picture
        annotation = Annotation(rects, width, height, relative=relative == {True}, source=boxed[0].where)
        return replace(found, annotation=annotation)

    def _complain(self, said: Said, problem: str) -> None:
        self.problems.append(f"{said.where}: {problem}")


def _content(said: Said) -> tuple[object, ...]:
    return said.label, said.labels, said.values


def _label(said: Said) -> str:
    return said.label or ", ".join(said.labels)


def _one_label(said: Said) -> str:
    return said.label or (said.labels[0] if len(said.labels) == 1 else "")


def _has_fraction(box: Sequence[float]) -> bool:
    return any(edge != int(edge) for edge in box)


def _is_relative(box: Sequence[float]) -> bool:
    return max(map(abs, box)) <= 1 and _has_fraction(box)


def _classes(rows: Iterable[Found]) -> tuple[str, ...]:
    return tuple(sorted({label for row in rows for label in (row.labels or (row.label,)) if label is not None}))


def _as_given(path: str, base: str) -> str:
    """The path of a file that is not there."""
    path = path.replace("\\", "/")
    return path if is_absolute(path) else tidy(f"{base}/{path}" if base else path)


def _is_ignored(path: str, config: DataConfig) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(path, p) for p in config.ignore)


def _require_most_files(missing: Sequence[str], n: int, files: PhotoFiles, name: str) -> None:
    if len(missing) <= n / 2:
        return
    foreign = [path for path in missing[:3] if PureWindowsPath(path).is_absolute() and not is_absolute(path)]
    looked = "\n".join(f"  {printable(path if path in foreign else files.root / path)}" for path in missing[:3])
    hint = "Paths of Windows with a drive mean nothing on this system: make them relative. " if foreign else ""
    raise DataError(
        f"{len(missing)} of the {n} files that {name} names are not there. Looked for:\n{looked}\n"
        f"{hint}Paths are relative to the folder of the table, or to PHOTOS where data.labels.from names the table."
    )


def _require_most_match(unmatched: Sequence[str], n: int, where: str) -> None:
    if len(unmatched) <= max(0.01 * n, 3) and len(unmatched) < n:
        return
    names = "\n".join(f"  {printable(path)}" for path in unmatched[:20])
    more = f"\n  ... and {len(unmatched) - 20} more" if len(unmatched) > 20 else ""
    raise DataError(
        f"{len(unmatched)} of {n} files do not match {where}:\n{names}{more}\n"
        "Correct data.labels.pattern, or leave these files out with data.ignore."
    )


def _note_part(columns: Columns, table: Table) -> list[str]:
    """A hint where the table seems to know parts that nobody asked for."""
    found = [name for name in table.columns if name.casefold() in PART_COLUMN_NAMES]
    if columns.part is not None or not found:
        return []
    return [f"{table.name}: column {found[0]!r} is not used; data.labels.part={found[0]} would take the parts from it"]


def _note_missing(missing: Sequence[str]) -> list[str]:
    return [f"{len(missing)} files of the table are not there: {_some(missing)}"] if missing else []


def _some(paths: Sequence[str]) -> str:
    return ", ".join(map(printable, paths[:5])) + (", ..." if len(paths) > 5 else "")
