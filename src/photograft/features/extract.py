"""Pixels to features: batches through the engine, every view into the cache, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.contract import Contract, view_corner, window_px
from photograft.data.scan import decoder_key
from photograft.errors import PhotograftError
from photograft.features.engine import Engine
from photograft.features.matrix import Scratch, stack_rows
from photograft.tracking.cache import Cache
from photograft.values import FeatureTable, FloatArray, PixelArray

BATCH = 16
"""Photos that are held together before they are embedded and written to the cache."""

_TABLE_BLOCK = 2048
"""Rows of a table that are summed before they are written: 17 MB of 2,128 numbers each."""


@dataclass(frozen=True)
class FeatureStore:
    """Features of one network under one contract and engine, in the cache, one space per view."""

    cache: Cache
    contract: Contract
    network_id: str
    engine_name: str
    views: tuple[str, ...]

    def space(self, view: str) -> str:
        """The name of a view's space in the cache: everything that determines a feature beside the photo."""
        return f"{self.contract.id}/{decoder_key(self.contract)}/{view}/{self.network_id}/{self.engine_name}"

    def known(self) -> set[str]:
        """Photos that have features under every view."""
        return set.intersection(*(self.cache.known_photos(self.space(view)) for view in self.views))

    def remember(self, photos: Sequence[str], vectors: dict[str, FloatArray]) -> None:
        """Keep the vectors of a batch of photos, per view."""
        for view, vectors_ND in vectors.items():
            self.cache.remember_features(self.space(view), photos, vectors_ND)

    def table(self, photos: Sequence[str], *, scratch: Scratch | None = None) -> FeatureTable:
        """Features of the given photos (SHA-256 each) in their order; a photo may stand in several rows.

        A large table is in a temporary file: by default in the cache folder.
        """
        means = (merge_views(sum_BD, len(self.views)) for sum_BD in self._sums(photos))
        embedding_ND = stack_rows(means, len(photos), scratch=scratch or Scratch(self.cache.folder))
        return FeatureTable(embedding_ND, self.views, self.network_id)

    def _sums(self, photos: Sequence[str]) -> Iterator[FloatArray]:
        """Blocks of consecutive photos: the sum over the views of each."""
        for start in range(0, max(len(photos), 1), _TABLE_BLOCK):
            block = photos[start : start + _TABLE_BLOCK]
            rows: dict[str, list[int]] = {}
            for row, photo in enumerate(block):
                rows.setdefault(photo, []).append(row)
            sum_BD: FloatArray | None = None
            n_found = 0
            for view in self.views:
                for photo, vector_D in self.cache.find_features(self.space(view), block):
                    if sum_BD is None:
                        sum_BD = np.zeros((len(block), len(vector_D)), np.float32)
                    sum_BD[rows[photo]] += vector_D
                    n_found += 1
            if sum_BD is None or n_found < len(rows) * len(self.views):
                raise self._missing(photos)
            yield sum_BD

    def _missing(self, photos: Sequence[str]) -> PhotograftError:
        n_missing = sum(len(set(photos) - self.cache.known_photos(self.space(view))) for view in self.views)
        return PhotograftError(
            f"{n_missing} features are missing from the cache {self.cache.path}: "
            "another program cleared it, or cache.max_gb is too small for this set. Run the command again."
        )


def embed_views(engine: Engine, pixels_NHWC: PixelArray, views: Sequence[str]) -> FloatArray:
    """Embeddings (V, N, D) of N photos under V views, in one pass: the views of one photo share the cores."""
    n = len(pixels_NHWC)
    seen_NVHWC = np.stack([take_view(pixels_NHWC, view) for view in views], axis=1)
    return engine.embed(seen_NVHWC.reshape(-1, *seen_NVHWC.shape[2:])).reshape(n, len(views), -1).transpose(1, 0, 2)


def take_view(pixels_NHWC: PixelArray, view: str) -> PixelArray:
    """What a view shows of the contract's pixels: all or a square of them, mirrored left to right where it is flipped.

    Nothing is resampled. `photograft.contract.view_names` knows the names.
    """
    if view.removesuffix("-flipped") != "whole":
        px = pixels_NHWC.shape[1]
        side, (top, left) = window_px(px, "five"), view_corner(view, px)
        pixels_NHWC = pixels_NHWC[:, top : top + side, left : left + side]
    return pixels_NHWC[:, :, ::-1] if view.endswith("-flipped") else pixels_NHWC


def merge_views(sum_ND: FloatArray, n_views: int) -> FloatArray:
    """The mean over views from their sum: the one place that says how views become one embedding."""
    return sum_ND if n_views == 1 else sum_ND / np.float32(n_views)


def extract(photos: Iterable[tuple[str, PixelArray]], store: FeatureStore, engine: Callable[[], Engine]) -> int:
    """Embed every (SHA-256, pixels) under every view into the store; gives the number of photos embedded.

    `engine` is called when the first pixels arrive: a run whose features are all cached never loads a network.
    A content that occurs twice is embedded once.
    """
    batch: dict[str, PixelArray] = {}
    done: set[str] = set()
    opened: Engine | None = None
    n_embedded = 0

    def flush() -> None:
        nonlocal opened, n_embedded
        if not batch:
            return
        opened = opened or engine()
        pixels_NHWC = np.stack(list(batch.values()))
        embedding_VND = embed_views(opened, pixels_NHWC, store.views)
        store.remember(list(batch), dict(zip(store.views, embedding_VND, strict=True)))
        n_embedded += len(batch)
        batch.clear()

    for sha256, pixels in photos:
        if sha256 in done:
            continue
        done.add(sha256)
        batch[sha256] = pixels
        if len(batch) == BATCH:
            flush()
    flush()
    store.cache.commit()
    return n_embedded
