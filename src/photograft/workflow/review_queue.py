"""What `review` looks at: photos with a doubtful label or with copies of another one, read from a run's tables."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from photograft.data.csv_text import unguard_cell
from photograft.reporting.doubts import Doubt, read_doubts
from photograft.reporting.records import read_manifest, read_parts
from photograft.tracking.run_folder import RunFolder
from photograft.values import Manifest, Photo

_MOST = 9  # classes that are offered: one per digit key
_FEW = 3  # of many classes, those that are hardly possible are left out beyond these
_HARDLY = 0.01

_COPIES = 12
_SAME_PICTURE = ("label_conflict", "exact_duplicate", "near_duplicate", "leak")


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A photo to look at.

    `suggested` are the labels that the model would give it, empty where it does not doubt; `likely` the other classes
    with their probabilities, the suggested ones first; `own` the probability of its label, None where it was not
    judged. `copies` are photos that show the same or nearly the same picture; `conflict` says that one of them has
    another label.
    """

    photo: Photo
    labels: tuple[str, ...]
    suggested: tuple[str, ...]
    score: float
    part: str
    likely: tuple[tuple[str, float | None], ...]
    own: float | None
    copies: tuple[Photo, ...]
    conflict: bool
    several: bool
    forms: Mapping[str, str]

    def as_class(self, label: str) -> str:
        """A label as the run's classes write it, in whatever Unicode form it came."""
        return self.forms.get(unicodedata.normalize("NFC", label), label)


@dataclass(frozen=True)
class Queue:
    """Photos to look at, in this order, and the run's photos and classes around them."""

    manifest: Manifest
    classes: tuple[str, ...]
    several: bool
    items: tuple[QueueItem, ...]

    @cached_property
    def by_name(self) -> dict[str, QueueItem]:
        """The items by the name of their photo."""
        return {item.photo.name: item for item in self.items}


def read_queue(run: RunFolder, root: Path, *, limit: int | None) -> Queue:
    """The photos whose copies have another label, then those whose label is doubted, worst first.

    With a `limit`, the first so many of them; where fewer are doubted, the next of the ranking.

    Raises:
        ModelError: A table of the run is damaged.
        OSError, KeyError, ValueError, IndexError: as well.
    """
    run.check("manifest.csv", "splits.csv", "issues.csv", "predictions.csv")
    doubts = read_doubts(run.path)
    manifest = read_manifest((run.path / "manifest.csv").read_bytes(), root)
    part_of = read_parts((run.path / "splits.csv").read_bytes())
    photos = {photo.name: photo for photo in manifest.usable.photos}
    sets = [[photos[name] for name in names if name in photos] for names in _copies(run.path / "issues.csv")]
    copies: dict[str, dict[str, Photo]] = {}
    for same in sets:
        for photo in same:
            copies.setdefault(photo.name, {}).update({p.name: p for p in same if p.name != photo.name})
    doubt_of = {doubt.path: doubt for doubt in doubts if doubt.path in photos}
    names = _order(photos, copies, doubt_of, limit)
    predicted, shares = _probabilities(run.path / "predictions.csv", set(names))
    classes = tuple(dict.fromkeys((*predicted, *manifest.usable.classes)))
    several = any(photo.labels for photo in photos.values())
    forms = {unicodedata.normalize("NFC", name): name for name in classes}
    items = []
    for name in names:
        photo, doubt = photos[name], doubt_of.get(name)
        others = tuple(copies.get(name, {}).values())[:_COPIES]
        suggested = _names(doubt.suggested, several=several) if doubt is not None and doubt.doubted else ()
        likely, own = _likely(shares.get(name, {}), photo, doubt, several=several)
        conflict = _conflicts(photo, others)
        items.append(
            QueueItem(
                photo=photo, labels=photo.all_labels, suggested=suggested, score=doubt.score if doubt else 0.0,
                part=part_of.get(name, ""), likely=likely, own=own, copies=others, conflict=conflict, several=several,
                forms=forms,
            )
        )  # fmt: skip
    return Queue(manifest, classes, several, tuple(items))


