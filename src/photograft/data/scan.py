"""Rows to verdicts, hashes and pixels. A scan stops on no file, and reads and decodes only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from photograft.config.data import DataConfig
from photograft.contract import Contract, canonical_json
from photograft.data.boxes import Boxed
from photograft.data.files import PhotoFiles, printable
from photograft.data.hashing import hash_bytes
from photograft.data.images import DECODER_VERSION, Decoded, heif_version
from photograft.data.listing import Found
from photograft.data.pool import DIED, DecodePool
from photograft.errors import DataError, ImageRejected
from photograft.values import Annotation, FileStatus, Photo, PixelArray

if TYPE_CHECKING:
    from photograft.data.edits import Edits

ALWAYS_ALLOWED: Final = 3
"""Unusable files that never stop a run, whatever their share."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One row with its verdict; `pixels` of shape (px, px, 3) where they were needed and the verdict is ``ok``."""

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


@dataclass(frozen=True)
class Scan:
    """How rows are scanned: from where, under which settings and contract, with which cache and edits."""

    files: PhotoFiles
    config: DataConfig
    contract: Contract
    cache: ScanCache | None = None
    edits: Edits | None = None


def scan(
    rows: Iterable[Found], setting: Scan, pool: DecodePool, *, needs_pixels: Callable[[str], bool]
) -> Iterator[Scanned]:
    """Give every row exactly one verdict, in the order of `rows`, and pixels to those that need them.

    `needs_pixels` is asked with `Photo.content` of every row that can be used. Where it says no and the cache has an
    entry, the file is not decoded, and where the cache knows the file by path, size and time, it is not even opened.
    Edits are applied as soon as a file's hash is known; a row that an edit leaves out gets no pixels. Memory stays
    bounded whatever the number of rows: photos are decoded only a little ahead of what the caller has taken. Verdicts
    that depend on the machine of the moment (``timeout``, ``unreadable``) are not remembered.
    """
    reader = _Reader(setting)
    for item, outcome in pool.map_where_needed(reader.look(found, needs_pixels) for found in rows):
        if outcome is None:
            yield Scanned(item.photo, None)
        elif isinstance(outcome, ImageRejected):
            entry = {"verdict": outcome.verdict, "reason": outcome.reason}
            if outcome.verdict != "timeout" and not outcome.reason.startswith(DIED):
                reader.remember(item, entry)
            yield Scanned(_with_entry(item.photo, item.found, item.sha256, entry), None)
        else:
            entry = _entry(outcome)
            reader.remember(item, entry)
            photo = _with_entry(item.photo, item.found, item.sha256, entry)
            yield Scanned(photo, outcome.pixels if needs_decoding(photo, needs_pixels) else None)


def in_reading_order(rows: Sequence[Found], files: PhotoFiles) -> list[Found]:
    """The rows as they are best read: those of a compressed archive in its own order, in one pass."""
    return sorted(rows, key=lambda found: files.position(found.path))


def find_known(found: Found, setting: Scan) -> Photo | None:
    """What the cache knows of a row whose file is unchanged; None where it would have to be opened or decoded."""
    assert setting.cache is not None
    try:
        status = setting.files.status(found.path, max_file_mb=setting.config.max_file_mb)
    except ImageRejected as rejected:
        return replace(_photo(found), verdict=rejected.verdict, reason=rejected.reason)
    sha256 = setting.cache.find_file(setting.files.root / found.path, status)
    return None if sha256 is None else _Reader(setting).known(found, sha256, status.size_bytes)


def needs_decoding(photo: Photo, needs_pixels: Callable[[str], bool]) -> bool:
    """Whether a photo that is known has to be decoded again, for its pixels."""
    return photo.verdict == "ok" and not photo.excluded and needs_pixels(photo.content)


def decoder_key(contract: Contract) -> str:
    """What a scan entry depends on beside the bytes: the decoder, the decode rules, and the size it reduces towards."""
    rules: dict[str, Any] = {"decode": contract.decode.model_dump(mode="json"), "px": contract.resize.px}
    if "HEIF" in contract.decode.formats:
        rules["heif"] = heif_version()
    return f"{DECODER_VERSION}:{hashlib.sha256(canonical_json(rules)).hexdigest()[:16]}"


def check_bad_fraction(photos: Sequence[Photo], *, max_bad_fraction: float, n: int | None = None) -> None:
    """Stop where too many files are unusable: more than `max_bad_fraction` of them, and more than three.

    Where `photos` are too many to hold, the unusable ones and the number `n` of all will do.

    Raises:
        DataError: naming the first ten of them with their reasons.
    """
    bad = [f"{printable(p.name)}: {p.verdict}, {p.reason}" for p in photos if p.verdict != "ok" and not p.excluded]
    n = len(photos) if n is None else n
    _check_fraction(bad, n, max_bad_fraction, "files cannot be used", "Repair or remove them")


def check_boxes(photos: Sequence[Photo], *, max_bad_fraction: float) -> None:
    """Stop where too many annotated boxes cannot be used, by the same rule as for files.

    Raises:
        DataError: naming the first ten of them with their reasons.
    """
    bad = [f"{printable(p.name)}: {p.box_problem}" for p in photos if p.box_problem]
    _check_fraction(bad, len(photos), max_bad_fraction, "photos have a box that cannot be used", "Correct the boxes")


