"""An index of photos made and kept up to date: `build_index`, `add_photos`, `remove_photos`, `update_index`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from photograft.data.files import printable
from photograft.data.hashing import hash_file
from photograft.data.scan import check_bad_fraction
from photograft.errors import DataError, IntegrityError
from photograft.retrieval.rows import REMOVED, IndexRow
from photograft.retrieval.store import (
    NetworkOfIndex,
    SourceRow,
    Stored,
    is_index,
    read_info,
    read_stored,
    refuse_other_folder,
    refuse_shard,
    writing,
)
from photograft.tracking.atomic import link_or_copy
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.search_change import Change, count_changes
from photograft.workflow.search_model import network_of_model
from photograft.workflow.search_publish import publish
from photograft.workflow.search_reading import PhotosReader
from photograft.workflow.search_sources import Scope, is_named, name_sources, source_named, takes_over
from photograft.workflow.untouched import require_outside

AnyPath = str | os.PathLike[str]


def build_index(
    model: AnyPath,
    photos: Sequence[AnyPath],
    index: AnyPath,
    *,
    px: int | None = None,
    labels: bool = True,
    settings: Sequence[str] = (),
    narrator: Narrator | None = None,
) -> Change:
    """Make an index of photos, or make one that is there hold exactly these; what is known of them is kept.

    Args:
        model: A run, a bundle, or the name of a backbone: its first network embeds the photos.
        photos: Folders, archives, tables or files. Labels come from class folders or tables, as in `train`.
        index: The folder of the index, which is made; an index in it stays as it is until the new one is whole.
        px: Side of the input, for a backbone.
        labels: Read labels.
        settings: Assignments such as `data.ignore=[thumbs]`, as `--set` takes them.
        narrator: Told what happens; nobody by default.

    Raises:
        DataError: Photos are not there, or too many of them cannot be used.
        ConfigError: A setting is wrong, the folder holds something else, or another process is writing it.
        ModelError: There is no such model.
    """
    narrator, folder = narrator or Silent(), Path(index)
    refuse_other_folder(folder)
    refuse_shard(folder)
    scopes = name_sources([os.fspath(each) for each in photos], labels=labels, settings=settings)
    refuse_inside(folder, scopes)
    network_file, network = network_of_model(os.fspath(model), narrator, px=px)
    with writing(folder):
        known = _known(folder, network, narrator)
        _keep_network(network_file, folder / network.file.file, network)
        sources = [scope.source for scope in scopes]
        return _rewrite(folder, network, known, sources, scopes, kept=(), narrator=narrator, mend=True)


def add_photos(
    index: AnyPath,
    photos: Sequence[AnyPath],
    *,
    labels: bool = True,
    settings: Sequence[str] = (),
    narrator: Narrator | None = None,
) -> Change:
    """Add photos to an index, or look again at some that are in it. What was removed before comes back.

    Arguments and errors are as for `build_index`.
    """
    narrator, folder = narrator or Silent(), Path(index)
    with _opened(folder) as known:
        before = known.info.sources
        scopes = name_sources([os.fspath(each) for each in photos], before, labels=labels, settings=settings)
        refuse_inside(folder, scopes)
        named = {scope.source.path: scope for scope in scopes}
        over = {n for n, each in enumerate(before) if any(takes_over(scope.source, each) for scope in scopes)}
        kept = [
            row
            for row in known.rows
            if row.source not in over
            and ((scope := named.get(before[row.source].path)) is None or not scope.holds(row.path))
        ]
        sources = [
            named[each.path].source if each.path in named else each for n, each in enumerate(before) if n not in over
        ]
        placed = {each.path for each in sources}
        sources += [scope.source for scope in scopes if scope.source.path not in placed]
        return _rewrite(folder, known.info.network, known, sources, scopes, kept=kept, narrator=narrator)


def update_index(index: AnyPath, *, narrator: Narrator | None = None) -> Change:
    """Look again at every source of an index: new photos come, changed ones are replaced, vanished ones go.

    Photos that were moved are recognised by their content. Those that were removed by hand stay away.

    Raises:
        DataError: A source is not there, as when a drive is not connected, or too many photos cannot be used.
        ModelError: There is no index, or it is damaged.
    """
    narrator, folder = narrator or Silent(), Path(index)
    with _opened(folder) as known:
        sources = known.info.sources
        removed = [row for row in known.rows if row.verdict == REMOVED]
        still = {row.sha256 for row in known.rows if row.verdict == "ok"}
        away = Away(
            frozenset(row.sha256 for row in removed if row.sha256 not in still),
            frozenset((row.source, row.path, row.sha256) for row in removed),
        )
        scopes = [Scope(source) for source in sources]
        return _rewrite(folder, known.info.network, known, sources, scopes, kept=removed, narrator=narrator, away=away)


def remove_photos(index: AnyPath, paths: Sequence[AnyPath], *, narrator: Narrator | None = None) -> Change:
    """Take photos out of an index, with their vectors and thumbnails; the files themselves are left alone.

    `paths` are paths as the index names them, or on the disk, of photos, of folders, or of whole sources. An update
    does not bring these photos back, wherever they are moved; `add_photos` does.

    Raises:
        DataError: The index holds no such photo.
        ModelError: There is no index, or it is damaged.
    """
    folder = Path(index)
    with _opened(folder) as known:
        sources, rows = known.info.sources, list(known.rows)
        gone: set[int] = set()
        named: set[int] = set()
        for given in [os.fspath(each) for each in paths]:
            source = source_named(given, sources)
            found = {n for n, row in enumerate(rows) if row.verdict == "ok" and is_named(row, given, sources)}
            if source is None and not found:
                raise DataError(f"{printable(given)}: {folder} holds no such photo, folder or source.")
            if source is not None:
                gone.add(source)
            named |= found
        kept = [_taken_out(row) if n in named else row for n, row in enumerate(rows) if row.source not in gone]
        left = [source for n, source in enumerate(sources) if n not in gone]
        return _rewrite(folder, known.info.network, known, left, (), kept=kept, narrator=narrator or Silent())


# ------------------------------------------------------------------ one way to write


@dataclass(frozen=True)
class Away:
    """What was removed by hand: contents, and paths (number of the source, path, content) of contents that stay."""

    contents: frozenset[str] = frozenset()
    paths: frozenset[tuple[int, str, str]] = frozenset()

    def holds(self, row: IndexRow) -> bool:
        """Whether a row that was scanned stays away."""
        return row.sha256 in self.contents or (row.source, row.path, row.sha256) in self.paths


def _rewrite(
    folder: Path,
    network: NetworkOfIndex,
    known: Stored | None,
    sources: Sequence[SourceRow],
    scopes: Sequence[Scope],
    *,
    kept: Sequence[IndexRow],
    narrator: Narrator,
    away: Away | None = None,
    mend: bool = False,
) -> Change:
    """Scan the scopes, and make what they give and the rows that are kept the index; `mend` looks at all thumbnails."""
    started = time.perf_counter()
    before = () if known is None else known.info.sources
    number = {source.path: n for n, source in enumerate(sources)}
    kept = [replace(row, source=number[before[row.source].path]) for row in kept]
    with PhotosReader(folder, network, known, narrator, away=(away or Away()).contents, mend=mend) as reader:
        for scope in scopes:
            reader.read(scope, number[scope.source.path])
        check_bad_fraction(reader.photos, max_bad_fraction=reader.max_bad_fraction)
        reader.thumbnails.close()
        scanned = [row for row in reader.rows if away is None or not away.holds(row)]
        back = {row.sha256 for row in scanned if row.verdict == "ok"}
        rows = [row for row in kept if row.verdict != REMOVED or row.sha256 not in back or away is not None]
        rows += scanned
        if not any(row.verdict == "ok" for row in rows) and scopes:
            if not reader.photos:
                named = ", ".join(printable(source.path) for source in sources)
                raise DataError(f"{named}: no photos in it, so there is nothing to search.")
            raise DataError("None of these files can be used as a photo, so there is nothing to search.")
        info = publish(
            folder, network, known, sources, rows, places=reader.places, store=reader.store, narrator=narrator
        )
    seconds = time.perf_counter() - started
    return count_changes(known, info, rows, folder=folder, n_computed=reader.n_computed, seconds=seconds)


@contextmanager
def _opened(folder: Path) -> Iterator[Stored]:
    """The index, held against other writers."""
    refuse_shard(folder)
    read_info(folder)  # so that no lock is left in a folder that is none
    with writing(folder):
        yield read_stored(folder)


def _known(folder: Path, network: NetworkOfIndex, narrator: Narrator) -> Stored | None:
    """The index as it is, where its vectors can be kept."""
    if not is_index(folder):
        return None
    try:
        known = read_stored(folder)
        known.checked_vectors()
    except IntegrityError as error:
        narrator.say(f"warning: {error} It is built anew.")
        return None
    if known.info.network.key != network.key:
        narrator.say(f"The index was made with another network ({known.info.network.model}): all is embedded anew.")
        return None
    return known


def _keep_network(network: Path, file: Path, stated: NetworkOfIndex) -> None:
    """The network in the index: linked or copied, and again where what is there is damaged."""
    if file.exists() and hash_file(file) != stated.file.sha256:
        file.unlink()
    if not file.exists():
        link_or_copy(network, file)


def refuse_inside(folder: Path, scopes: Sequence[Scope]) -> None:
    """Raise ConfigError where the folder of an index lies among the photos."""
    folders = [Path(scope.source.path) for scope in scopes if scope.source.files is None]
    require_outside(folder, [each for each in folders if each.is_dir()], option="--index")


def _taken_out(row: IndexRow) -> IndexRow:
    return IndexRow(row.source, row.path, verdict=REMOVED, sha256=row.sha256)
