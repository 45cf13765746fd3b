"""Which runs need which: a run names another one in its settings, to begin with its network or to share its split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from photograft.models.catalogue import RUN
from photograft.tracking.run_row import RunRow


def links_between(rows: Sequence[RunRow], runs_dir: Path) -> dict[str, set[str]]:
    """The runs that each run names in its settings, as `run:PATH` or by a file that lies in their folders.

    Of a path that is not there any more, because the runs were moved, each run of that name counts.
    """
    folders = {(runs_dir / row.run).resolve(): row.run for row in rows}
    by_name: dict[str, set[str]] = {}
    for row in rows:
        by_name.setdefault(Path(row.run).name, set()).add(row.run)

    @cache
    def named(text: str) -> frozenset[str]:
        path = Path(text.removeprefix(f"{RUN}:"))
        if path.exists():
            real = path.resolve()
            return frozenset(folders[each] for each in (real, *real.parents) if each in folders)
        return frozenset(run for part in path.parts for run in by_name.get(part, ()))

    return {row.run: set().union(*map(named, _paths(row.settings or {}))) - {row.run} for row in rows}


def needed_by(runs: Iterable[str], links: Mapping[str, set[str]]) -> dict[str, str]:
    """Every run that these need, the ones that those need too, each with one that names it."""
    needed: dict[str, str] = {}
    waiting = list(runs)
    while waiting:
        by = waiting.pop()
        for run in links.get(by, ()):
            if run not in needed:
                needed[run] = by
                waiting.append(run)
    return needed


def _paths(settings: Mapping[str, Any]) -> Iterator[str]:
    """The settings that may be paths: only absolute ones are, a run is found from everywhere."""
    for value in settings.values():
        if isinstance(value, str) and Path(value.removeprefix(f"{RUN}:")).is_absolute():
            yield value
