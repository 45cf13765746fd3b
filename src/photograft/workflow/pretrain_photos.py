"""The photos of a pretraining run: decoded once, and divided into those that train, are held out, or are to test."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photograft.config import Config
from photograft.data.duplicates import find_duplicates
from photograft.data.edits import read_edits
from photograft.data.files import open_files, printable
from photograft.data.loaders import PictureStore
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, check_bad_fraction, in_reading_order, scan
from photograft.data.unlabelled import find_set_apart, list_unlabelled
from photograft.errors import DataError
from photograft.tracking.cache import cache_folder
from photograft.values import IntArray, Manifest, Photo, PixelArray
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, say_notes
from photograft.workflow.source import Source, build_manifest, contract_of, name_rejected
from photograft.workflow.untouched import photo_folders, require_outside


@dataclass(frozen=True)
class PretrainPhotos:
    """Photos without labels, ready to train on.

    The parts in `manifest` are what pretraining did with each photo: "train", "val" (held out), "test" (never looked
    at). `train_N` and `held_N` are rows of `pictures`, and `held_groups_N` numbers the held-out ones so that copies of
    one picture share a number. `split_given` says that a test part was known.
    """

    manifest: Manifest
    pictures: PictureStore
    train_N: IntArray
    held_N: IntArray
    held_groups_N: IntArray
    split_given: bool

    def counts(self) -> dict[str, int]:
        """Photos by what became of them."""
        parts = [photo.part for photo in self.manifest.usable.photos]
        used = {"train": "train", "held_out": "val", "left_out": "test"}
        return {name: parts.count(part) for name, part in used.items()} | {"rejected": len(self.manifest.rejected)}


def read_unlabelled(
    root: Path, config: Config, clock: Clock, narrator: Narrator, *, outside: Path | None
) -> PretrainPhotos:
    """List and decode photos, each once, into a temporary file, and divide them.

    `outside` is a folder that must not lie among them.

    Raises:
        DataError: The photos need attention: none, too many damaged, or too few to hold some out.
    """
    edits = None if config.data.edits is None else read_edits(config.data.edits)
    with clock.stage("list"):
        listing = list_unlabelled(root, config.data, seed=config.split.seed)
    if outside is not None:
        require_outside(outside, photo_folders(root, listing), option="--runs-dir")
    with open_files(listing.root) as files, clock.stage("read"):
        source = Source(listing, files, edits and edits.for_classes(listing.classes), root)
        photos, pictures = _decode(source, config, narrator)
    manifest = build_manifest(source, photos)
    say_notes(manifest.notes, narrator)
    name_rejected(manifest, narrator)
    check_bad_fraction(manifest.photos, max_bad_fraction=config.data.max_bad_fraction)
    return _divide(manifest, {photo.name: row for row, photo in enumerate(photos)}, pictures, config)


def _decode(source: Source, config: Config, narrator: Narrator) -> tuple[list[Photo], PictureStore]:
    """Every row with its verdict, and the pictures of those that can be used, by their place among them."""
    contract = contract_of(config)
    rows = in_reading_order(source.listing.files, source.files)
    photos: list[Photo] = []
    pictures = PictureStore(len(rows), contract.resize.px, folder=cache_folder(config.cache.dir))

    def decoded(pool: DecodePool) -> Iterator[tuple[int, PixelArray]]:
        setting = Scan(source.files, config.data, contract, edits=source.edits)
        for row, item in enumerate(scan(rows, setting, pool, needs_pixels=lambda _: True)):
            photos.append(item.photo)
            progress.advance()
            if item.pixels is not None:
                yield row, item.pixels

    with (
        DecodePool(contract, timeout_s=config.data.timeout_s) as pool,
        narrator.progress(len(rows), "Reading photos") as progress,
    ):
        pictures.fill(decoded(pool))
    return photos, pictures


def _divide(manifest: Manifest, row_of: dict[str, int], pictures: PictureStore, config: Config) -> PretrainPhotos:
    """Test photos, and what looks like one of them, stay out; of the rest some groups of copies are held out."""
    photos = manifest.usable.photos
    group_N = find_duplicates(photos, max_bits=config.split.duplicate_bits).group_N
    apart = {row for row, photo in enumerate(photos) if photo.part == "test"}
    if config.split.file is not None:
        apart = find_set_apart(config.split.file, photos)
    test_groups = {int(group_N[row]) for row in apart}
    groups: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(group_N.tolist()):
        if group not in test_groups:
            groups[group].append(row)
    if len(groups) < 2:
        raise DataError(
            f"{printable(manifest.root)} has {len(photos)} usable photos, {len(groups)} different ones of them outside "
            "of the test part: pretraining needs at least two, and hundreds to be of use."
        )
    # By content: neither names nor the order of files decide.
    ranked = sorted(groups.values(), key=lambda rows: _rank(min(photos[row].sha256 for row in rows), config.split.seed))
    held: list[int] = []
    n_wanted = config.pretrain.holdout * sum(map(len, ranked))
    for rows in ranked[:-1]:
        if held and len(held) + len(rows) / 2 > n_wanted:
            break
        held += rows
    part_of = {photos[row].name: "test" for row in range(len(photos)) if int(group_N[row]) in test_groups}
    part_of |= {photos[row].name: "val" for row in held}
    divided = [
        replace(photo, part=part_of.get(photo.name, "train") if photo.verdict == "ok" and not photo.excluded else None)
        for photo in manifest.photos
    ]
    train = [row for row, photo in enumerate(photos) if part_of.get(photo.name, "train") == "train"]
    held.sort()
    return PretrainPhotos(
        manifest=replace(manifest, photos=tuple(divided)),
        pictures=pictures,
        train_N=np.array([row_of[photos[row].name] for row in train], dtype=np.int64),
        held_N=np.array([row_of[photos[row].name] for row in held], dtype=np.int64),
        held_groups_N=group_N[held],
        split_given=config.split.file is not None or bool(apart),
    )


def _rank(sha256: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{sha256}".encode("ascii")).digest()