def photo_places(manifest: Manifest) -> set[Path]:
    """The folders that hold the photos, in which nothing is written.

    The root itself counts where it has a folder per class, or photos directly; beside a table it may hold other files.
    """
    if not manifest.root.is_dir():
        return set()
    paths = [PurePosixPath(photo.path) for photo in manifest.photos]
    by_class = (
        len(path.parts) == 1
        or (len(path.parts) == 2 + (photo.part is not None) and path.parent.name in photo.all_labels)
        for path, photo in zip(paths, manifest.photos, strict=True)
    )
    if any(by_class):
        return {manifest.root}
    parents = {path.parent for path in paths}
    return {manifest.root / (p if p.is_absolute() or ".." in p.parts else Path(*p.parts[:1])) for p in parents}


def _order(
    photos: Mapping[str, Photo], copies: Mapping[str, Mapping[str, Photo]], doubts: Mapping[str, Doubt],
    limit: int | None,
) -> list[str]:  # fmt: skip
    """Names of the photos to look at. Photos of one picture stand together, where the worst of them does."""
    in_conflict = [name for name, same in copies.items() if _conflicts(photos[name], tuple(same.values()))]
    worst = {
        name: max(doubts[each].score if each in doubts else 0.0 for each in (name, *copies[name]))
        for name in in_conflict
    }
    first = {name: min((name, *copies[name])) for name in in_conflict}
    ordered = sorted(in_conflict, key=lambda name: (-worst[name], first[name], name))
    ranked = [name for name, doubt in doubts.items() if doubt.doubted or limit is not None]
    return list(dict.fromkeys([*ordered, *ranked]))[:limit]


def _conflicts(photo: Photo, copies: tuple[Photo, ...]) -> bool:
    return any(set(copy.all_labels) != set(photo.all_labels) for copy in copies)


def _copies(issues: Path) -> Iterator[list[str]]:
    """Names of photos that show the same or nearly the same picture, set by set."""
    text = issues.read_bytes().decode("utf-8", "surrogateescape")
    for row in csv.reader(io.StringIO(text, newline="")):
        if row and row[0] in _SAME_PICTURE and "the same picture" in row[1]:
            yield [unguard_cell(cell) for cell in row[3:]]


def _probabilities(predictions: Path, names: set[str]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """The classes, and the probability of each, of the photos named."""
    text = predictions.read_bytes().decode("utf-8", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""))
    header = [unguard_cell(name) for name in next(rows)]
    # The classes stand last; columns of factors before them may begin with p_ as well.
    first = next(i for i in range(len(header) - 1, -1, -1) if not header[i].startswith("p_")) + 1
    classes = [name.removeprefix("p_") for name in header[first:]]
    found = {}
    for row in rows:
        if (name := unguard_cell(row[0])) in names and row[first]:
            found[name] = dict(zip(classes, map(float, row[first:]), strict=True))
    return classes, found


def _likely(
    shares: Mapping[str, float], photo: Photo, doubt: Doubt | None, *, several: bool
) -> tuple[tuple[tuple[str, float | None], ...], float | None]:
    """The classes to offer, the suggested ones first, and the probability of the photo's own label."""
    suggested = _names(doubt.suggested, several=several) if doubt else ()
    ranked = sorted(shares, key=lambda name: -shares[name])
    if several:
        own = [name for name in photo.labels if name in shares]
        return tuple((name, shares[name]) for name in _offer(list(dict.fromkeys((*own, *ranked))), shares)), None
    others = [name for name in dict.fromkeys((*suggested, *ranked)) if name != photo.label]
    return tuple((name, shares.get(name)) for name in _offer(others, shares)), shares.get(photo.label or "")


def _offer(names: list[str], shares: Mapping[str, float]) -> list[str]:
    """All of few names; of many those that are possible."""
    if len(names) <= _MOST:
        return names
    return [name for i, name in enumerate(names[:_MOST]) if i < _FEW or shares.get(name, 0.0) >= _HARDLY]


def _names(labels: str, *, several: bool) -> tuple[str, ...]:
    return tuple(map(str, json.loads(labels))) if several else (labels,)
