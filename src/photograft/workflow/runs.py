"""Runs by what people call them."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from photograft.data.files import printable
from photograft.errors import ConfigError, ModelError
from photograft.tracking.run_places import is_run, run_folders

RUNS_DIR = Path("runs")
"""Where runs are made by default."""

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
