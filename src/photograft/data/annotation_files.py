"""Where annotation files lie: beside the photos, or in a place of their own that mirrors their folders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from photograft.data.files import Entry, FolderFiles, PhotoFiles, open_files, printable
from photograft.errors import ConfigError, ImageRejected
from photograft.values import Annotation


class AnnotationProblem(Exception):
    """An annotation that cannot be used; the message names file and place."""


@dataclass
class ReadFile:
    """What one annotation file says of its photo, and what is wrong in it."""

    annotation: Annotation | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class Place:
    """A folder or an archive that annotations are looked for in.

    `is_given` says that the user named it, so that it holds annotations and nothing else; `folder` is what was named
    inside of `files`, and `only` the one file that was.
    """

    files: PhotoFiles
    is_given: bool = False
    folder: str = ""
    only: str = ""
    _entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    _folders: dict[str, list[str]] = field(default_factory=dict)

    def entries(self, folder: str) -> dict[str, Entry]:
        """What lies in a folder, by the composed Unicode form of its name; nothing where there is no such folder."""
        if folder not in self._entries:
            try:
                entries = self.files.entries(folder)
            except (OSError, ValueError):
                entries = []
            self._entries[folder] = {unicodedata.normalize("NFC", entry.name): entry for entry in entries}
        return self._entries[folder]

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted."""
        if folder not in self._folders:
            self._folders[folder] = sorted(entry.name for entry in self.entries(folder).values() if entry.is_folder)
        return self._folders[folder]

    def file(self, folder: str, names: Iterable[str]) -> str | None:
        """The path of the first of these names that is a file in the folder."""
        entries = self.entries(folder)
        found = (entries[name] for name in names if name in entries and not entries[name].is_folder)
        return next((join(folder, entry.name) for entry in found), None)

    def read(self, path: str, *, max_mb: int) -> bytes:
        """The bytes of a file. Raises AnnotationProblem where it cannot be read or is larger than `max_mb`."""
        try:
            return self.files.read(path, max_file_mb=max_mb)[0]
        except ImageRejected as rejected:
            if rejected.verdict == "empty":
                return b""
            large = f"it is larger than the {max_mb} MB that an annotation file may have"
            reason = large if rejected.verdict == "too_large_file" else rejected.reason
            raise AnnotationProblem(f"{self.show(path)}: {reason}") from None

    def read_text(self, path: str, *, max_mb: int) -> str:
        """The text of a file in UTF-8. Raises AnnotationProblem."""
        try:
            return self.read(path, max_mb=max_mb).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            what = f"it is not UTF-8 text (byte {error.start}); save it as UTF-8"
            raise AnnotationProblem(f"{self.show(path)}: {what}") from None

    def show(self, path: str) -> str:
        """The name of a file for messages: as the user would find it from the folder of the photos, or in full."""
        full = self.is_given or path.startswith("../")
        return printable(os.path.normpath(self.files.root / path) if full else path)


@contextmanager
def open_place(photos: PhotoFiles, given: Path | None) -> Iterator[Place]:
    """Open where annotations are: `given`, in the working directory or else beside the photos, or all around these.

    Raises:
        ConfigError: `given` does not exist.
        DataError: it is an archive that cannot be read.
    """
    if given is None:
        yield Place(photos)
    elif given.is_dir():
        yield Place(FolderFiles(given), is_given=True)
    elif given.is_file() and given.suffix.lower() in _ARCHIVES:
        with open_files(given) as files:
            yield Place(files, is_given=True)
    elif given.is_file():
        yield Place(FolderFiles(given.parent), is_given=True, only=given.name)
    else:
        yield _inside(Place(photos, is_given=True), given)


def find_files(place: Place, paths: Sequence[str], *, folders: Sequence[str], endings: Sequence[str]) -> FoundFiles:
    """The annotation file of each photo that has one.

    For a photo ``a/b/c.jpg``, with ``x`` one of `folders` (in any capitals): ``x`` stands in place of ``a`` or ``b``,
    or before, between or behind them, or beside the root; or the file lies beside the photo; or all files lie flat in
    ``x``. Its name is that of the photo with one of `endings` instead of its own, or behind it.
    """
    found = FoundFiles()
    candidates: dict[str, list[str]] = {}
    claims: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in candidates:
            candidates[folder] = list(_candidate_folders(place, folder, folders))
        name = unicodedata.normalize("NFC", name)
        wanted = [start + ending for ending in endings for start in (PurePosixPath(name).stem, name)]
        for candidate in candidates[folder]:
            file = place.file(candidate, wanted)
            if file is not None and file != path:
                claims.setdefault(file, []).append(path)
                break
    for file, claiming in claims.items():
        if len({path.rpartition("/")[0] for path in claiming}) == 1:
            found.by_path.update(dict.fromkeys(claiming, file))
        else:
            named = ", ".join(printable(path) for path in claiming[:3])
            remedy = "put the annotations in folders named as those of the photos"
            found.problems.append(f"{place.show(file)}: it fits photos of several folders ({named}); {remedy}")
    own = {candidate for several in candidates.values() for candidate in several} - candidates.keys()
    for candidate in sorted(own):
        files = (join(candidate, entry.name) for entry in place.entries(candidate).values() if not entry.is_folder)
        found.unused.extend(f for f in files if f not in claims and PurePosixPath(f).suffix.lower() in endings)
    return found


def join(*parts: str) -> str:
    """A path of the parts that are not empty."""
    return "/".join(part for part in parts if part)


@dataclass
class FoundFiles:
    """Annotation files by the path of their photo, those that belong to no photo, and problems."""

    by_path: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz")


def _inside(place: Place, given: Path) -> Place:
    """The place that a path inside the photos names."""
    path = given.as_posix().strip("/")
    folder, _, name = path.rpartition("/")
    entry = place.entries(folder).get(unicodedata.normalize("NFC", name))
    if given.is_absolute() or entry is None:
        raise ConfigError(
            f"data.annotations: {printable(given)} does not exist, neither in the working directory nor in "
            f"{printable(place.files.root)}."
        )
    if entry.is_folder:
        return replace(place, folder=join(folder, entry.name))
    return replace(place, folder=folder, only=join(folder, entry.name))


def _candidate_folders(place: Place, folder: str, annotation_folders: Sequence[str]) -> Iterator[str]:
    """Existing folders that may hold the annotations of the photos in `folder`, the most likely first."""
    parts = folder.split("/") if folder else []
    if place.is_given:
        for top in (place.folder, *named_folders(place, place.folder, annotation_folders)):
            yield from (join(top, *parts[k:]) for k in range(len(parts) + 1))
        return
    for depth in range(len(parts), -1, -1):
        top = "/".join(parts[:depth])
        for own in named_folders(place, top, annotation_folders):
            yield from (join(own, *parts[depth:]), join(own, *parts[depth + 1 :]), own)
    yield folder
    for own in named_folders(place, "..", annotation_folders):
        yield from (join(own, *parts), own)


def named_folders(place: Place, top: str, names: Sequence[str]) -> list[str]:
    """The folders in `top` that have one of these names, in any capitals."""
    if top.startswith("..") and not place.files.root.is_dir():
        return []  # nothing lies beside an archive
    return [join(top, name) for name in place.folders(top) if name.lower() in names]