def _check_fraction(bad: list[str], n: int, max_bad_fraction: float, what: str, remedy: str) -> None:
    if len(bad) <= max(max_bad_fraction * n, ALWAYS_ALLOWED):
        return
    more = [f"  ... and {len(bad) - 10} more"] if len(bad) > 10 else []
    opening = f"{len(bad)} of {n} {what}, more than the setting data.max_bad_fraction ({max_bad_fraction:g}) allows:"
    raise DataError(
        "\n".join([opening, *(f"  {row}" for row in bad[:10]), *more, f"{remedy}, or raise data.max_bad_fraction."])
    )


_ENTRY_FIELDS = (
    *("format", "width", "height", "turn", "pixel_sha256", "perceptual_hash"),
    *("brightness", "contrast", "sharpness", "box", "box_problem"),
)


@dataclass(frozen=True, slots=True)
class _Item:
    """A row on its way: what is known so far, or all there is to know where nothing is to be decoded."""

    photo: Photo
    found: Found
    sha256: str = ""


class _Reader:
    """Looks rows up in the cache and reads files; the objects of one file, which follow each other, read it once."""

    def __init__(self, setting: Scan) -> None:
        self._setting = setting
        self._cache = setting.cache
        self._decoder = decoder_key(setting.contract)
        self._max_file_mb = setting.config.max_file_mb
        self._last: tuple[str, bytes, FileStatus] | None = None

    def look(self, found: Found, needs_pixels: Callable[[str], bool]) -> tuple[_Item, bytes | Boxed | None]:
        """What is to be decoded of one row; None where its verdict is known."""
        photo, cache = _photo(found), self._cache
        path = self._setting.files.root / found.path
        try:
            if cache:
                status = self._setting.files.status(found.path, max_file_mb=self._max_file_mb)
                photo = replace(photo, size_bytes=status.size_bytes)
                sha256 = cache.find_file(path, status)
                known = sha256 and self.known(found, sha256, status.size_bytes)
                if known and not needs_decoding(known, needs_pixels):
                    return _Item(known, found), None
            data, status = self._read(found.path)
        except ImageRejected as rejected:
            size_bytes = photo.size_bytes or self._size(found.path)
            photo = replace(photo, verdict=rejected.verdict, reason=rejected.reason, size_bytes=size_bytes)
            return _Item(photo, found), None
        sha256 = hash_bytes(data)
        if cache:
            cache.remember_file(path, status, sha256)
            known = self.known(found, sha256, status.size_bytes)
            if known and not needs_decoding(known, needs_pixels):
                return _Item(known, found), None
        found, photo = self._edited(found, sha256)
        annotation = self._annotation(found)
        item = _Item(replace(photo, size_bytes=len(data)), found, sha256)
        return item, Boxed(data, annotation) if annotation else data

    def known(self, found: Found, sha256: str, size_bytes: int) -> Photo | None:
        """What the cache knows of a row with this content, with the edits applied."""
        if self._cache is None:
            return None
        found, photo = self._edited(found, sha256)
        entry = self._cache.find_scan(sha256, self._key(found))
        return None if entry is None else _with_entry(replace(photo, size_bytes=size_bytes), found, sha256, entry)

    def remember(self, item: _Item, entry: dict[str, Any]) -> None:
        """Keep what decoding a row gave."""
        if self._cache:
            self._cache.remember_scan(item.sha256, self._key(item.found), entry)

    def _read(self, path: str) -> tuple[bytes, FileStatus]:
        if self._last is None or self._last[0] != path:
            self._last = (path, *self._setting.files.read(path, max_file_mb=self._max_file_mb))
        return self._last[1:]

    def _size(self, path: str) -> int:
        """Size of a file that cannot be read, where it can be known: the same with and without a cache."""
        try:
            return self._setting.files.status(path, max_file_mb=self._max_file_mb).size_bytes
        except ImageRejected:
            return 0

    def _edited(self, found: Found, sha256: str) -> tuple[Found, Photo]:
        if self._setting.edits is None:
            return found, _photo(found)
        edited = self._setting.edits.apply(found, sha256)
        return edited.found, replace(_photo(edited.found), excluded=edited.excluded, edited=edited.edited)

    def _annotation(self, found: Found) -> Annotation | None:
        return found.annotation if self._setting.contract.box.source != "none" else None

    def _key(self, found: Found) -> str:
        """The decoder key, and what the box in pixels follows from where there is one."""
        annotation = self._annotation(found)
        if annotation is None:
            return self._decoder
        stated = asdict(replace(annotation, source="")) | {"rules": self._setting.contract.box.model_dump(mode="json")}
        return f"{self._decoder}:{hashlib.sha256(canonical_json(stated)).hexdigest()[:16]}"


def _photo(found: Found) -> Photo:
    return Photo(
        found.path,
        found.label,
        found.part,
        object=found.object,
        labels=found.labels,
        group=found.group,
        values=found.values,
    )


def _entry(decoded: Decoded) -> dict[str, Any]:
    return {name: getattr(decoded, name) for name in _ENTRY_FIELDS} | {"verdict": "ok"}


def _with_entry(photo: Photo, found: Found, sha256: str, entry: dict[str, Any]) -> Photo:
    """The photo with what decoding it gave; the hashes of an unusable one stay empty."""
    boxed: dict[str, Any] = {"box": tuple(entry["box"])} if entry.get("box") else {}
    if found.annotation and entry.get("box_problem"):
        # An entry outlives the line that the annotation stood on.
        boxed["box_problem"] = f"{found.annotation.source}: {entry['box_problem']}"
    return replace(photo, **entry | boxed, sha256=sha256 if entry["verdict"] == "ok" else "")
