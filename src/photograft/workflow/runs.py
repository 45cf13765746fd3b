"""Runs by name, listed, tagged and noted."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from photograft.data.files import printable
from photograft.errors import ConfigError, ModelError
from photograft.tracking.run_index import read_runs
from photograft.tracking.run_notes import RunNotes, change_tags, set_note
from photograft.tracking.run_places import is_held, is_run, run_folders
from photograft.tracking.run_row import RunRow
from photograft.workflow.run_filter import COLUMNS, Condition, read_conditions, read_key, require_known, sorted_by

RUNS_DIR = Path("runs")
"""Where runs are made by default."""

_NEWEST = "created"
_DATE = re.compile(r"\d{4}-\d\d-\d\d-")
_NAMED = 10


def find_run(text: str | os.PathLike[str], runs_dir: str | os.PathLike[str] = RUNS_DIR) -> Path:
    """The folder of the run that is meant: a path, or a name inside `runs_dir`.

    A name may lack its date, its study and its end, as long as only one run begins so: of
    ``runs/2026-11-22-painters/2026-11-22-painters-random`` these all mean the same: ``painters-random``,
    ``2026-11-22-painters/2026-11-22-painters-random``, ``painters-ra``. A whole name wins over a beginning.

    Raises:
        ConfigError: There is no such run, or several.
        ModelError: The path is a folder, but none of a run.
    """
    path, place = Path(text), Path(runs_dir)
    if is_run(path):
        return path
    known = list(run_folders(place))
    wanted = _parts(os.fspath(text))
    for matches in (_whole, _begins):
        found = [each for each in known if matches(each, wanted)]
        if len(found) == 1:
            return place.joinpath(*found[0])
        if found:
            names = ", ".join(printable("/".join(each)) for each in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise ConfigError(f"{printable(path)} may be each of {names}{more}: give more of the name.")
    inside = [each for each in known if len(each) > 1 and len(wanted) == 1 and wanted[0] in _spellings(each[0])]
    if inside:
        raise ConfigError(
            f"{printable(path)} is a study: give one of its runs, such as {printable('/'.join(inside[0]))}."
        )
    if path.is_dir():
        raise ModelError(f"{printable(path)} is not a photograft run (it holds no config.resolved.yaml).")
    raise ConfigError(f"There is no run {printable(path)} in {printable(place)}{_meant(wanted, known)}")


def list_runs(
    runs_dir: str | os.PathLike[str] = RUNS_DIR,
    *,
    filters: Sequence[str] = (),
    sort: str = _NEWEST,
    reverse: bool = False,
    tag: str | None = None,
    limit: int | None = None,
    with_settings: bool = False,
) -> list[RunRow]:
    """The runs in a folder and in the studies in it, the newest first; those that are unfinished or damaged as well.

    Args:
        runs_dir: Where the runs are.
        filters: Conditions such as ``accuracy>0.9`` or ``model.graft=blocks:2``, all of which must hold.
        sort: What to sort by: a name of RunRow or of a setting. Numbers and dates from the largest down.
        reverse: From the smallest up.
        tag: Only runs with this tag.
        limit: At most so many.
        with_settings: Fill the settings of every row; they are filled anyway where a filter or sort needs them.

    Raises:
        ConfigError: The folder is not there, or a filter or key is none.
    """
    place = Path(runs_dir)
    if not place.is_dir():
        raise ConfigError(f"--runs-dir: there is no folder {printable(place)}.")
    conditions = read_conditions(filters) + ([] if tag is None else [Condition("tags", "=", tag)])
    key = read_key(sort)
    keys = [key, *(each.key for each in conditions)]
    needs_settings = with_settings or not {*keys} <= {*COLUMNS}
    rows = [_at_work(row, place) for row in read_runs(place, with_settings=needs_settings)]
    require_known(keys, rows)
    rows = [row for row in rows if all(each.holds(row) for each in conditions)]
    return sorted_by(rows, key, reverse=reverse)[:limit]


def tag_run(run: Path, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> RunNotes:
    """Add tags to a run, or take some away; gives all it has, and its note. The tag "keep" keeps it from `prune`.

    Raises:
        ConfigError: A tag is none, or the run cannot be written.
        ModelError: The file of tags is damaged.
    """
    return change_tags(run, add=add, remove=remove)


def note_run(run: Path, note: str) -> RunNotes:
    """Give a run this note in place of the one it has; an empty one takes it away.

    Raises:
        ConfigError: The run cannot be written.
        ModelError: The file of the note is damaged.
    """
    return set_note(run, note)


def _at_work(row: RunRow, place: Path) -> RunRow:
    """The row of an unfinished run says so where a process is writing it now."""
    if row.status == "unfinished" and is_held(place / row.run):
        return replace(row, status="running", problem="")
    return row


def _parts(text: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in re.split(r"[/\\]", text) if part not in ("", "."))


def _whole(run: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the last parts of the run's place are what is wanted, each with or without its date."""
    return _matches(run, wanted, lambda name, part: name == part)


def _begins(run: Sequence[str], wanted: Sequence[str]) -> bool:
    """The same where the last part may be the beginning of the run's name."""
    return _matches(run, wanted, lambda name, part: name.startswith(part))


def _matches(run: Sequence[str], wanted: Sequence[str], last: Callable[[str, str], bool]) -> bool:
    if not 0 < len(wanted) <= len(run):
        return False
    *studies, name = run[-len(wanted) :]
    *parts, end = wanted
    whole = all(part in _spellings(study) for study, part in zip(studies, parts, strict=True))
    return whole and any(last(each, end) for each in _spellings(name))


def _spellings(name: str) -> tuple[str, str]:
    composed = unicodedata.normalize("NFC", name)
    return composed, _DATE.sub("", composed, count=1)


def _meant(wanted: Sequence[str], known: Sequence[Sequence[str]]) -> str:
    """What was probably meant, for the end of a message."""
    spellings = {spelling: run for run in known for spelling in _spellings(run[-1])}
    close = difflib.get_close_matches(wanted[-1] if wanted else "", spellings, n=3, cutoff=0.6)
    names = dict.fromkeys(printable("/".join(spellings[each])) for each in close)
    if names:
        return f"; did you mean {' or '.join(names)}?"
    return (
        ". `photograft runs list` shows what there is."
        if known
        else ", which holds no runs; --runs-dir names another folder."
    )
