"""What is wrong with a set of photos, from the manifest alone: each finding with a sentence and a remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from photograft.values import Issue, Manifest

SMALL_CLASS = 20
"""Below this many photos, a class's own scores mean little."""

_IMBALANCE = 10
_TINY_PX = 64
_EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jps"),
    "PNG": (".png", ".apng"), "WEBP": (".webp",), "GIF": (".gif",),
    "BMP": (".bmp", ".dib"), "TIFF": (".tif", ".tiff"), "AVIF": (".avif", ".avifs"), "HEIF": (".heic", ".heif", ".hif"),
}  # fmt: skip


def check(manifest: Manifest) -> tuple[Issue, ...]:
    """Findings about files, formats, sizes and class counts. Duplicates need features and are found later."""
    return (*_rejected(manifest), *_wrong_extensions(manifest), *_tiny(manifest), *_classes(manifest))


def _rejected(manifest: Manifest) -> Iterable[Issue]:
    for photo in manifest.rejected:
        yield Issue(
            "rejected", (photo.path,), f"{photo.path}: {photo.reason}", "Repair or remove the file; it was skipped."
        )


def _wrong_extensions(manifest: Manifest) -> Iterable[Issue]:
    wrong = [
        p
        for p in manifest.usable.photos
        if PurePosixPath(p.path).suffix.lower() not in _EXTENSIONS.get("JPEG" if p.format == "MPO" else p.format, ())
    ]
    for photo in wrong:
        message = f"{photo.path}: the content is {photo.format}, which the name does not say"
        yield Issue("wrong_extension", (photo.path,), message, "Rename it; it was used, since the content counts.")


def _tiny(manifest: Manifest) -> Iterable[Issue]:
    tiny = [p.path for p in manifest.usable.photos if min(p.width, p.height) < _TINY_PX]
    if tiny:
        message = f"{len(tiny)} photos are smaller than {_TINY_PX} pixels on a side, for example {tiny[0]}"
        yield Issue("tiny", tuple(tiny), message, "Use the original photos if these are thumbnails.")


def _classes(manifest: Manifest) -> Iterable[Issue]:
    counts = Counter(p.label for p in manifest.usable.photos)
    for name in manifest.classes:
        if 0 < counts[name] < SMALL_CLASS:
            message = f"{name} has only {counts[name]} photos"
            yield Issue(
                "small_class",
                (),
                message,
                f"Collect at least {SMALL_CLASS}; scores of this class are a guess until then.",
            )
    if counts and max(counts.values()) > _IMBALANCE * min(counts.values()):
        largest, smallest = max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])
        message = f"{largest} has {counts[largest]} photos, {smallest} only {counts[smallest]}"
        yield Issue(
            "imbalance", (), message, "Set train.balance to balanced if small classes matter as much as large ones."
        )
