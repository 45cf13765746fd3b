"""`runs prune`: which runs go to make room on the disk, which stay and why, and what that frees."""

from __future__ import annotations

import datetime
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from photograft.errors import ConfigError, PhotograftError
from photograft.reporting.clean import clean_text, clean_value
from photograft.reporting.runs_table import local_time, score_words
from photograft.tracking.disk import links_in, use_of
from photograft.tracking.run_folder import NOTES
from photograft.tracking.run_notes import KEEP, read_notes
from photograft.tracking.run_places import is_at_work, is_held
from photograft.tracking.run_removal import heavy_parts, make_light, remove_leftovers, remove_run
from photograft.tracking.run_row import RunRow
from photograft.workflow.run_filter import read_conditions
from photograft.workflow.run_links import links_between, needed_by
from photograft.workflow.runs import RUNS_DIR, list_runs

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_ABANDONED = datetime.timedelta(days=7)
"""How long a stopped run is untouched before its checkpoints count as abandoned."""


@dataclass(frozen=True)
class PruneRule:
    """What stays: the `keep` newest runs, the `keep_best` best of each set of photos, runs younger than `older_than`,
    and those for which a filter does not hold. Where `light`, runs lose heavy parts only.
    """

    keep: int | None = None
    keep_best: int | None = None
    older_than: str | None = None
    filters: tuple[str, ...] = ()
    light: bool = False


@dataclass(frozen=True)
class Going:
    """A run that goes, or becomes light: its bytes in the parts that go, links from elsewhere included."""

    run: str
    status: str
    words: str
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What goes, what stays and why, and the bytes that are free then; `done` is False of what was only stated."""

    light: bool
    done: bool
    going: tuple[Going, ...]
    kept: Mapping[str, str]
    bytes: int
    freed_bytes: int
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `photograft runs prune --json` prints it."""
        document: dict[str, Any] = clean_value(asdict(self))
        return document

    def lines(self) -> list[str]:
        """The same for people."""
        what = "make light" if self.light else "remove"
        did = {"make light": "made light", "remove": "removed"}[what]
        runs = f"{len(self.going):,} {'run' if len(self.going) == 1 else 'runs'}"
        head = f"{did} {runs}" if self.done else f"would {what} {runs}"
        lines = [f"{head}:" if self.going else f"Nothing to {what}."]
        lines += [f"  {each.bytes / 1e6:>9,.1f} MB  {each.run}  ({each.words})" for each in self.going]
        lines += [f"  not {did}: {run}: {why}" for run, why in self.failed.items()]
        reasons = Counter(
            why if not why.startswith("named by") else "named by another run" for why in self.kept.values()
        )
        lines += [f"keeps {n:,}: {why}" for why, n in reasons.most_common()]
        lines += [f"{'freed' if self.done else 'would free'} {_size(self.freed_bytes)}"] if self.going else []
        if self.freed_bytes < self.bytes:
            lines[-1] += f"; the other {_size(self.bytes - self.freed_bytes)} are linked from elsewhere too"
        return [clean_text(line) for line in lines]


def prune_runs(
    runs_dir: str | os.PathLike[str] = RUNS_DIR, rule: PruneRule | None = None, *, yes: bool = False
) -> Pruning:
    """Say which runs would go by a rule, or remove them where `yes`.

    A run always stays that is tagged "keep", that a run which stays names in its settings (as `run:PATH` or by a file),
    that a process is writing, or whose study is being run. Folders of studies stay.

    Raises:
        ConfigError: The folder is not there, or the rule says nothing or cannot be read.
    """
    place, rule = Path(runs_dir), rule or PruneRule()
    if rule == PruneRule():
        raise ConfigError(
            "say what may go: --keep N or --keep-best N (all others go), --older-than 30d, --filter EXPR, or --light"
        )
    rows = list_runs(place, with_settings=True)
    links = links_between(rows, place)
    kept = _kept(place, rows, links, rule)
    parts = {row.run: _parts(place / row.run, row, rule) for row in rows if row.run not in kept}
    kept |= dict.fromkeys((run for run, each in parts.items() if not each), "nothing heavy in it")
    going = [row for row in rows if row.run not in kept]
    files = {row.run: [link for part in parts[row.run] for link in links_in(part)] for row in going}
    failed = _carry_out(place, going, links, light=rule.light) if yes else {}
    gone = [row for row in going if row.run not in failed]
    use = use_of(link for row in gone for link in files[row.run])
    told = (Going(row.run, row.status, _words(row), use_of(files[row.run]).total) for row in gone)
    return Pruning(rule.light, yes, tuple(told), kept, use.total, use.freed, failed)


