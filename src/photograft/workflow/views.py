"""The photos of a run as fine-tuning reads them: kept outputs of the frozen part, or pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photograft.config import Config
from photograft.contract import Contract
from photograft.data.boxes import Boxed
from photograft.data.contact_sheet import contact_sheet
from photograft.data.files import PhotoFiles, open_files
from photograft.data.pool import DecodePool
from photograft.data.scan import decoder_key
from photograft.errors import DataError, ImageRejected
from photograft.features.boundary_store import BoundaryStore, Space
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import take_view
from photograft.reporting.training import BoundaryFacts
from photograft.training.inputs import Inputs
from photograft.training.ranks import ALONE, Ranks
from photograft.values import Manifest, Photo, PixelArray
from photograft.workflow.narrator import Narrator
from photograft.workflow.source import contract_of, read_as_scanned

if TYPE_CHECKING:
    from photograft.data.loaders import PictureStore
    from photograft.data.transforms import Augmentation
    from photograft.features.boundary import BoundaryInputs

_SHEET_PHOTOS, _SHEET_COPIES = 6, 6
_REVISION = 1
"""Raise it when the same photo and settings give other copies, or the frozen part other values."""


@dataclass(frozen=True)
class Views:
    """Where photos come from, and how they are changed.

    `larger` is the contract at the size that changed copies are cut from, None where photos are trained on as they are.
    """

    manifest: Manifest
    config: Config
    contract: Contract
    larger: Contract | None
    names: tuple[str, ...]

    @property
    def photos(self) -> tuple[Photo, ...]:
        """The usable photos, one per row."""
        return self.manifest.usable.photos

    @property
    def px(self) -> int:
        """Side of the network's input."""
        assert isinstance(self.config.input.px, int)
        return self.config.input.px

    def augmentation(self) -> Augmentation | None:
        """What changes a copy; None where nothing does."""
        from photograft.data.transforms import Augmentation

        if self.larger is None:
            return None
        return Augmentation(self.config.augment, self.px, seed=self.config.train.seed)


def views_of(manifest: Manifest, config: Config, contract: Contract, names: tuple[str, ...]) -> Views:
    """Views `names` of the usable photos, and the changed copies that the settings ask for."""
    from photograft.data.transforms import source_px

    larger = None
    if config.augment.views:
        assert isinstance(config.input.px, int)
        source = {"px": source_px(config.input.px), "crops": "whole"}
        larger = contract_of(config.model_copy(update={"input": config.input.model_copy(update=source)}))
    return Views(manifest, config, contract, larger, names)


def draw_sheet(views: Views) -> bytes | None:
    """A JPEG of some photos with changed copies beside them; None where photos are not changed, or not to be shown."""
    augmentation = views.augmentation()
    if augmentation is None or views.larger is None or not views.config.report.thumbnails:
        return None
    photos = views.photos
    rows = [int(row) for row in np.unique(np.linspace(0, len(photos) - 1, _SHEET_PHOTOS).astype(int))]
    copies = [
        [augmentation.copy(pixels, photos[row].content, number) for number in range(_SHEET_COPIES)]
        for row, pixels in _decoded(views, rows, views.larger)
    ]
    return contact_sheet([pixels for _, pixels in _decoded(views, rows, views.contract)], copies)


def reserve_boundary(views: Views, front: Path, origin: dict[str, Any], cache: Path) -> BoundaryStore:
    """The store that keeps what the frozen part `front` gives for these photos, with room for all of it.

    `origin` names the frozen network exactly.

    Raises:
        ConfigError: it does not fit into `train.boundary_gb`, or onto the disk.
    """
    from photograft.features.boundary import Front

    opened = Front(front)
    augment = views.config.augment.model_dump(mode="json", exclude={"mixup", "cutmix"})
    changed = {"augment": augment, "seed": views.config.train.seed} if views.larger is not None else {}
    read = {
        "contract": views.contract.id,
        "decoder": decoder_key(views.contract),
        "engine": OnnxEngine.name,
        "revision": _REVISION,
    }
    n_copies = views.config.augment.views
    space = Space(opened.names, opened.shapes, len(views.names), n_copies, {**origin, **read, **changed})
    store = BoundaryStore(cache, space)
    contents = [photo.content for photo in views.photos]
    store.make_room(contents, budget_bytes=int(views.config.train.boundary_gb * 1e9))
    return store


