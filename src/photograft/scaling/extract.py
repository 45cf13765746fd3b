"""Verdicts, hashes and features of labelled photos, block by block: what `check` and `train` read on a cluster.

A worker runs the functions that the plain commands run, without a cache: `photograft.data.scan.scan` in decoder
processes, and the network in ONNX Runtime. Row by row they give what the plain command has, save verdicts that depend
on the machine of the moment (``timeout``, a decoder process that was ended, files that cannot be read there).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from photograft.config.data import DataConfig
from photograft.contract import Contract
from photograft.data.edits import Edits
from photograft.data.files import PhotoFiles, printable
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, scan
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import BATCH, embed_views, merge_views
from photograft.scaling.catalogue import found_of, open_block
from photograft.scaling.jobs import Job
from photograft.values import FloatArray, Photo, PixelArray

if TYPE_CHECKING:
    import pyarrow

_SCANNED: Final = {
    **dict.fromkeys(("verdict", "reason", "sha256", "format", "pixel_sha256", "perceptual_hash"), "string"),
    **dict.fromkeys(("box_problem", "excluded", "edited"), "string"),
    "size_bytes": "int64",
    **dict.fromkeys(("width", "height", "turn"), "int32"),
    **dict.fromkeys(("brightness", "contrast", "sharpness"), "float64"),
}
"""Fields of a photo that a scan finds, and what they are in Arrow; `box` is beside them."""


@dataclass(frozen=True)
class Reading:
    """One way to read a photo: decoded under a contract and, with a `network`, embedded under every view.

    `network` is the content of the ONNX file, or a reference of Ray to it, and `size` how many values it gives.
    """

    contract: Contract
    network: Any = None
    size: int = 0
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractBlocks:
    """How a worker gets its `ExtractWork`: settings, edits and networks travel with it, photos stay where they are."""

    config: DataConfig
    edits: Edits | None
    readings: tuple[Reading, ...]

    def __call__(self) -> ExtractWork:
        """Open the networks on this machine."""
        import ray

        networks = [None if each.network is None else ray.get(each.network) for each in self.readings]
        readings = zip(self.readings, networks, strict=True)
        return ExtractWork(self.config, self.edits, [replace(each, network=content) for each, content in readings])


class ExtractWork:
    """Reads the photos of a block on one core (`photograft.scaling.jobs.BlockWork`)."""

    def __init__(self, config: DataConfig, edits: Edits | None, readings: Sequence[Reading]) -> None:
        """Prepare a decoder for each reading, and open its network, whose content is given here."""
        self._readers = [_Reader(each, config, edits) for each in readings]

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        """One row for each row of the catalogue, in order.

        It has the verdict of the first reading, or of the first that cannot use the photo.
        """
        with open_block(rows) as (files, found):
            read = [reader.read(files, found) for reader in self._readers]
        photos = [
            next((photo for photo in each if photo.verdict != "ok"), each[0])
            for each in zip(*(photos for photos, _ in read), strict=True)
        ]
        tables = [embedding_ND for _, embedding_ND in read if embedding_ND is not None]
        return photos_table(photos, tables)


def photos_table(photos: Sequence[Photo], embeddings: Sequence[FloatArray]) -> pyarrow.Table:
    """Photos as rows of Parquet, with the embedding that each network gave, null where a photo cannot be used.

    Names are shown as they print; `read_photos` has the exact ones from the catalogue.
    """
    import pyarrow as pa

    columns = {
        "path": pa.array([printable(photo.path) for photo in photos], pa.string()),
        "object": pa.array([photo.object for photo in photos], pa.int32()),
        "label": pa.array([photo.label and _utf8(photo.label) for photo in photos], pa.string()),
        "labels": pa.array([list(map(_utf8, photo.labels)) for photo in photos], pa.list_(pa.string())),
        "part": pa.array([photo.part for photo in photos], pa.string()),
        "group": pa.array([_utf8(photo.group) for photo in photos], pa.string()),
    }
    for name, kind in _SCANNED.items():
        cells = (getattr(photo, name) for photo in photos)
        columns[name] = pa.array([_utf8(cell) if isinstance(cell, str) else cell for cell in cells], kind)
    columns["box"] = pa.array([photo.box and list(photo.box) for photo in photos], pa.list_(pa.int32()))
    columns["content"] = pa.array([photo.content for photo in photos], pa.string())
    unusable_N = pa.array([not _is_usable(photo) for photo in photos])
    for number, embedding_ND in enumerate(embeddings):
        flat, size = pa.array(embedding_ND.reshape(-1)), embedding_ND.shape[1]
        columns[embedding_column(number)] = pa.FixedSizeListArray.from_arrays(flat, size, mask=unusable_N)
    return pa.table(columns)


def embedding_column(number: int) -> str:
    """Name of the column with the embeddings of a reading: ``embedding``, then ``embedding_2`` and so on."""
    return "embedding" if number == 0 else f"embedding_{number + 1}"


def read_photos(job: Job) -> Iterator[Photo]:
    """The photos of a job that is done, in the order of its catalogue; memory of one block."""
    columns = ("label", "labels", *_SCANNED, "box")
    for rows, part in job.rows_and_parts(columns):
        for found, cells in zip(found_of(rows), part.to_pylist(), strict=True):
            label, labels, box = (cells.pop(name) for name in ("label", "labels", "box"))
            if not cells["edited"]:  # the exact names; a journal of edits is UTF-8
                label, labels = found.label, found.labels
            yield Photo(
                found.path,
                label,
                found.part,
                object=found.object,
                labels=tuple(labels),
                group=found.group,
                values=found.values,
                box=None if box is None else tuple(box),
                **cells,
            )


def read_embeddings(job: Job, number: int) -> Iterator[FloatArray]:
    """The embeddings (B, D) of the usable photos of each block, in order: those of one reading. At least one block."""
    return (embeddings_of(job, block, number) for block in range(job.n_blocks))


def embeddings_of(job: Job, block: int, number: int) -> FloatArray:
    """The embeddings (B, D) of the usable photos of one block."""
    column = embedding_column(number)
    vectors = job.part(block, (column,)).column(column).combine_chunks()
    usable_ND = vectors.drop_null()
    flat: FloatArray = usable_ND.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(usable_ND), vectors.type.list_size)


class _Reader:
    """Reads the photos of a block in one way, on one core."""

    def __init__(self, reading: Reading, config: DataConfig, edits: Edits | None) -> None:
        self._reading, self._config, self._edits = reading, config, edits
        # One thread for the network and one process that decodes: workers side by side do not wait for each other.
        content = reading.network
        self._engine = None if content is None else OnnxEngine(Path("network.onnx"), content=content, threads=1)
        self._pool = DecodePool(reading.contract, workers=1, timeout_s=config.timeout_s)

    def read(self, files: PhotoFiles, found: Sequence[Found]) -> tuple[list[Photo], FloatArray | None]:
        """The photos, and their embeddings (N, D), 0 where one cannot be used; None without a network."""
        setting = Scan(files, self._config, self._reading.contract, edits=self._edits)
        photos: list[Photo] = []
        batch: dict[int, PixelArray] = {}
        embedding_ND = np.zeros((len(found), self._reading.size), np.float32)
        for item in scan(found, setting, self._pool, needs_pixels=lambda _: self._engine is not None):
            if item.pixels is not None:
                batch[len(photos)] = item.pixels
            photos.append(item.photo)
            if len(batch) == BATCH:
                embedding_ND[list(batch)] = self._embed(batch)
                batch = {}
        if batch:
            embedding_ND[list(batch)] = self._embed(batch)
        return photos, None if self._engine is None else embedding_ND

    def _embed(self, batch: dict[int, PixelArray]) -> FloatArray:
        """Means over the views, added up as `photograft.features.extract.FeatureStore.table` does."""
        assert self._engine is not None
        sum_BD = np.zeros((len(batch), self._reading.size), np.float32)
        for vector_BD in embed_views(self._engine, np.stack(list(batch.values())), self._reading.views):
            sum_BD += vector_BD
        return merge_views(sum_BD, len(self._reading.views))


def _is_usable(photo: Photo) -> bool:
    return photo.verdict == "ok" and not photo.excluded


def _utf8(text: str) -> str:
    """Text as Parquet can hold it: bytes of a name that are not UTF-8 are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