def _kept(place: Path, rows: Sequence[RunRow], links: Mapping[str, set[str]], rule: PruneRule) -> dict[str, str]:
    """Every run that stays, and why."""
    kept: dict[str, str] = {}
    for why, runs in (*_by_rule(rows, rule), *_by_state(place, rows, rule)):
        for run in runs:
            kept.setdefault(run, why)
    return {run: f"named by {by}" for run, by in needed_by(kept, links).items() if run not in kept} | kept


def _by_rule(rows: Sequence[RunRow], rule: PruneRule) -> Iterator[tuple[str, list[str]]]:
    """What the rule keeps; the rows are the newest first."""
    conditions = read_conditions(rule.filters)
    yield "the filter does not hold", [row.run for row in rows if not all(each.holds(row) for each in conditions)]
    if rule.keep is not None:
        yield f"among the newest {rule.keep}", [row.run for row in rows[: rule.keep]]
    if rule.keep_best is not None:
        yield f"among the best {rule.keep_best} of their photos", _best(rows, rule.keep_best)
    if rule.older_than is not None:
        limit = _now() - _age(rule.older_than)
        yield f"younger than {rule.older_than}", [row.run for row in rows if _made(row) > limit]


def _by_state(place: Path, rows: Sequence[RunRow], rule: PruneRule) -> Iterator[tuple[str, list[str]]]:
    """What is kept whatever the rule says."""
    yield f"tagged {KEEP}", [row.run for row in rows if KEEP in row.tags]
    yield f"their {NOTES} cannot be read", [row.run for row in rows if not _has_readable_notes(place / row.run)]
    yield "being written", [row.run for row in rows if row.status == "running" or is_held(place / row.run)]
    at_work = {row.study for row in rows if row.study is not None and row.status == "running"}
    at_work |= {name for name in {row.study for row in rows} if name is not None and is_at_work(place / name)}
    yield "their study is being run", [row.run for row in rows if row.study in at_work]
    if rule.light:
        yield "damaged", [row.run for row in rows if row.status == "damaged"]
        if rule.older_than is None:
            limit = _now() - _ABANDONED
            stopped = [row for row in rows if row.status == "unfinished"]
            yield "stopped less than 7 days ago", [row.run for row in stopped if _touched(place / row.run) > limit]


def _best(rows: Sequence[RunRow], n: int) -> list[str]:
    """The n best of every set of photos; runs on fewer classes of it answer an easier question, and stand apart."""
    sets: dict[tuple[object, ...], list[tuple[float, str]]] = {}
    for row in rows:
        score = row.accuracy if row.mse is None else -row.mse
        if score is not None:
            sets.setdefault((row.source, row.classes, row.kind), []).append((score, row.run))
    return [run for each in sets.values() for _, run in sorted(each, key=lambda scored: -scored[0])[:n]]


def _parts(folder: Path, row: RunRow, rule: PruneRule) -> list[Path]:
    return heavy_parts(folder, finished=row.status == "finished") if rule.light else [folder]


def _carry_out(place: Path, going: Sequence[RunRow], links: Mapping[str, set[str]], *, light: bool) -> dict[str, str]:
    """Remove the runs, each before those that it needs; gives those that could not be, and why."""
    remove_leftovers(place)
    failed: dict[str, str] = {}
    # The runs that need the longest chain of others go first, so that one that fails keeps what it needs.
    for row in sorted(going, key=lambda row: -len(needed_by([row.run], links))):
        by = next((run for run in failed if row.run in needed_by([run], links)), None)
        if by is not None:
            failed[row.run] = f"named by {by}"
            continue
        try:
            if light:
                make_light(place / row.run, finished=row.status == "finished")
            else:
                remove_run(place / row.run)
        except PhotograftError as error:
            failed[row.run] = str(error)
    return failed


def _words(row: RunRow) -> str:
    made = local_time(row.created)[:10]
    return ", ".join(filter(None, [made, row.data, score_words(row)]))


def _has_readable_notes(folder: Path) -> bool:
    try:
        read_notes(folder)
    except PhotograftError:
        return False
    return True


def _age(text: str) -> datetime.timedelta:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"--older-than {text}: write it as 30d, 12h or 2w (days, hours, weeks).")
    return datetime.timedelta(hours=float(found[1]) * _HOURS[found[2]])


def _made(row: RunRow) -> datetime.datetime:
    """When the run was made; one that does not say is as good as new."""
    try:
        made = datetime.datetime.fromisoformat(row.created or "")
    except ValueError:
        return _now()
    return made if made.tzinfo else made.replace(tzinfo=datetime.UTC)


def _touched(folder: Path) -> datetime.datetime:
    times = [path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists()]
    return datetime.datetime.fromtimestamp(max(times), datetime.UTC)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
