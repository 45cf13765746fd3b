"""Files to a manifest and features: scan, verdicts, pixels and embeddings in one pass over the photos."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from photograft.config import Config
from photograft.contract import Contract
from photograft.data.files import photo_status
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import decoder_key, scan
from photograft.errors import ImageRejected
from photograft.features.engine import Engine
from photograft.features.extract import FeatureStore, extract
from photograft.training.linear import estimate_seconds
from photograft.values import Photo, PixelArray
from photograft.workflow.narrator import Narrator, duration

_WARM_UP, _SAMPLE = 16, 48
_TYPICAL_S = 0.03
_NETWORK_MB = 150
_START_S = 2.0
"""Loading, calibration and the report, where nothing is read."""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, measured on a few batches: photos without cached features, seconds, megabytes.

    `seconds` covers reading and training, of which `training_s` are training.
    """

    n_photos: int
    n_new: int
    n_measured: int
    seconds: float
    peak_mb: float
    training_s: float = 0.0

    def __str__(self) -> str:
        if self.n_new == 0:
            return (
                f"all {self.n_photos:,} photos are in the cache: about {duration(self.seconds + _START_S)}, "
                f"about {self.peak_mb / 1000:.1f} GB of memory"
            )
        basis = f"measured on {self.n_measured} of them" if self.n_measured else "too few to measure"
        return (
            f"{self.n_new:,} of {self.n_photos:,} photos are new: about {duration(self.seconds)}, "
            f"about {self.peak_mb / 1000:.1f} GB of memory ({basis})"
        )


@dataclass
class PhotoReader:
    """Reads photos of one folder into the feature store; every photo is decoded at most once."""

    root: Path
    config: Config
    contract: Contract
    store: FeatureStore
    pool: DecodePool
    engine: Callable[[], Engine]

    def __post_init__(self) -> None:
        """Note which photos have features already, and make the engine open once."""
        self._known = self.store.known()
        self._opened: Engine | None = None

    def estimate(self, files: Sequence[Found], *, embedding_size: int, n_classes: int) -> Estimate:
        """Measure on a few batches spread over the files what the rest will cost; what they gave stays cached."""
        new = [f for f in files if self._is_new(f)]
        n_measured, seconds = 0, len(new) * _TYPICAL_S
        if len(new) >= 2 * (_WARM_UP + _SAMPLE):
            step = len(new) // (_WARM_UP + _SAMPLE)
            chosen = new[::step][: _WARM_UP + _SAMPLE]
            self.read(chosen[:_WARM_UP])
            started = time.perf_counter()
            n_measured = len(self.read(chosen[_WARM_UP:]))
            seconds = (time.perf_counter() - started) / n_measured * (len(new) - len(chosen))
        # Features, their standardised and rotated copies, and the gradient's workspace are alive at once.
        features_mb = len(files) * embedding_size * 4 * 5 / 1e6 + (0 if self._opened else _NETWORK_MB)
        n_folds = self.config.split.folds
        # Logits, their residuals and their change for each fold; weights, gradients and directions likewise.
        numbers = (3 * len(files) + 5 * min(len(files), embedding_size)) * n_classes * n_folds
        training_s = estimate_seconds(len(files), embedding_size, n_classes, n_folds)
        peak_mb = _peak_mb() + features_mb + numbers * 4 / 1e6
        return Estimate(len(files), len(new), n_measured, seconds + training_s, peak_mb, training_s)

    def read(self, files: Sequence[Found], narrator: Narrator | None = None) -> list[Photo]:
        """Scan the files and embed those that are new; gives their rows of the manifest, in order."""
        rows: list[Photo] = []
        if narrator is None:
            extract(self._pixels(files, rows, lambda: None), self.store, self._engine)
        else:
            with narrator.progress(len(files), "Reading photos") as progress:
                extract(self._pixels(files, rows, progress.advance), self.store, self._engine)
        self._known.update(p.sha256 for p in rows if p.verdict == "ok")
        return rows

    def _pixels(
        self, files: Sequence[Found], rows: list[Photo], advance: Callable[[], None]
    ) -> Iterator[tuple[str, PixelArray]]:
        scanned = scan(
            files,
            root=self.root,
            config=self.config.data,
            contract=self.contract,
            pool=self.pool,
            cache=self.store.cache,
            needs_pixels=lambda sha256: sha256 not in self._known,
        )
        for item in scanned:
            rows.append(item.photo)
            advance()
            if item.pixels is not None:
                yield item.photo.sha256, item.pixels

    def _engine(self) -> Engine:
        self._opened = self._opened or self.engine()
        return self._opened

    def _is_new(self, file: Found) -> bool:
        path = self.root / file.path
        try:
            sha256 = self.store.cache.find_file(path, photo_status(path, max_file_mb=self.config.data.max_file_mb))
        except ImageRejected:
            return False
        if sha256 is None or sha256 in self._known:
            return sha256 is None
        entry = self.store.cache.find_scan(sha256, decoder_key(self.contract))
        return entry is None or entry["verdict"] == "ok"


def _peak_mb() -> float:
    """Peak memory of this process so far, in megabytes; a typical value where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 500.0
    # macOS counts bytes, Linux kilobytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
