"""Outputs of a frozen part on disk: one record per photo, appended, each whole or not there.

A record holds every view of one photo: the plain ones, then the changed copies; a view is the boundary's arrays one
after the other, as float16. `records.bin` is the records; line i of `index` names the photo of record i, with a
checksum over the name. Records reach the disk before their lines, and what lies behind the last whole line is written
over: killing the program at any moment costs the records of the last second at most.

Shape letters: N records, B photos of a batch, V views, E numbers of one view.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, final

import numpy as np
import numpy.typing as npt

from photograft.contract import canonical_json
from photograft.errors import PhotograftError
from photograft.features.matrix import release
from photograft.tracking.atomic import write_atomically
from photograft.tracking.boundary_files import (
    ABOUT,
    boundary_folder,
    locked,
    make_room,
    mark_used,
    remove_space,
    space_size,
)
from photograft.values import IntArray

HalfArray = npt.NDArray[np.float16]
Shape = tuple[int, ...]

_FORMAT = 1
_RECORDS, _INDEX = "records.bin", "index"
_SYNC_S = 1.0


@dataclass(frozen=True)
class Space:
    """What records are comparable: the arrays of the boundary, the views, and all that determines their values.

    `names` and `shapes` (of one photo) describe the arrays. `n_plain` views come first, then `n_copies` changed ones.
    `origin` is JSON: contract, frozen network, augmentation, seed.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    n_plain: int
    n_copies: int
    origin: dict[str, Any]

    @cached_property
    def id(self) -> str:
        """SHA-256 over all of it, in hex."""
        return hashlib.sha256(canonical_json(self.about)).hexdigest()

    @property
    def about(self) -> dict[str, Any]:
        """The space as JSON, with the format of its files."""
        return {"format": _FORMAT, "number_type": "float16", **json.loads(json.dumps(asdict(self)))}

    @property
    def n_views(self) -> int:
        """Views in a record."""
        return self.n_plain + self.n_copies

    @cached_property
    def view_size(self) -> int:
        """Numbers of one view."""
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def record_bytes(self) -> int:
        """Size of one record."""
        return 2 * self.n_views * self.view_size

    def estimate_bytes(self, n_photos: int) -> int:
        """Size on disk with so many photos, each content counted once."""
        return n_photos * (self.record_bytes + 100)


@final
class BoundaryStore:
    """The records of one space in a cache folder, to be read from any thread."""

    def __init__(self, cache: Path, space: Space) -> None:
        self.space = space
        self._cache = cache
        self.folder = boundary_folder(cache) / space.id
        self.refresh()
        mark_used(self.folder)

    def refresh(self) -> None:
        """Take in what has been written since."""
        names = _read_index(self.folder, self.space.record_bytes)
        try:
            self._record_NVE = _map_records(self.folder, self.space, len(names))
        except (OSError, ValueError):  # another program has just cleared the cache
            names, self._record_NVE = [], _map_records(self.folder, self.space, 0)
        self._numbers = {name: i for i, name in enumerate(names)}

    def missing(self, contents: Iterable[str]) -> list[str]:
        """The photos without a record, each once, in the order given."""
        return [content for content in dict.fromkeys(contents) if content not in self._numbers]

    def make_room(self, contents: Iterable[str], *, budget_bytes: int) -> int:
        """See that these photos' records fit, deleting other spaces where needed; gives the bytes to be written.

        Where the space is full of other photos, it is begun anew.

        Raises:
            ConfigError: They do not fit into the budget or onto the disk: nothing was deleted.
        """
        contents = list(dict.fromkeys(contents))
        new_bytes, all_bytes = (self.space.estimate_bytes(len(c)) for c in (self.missing(contents), contents))
        space_bytes = space_size(self._cache, self.space.id) + new_bytes
        if space_bytes > budget_bytes >= all_bytes:
            remove_space(self._cache, self.space.id)
            self.refresh()
            new_bytes = space_bytes = all_bytes
        make_room(self._cache, self.space.id, space_bytes=space_bytes, budget_bytes=budget_bytes)
        return new_bytes

    def records(self, contents: Iterable[str]) -> IntArray:
        """The numbers of the photos' records, which `read` takes, shape (N,).

        Raises:
            PhotograftError: Photos have none.
        """
        try:
            return np.array([self._numbers[content] for content in contents], dtype=np.int64)
        except KeyError as error:
            raise PhotograftError(
                f"Outputs of the frozen part are missing from {self.folder}: another program cleared the cache. "
                "Run the command again."
            ) from error

    def read(self, record_B: IntArray, view_B: IntArray) -> tuple[HalfArray, ...]:
        """One view of each of some records, float16, as the arrays of the boundary: (B, *shape) each."""
        chosen_BE = self._record_NVE[record_B, view_B]
        release(self._record_NVE)
        return _split(chosen_BE, self.space.shapes)

    @contextmanager
    def writing(self, *, waiting: Callable[[], None] = lambda: None) -> Iterator[RecordWriter]:
        """Append records; one process at a time, `waiting` is called where another one is at it.

        Raises:
            PhotograftError: The disk is full, or cannot be written.
        """
        with ExitStack() as held:
            with _explained(self.folder):
                held.enter_context(locked(self.folder, waiting=waiting))
                writer = RecordWriter(self.folder, self.space)
            try:
                yield writer
                writer.sync()
            except BaseException:
                with suppress(PhotograftError):  # whatever ended it, also a full disk: what is whole is kept
                    writer.sync()
                raise
            finally:
                writer.close()
                self.refresh()


