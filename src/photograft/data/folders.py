"""Which files of a folder are photos, of which class and part. Nothing is opened here, let alone changed.

A file is listed, and so gets a verdict, unless one of these leaves it out:

- it, or a folder above it, is hidden or belongs to a system (`.DS_Store`, `Thumbs.db`, `__MACOSX`, any dot-name, ...)
  or matches the setting data.ignore;
- its extension is that of a document, table, archive, program, sound or film (`SKIPPED_EXTENSIONS`);
- in a labelled folder, it lies beside the class folders instead of in one of them, or in a run, a bundle or a folder
  of runs that photograft wrote there.

Any other extension, known or not, and none at all, is listed, because the content decides what is a photo.
"""

from __future__ import annotations

import fnmatch
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.listing import Found, Listing
from photograft.errors import DataError

LAYOUT = """Expected one folder per class, with the photos inside:
    photos/daisy/1.jpg    photos/rose/2.jpg
or parts with such folders inside:
    photos/train/daisy/1.jpg    photos/test/daisy/3.jpg"""

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", "__macosx", "__pycache__", "lost+found"}
    | {"@eadir", "#recycle", "$recycle.bin", "system volume information"}
)
"""Names, in lower case, that operating systems and storage devices leave behind. Names with a dot in front go too."""

SKIPPED_EXTENSIONS = frozenset(
    """
    .txt .md .rst .csv .tsv .json .jsonl .ndjson .xml .yaml .yml .toml .ini .cfg .log .html .htm .css .js
    .py .ipynb .sh .bat .exe .dll .so .doc .docx .xls .xlsx .ppt .pptx .odt .rtf .hwp .hwpx .lnk .url
    .zip .tar .gz .tgz .bz2 .xz .7z .rar .db .sqlite .parquet .npy .npz .pkl .pickle .h5 .hdf5 .mat
    .pt .pth .onnx .safetensors .mp4 .mov .avi .mkv .webm .m4v .3gp .wmv .mp3 .wav .m4a .aac .ogg .flac
    .xmp .aae .thm .bak .tmp .part .crdownload
    """.split()  # noqa: SIM905 - a list of a hundred quoted strings is harder to read
)
"""Extensions, in lower case, of files that are never photos."""


def list_photos(root: Path, config: DataConfig, *, min_classes: int = 2) -> Listing:
    """List the labelled photos below `root`: one folder per class, or part folders with class folders inside.

    Photos deeper inside a class folder belong to that class. With train and validation folders but no test folder,
    the validation folder is the test part; a single part folder is read as if it were `root`.

    Raises:
        DataError: if `root` is no such folder or has fewer than `min_classes` classes, with what was found there and
            an example of what is expected; or if the name of a class folder is not UTF-8, which no result could hold.
    """
    _require_folder(root)
    walk = _Walk(root, config)
    files: list[Found] = []
    classes: set[str] = set()
    stray: list[str] = []
    written: list[Path] = []
    for folder, part in _part_folders(root, walk).items():
        class_folders, beside = walk.children(folder)
        stray += beside
        written += [f for f in class_folders if _is_written_by_photograft(f)]
        class_folders = [f for f in class_folders if f not in written]
        for class_folder in class_folders:
            _require_utf8(class_folder)
        # All are marked before one is walked, so that a link inside a class never pulls in another class.
        for class_folder in [f for f in class_folders if walk.enter(f)]:
            classes.add(class_folder.name)
            files += [Found(path, class_folder.name, part) for path in walk.files(class_folder)]
    _require_classes(root, classes, files, stray, min_classes)
    for name in sorted(classes - {f.label for f in files if f.label}):
        walk.notes.append(f"class folder {printable(name)!r} holds no files")
    notes = (
        *walk.notes,
        *_note_written(written),
        *_note_stray(stray, root),
        *_note_names(classes),
        *walk.note_skipped(),
    )
    return Listing(root, tuple(sorted(files, key=lambda f: f.path)), tuple(sorted(classes)), notes)


def list_files(root: Path, config: DataConfig) -> Listing:
    """List the files below `root`, at any depth and without labels, by the same rules of what is left out.

    Raises:
        DataError: if `root` is not a folder.
    """
    _require_folder(root)
    walk = _Walk(root, config)
    files = tuple(Found(path) for path in sorted(walk.files(root)))
    return Listing(root, files, (), (*walk.notes, *walk.note_skipped()))


def printable(name: str | Path) -> str:
    """A file name that can be printed and written as UTF-8: bytes and control characters in it are shown as escapes."""
    text = os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _part_folders(root: Path, walk: _Walk) -> dict[Path, str | None]:
    """The folders that hold class folders, each with its part: `root` itself without one, or part folders."""
    folders = [f for f in walk.peek(root)[0] if not _is_written_by_photograft(f)]
    parts: dict[Path, str | None] = {f: PART_NAMES[f.name.lower()] for f in folders if f.name.lower() in PART_NAMES}
    # A class may be called "train" in a folder of vehicles: part folders have folders inside.
    if not any(walk.peek(folder)[0] for folder in parts):
        return {root: None}
    if len(parts) < len(folders):
        others = ", ".join(printable(f.name) for f in folders if f not in parts)
        raise DataError(
            f"{printable(root)} has part folders ({', '.join(f.name for f in parts)}) and other folders beside them "
            f"({others}).\n{LAYOUT}\nMove the other folders away, or leave them out with the setting data.ignore."
        )
    walk.enter(root)
    walk.children(root)  # counts what is left out; files there are stray
    kinds = set(parts.values())
    if len(kinds) == 1:
        walk.notes.append(f"the only part folder is {next(iter(parts)).name!r}: its photos are divided as usual")
        return dict.fromkeys(parts)
    if "train" not in kinds:
        raise DataError(f"{printable(root)} has part folders but none for training.\n{LAYOUT}")
    if "test" not in kinds:
        walk.notes.append("there is no test folder: the validation folder is the test part")
        return {folder: "test" if part == "val" else part for folder, part in parts.items()}
    return parts


