"""Files to verdicts, hashes and pixels. A scan stops on no file, reads each once, and decodes only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from photograft.config.data import DataConfig
from photograft.contract import Contract, canonical_json
from photograft.data.files import photo_status, printable, read_photo
from photograft.data.hashing import hash_bytes
from photograft.data.images import DECODER_VERSION, heif_version
from photograft.data.listing import Found
from photograft.data.pool import DIED, DecodePool
from photograft.errors import DataError, ImageRejected
from photograft.values import FileStatus, Photo, PixelArray

ALWAYS_ALLOWED: Final = 3
"""Unusable files that never stop a run, whatever their share."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One file with its verdict; `pixels` of shape (px, px, 3) where they were needed and the verdict is ``ok``."""

    photo: Photo
    pixels: PixelArray | None


class ScanCache(Protocol):
    """What a scan remembers between runs. Several paths may share one `sha256`."""

    def find_file(self, path: Path, status: FileStatus) -> str | None:
        """SHA-256 of a file whose path, size and time are unchanged."""

    def remember_file(self, path: Path, status: FileStatus, sha256: str) -> None:
        """Keep the SHA-256 of a file."""

    def find_scan(self, sha256: str, decoder: str) -> dict[str, Any] | None:
        """The entry of these bytes under this decoder key."""

    def remember_scan(self, sha256: str, decoder: str, entry: dict[str, Any]) -> None:
        """Keep the entry of these bytes."""


def scan(
    files: Iterable[Found],
    *,
    root: Path,
    config: DataConfig,
    contract: Contract,
    pool: DecodePool,
    cache: ScanCache | None,
    needs_pixels: Callable[[str], bool],
) -> Iterator[Scanned]:
    """Give every file exactly one verdict, in the order of `files`, and pixels to those that need them.

    `needs_pixels` is asked with the SHA-256 of every file that can be read. Where it says no and the cache has an
    entry, the file is not decoded, and where the cache knows the file by path, size and time, it is not even opened.
    Memory stays bounded whatever the number of files: photos are decoded only a little ahead of what the caller has
    taken. Verdicts that depend on the machine of the moment (``timeout``, ``unreadable``) are not remembered.
    """
    decoder = decoder_key(contract)
    looked = (_look(root, found, config, cache, decoder, needs_pixels) for found in files)
    for item, outcome in pool.map_where_needed(looked):
        if outcome is None:
            yield Scanned(item.photo, None)
        elif isinstance(outcome, ImageRejected):
            entry = {"verdict": outcome.verdict, "reason": outcome.reason}
            if cache and outcome.verdict != "timeout" and not outcome.reason.startswith(DIED):
                cache.remember_scan(item.sha256, decoder, entry)
            yield Scanned(_photo(item.photo, item.sha256, entry), None)
        else:
            entry = {name: getattr(outcome, name) for name in _ENTRY_FIELDS} | {"verdict": "ok"}
            if cache:
                cache.remember_scan(item.sha256, decoder, entry)
            yield Scanned(_photo(item.photo, item.sha256, entry), outcome.pixels if item.needs_pixels else None)


def decoder_key(contract: Contract) -> str:
    """What a scan entry depends on beside the bytes: the decoder, the decode rules, and the size it reduces towards."""
    rules: dict[str, Any] = {"decode": contract.decode.model_dump(mode="json"), "px": contract.resize.px}
    if "HEIF" in contract.decode.formats:
        rules["heif"] = heif_version()
    return f"{DECODER_VERSION}:{hashlib.sha256(canonical_json(rules)).hexdigest()[:16]}"


def check_bad_fraction(photos: Sequence[Photo], *, max_bad_fraction: float) -> None:
    """Stop where too many files are unusable: more than `max_bad_fraction` of them, and more than three.

    Raises:
        DataError: naming the first ten of them with their reasons.
    """
    bad = [photo for photo in photos if photo.verdict != "ok"]
    if len(bad) <= max(max_bad_fraction * len(photos), ALWAYS_ALLOWED):
        return
    rows = [f"  {printable(photo.path)}: {photo.verdict}, {photo.reason}" for photo in bad[:10]]
    more = [f"  ... and {len(bad) - 10} more"] if len(bad) > 10 else []
    raise DataError(
        "\n".join(
            [
                f"{len(bad)} of {len(photos)} files cannot be used, more than the setting data.max_bad_fraction "
                f"({max_bad_fraction:g}) allows:",
                *rows,
                *more,
                "Repair or remove them, or raise data.max_bad_fraction.",
            ]
        )
    )


_ENTRY_FIELDS = ("format", "width", "height", "turn", "pixel_sha256", "perceptual_hash")


@dataclass(frozen=True, slots=True)
class _Item:
    """A file on its way: what is known so far, or all there is to know where nothing is to be decoded."""

    photo: Photo
    sha256: str = ""
    needs_pixels: bool = False


def _look(
    root: Path,
    found: Found,
    config: DataConfig,
    cache: ScanCache | None,
    decoder: str,
    needs_pixels: Callable[[str], bool],
) -> tuple[_Item, bytes | None]:
    """What is to be decoded of one file; None where its verdict is known."""
    path = root / found.path
    photo = Photo(found.path, found.label, found.part)
    try:
        if cache:
            status = photo_status(path, max_file_mb=config.max_file_mb)
            photo = replace(photo, size_bytes=status.size_bytes)
            sha256 = cache.find_file(path, status)
            if sha256 and (known := _known(photo, sha256, cache, decoder, needs_pixels)):
                return known, None
        data, status = read_photo(path, max_file_mb=config.max_file_mb)
    except ImageRejected as rejected:
        return _Item(replace(photo, verdict=rejected.verdict, reason=rejected.reason)), None
    photo = replace(photo, size_bytes=len(data))
    sha256 = hash_bytes(data)
    if cache:
        cache.remember_file(path, status, sha256)
        if known := _known(photo, sha256, cache, decoder, needs_pixels):
            return known, None
    return _Item(photo, sha256, needs_pixels(sha256)), data


def _known(
    photo: Photo, sha256: str, cache: ScanCache, decoder: str, needs_pixels: Callable[[str], bool]
) -> _Item | None:
    entry = cache.find_scan(sha256, decoder)
    if entry is None or (entry["verdict"] == "ok" and needs_pixels(sha256)):
        return None
    return _Item(_photo(photo, sha256, entry))


def _photo(photo: Photo, sha256: str, entry: dict[str, Any]) -> Photo:
    """The photo with what decoding it gave; the hashes of an unusable one stay empty."""
    return replace(photo, **entry, sha256=sha256 if entry["verdict"] == "ok" else "")
