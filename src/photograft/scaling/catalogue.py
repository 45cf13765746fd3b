"""The rows of a job, in order, in blocks that are read one at a time: what workers are to do, and with which files.

``catalogue/part-00000.parquet`` and so on hold `BLOCKS_PER_PART` blocks each, every block a row group, so that reading
one reads no other, and a million photos are few files. Columns: ``root`` and ``path``, and of labelled photos what
their source says of them, as in `photograft.data.listing.Found`: ``label``, ``part``, ``object``, ``group``, and as
JSON ``labels``, ``values`` and ``annotation``.

``root`` is the folder or URL that ``path`` is opened below; a path that is absolute or a URL stands for itself. Names
of files need not be UTF-8, which text of Parquet has to be. So root, path, label and group are bytes: the UTF-8 of the
name as Python has it, with lone surrogates (PEP 383) kept as they are (``surrogatepass``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from photograft.data.files import PhotoFiles, open_files, printable
from photograft.data.inputs import expand_inputs
from photograft.data.listing import Found, Listing
from photograft.data.urls import is_url, source_path
from photograft.errors import ConfigError, DataError, IntegrityError
from photograft.features.extract import BATCH
from photograft.scaling.place import Place, undamaged
from photograft.values import Annotation, Rect

if TYPE_CHECKING:
    import pyarrow as pa

CATALOGUE: Final = "catalogue"
SMALLEST, LARGEST = 32, 4096
"""Rows of a block: what a worker does at a time, and does again where it died."""

BLOCKS_PER_PART: Final = 64


@dataclass(frozen=True, slots=True)
class Row:
    """One photo of a job: what its source says of it, and the folder or URL that its path is opened below."""

    root: str
    found: Found


@dataclass(frozen=True)
class Catalogue:
    """How many rows and blocks a catalogue has, and the SHA-256 of its rows and their order."""

    n_rows: int
    n_blocks: int
    sha256: str


def prediction_rows(inputs: Sequence[str], *, stdin: Iterable[bytes] = ()) -> Iterator[Row]:
    """The photos of `photograft.data.inputs.expand_inputs`, in its order, and with its errors.

    Paths are opened below the working folder of this process.
    """
    root = os.getcwd()  # noqa: PTH109 - a name that is not UTF-8 stays what it is
    return (Row(root, Found(path)) for path in expand_inputs(inputs, stdin=stdin))


def listing_rows(listing: Listing) -> Iterator[Row]:
    """Rows of a listing of labelled or unlabelled photos.

    Raises:
        ConfigError: it is that of an archive, which every worker would have to read as a whole.
    """
    if not listing.root.is_dir():
        raise ConfigError(
            f"{printable(listing.root)} is an archive: workers of a cluster read folders, tables and stores. Unpack "
            "it, or leave --on away."
        )
    root = str(listing.root.absolute())
    return (Row(root, found) for found in listing.files)


def block_rows(before: int) -> int:
    """How many rows a block has that stands behind so many others.

    They grow with the job: a small one is spread over all workers, and one of millions has few files. All are multiples
    of what the plain command puts through the network and the head at a time, so that both add up in the same groups:
    a product with one row more or less is rounded otherwise in its last digit.
    """
    return min(max(before // SMALLEST // BATCH * BATCH, SMALLEST), LARGEST)


def write_catalogue(rows: Iterable[Row], place: Place) -> Catalogue:
    """Write rows as a catalogue of blocks. Memory is that of one part."""
    import pyarrow.parquet as pq

    passing = _Passing()
    blocks = _blocks(passing.over(rows))
    for number, first in enumerate(blocks):
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, _schema(), compression="zstd") as writer:
            for table in (first, *islice(blocks, BLOCKS_PER_PART - 1)):
                writer.write_table(table, row_group_size=table.num_rows)
        place.write(_part(number), buffer.getvalue())
    return passing.catalogue


def catalogue_of(rows: Iterable[Row]) -> Catalogue:
    """What `write_catalogue` gives of rows, without writing them."""
    passing = _Passing()
    for _ in passing.over(rows):
        pass
    return passing.catalogue


def read_block(place: Place, number: int) -> pa.Table:
    """The rows of one block; of the others nothing is read but where they are.

    Raises:
        IntegrityError: the file that holds it is damaged or gone.
    """
    import pyarrow.parquet as pq

    part, within = divmod(number, BLOCKS_PER_PART)
    name, remedy = f"{place.url}/{_part(part)}", f"remove the folder {place.url}, and the same command begins anew"
    try:
        with place.open(_part(part)) as file, undamaged(name, remedy), pq.ParquetFile(file) as parquet:
            return parquet.read_row_group(within)
    except FileNotFoundError as error:
        raise IntegrityError(f"{name} is missing: {remedy}.") from error


def names_of(rows: pa.Table) -> list[str]:
    """The paths of a block as the plain command names them."""
    return _decoded(rows.column("path"))


def photos_of(rows: pa.Table) -> list[str]:
    """Absolute paths and URLs of a block: inputs for `photograft.inference.classifier.Classifier.predict_each`.

    Raises:
        DataError: this machine does not see the folder that paths are relative to; each would become a rejected row.
    """
    pairs = list(zip(_decoded(rows.column("root")), names_of(rows), strict=True))
    for root in dict.fromkeys(root for root, path in pairs if not (is_url(path) or Path(path).is_absolute())):
        if not (is_url(root) or os.path.isdir(root)):  # noqa: PTH112 - a name that is not UTF-8 stays what it is
            raise DataError(
                f"{printable(root)} is not on the machine {socket.gethostname()}: all machines of a cluster need the "
                "folder of the photos under the same path, or the URLs of an object store."
            )
    return [_opened(root, path) for root, path in pairs]


def statuses_of(rows: pa.Table) -> list[tuple[int, int] | None]:
    """Of each photo of a block on a disk its size and the time when it changed last, in milliseconds since 1970.

    None for a URL, and for what is not there. Machines that share a folder may know times less finely than its server,
    and number files differently, so the number of a file in its file system is left out.
    """
    return [_status(_opened(*pair)) for pair in zip(_decoded(rows.column("root")), names_of(rows), strict=True)]


def found_of(rows: pa.Table) -> list[Found]:
    """What the source said of the rows of a block."""
    columns = {name: _decoded(rows.column(name)) for name in ("path", "label", "group")}
    columns |= {name: rows.column(name).to_pylist() for name in ("part", "object", *_JSON)}
    return [_found(dict(zip(columns, cells, strict=True))) for cells in zip(*columns.values(), strict=True)]


@contextmanager
def open_block(rows: pa.Table) -> Iterator[tuple[PhotoFiles, list[Found]]]:
    """The files of a block of one root and its rows, as `photograft.data.scan.scan` takes them.

    Raises:
        DataError: the folder is not there on this machine, or the store does not answer.
    """
    (root,) = dict.fromkeys(_decoded(rows.column("root")))
    with open_files(source_path(root)) as files:
        yield files, found_of(rows)


class _Passing:
    """Counts and hashes rows while they pass by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._n_rows = self._n_blocks = self._full_at = 0

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            said = json.dumps([row.root, *_cells(row.found)])  # escapes all that is not ASCII, lone surrogates too
            self._hash.update(said.encode() + b"\n")
            if self._n_rows == self._full_at:
                self._n_blocks += 1
                self._full_at += block_rows(self._n_rows)
            self._n_rows += 1
            yield row

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self._n_rows, self._n_blocks, self._hash.hexdigest())


