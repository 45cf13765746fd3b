"""Which rows of a listing are used, and under which class: renaming, merging, choosing classes, drawing photos."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.columns import suggest
from photograft.data.files import printable
from photograft.data.listing import Found, Listing
from photograft.data.tables import read_table, require_no_problems
from photograft.errors import ConfigError, DataError


def choose(listing: Listing, config: DataConfig, *, seed: int, min_classes: int = 2) -> Listing:
    """Rename and merge classes, keep those that are wanted, and draw photos of each, as the settings of data say.

    Rows with several labels are kept if one of them is wanted, and lose the others. What is left out is noted.

    Raises:
        ConfigError: a class that a setting names is not there.
        DataError: the file of data.rename has problems, or fewer than `min_classes` classes are left.
    """
    if config.rename is not None:
        listing = _rename(listing, config.rename)
    if config.classes:
        listing = _keep_classes(listing, [_find_class(n, listing.classes) for n in config.classes], "data.classes")
    if config.top_classes is not None:
        photos = Counter(label for row in listing.files for label in _labels(row))
        largest = sorted(listing.classes, key=lambda name: (-photos[name], name))[: config.top_classes]
        listing = _keep_classes(listing, largest, "data.top_classes")
    if config.per_class is not None:
        listing = _draw(listing, config.per_class, seed)
    if len(listing.classes) < min_classes or not listing.files:
        names = _some(listing.classes, 5)
        notes = "".join(f"\n({note})" for note in listing.notes)
        raise DataError(
            f"{printable(listing.root)} has {len(listing.files)} photos of {len(listing.classes)} classes ({names}), "
            f"and at least {min_classes} {'class is' if min_classes == 1 else 'classes are'} needed.{notes}"
        )
    return listing


def _rename(listing: Listing, path: Path) -> Listing:
    """The listing with its classes renamed as a table says; a class whose new name is empty is left out."""
    mapping = _read_mapping(path, listing.classes)
    new_names = {name: mapping.get(name, name) for name in listing.classes}
    merged = Counter(filter(None, new_names.values()))
    notes = [f"classes renamed: {len([1 for old, new in mapping.items() if new and old != new])} ({printable(path)})"]
    notes += [
        f"merged into {name!r}: {', '.join(repr(old) for old, new in new_names.items() if new == name)}"
        for name, n in sorted(merged.items())
        if n > 1
    ]
    return _with_labels(listing, new_names, "without a new name in data.rename", notes)


def _read_mapping(path: Path, classes: Iterable[str]) -> dict[str, str]:
    table = read_table(path)
    if not {"from", "to"} <= set(table.columns):
        raise DataError(f"{table.name} needs the columns `from` and `to`; it has: {', '.join(table.columns)}.")
    by_form = {_form(name): name for name in classes} | {name: name for name in classes}
    mapping: dict[str, str] = {}
    problems: list[str] = []
    for row in table.rows:
        old, new = (unicodedata.normalize("NFC", str(row.cells.get(column, ""))) for column in ("from", "to"))
        name = by_form.get(str(row.cells.get("from", "")), by_form.get(old))
        where = f"{table.name}:{row.line}"
        if name is None:
            what = f"there is no class {old!r}{suggest(old, classes)}" if old else "the name in column 'from' is empty"
            problems.append(f"{where}: {what}")
        elif mapping.get(name, new) != new:
            problems.append(f"{where}: class {old!r} gets a second name, {new!r} beside {mapping[name]!r}")
        else:
            mapping[name] = new
    require_no_problems(problems, f"The table {table.name} (data.rename)")
    # A new name that looks like that of a class which stays is that class.
    return {old: by_form.get(new, new) if by_form.get(new) not in mapping else new for old, new in mapping.items()}


def _find_class(name: str, classes: Sequence[str]) -> str:
    if name in classes:
        return name
    same = [each for each in classes if _form(each) == _form(name)]
    if not same:
        raise ConfigError(
            f"data.classes names {name!r}, which is no class{suggest(name, classes)}. There are: {_some(classes, 20)}."
        )
    return same[0]


def _keep_classes(listing: Listing, wanted: list[str], setting: str) -> Listing:
    return _with_labels(listing, {name: name for name in wanted}, f"not among {setting}", [])


def _with_labels(listing: Listing, new_names: Mapping[str, str], why: str, notes: list[str]) -> Listing:
    """The listing with new names for its classes; rows of classes without one are left out, and counted."""
    rows = []
    for row in listing.files:
        names = sorted({name for label in _labels(row) if (name := new_names.get(label))})
        if names:
            labels = tuple(names) if row.labels else ()
            rows.append(replace(row, label=None if row.labels else names[0], labels=labels))
    left_out = [name for name in listing.classes if not new_names.get(name)]
    if left_out:
        shown = _some(left_out, 5)
        n = len(listing.files) - len(rows)
        notes = [*notes, f"left out: {n} photos of {len(left_out)} classes {why} ({shown})"]
    classes = tuple(sorted({name for old in listing.classes if (name := new_names.get(old))}))
    return replace(listing, files=tuple(rows), classes=classes, notes=(*listing.notes, *notes))


def _draw(listing: Listing, n: int, seed: int) -> Listing:
    """At most `n` rows of each class and given part: those whose seeded hash is smallest, so that new photos
    replace few. A row with several labels counts for each of them.
    """
    groups: dict[tuple[str, str | None], list[tuple[bytes, str]]] = defaultdict(list)
    for row in listing.files:
        rank = hashlib.sha256(f"{seed}:{row.name}".encode("utf-8", "surrogateescape")).digest()
        for label in _labels(row):
            groups[label, row.part].append((rank, row.name))
    drawn = {name for ranked in groups.values() for _, name in sorted(ranked)[:n]}
    rows = tuple(row for row in listing.files if row.name in drawn)
    note = f"{len(rows):,} of {len(listing.files):,} photos are used, at most {n:,} of each class (data.per_class)"
    return replace(listing, files=rows, notes=(*listing.notes, note))


def _labels(row: Found) -> tuple[str, ...]:
    return row.labels or (() if row.label is None else (row.label,))


def _some(names: Sequence[str], n: int) -> str:
    return ", ".join(map(printable, names[:n])) + (", ..." if len(names) > n else "")


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
