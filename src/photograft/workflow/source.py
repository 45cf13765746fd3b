"""What a command was given to read: rows, the files behind them, and the edits that apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from photograft.config import Config
from photograft.contract import Box, Contract, make_contract, picture_px
from photograft.data.boxes import Boxed, settled_annotation
from photograft.data.edits import Edits, read_edits
from photograft.data.files import PhotoFiles, open_files, printable
from photograft.data.listing import Listing
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, in_reading_order, scan
from photograft.data.sources import list_source
from photograft.errors import ConfigError, ImageRejected
from photograft.inference.classifier import PhotoInput
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Manifest, Photo
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator

_NAMED = 5


@dataclass(frozen=True)
class Source:
    """Labelled photos, ready to be scanned; `photos` is the folder, archive or table that was given."""

    listing: Listing
    files: PhotoFiles
    edits: Edits | None
    photos: Path


@contextmanager
def open_source(photos: Path, config: Config, clock: Clock, *, min_classes: int = 2) -> Iterator[Source]:
    """List what `photos` (a folder, an archive or a table) holds, and open the files behind it.

    Raises:
        ConfigError: A setting does not fit the source.
        DataError: The source, its table, its annotations or the journal of edits need attention.
    """
    edits = None if config.data.edits is None else read_edits(config.data.edits)
    if edits is not None and edits.has_boxes and config.data.boxes == "none":
        raise ConfigError(
            f"{config.data.edits} corrects boxes, but data.boxes is none, so that photos are not cropped: "
            "set data.boxes, or undo these rows."
        )
    with clock.stage("list"):
        listing = list_source(
            photos, config.data, slices=config.report.slices, seed=config.split.seed, min_classes=min_classes
        )
    with open_files(listing.root) as files:
        yield Source(listing, files, edits and edits.for_classes(listing.classes), photos)


def contract_of(config: Config) -> Contract:
    """The contract that settled settings ask for."""
    data, px = config.data, config.input.px
    assert isinstance(px, int)
    px = picture_px(px, config.input.crops)
    box = None if data.boxes == "none" else Box(source=data.boxes, choice=data.box_choice, margin=data.margin)
    return make_contract(px, crop=config.input.crop, max_pixels=data.max_pixels, formats=tuple(data.formats), box=box)


def scan_source(source: Source, config: Config, clock: Clock, narrator: Narrator) -> Manifest:
    """Every row with its verdict and hashes, without pixels or a network."""
    limits, contract = config.cache, contract_of(config)
    with (
        Cache(cache_folder(limits.dir), max_bytes=int(limits.max_gb * 1e9), trust_mtime=limits.trust_mtime) as cache,
        DecodePool(contract, timeout_s=config.data.timeout_s) as pool,
        clock.stage("scan"),
        narrator.progress(len(source.listing.files), "Reading photos") as progress,
    ):
        if cache.warning:
            narrator.say(f"warning: {cache.warning}")
        photos: list[Photo] = []
        rows = in_reading_order(source.listing.files, source.files)
        setting = Scan(source.files, config.data, contract, cache, source.edits)
        for item in scan(rows, setting, pool, needs_pixels=lambda _: False):
            photos.append(item.photo)
            progress.advance()
    return build_manifest(source, photos)


def read_as_scanned(photo: Photo, files: PhotoFiles, *, max_file_mb: int) -> PhotoInput | ImageRejected:
    """The bytes of a scanned photo, with the box that stands for it; the reason where it cannot be read any more."""
    try:
        data, _ = files.read(photo.path, max_file_mb=max_file_mb)
    except ImageRejected as rejected:
        return rejected
    return Boxed(data, settled_annotation(photo.box)) if photo.box else data


def build_manifest(source: Source, photos: list[Photo]) -> Manifest:
    """The scanned rows in path order, with the notes of the listing and on edits that changed nothing."""
    notes = source.listing.notes
    if source.edits is not None:
        unused = source.edits.unused({p.sha256 for p in photos})
        if unused:
            notes += (f"{unused} rows of the journal of edits are about files that are not here, or cannot be used",)
    ordered = sorted(photos, key=lambda photo: (photo.path, photo.object))
    return Manifest(source.listing.root, tuple(ordered), notes)


def name_rejected(manifest: Manifest, narrator: Narrator) -> None:
    """Count and name the files that were skipped; manifest.csv has them all."""
    rejected = manifest.rejected
    if rejected:
        narrator.say(f"{len(rejected)} of {len(manifest.photos):,} files cannot be used and were skipped:")
        for photo in rejected[:_NAMED]:
            narrator.say(f"  {printable(photo.name)}: {photo.verdict}, {photo.reason}")
        if len(rejected) > _NAMED:
            narrator.say(f"  ... and {len(rejected) - _NAMED} more; manifest.csv has them all")
