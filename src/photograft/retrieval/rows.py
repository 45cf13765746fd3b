"""The rows of an index: one line of JSON per file that was looked at.

Line i holds the photo of vector i, so that a query parses the lines of its matches alone. Further files of a content,
files that cannot be used and files that were taken out stand behind those.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property

import numpy as np

from photograft.errors import IntegrityError

REMOVED = "removed"
"""The verdict of a file that somebody took out of the index: an update leaves it out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thumbnail is: the file, where in it, how long, and its CRC-32."""

    file: str
    offset: int
    length: int
    crc32: int


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One file of an index.

    `path` is relative to the source of that number, with forward slashes. `verdict` is one of `values.VERDICTS`, or
    "removed". `sha256` is that of the file's bytes, empty where it cannot be used; `vector` is the number of its
    vector, -1 where it has none. Other hashes and sizes are as in `values.Photo`.
    """

    source: int
    path: str
    verdict: str = "ok"
    reason: str = ""
    labels: tuple[str, ...] = ()
    sha256: str = ""
    pixel_sha256: str = ""
    perceptual_hash: str = ""
    width: int = 0
    height: int = 0
    vector: int = -1
    id: str = ""
    thumbnail: Place | None = None


def opaque_id(salt: str, sha256: str) -> str:
    """The name of a content that says nothing of it to those who do not know the salt: 16 hex digits."""
    return hashlib.sha256(f"{salt}:{sha256}".encode()).hexdigest()[:16]


def write_rows(rows: Iterable[IndexRow]) -> bytes:
    """The rows as lines; names that are not UTF-8 on disk are written as JSON writes lone surrogates."""
    return b"".join(_line(row) for row in rows)


class Rows:
    """Rows read from their lines, each when it is asked for."""

    def __init__(self, lines: bytes, *, n_vectors: int) -> None:
        self._lines = lines
        self._end_N = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
        if n_vectors > len(self._end_N):
            raise IntegrityError(f"the rows of the index are fewer ({len(self._end_N)}) than its vectors ({n_vectors})")
        self.n_vectors = n_vectors

    def __len__(self) -> int:
        return len(self._end_N)

    def __getitem__(self, row: int) -> IndexRow:
        start = int(self._end_N[row - 1]) + 1 if row else 0
        return _parse(self._lines[start : int(self._end_N[row])])

    def __iter__(self) -> Iterator[IndexRow]:
        return (self[row] for row in range(len(self)))

    def find(self, id: str) -> IndexRow | None:
        """The first row with this id."""
        if not id.isalnum():
            return None
        # A quotation mark inside a name is written with a backslash, so that no name can pass for an id.
        at = self._lines.find(f'"id":"{id}"'.encode("ascii", "replace"))
        return None if at < 0 else self[int(np.searchsorted(self._end_N, at))]

    @cached_property
    def of_vectors(self) -> dict[int, list[IndexRow]]:
        """Every row by its vector: the first one of a content, then its further files. Parses all lines."""
        found: dict[int, list[IndexRow]] = {}
        for row in self:
            if row.vector >= 0:
                found.setdefault(row.vector, []).append(row)
        return found

    @cached_property
    def further(self) -> dict[int, list[IndexRow]]:
        """The further files of those contents that have several, by their vector."""
        found: dict[int, list[IndexRow]] = {}
        for number in range(self.n_vectors, len(self)):
            row = self[number]
            if row.vector >= 0:
                found.setdefault(row.vector, []).append(row)
        return found


def in_order(rows: Sequence[IndexRow], n_vectors: int) -> list[IndexRow]:
    """Rows in the order of the file: the first one of every vector, then all others in order of source and path."""
    ordered = sorted(rows, key=lambda row: (row.source, row.path))
    first: dict[int, IndexRow] = {}
    for row in ordered:
        if row.vector >= 0:
            first.setdefault(row.vector, row)
    if set(first) != set(range(n_vectors)):
        raise ValueError("every vector needs a row")
    chosen = {id(row) for row in first.values()}
    return [first[vector] for vector in range(n_vectors)] + [row for row in ordered if id(row) not in chosen]


_DEFAULTS = {field.name: field.default for field in fields(IndexRow)}


def _line(row: IndexRow) -> bytes:
    stated = {key: value for key, value in asdict(row).items() if value != _DEFAULTS[key]}
    return json.dumps(stated, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes) -> IndexRow:
    try:
        raw = json.loads(line)
        place = raw.pop("thumbnail", None)
        labels = tuple(raw.pop("labels", ()))
        return IndexRow(**raw, labels=labels, thumbnail=None if place is None else Place(**place))
    except (ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"a row of the index cannot be read ({error})") from error
