"""Files to a manifest and features: scan, verdicts, pixels and embeddings in one pass over the photos."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from photograft.config import Config
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, find_known, in_reading_order, needs_decoding, scan
from photograft.features.engine import Engine
from photograft.features.extract import FeatureStore, extract
from photograft.training.linear import estimate_megabytes, estimate_seconds
from photograft.values import Photo, PixelArray
from photograft.workflow.narrator import Narrator, duration

_WARM_UP, _SAMPLE = 16, 48
_TYPICAL_S = 0.03
_NETWORK_MB = 150
_ROW_KB = 3
"""What a photo takes beside its features: rows of the manifest, the splits and the predictions."""
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


def together(estimates: Sequence[Estimate]) -> Estimate:
    """The cost of several networks, one after the other, over the same photos."""
    return Estimate(
        n_photos=estimates[0].n_photos,
        n_new=max(each.n_new for each in estimates),
        n_measured=max(each.n_measured for each in estimates),
        seconds=sum(each.seconds for each in estimates),
        peak_mb=max(each.peak_mb for each in estimates),
        training_s=sum(each.training_s for each in estimates),
    )


@dataclass
class PhotoReader:
    """Reads photos of one source into the feature store; every photo is decoded at most once."""

    scanning: Scan
    config: Config
    store: FeatureStore
    pool: DecodePool
    engine: Callable[[], Engine]

    def __post_init__(self) -> None:
        """Note which photos have features already, and make the engine open once."""
        self._known = self.store.known()
        self._opened: Engine | None = None

    def estimate(
        self, files: Sequence[Found], *, embedding_size: int, n_classes: int, measure: bool = True
    ) -> Estimate:
        """Measure on a few batches spread over the files what the rest will cost; what they gave stays cached.

        Without `measure` no file is opened, and a typical value stands for the cost.
        """
        new = [f for f in files if self._is_new(f)] if measure else list(files)
        n_measured, seconds = 0, len(new) * _TYPICAL_S
        if measure and len(new) >= 2 * (_WARM_UP + _SAMPLE):
            step = len(new) // (_WARM_UP + _SAMPLE)
            chosen = new[::step][: _WARM_UP + _SAMPLE]
            self.read(chosen[:_WARM_UP])
            started = time.perf_counter()
            n_measured = len(self.read(chosen[_WARM_UP:]))
            seconds = (time.perf_counter() - started) / n_measured * (len(new) - len(chosen))
        shape = (len(files), embedding_size, n_classes, self.config.split.folds)
        training_s, training_mb = estimate_seconds(*shape), estimate_megabytes(*shape) + len(files) * _ROW_KB / 1e3
        peak_mb = _peak_mb() + (0 if self._opened else _NETWORK_MB) + training_mb
        return Estimate(len(files), len(new), n_measured, seconds + training_s, peak_mb, training_s)

    def read(self, files: Sequence[Found], narrator: Narrator | None = None) -> list[Photo]:
        """Scan the rows and embed those that are new; gives their rows of the manifest, in the order of reading."""
        rows: list[Photo] = []
        ordered = in_reading_order(files, self.scanning.files)
        if narrator is None:
            extract(self._pixels(ordered, rows, lambda: None), self.store, self._engine)
        else:
            with narrator.progress(len(files), "Reading photos") as progress:
                extract(self._pixels(ordered, rows, progress.advance), self.store, self._engine)
        self._known.update(p.content for p in rows if p.verdict == "ok")
        return rows

    def _pixels(
        self, files: Sequence[Found], rows: list[Photo], advance: Callable[[], None]
    ) -> Iterator[tuple[str, PixelArray]]:
        for item in scan(files, self.scanning, self.pool, needs_pixels=self._needs_pixels):
            rows.append(item.photo)
            advance()
            if item.pixels is not None:
                yield item.photo.content, item.pixels

    def _engine(self) -> Engine:
        self._opened = self._opened or self.engine()
        return self._opened

    def _is_new(self, found: Found) -> bool:
        photo = find_known(found, self.scanning)
        return photo is None or needs_decoding(photo, self._needs_pixels)

    def _needs_pixels(self, content: str) -> bool:
        return content not in self._known


def _peak_mb() -> float:
    """Peak memory of this process so far, in megabytes; a typical value where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 500.0
    # macOS counts bytes, Linux kilobytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