def _is_written_by_photograft(folder: Path) -> bool:
    """Whether the folder is a run, a bundle, or a folder named `runs` that holds runs: its pictures are no photos."""
    try:
        if (folder / "config.resolved.yaml").is_file() or (folder / "bundle.json").is_file():
            return True
        return folder.name == "runs" and any((run / "config.resolved.yaml").is_file() for run in folder.iterdir())
    except OSError:
        return False


def _require_utf8(class_folder: Path) -> None:
    try:
        class_folder.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of the class folder {printable(class_folder)} is not UTF-8, so that it can be written into no "
            "result: rename the folder."
        ) from error


def _require_folder(root: Path) -> None:
    if root.is_dir():
        return
    what = "is a file, not a folder" if root.exists() else "does not exist"
    raise DataError(f"{printable(root)} {what}.\n{LAYOUT}")


def _require_classes(root: Path, classes: set[str], files: list[Found], stray: list[str], min_classes: int) -> None:
    if len(classes) >= min_classes and files:
        return
    if not classes:
        found = f"no class folders in it, but {len(stray)} files" if stray else "nothing in it"
    elif files:
        names = ", ".join(repr(printable(name)) for name in sorted(classes))
        found = f"only {len(classes)} class folder ({names}, {len(files)} files), so there is nothing to tell apart"
    else:
        found = f"{len(classes)} class folders without any files"
    raise DataError(f"{printable(root)} has {found}.\n{LAYOUT}")


def _note_written(written: list[Path]) -> list[str]:
    names = ", ".join(printable(folder.name) for folder in written)
    return [f"left out, because photograft wrote it (runs or bundles): {names}"] if written else []


def _note_stray(stray: list[str], root: Path) -> list[str]:
    if not stray:
        return []
    names = sorted(printable(os.path.relpath(path, root)) for path in stray)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [f"not read, because they lie beside the class folders: {len(stray)} files ({shown})"]


def _note_names(classes: set[str]) -> list[str]:
    """Class names that look the same on the screen: composed and decomposed Hangul, upper and lower case."""
    groups: dict[str, list[str]] = {}
    for name in sorted(classes):
        groups.setdefault(unicodedata.normalize("NFC", name).casefold().strip(), []).append(name)
    return [
        f"the class folders {', '.join(map(ascii, names))} look the same but are different names: are they one class?"
        for names in groups.values()
        if len(names) > 1
    ]


@dataclass
class _Walk:
    """Walks folders by the rules of what is left out, and counts it."""

    root: Path
    config: DataConfig
    notes: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[int, int] | str] = field(default_factory=set)

    def children(self, folder: Path) -> tuple[list[Path], list[str]]:
        """The folders and the other files directly in `folder`, each in name order."""
        folders, files = [], []
        for entry in self._entries(folder):
            if _is_folder(entry):
                folders.append(Path(entry.path))
            elif self._keeps_extension(entry):
                files.append(entry.path)
        return folders, files

    def peek(self, folder: Path) -> tuple[list[Path], list[str]]:
        """As `children`, without counting what is left out."""
        return _Walk(self.root, self.config).children(folder)

    def files(self, top: Path) -> Iterator[str]:
        """Paths relative to the root of all files below `top`."""
        waiting = [top]
        while waiting:
            folders, files = self.children(waiting.pop())
            yield from (Path(path).relative_to(self.root).as_posix() for path in files)
            waiting += [folder for folder in folders if self.enter(folder)]

    def enter(self, folder: Path) -> bool:
        """Whether `folder` is met for the first time. Links are followed, but so that a loop ends."""
        try:
            status = folder.stat()
        except OSError:
            return True  # listing it will say why
        # Windows before Python 3.12 gives no file numbers through every file system; the real path does then.
        key = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)
        if key in self.seen:
            self.skipped["links to folders met before"] += 1
            return False
        self.seen.add(key)
        return True

    def note_skipped(self) -> tuple[str, ...]:
        """One sentence on what was left out."""
        if not self.skipped:
            return ()
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(self.skipped.items()))
        return (f"left out without being read: {counts}",)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda e: e.name)
        except OSError as error:
            self.notes.append(f"folder {printable(folder)} cannot be read: {error.strerror}")
            return []
        return [entry for entry in entries if self._keeps_name(entry)]

    def _keeps_name(self, entry: os.DirEntry[str]) -> bool:
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES or _is_hidden_on_windows(entry):
            self.skipped["hidden or system files and folders"] += 1
            return False
        relative = Path(entry.path).relative_to(self.root).as_posix()
        if any(fnmatch.fnmatch(entry.name, p) or fnmatch.fnmatch(relative, p) for p in self.config.ignore):
            self.skipped["files and folders that match data.ignore"] += 1
            return False
        return True

    def _keeps_extension(self, entry: os.DirEntry[str]) -> bool:
        extension = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - Path would cost more than all the rest
        if extension in SKIPPED_EXTENSIONS:
            self.skipped[f"{extension} files"] += 1
            return False
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_hidden_on_windows(entry: os.DirEntry[str]) -> bool:
    if os.name != "nt":
        return False
    return bool(getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)
