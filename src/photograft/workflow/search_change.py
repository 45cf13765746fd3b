"""What a write did to an index, in numbers, in words, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photograft.data.files import printable
from photograft.retrieval.calibration import SameClass
from photograft.retrieval.rows import REMOVED, IndexRow
from photograft.retrieval.shards import ShardsInfo
from photograft.retrieval.store import IndexInfo, Stored
from photograft.workflow.narrator import duration

_NAMED = 5


@dataclass(frozen=True)
class RejectedFile:
    """A file that cannot be used, with its verdict and the reason."""

    path: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Change:
    """An index after it was written, and what became of its files.

    `photos` are different contents, `files` the paths they are found at. Of the files, `added` ones have a content that
    is new to the index, `copies` one that stands at another path too, `moved` ones a content whose other path is gone,
    `changed` ones another content than before; `removed` ones are gone. `computed` photos went through the network.
    """

    index: Path
    model: str
    photos: int
    files: int
    labelled: int
    classes: tuple[str, ...]
    added: int
    copies: int
    moved: int
    changed: int
    removed: int
    unchanged: int
    computed: int
    rejected: tuple[RejectedFile, ...]
    same: SameClass | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """What `photograft search build --json` prints, and the other verbs that write."""
        document = {**asdict(self), "index": printable(self.index), "classes": list(self.classes)}
        return {**document, "rejected": [{**asdict(each), "path": printable(each.path)} for each in self.rejected]}

    def lines(self) -> list[str]:
        """The same for the terminal."""
        counts = {name: getattr(self, name) for name in ("added", "copies", "moved", "changed", "removed", "unchanged")}
        said = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "nothing changed"
        lines = [
            f"{printable(self.index)}: {_count(self.photos, 'photo')} in {_count(self.files, 'file')}",
            f"  {said}; {self.computed:,} embedded by {printable(self.model)} in {duration(self.seconds)}",
        ]
        if self.rejected:
            lines.append(f"  {_count(len(self.rejected), 'file')} cannot be used:")
            lines += [f"    {printable(each.path)}: {each.verdict}, {each.reason}" for each in self.rejected[:_NAMED]]
            if len(self.rejected) > _NAMED:
                lines.append(f"    ... and {len(self.rejected) - _NAMED} more; --json lists them all")
        return [*lines, f"  {self._about_labels()}"]

    def _about_labels(self) -> str:
        if self.same is None:
            photos, classes = _count(self.labelled, "photo"), _count(len(self.classes), "class", "classes")
            why = f"{photos} with labels of {classes} {'is' if self.labelled == 1 else 'are'} too few"
            return f"no probability of the same class: {why if self.labelled else 'no photo has a label'}"
        same = self.same
        return (
            f"{same.n_classes} classes; of {same.n_queries:,} labelled photos, {100 * same.precision_at_1:.1f} % have "
            "one of their own class as the nearest other photo"
        )


def count_changes(
    known: Stored | None, info: IndexInfo, rows: Sequence[IndexRow], *, folder: Path, n_computed: int, seconds: float
) -> Change:
    """Compare the rows of an index with those it had before."""
    before = {} if known is None else _contents(known.rows, [source.path for source in known.info.sources])
    after = _contents(rows, [source.path for source in info.sources])
    gone = {content for place, content in before.items() if place not in after}
    known_contents, first = set(before.values()), set[str]()
    counts: Counter[str] = Counter()
    n_moved_away = 0
    for place, content in after.items():
        if place in before:
            counts["unchanged" if before[place] == content else "changed"] += 1
        elif content in gone:
            counts["moved"] += 1
            n_moved_away += 1
        elif content in known_contents or content in first:
            counts["copies"] += 1
        else:
            counts["added"] += 1
        first.add(content)
    n_gone = sum(place not in after for place in before)
    usable = [row for row in rows if row.verdict == "ok"]
    return Change(
        index=folder,
        model=info.network.model,
        photos=info.n_vectors,
        files=len(usable),
        labelled=sum(bool(row.labels) for row in usable),
        classes=info.classes,
        **{name: counts[name] for name in ("added", "copies", "moved", "changed", "unchanged")},
        removed=max(n_gone - n_moved_away, 0),
        computed=n_computed,
        rejected=_rejected(rows),
        same=info.same,
        seconds=round(seconds, 2),
    )


def change_of_whole(
    info: IndexInfo | ShardsInfo,
    others: Sequence[IndexRow],
    *,
    folder: Path,
    n_files: int,
    n_labelled: int,
    n_computed: int,
    seconds: float,
) -> Change:
    """What there is to say of an index that was made as a whole; `others` are the rows without a vector."""
    return Change(
        index=folder,
        model=info.network.model,
        photos=info.n_vectors,
        files=n_files,
        labelled=n_labelled,
        classes=info.classes,
        added=info.n_vectors,
        copies=n_files - info.n_vectors,
        moved=0,
        changed=0,
        removed=0,
        unchanged=0,
        computed=n_computed,
        rejected=_rejected(others),
        same=info.same,
        seconds=round(seconds, 2),
    )


def _rejected(rows: Iterable[IndexRow]) -> tuple[RejectedFile, ...]:
    return tuple(RejectedFile(row.path, row.verdict, row.reason) for row in rows if row.verdict not in ("ok", REMOVED))


def _contents(rows: Iterable[IndexRow], sources: Sequence[str]) -> dict[str, str]:
    """The content of every usable file by its path, whichever source it is found by."""
    return {f"{sources[row.source]}/{row.path}": row.sha256 for row in rows if row.verdict == "ok"}


def _count(n: int, one: str, many: str = "") -> str:
    return f"1 {one}" if n == 1 else f"{n:,} {many or one + 's'}"
