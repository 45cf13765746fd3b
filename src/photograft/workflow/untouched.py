"""Nothing is ever written among the user's photos: where they lie, and the refusal to write there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from photograft.data.files import printable
from photograft.data.listing import Listing
from photograft.data.urls import UrlPath, source_path
from photograft.errors import ConfigError


def require_outside(path: Path, folders: Iterable[Path], *, option: str) -> None:
    """Raise ConfigError where `path`, which `option` gives, lies inside one of the folders of photos, or is a URL."""
    if isinstance(source_path(path), UrlPath):
        raise ConfigError(f"{option}: {source_path(path)} is a URL, and this has to be a folder or file on a disk.")
    resolved = path.resolve()
    for folder in folders:
        if resolved.is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{option}: {printable(path)} lies inside the folder of photos {printable(folder)}, which is "
                f"never written to; choose a place outside of it with {option}."
            )


def photo_folders(photos: Path, listing: Listing) -> set[Path]:
    """The folder that was given, or those that hold the photos of a table; none for an archive.

    A table may lie beside its photos: of each path below its folder the first part counts, or the folder itself for
    photos without any; of other paths the folder of the photo.
    """
    if photos.is_dir():
        return {photos}
    if not listing.root.is_dir():
        return set()
    parents = {PurePosixPath(found.path).parent for found in listing.files}
    return {listing.root / (p if p.is_absolute() or ".." in p.parts else Path(*p.parts[:1])) for p in parents}
