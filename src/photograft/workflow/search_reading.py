"""Photos on their way into an index: scanned once, embedded where they are new, and drawn small."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from photograft.config.cache import CacheConfig
from photograft.contract import Contract
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, in_reading_order, scan
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore, extract
from photograft.reporting.thumbnails import make_thumbnail
from photograft.retrieval.rows import IndexRow, Place
from photograft.retrieval.store import NetworkOfIndex, Stored, check_file
from photograft.retrieval.thumbnails import ThumbnailWriter, find_thumbnails, thumbnail_files
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Photo, PixelArray
from photograft.workflow.narrator import Narrator, say_notes
from photograft.workflow.search_sources import Listed, Scope, open_listed

_SIDE_PX = 224


@dataclass
class PhotosReader:
    """Scans sources into `rows`, to be used as a context manager.

    Contents without a vector are embedded into `store`, which is the cache; those without a thumbnail get one, and
    `places` says where. Contents of `away` get neither. Thumbnails of a build that was stopped are found again, as its
    features are in the cache. With `mend` every thumbnail is read, and drawn again where it is damaged.
    """

    folder: Path
    network: NetworkOfIndex
    known: Stored | None
    narrator: Narrator
    away: Collection[str] = ()
    mend: bool = False
    rows: list[IndexRow] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    n_computed: int = 0
    max_bad_fraction: float = 0.01

    def __enter__(self) -> PhotosReader:
        network, limits = self.network, CacheConfig()
        with ExitStack() as stack:
            cache = stack.enter_context(Cache(cache_folder(limits.dir), max_bytes=int(limits.max_gb * 1e9)))
            if cache.warning:
                self.narrator.say(f"warning: {cache.warning}")
            self._cache = cache
            timeout_s = float(network.limits.get("timeout_s", 10.0))
            self._pool = stack.enter_context(DecodePool(network.contract, timeout_s=timeout_s))
            self.store = FeatureStore(cache, network.contract, network.id, OnnxEngine.name, network.views)
            self.places = self._find_places()
            self.thumbnails = stack.enter_context(ThumbnailWriter(self.folder))
            self._embedded = self.store.known()
            if self.known is not None:
                self._embedded |= {self.known.rows[n].sha256 for n in range(self.known.info.n_vectors)}
            self._engine: OnnxEngine | None = None
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, scope: Scope, source: int) -> None:
        """Scan what a scope means; `source` is the number that its rows get."""
        with open_listed(scope, self.network.limits) as listed:
            say_notes(listed.notes, self.narrator)
            self.max_bad_fraction = max(self.max_bad_fraction, listed.config.data.max_bad_fraction)
            with self.narrator.progress(len(listed.rows), "Reading photos") as progress:
                self.n_computed += extract(self._pixels(listed, source, progress.advance), self.store, self._open)

    def _pixels(self, listed: Listed, source: int, advance: Callable[[], None]) -> Iterator[tuple[str, PixelArray]]:
        setting = Scan(listed.files, listed.config.data, self.network.contract, self._cache)
        rows = in_reading_order(listed.rows, listed.files)
        for item in scan(rows, setting, self._pool, needs_pixels=self._needs_pixels):
            photo = item.photo
            self.photos.append(photo)
            self.rows.append(index_row(photo, source))
            advance()
            if item.pixels is not None:
                if photo.sha256 not in self.places:
                    jpeg = draw_thumbnail(item.pixels, photo, self.network.contract)
                    self.places[photo.sha256] = self.thumbnails.add(photo.sha256, jpeg)
                if photo.sha256 not in self._embedded:
                    self._embedded.add(photo.sha256)
                    yield photo.sha256, item.pixels

    def _needs_pixels(self, content: str) -> bool:
        return content not in self.away and not (content in self._embedded and content in self.places)

    def _find_places(self) -> dict[str, Place]:
        places: dict[str, Place] = {}
        if self.known is not None and not self.mend:
            places = {row.sha256: row.thumbnail for row in self.known.rows if row.thumbnail is not None}
        read = {place.file for place in places.values()}
        for file in sorted(thumbnail_files(self.folder)):
            if file.name not in read:
                places = find_thumbnails(file) | places
        return places

    def _open(self) -> OnnxEngine:
        if self._engine is None:
            self._engine = OnnxEngine(check_file(self.folder, self.network.file))
        return self._engine


def draw_thumbnail(pixels: PixelArray, photo: Photo, contract: Contract) -> bytes:
    """The thumbnail of a photo from the pixels that the network sees, as a JPEG."""
    if contract.crop.rule == "center":  # the pixels are a part of the photo, in its own shape
        return make_thumbnail(pixels, side=_SIDE_PX)
    return make_thumbnail(pixels, width=photo.width, height=photo.height, side=_SIDE_PX)


def index_row(photo: Photo, source: int) -> IndexRow:
    """The row of a photo that was scanned."""
    if photo.verdict != "ok":
        return IndexRow(source, photo.path, verdict=photo.verdict, reason=photo.reason, labels=photo.all_labels)
    return IndexRow(
        source,
        photo.path,
        labels=photo.all_labels,
        sha256=photo.sha256,
        pixel_sha256=photo.pixel_sha256,
        perceptual_hash=photo.perceptual_hash,
        width=photo.width,
        height=photo.height,
    )