_BYTES: Final = ("root", "path", "label", "group")
_JSON: Final = ("labels", "values", "annotation")
_COLUMNS: Final = ("root", "path", "label", "part", "object", "group", *_JSON)


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {name: pa.binary() for name in _BYTES} | {"object": pa.int32()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in _COLUMNS])


def _blocks(rows: Iterable[Row]) -> Iterator[pa.Table]:
    import pyarrow as pa

    remaining, schema, before = iter(rows), _schema(), 0
    while block := list(islice(remaining, block_rows(before))):
        before += len(block)
        columns = zip(*((row.root, *_cells(row.found)) for row in block), strict=True)
        named = dict(zip(_COLUMNS, columns, strict=True))
        encoded = {name: _encoded(cells) if name in _BYTES else cells for name, cells in named.items()}
        yield pa.table(encoded, schema=schema)


def _cells(found: Found) -> tuple[Any, ...]:
    """What a row holds beside its root, in the order of the columns; what a source does not say is None."""
    labels = json.dumps(found.labels) if found.labels else None
    values = json.dumps(found.values) if found.values else None
    annotation = None if found.annotation is None else json.dumps(_plain(found.annotation))
    return found.path, found.label, found.part, found.object, found.group or None, labels, values, annotation


def _found(cells: dict[str, Any]) -> Found:
    labels, values, annotation = (json.loads(cells[name]) if cells[name] else None for name in _JSON)
    return Found(
        cells["path"],
        cells["label"],
        cells["part"],
        cells["object"],
        tuple(labels or ()),
        cells["group"] or "",
        tuple((name, value) for name, value in values or ()),
        annotation and Annotation(**annotation | {"rects": tuple(Rect(*rect) for rect in annotation["rects"])}),
    )


def _plain(annotation: Annotation) -> dict[str, Any]:
    plain = {field.name: getattr(annotation, field.name) for field in fields(annotation)}
    return plain | {"rects": [[getattr(rect, field.name) for field in fields(rect)] for rect in annotation.rects]}


def _encoded(texts: Sequence[str | None]) -> list[bytes | None]:
    return [None if text is None else text.encode("utf-8", "surrogatepass") for text in texts]


def _decoded(column: pa.ChunkedArray) -> list[Any]:
    return [None if cell is None else cell.decode("utf-8", "surrogatepass") for cell in column.to_pylist()]


def _opened(root: str, path: str) -> str:
    return path if is_url(path) else os.path.join(root, path)  # noqa: PTH118 - a name that is not UTF-8 stays


def _status(photo: str) -> tuple[int, int] | None:
    try:
        status = None if is_url(photo) else os.stat(photo)  # noqa: PTH116 - a name that is not UTF-8 stays
    except (OSError, ValueError):
        return None
    return status and (status.st_size, status.st_mtime_ns // 1_000_000)


def _part(number: int) -> str:
    return f"{CATALOGUE}/part-{number:05d}.parquet"
