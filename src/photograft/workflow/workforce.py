"""Who reads the photos of `train` and fits its heads: this machine, or the workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from photograft.config import Config
from photograft.config.train import Balance
from photograft.features.matrix import Scratch
from photograft.metrics.links import Truth
from photograft.training.linear import HeadFit, fit_head
from photograft.training.streamed import MatrixBlocks, fit_streamed
from photograft.values import BoolArray, FeatureTable, FloatArray, HeadKind, IntArray, Manifest, Photo
from photograft.workflow.doctor import memory_gb
from photograft.workflow.narrator import Narrator
from photograft.workflow.prepare import Prepared

_SHARE = 0.25
"""Of the machine's memory: features that take more are not fitted from memory."""


class FitHead(Protocol):
    """Fits a head as `photograft.training.linear.fit_head` does."""

    def __call__(
        self,
        features_ND: FloatArray,
        truth: Truth,
        fold_N: IntArray,
        *,
        n_classes: int,
        kind: HeadKind,
        strength: float | None,
        balance: Balance,
        beta: float,
        fit_rows: BoolArray | None,
        rows: IntArray,
        repeats_RN: IntArray,
        scratch: Scratch,
    ) -> HeadFit:
        """The head, and what cross-validation found on the way."""


class Workforce(Protocol):
    """What `photograft.workflow.train` leaves to others."""

    @property
    def reads_here(self) -> bool:
        """Whether this machine decodes the photos, so that it can measure what they cost."""

    @property
    def fit(self) -> FitHead:
        """What fits a head."""

    def photos(self, ready: Prepared, narrator: Narrator) -> list[Photo]:
        """Every row of the source with its verdict and hashes; features are kept until `tables` asks for them."""

    def tables(self, ready: Prepared, manifest: Manifest) -> list[FeatureTable]:
        """The features of the usable photos, one table for each member."""


@dataclass(frozen=True)
class ThisMachine:
    """Photos are read by decoders and engines of this process, into the cache.

    The head of features that take more than `max_bytes` is fitted in passes over their file.
    """

    max_bytes: float
    narrator: Narrator
    reads_here: bool = True

    def fit(
        self, features_ND: FloatArray, truth: Truth, fold_N: IntArray, *, rows: IntArray, **options: Any
    ) -> HeadFit:
        """The head, found in memory or, of many features, in passes over them."""
        if features_ND.nbytes <= self.max_bytes:
            return fit_head(features_ND, truth, fold_N, rows=rows, **options)
        self.narrator.say(f"{features_ND.nbytes / 1e9:.1f} GB of features: the head is fitted in passes over them")
        return fit_streamed(MatrixBlocks(features_ND, rows), truth, fold_N, **options)

    def photos(self, ready: Prepared, narrator: Narrator) -> list[Photo]:
        """Every row of the source with its verdict and hashes."""
        cache, files = ready.readers[0].store.cache, ready.source.listing.files
        warned = cache.warning
        readers = list({id(reader): reader for reader in ready.readers}.values())
        rows = readers[0].read(files, narrator)
        for reader in readers[1:]:
            reader.read(files, narrator)
        if cache.warning != warned:
            narrator.say(f"warning: {cache.warning}")
        return rows

    def tables(self, ready: Prepared, manifest: Manifest) -> list[FeatureTable]:
        """The features of the usable photos from the cache; members of one reader share a table."""
        contents = [photo.content for photo in manifest.usable.photos]
        tables: dict[int, FeatureTable] = {}
        for reader in ready.readers:
            if id(reader) not in tables:
                tables[id(reader)] = reader.store.table(contents)
        return [tables[id(reader)] for reader in ready.readers]


def memory_limit(config: Config) -> float:
    """Bytes of features above which a head is not fitted from memory (`scale.memory_gb`)."""
    limit = config.scale.memory_gb
    return (_SHARE * (memory_gb() or 8.0) if limit == "auto" else limit) * 1e9