def fill_boundary(
    views: Views, store: BoundaryStore, front: Path, narrator: Narrator
) -> tuple[BoundaryInputs, BoundaryFacts]:
    """Run the frozen part over the photos whose outputs are not kept yet; gives all as inputs."""
    from photograft.features.boundary import BoundaryInputs, Front, fill

    started = time.perf_counter()
    contents = [photo.content for photo in views.photos]
    missing = set(store.missing(contents))
    if missing:
        rows = {photo.content: row for row, photo in enumerate(views.photos) if photo.content in missing}
        augmentation = views.augmentation()
        with narrator.progress(len(rows), "Frozen part") as progress:
            fill(
                _photos_to_fill(views, sorted(rows.values())),
                store,
                Front(front),
                augmentation and augmentation.copy,
                advance=progress.advance,
                waiting=lambda: narrator.say("Waiting for another run that computes the same outputs ..."),
            )
    n_photos, seconds = len(set(contents)), time.perf_counter() - started
    size_bytes = store.space.estimate_bytes(n_photos)
    return BoundaryInputs(store, contents), BoundaryFacts(n_photos, store.space.n_views, size_bytes, seconds)


@contextmanager
def pixel_inputs(views: Views, cache: Path, narrator: Narrator, *, ranks: Ranks = ALONE) -> Iterator[Inputs]:
    """Inputs that are pixels: every photo is decoded once on each machine, and changed anew in every epoch."""
    from photograft.data.loaders import PictureStore, PixelInputs

    photos = views.photos
    contracts = [contract for contract in (views.contract, views.larger) if contract is not None]
    with narrator.progress(len(photos) * len(contracts), "Reading photos") as progress:
        stores = [
            _pictures(PictureStore(len(photos), contract.px, folder=cache), views, contract, progress.advance, ranks)
            for contract in contracts
        ]
    augmentation = views.augmentation()
    inputs = PixelInputs(
        stores[0],
        stores[1] if views.larger else None,
        [photo.content for photo in photos],
        augmentation and augmentation.copy,
        n_plain=len(views.names),
        look=lambda pixels_BHWC, view: take_view(pixels_BHWC, views.names[view]),
    )
    try:
        yield inputs
    finally:
        inputs.close()


def _pictures(
    store: PictureStore, views: Views, contract: Contract, advance: Callable[[], None], ranks: Ranks
) -> PictureStore:
    """The store with all photos, decoded here or by another process of this machine."""

    def fill() -> str:
        decoded = _decoded(views, range(len(views.photos)), contract)
        store.fill(_counted(decoded, advance), shared=ranks.size > 1)
        return str(store.place)

    place = ranks.from_neighbour(fill)
    if place is None:
        return store
    try:
        return store.open(place)
    except OSError:  # a system without such places, or one that keeps processes apart
        fill()
        return store


def _photos_to_fill(views: Views, rows: Sequence[int]) -> Iterator[tuple[str, PixelArray, PixelArray | None]]:
    """(content, plain views (V, px, px, 3), larger picture) of some rows."""
    larger = _decoded(views, rows, views.larger) if views.larger else None
    for row, pixels in _decoded(views, rows, views.contract):
        source = None if larger is None else next(larger)[1]
        plain_VHWC = np.concatenate([take_view(pixels[None], name) for name in views.names])
        yield views.photos[row].content, plain_VHWC, source


def _decoded(views: Views, rows: Sequence[int], contract: Contract) -> Iterator[tuple[int, PixelArray]]:
    """(row, pixels) under a contract; a photo that can no longer be read ends the run, which may be resumed."""
    data = views.config.data
    with open_files(views.manifest.root) as files, DecodePool(contract, timeout_s=data.timeout_s) as pool:
        # An archive's photos in one pass.
        ordered = sorted(rows, key=lambda row: files.position(views.photos[row].path))
        inputs = ((row, _readable(views.photos[row], files, data.max_file_mb)) for row in ordered)
        for row, outcome in pool.map(inputs):
            if isinstance(outcome, ImageRejected):
                raise _gone(views.photos[row], outcome)
            yield row, outcome.pixels


def _readable(photo: Photo, files: PhotoFiles, max_file_mb: int) -> bytes | Boxed:
    found = read_as_scanned(photo, files, max_file_mb=max_file_mb)
    if isinstance(found, ImageRejected):
        raise _gone(photo, found)
    assert isinstance(found, bytes | Boxed)
    return found


def _gone(photo: Photo, rejected: ImageRejected) -> DataError:
    return DataError(f"{photo.name} was fine a moment ago and cannot be read now ({rejected}); put it back.")


def _counted(
    pictures: Iterator[tuple[int, PixelArray]], advance: Callable[[], None]
) -> Iterator[tuple[int, PixelArray]]:
    for picture in pictures:
        advance()
        yield picture