@final
class RecordWriter:
    """The open files of a space, under its lock. Records become durable at least once a second."""

    def __init__(self, folder: Path, space: Space) -> None:
        folder.mkdir(exist_ok=True)
        about = canonical_json(space.about)
        if not (folder / ABOUT).is_file() or (folder / ABOUT).read_bytes() != about:
            for name in (_INDEX, _RECORDS):
                (folder / name).unlink(missing_ok=True)
            write_atomically(folder / ABOUT, about)
        self._folder = folder
        self._space = space
        names = _read_index(folder, space.record_bytes)
        self._known = set(names)
        self._pending: list[str] = []
        self._synced = time.monotonic()
        self._records = _open_at(folder / _RECORDS, len(names) * space.record_bytes)
        self._index = _open_at(folder / _INDEX, sum(len(_line(name)) for name in names))

    def __contains__(self, content: str) -> bool:
        return content in self._known

    def append(self, content: str, record_VE: HalfArray) -> None:
        """Keep the record of one photo, shape (V, E); of a photo that has one already, it is dropped."""
        if content in self._known:
            return
        if record_VE.shape != (self._space.n_views, self._space.view_size):
            raise ValueError(f"a record of shape {record_VE.shape}")
        with _explained(self._folder):
            _write(self._records, np.ascontiguousarray(record_VE, dtype="<f2").tobytes())
        self._known.add(content)
        self._pending.append(content)
        if time.monotonic() - self._synced > _SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Make everything so far durable: first the records, then the lines that name them."""
        if self._pending:
            with _explained(self._folder):
                os.fsync(self._records.fileno())
                _write(self._index, b"".join(map(_line, self._pending)))
                os.fsync(self._index.fileno())
            self._pending.clear()
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the files without making anything durable: that could fail again on a full disk."""
        self._records.close()
        self._index.close()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PhotograftError(
            f"The outputs of the frozen part could not be written to {folder} ({error}). What is there is kept. Make "
            "room on that disk, set cache.dir to a folder on a larger one, or set train.boundary_gb lower than they "
            "take, so that none are kept."
        ) from error


def _split(values_BE: HalfArray, shapes: Iterable[Shape]) -> tuple[HalfArray, ...]:
    arrays, start = [], 0
    for shape in shapes:
        end = start + math.prod(shape)
        arrays.append(values_BE[:, start:end].reshape(len(values_BE), *shape))
        start = end
    return tuple(arrays)


def _line(content: str) -> bytes:
    return f"{zlib.crc32(content.encode()):08x} {content}\n".encode()


def _read_index(folder: Path, record_bytes: int) -> list[str]:
    """The photos of the records that are whole, in their order."""
    try:
        lines = (folder / _INDEX).read_bytes().split(b"\n")[:-1]
        n_records = (folder / _RECORDS).stat().st_size // record_bytes
    except OSError:
        return []
    names: list[str] = []
    for line in lines[:n_records]:
        name = line[9:].decode(errors="replace")
        if _line(name) != line + b"\n":
            break
        names.append(name)
    return names


def _map_records(folder: Path, space: Space, n: int) -> HalfArray:
    shape = (n, space.n_views, space.view_size)
    if n == 0:
        return np.empty(shape, np.float16)
    with (folder / _RECORDS).open("rb") as file:
        mapping = mmap.mmap(file.fileno(), n * space.record_bytes, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, np.dtype("<f2")).reshape(shape)


def _open_at(path: Path, size: int) -> IO[bytes]:
    """Open a file to go on behind its first `size` bytes, without a buffer: closing a full one would fail again."""
    file = path.open("r+b" if path.exists() else "w+b", buffering=0)
    file.truncate(size)
    file.seek(size)
    return file


def _write(file: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
