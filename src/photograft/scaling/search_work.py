"""Photos of a block read for an index: verdict, hashes, embedding and thumbnail of each, as `search build` has them.

Shape letters: N photos of a block, B photos of a batch, D numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from photograft.config import load_config
from photograft.data.files import open_files, printable
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, scan
from photograft.data.urls import source_path
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import BATCH, embed_views, merge_views
from photograft.retrieval.exact import unit_length
from photograft.retrieval.rows import IndexRow
from photograft.retrieval.store import NetworkOfIndex
from photograft.retrieval.vectors import HALF
from photograft.scaling.catalogue import Row, found_of
from photograft.values import FloatArray, Photo, PixelArray
from photograft.workflow.search_reading import draw_thumbnail, index_row
from photograft.workflow.search_sources import Listed

if TYPE_CHECKING:
    import pyarrow

LIGHT: Final = ("verdict", "reason", "sha256", "pixel_sha256", "perceptual_hash", "width", "height")
"""Columns of a part that a row of the index is made of; beside them are ``embedding`` and ``thumbnail``."""


@dataclass(frozen=True)
class SearchBlocks:
    """How a worker gets its `SearchWork`: the network travels with it, as a reference of Ray to its content."""

    network: NetworkOfIndex
    content: Any
    settings: tuple[str, ...]

    def __call__(self) -> SearchWork:
        """Open the network on this machine."""
        import ray

        return SearchWork(self.network, ray.get(self.content), self.settings)


class SearchWork:
    """Reads the photos of a block on one core (`photograft.scaling.jobs.BlockWork`)."""

    def __init__(self, network: NetworkOfIndex, content: bytes, settings: Sequence[str]) -> None:
        """Prepare decoder and network."""
        self._network = network
        self._config = load_config(None, settings, **{f"data.{key}": value for key, value in network.limits.items()})
        # One thread for the network and one process that decodes: workers side by side do not wait for each other.
        self._engine = OnnxEngine(Path(network.file.file), content=content, threads=1)
        self._pool = DecodePool(network.contract, workers=1, timeout_s=float(network.limits.get("timeout_s", 10.0)))

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        """One row for each photo, in order; a content that stood before in the block has neither of the large parts."""
        photos: list[Photo] = []
        thumbnails: list[bytes | None] = []
        embedding_ND = np.zeros((rows.num_rows, self._network.size), np.float32)
        batch: dict[int, PixelArray] = {}
        seen: set[str] = set()
        for item in self._scanned(rows):
            photo, wanted = item.photo, item.pixels is not None and item.photo.sha256 not in seen
            if wanted and item.pixels is not None:
                seen.add(photo.sha256)
                batch[len(photos)] = item.pixels
            thumbnails.append(draw_thumbnail(item.pixels, photo, self._network.contract) if wanted else None)
            photos.append(photo)
            if len(batch) == BATCH:
                self._embed(batch, embedding_ND)
        self._embed(batch, embedding_ND)
        return _table(photos, embedding_ND, thumbnails)

    def close(self) -> None:
        """End the decoder."""
        self._pool.close()

    def _scanned(self, rows: pyarrow.Table) -> Iterator[Any]:
        start = 0
        for root, some in groupby(cell.as_py() for cell in rows.column("root")):
            n = len(list(some))
            found = [replace(each, group="") for each in found_of(rows.slice(start, n))]
            start += n
            with open_files(source_path(root.decode("utf-8", "surrogatepass"))) as files:
                setting = Scan(files, self._config.data, self._network.contract)
                yield from scan(found, setting, self._pool, needs_pixels=lambda _: True)

    def _embed(self, batch: dict[int, PixelArray], embedding_ND: FloatArray) -> None:
        if batch:
            views = self._network.views
            sum_BD = embed_views(self._engine, np.stack(list(batch.values())), views).sum(axis=0)
            embedding_ND[list(batch)] = unit_length(merge_views(sum_BD, len(views)))
            batch.clear()


def catalogue_rows(listed: Listed, source: int) -> Iterator[Row]:
    """The rows of a source for the catalogue of a job, in the order in which `search build` reads them.

    The number of the source is kept as the group, which photos of an index have no use for.
    """
    root = str(listed.files.root)
    return (Row(root, replace(found, group=str(source))) for found in listed.rows)


def index_rows(rows: pyarrow.Table, part: pyarrow.Table) -> Iterator[IndexRow]:
    """The rows of an index for those of a block, without vector, id and thumbnail."""
    for found, cells in zip(found_of(rows), part.select(LIGHT).to_pylist(), strict=True):
        yield index_row(Photo(found.path, labels=found.labels, **cells), int(found.group))


def _table(photos: Sequence[Photo], embedding_ND: FloatArray, thumbnails: Sequence[bytes | None]) -> pyarrow.Table:
    import pyarrow as pa

    flat, none_N = pa.array(embedding_ND.astype(HALF).reshape(-1)), np.array([each is None for each in thumbnails])
    sizes = {"width": pa.int32(), "height": pa.int32()}
    columns = {"path": pa.array([printable(photo.path) for photo in photos], pa.string())}
    columns |= {
        name: pa.array([getattr(photo, name) for photo in photos], sizes.get(name, pa.string())) for name in LIGHT
    }
    reasons = [photo.reason.encode("utf-8", "backslashreplace").decode() for photo in photos]  # may quote a file's name
    columns["reason"] = pa.array(reasons, pa.string())
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, embedding_ND.shape[1], mask=pa.array(none_N))
    columns["thumbnail"] = pa.array(thumbnails, pa.binary())
    return pa.table(columns)
