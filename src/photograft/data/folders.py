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
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from photograft.config.data import DataConfig
from photograft.data.files import Entry, PhotoFiles, folder_identity, printable
from photograft.data.listing import Found, Listing
from photograft.data.parts import PART_NAMES, settle_parts
from photograft.errors import DataError, ImageRejected

LAYOUT = """Expected one folder per class, with the photos inside:
    photos/daisy/1.jpg    photos/rose/2.jpg
or parts with such folders inside:
    photos/train/daisy/1.jpg    photos/test/daisy/3.jpg"""

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

IMAGE_FOLDERS = frozenset({"images", "jpegimages"})
ANNOTATION_FOLDERS = frozenset({"annotation", "annotations", "labels"})
"""Names, in lower case, of the two folders that annotated sets keep side by side (Stanford Dogs, Pascal VOC, YOLO)."""


def list_photos(files: PhotoFiles, config: DataConfig, *, min_classes: int = 2) -> Listing:
    """List the labelled photos: one folder per class, or part folders with class folders inside.

    Photos deeper inside a class folder belong to that class. With train and validation folders but no test folder,
    the validation folder is the test part; a single part folder is read as if it were the root. So is the one folder
    at the top of an archive, and the folder of the photos where it lies beside that of their annotations.

    Raises:
        DataError: if there are fewer than `min_classes` classes, with what was found and an example of what is
            expected; or if the name of a class folder is not UTF-8, which no result could hold.
    """
    walk = _Walk(files, config)
    top = _photos_folder(walk)
    found: list[Found] = []
    classes: set[str] = set()
    stray: list[str] = []
    written: list[str] = []
    for folder, part in _part_folders(top, walk).items():
        class_folders, beside = walk.children(folder)
        stray += beside
        written += [f.path for f in class_folders if _is_written_by_photograft(f.path, files)]
        class_folders = [f for f in class_folders if f.path not in written]
        for class_folder in class_folders:
            _require_utf8(class_folder, files)
        # All are marked before one is walked, so that a link inside a class never pulls in another class.
        for class_folder in [f for f in class_folders if walk.enter(f)]:
            classes.add(class_folder.name)
            found += [Found(path, class_folder.name, part) for path in walk.files_below(class_folder.path)]
    _require_classes(walk, classes, found, stray, min_classes)
    for name in sorted(classes - {f.label for f in found if f.label}):
        walk.notes.append(f"class folder {printable(name)!r} holds no files")
    notes = (*walk.notes, *_note_written(written), *_note_stray(stray), *walk.note_skipped())
    return Listing(files.root, tuple(sorted(found, key=lambda f: f.path)), tuple(sorted(classes)), notes)


def list_files(files: PhotoFiles, config: DataConfig, *, annotated: bool = False) -> Listing:
    """List the files at any depth and without labels, by the same rules of what is left out.

    If `annotated`, what lies beside the folder of photos in the layout of an annotated dataset is passed over.
    """
    walk = _Walk(files, config)
    found = tuple(map(Found, walk.files_below(_photos_folder(walk) if annotated else "")))
    return Listing(files.root, found, (), (*walk.notes, *walk.note_skipped()))


def walk_files(files: PhotoFiles, config: DataConfig) -> Iterator[str]:
    """The paths that `list_files` gives, in the same order, one after the other: millions need no memory."""
    return _Walk(files, config).files_below("")


def _photos_folder(walk: _Walk) -> str:
    """The folder that is read as the root: it, or the one that a wrapping or a dataset's layout names."""
    folder = ""
    while not walk.files.root.is_dir():
        folders, beside = walk.peek(folder)
        if len(folders) != 1 or beside or folders[0].name.lower() in PART_NAMES:
            break
        if not walk.peek(folders[0].path)[0]:
            break  # the one folder is a class
        folder = folders[0].path
    folders = walk.peek(folder)[0]
    images = [f for f in folders if f.name.lower() in IMAGE_FOLDERS]
    if len(images) == 1 and any(f.name.lower() in ANNOTATION_FOLDERS for f in folders):
        walk.notes.append(f"photos are read from {printable(images[0].path)}, beside which their annotations lie")
        return images[0].path
    return folder


def _part_folders(top: str, walk: _Walk) -> dict[str, str | None]:
    """The folders that hold class folders, each with its part: `top` itself without one, or part folders."""
    folders = [f for f in walk.peek(top)[0] if not _is_written_by_photograft(f.path, walk.files)]
    named = [f for f in folders if f.name.lower() in PART_NAMES]
    # A class may be called "train" in a folder of vehicles: part folders have folders inside.
    if not any(walk.peek(folder.path)[0] for folder in named):
        return {top: None}
    if len(named) < len(folders):
        others = ", ".join(printable(f.name) for f in folders if f not in named)
        raise DataError(
            f"{walk.shown(top)} has part folders ({', '.join(f.name for f in named)}) and other folders beside them "
            f"({others}).\n{LAYOUT}\nMove the other folders away, or leave them out with the setting data.ignore."
        )
    walk.children(top)  # counts what is left out; files there are stray
    try:
        settled, note = settle_parts({PART_NAMES[f.name.lower()] for f in named})
    except ValueError as error:
        raise DataError(f"{walk.shown(top)}: {error}.\n{LAYOUT}") from error
    walk.notes += [note] if note else []
    return {f.path: settled[PART_NAMES[f.name.lower()]] for f in named}


def _is_written_by_photograft(folder: str, files: PhotoFiles) -> bool:
    """Whether the folder is a run, a bundle, or a folder named `runs` that holds runs: its pictures are no photos."""
    if any(_is_file(f"{folder}/{name}", files) for name in ("config.resolved.yaml", "bundle.json")):
        return True
    if folder.rpartition("/")[2] != "runs":
        return False
    try:
        runs = [entry.name for entry in files.entries(folder) if entry.is_folder]
    except OSError:
        return False
    return any(_is_file(f"{folder}/{run}/config.resolved.yaml", files) for run in runs)


def _is_file(path: str, files: PhotoFiles) -> bool:
    try:
        files.status(path, max_file_mb=1)
    except ImageRejected as rejected:
        return rejected.verdict != "unreadable"
    return True


def _require_utf8(class_folder: _Folder, files: PhotoFiles) -> None:
    try:
        class_folder.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of the class folder {printable(files.root / class_folder.path)} is not UTF-8, so that it can be "
            "written into no result: rename the folder."
        ) from error


def _require_classes(walk: _Walk, classes: set[str], files: list[Found], stray: list[str], min_classes: int) -> None:
    if len(classes) >= min_classes and files:
        return
    if not classes:
        found = f"no class folders in it, but {len(stray)} files" if stray else "nothing in it"
    elif files:
        names = ", ".join(repr(printable(name)) for name in sorted(classes))
        found = f"only {len(classes)} class folder ({names}, {len(files)} files), so there is nothing to tell apart"
    else:
        found = f"{len(classes)} class folders without any files"
    hints = "".join(f"\n{hint}" for hint in _hints(walk))
    raise DataError(f"{walk.shown('')} has {found}.\n{LAYOUT}{hints}")


def _hints(walk: _Walk) -> Iterator[str]:
    """What else in the folder may hold the labels, or why photos of an archive were left out."""
    yield from (f"({note})" for note in walk.files.notes)
    try:
        names = sorted(entry.name for entry in walk.files.entries(""))
    except OSError:
        return
    tables = [name for name in names if name.lower().endswith((".csv", ".tsv", ".jsonl", ".parquet"))]
    if walk.config.labels.pattern is not None:
        yield (
            f"The pattern {walk.config.labels.pattern} names no label, so class folders were looked for: say with "
            "data.labels.column which of its names is the label."
        )
    if tables:
        yield f"There is a table, {printable(tables[0])}: if it holds the labels, give it as data.labels.from."
    if any(name.lower() in ANNOTATION_FOLDERS for name in names):
        yield "There are annotations: if they hold the labels, set data.labels.from to voc, coco or yolo."


def _note_written(written: list[str]) -> list[str]:
    names = ", ".join(printable(folder.rpartition("/")[2]) for folder in written)
    return [f"left out, because photograft wrote it (runs or bundles): {names}"] if written else []


def _note_stray(stray: list[str]) -> list[str]:
    if not stray:
        return []
    names = sorted(map(printable, stray))
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [f"not read, because they lie beside the class folders: {len(stray)} files ({shown})"]


_ANNOTATION_EXTENSIONS = {"voc": (".xml",), "coco": (".json",), "yolo": (".txt", ".yaml", ".yml")}
"""Files that are read, though not as photos."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that a walk may enter."""

    path: str
    name: str
    identity: tuple[int, int] | str | None


class _Walk:
    """Walks folders by the rules of what is left out, and counts it."""

    def __init__(self, files: PhotoFiles, config: DataConfig) -> None:
        self.files = files
        self.config = config
        self.notes: list[str] = list(files.notes)
        self.skipped: Counter[str] = Counter()
        self.seen = {folder_identity(files.root)}
        kinds = (config.boxes, config.labels.from_)
        self._annotations = {end for kind in kinds for end in _ANNOTATION_EXTENSIONS.get(kind, ())}

    def children(self, folder: str) -> tuple[list[_Folder], list[str]]:
        """The folders and the paths of the other files directly in `folder`, each in name order."""
        folders, files = [], []
        for entry in self._entries(folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not self._keeps_name(entry, path):
                continue
            if entry.is_folder:
                folders.append(_Folder(path, entry.name, entry.identity))
            elif self._keeps_extension(entry.name):
                files.append(path)
        return folders, files

    def peek(self, folder: str) -> tuple[list[_Folder], list[str]]:
        """As `children`, without counting what is left out."""
        return _Walk(self.files, self.config).children(folder)

    def files_below(self, top: str) -> Iterator[str]:
        """Paths of all files below `top`, sorted as text; held are the names of the folders on the way alone."""
        waiting = [f"{top}/"]
        while waiting:
            path = waiting.pop()
            if path[-1:] != "/":
                yield path
                continue
            folders, files = self.children(path[:-1])
            files += [f"{folder.path}/" for folder in folders if self.enter(folder)]
            files.sort(reverse=True)
            waiting += files

    def enter(self, folder: _Folder) -> bool:
        """Whether `folder` is met for the first time. Links are followed, but so that a loop ends."""
        if folder.identity is None:
            return True  # an archive has no links; for other folders listing will say why
        if folder.identity in self.seen:
            self.skipped["links to folders met before"] += 1
            return False
        self.seen.add(folder.identity)
        return True

    def shown(self, folder: str) -> str:
        """A folder as messages name it."""
        return printable(self.files.root / folder)

    def note_skipped(self) -> tuple[str, ...]:
        """One sentence on what was left out."""
        if not self.skipped:
            return ()
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(self.skipped.items()))
        return (f"left out without being read: {counts}",)

    def _entries(self, folder: str) -> list[Entry]:
        try:
            return sorted(self.files.entries(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.notes.append(f"folder {self.shown(folder)} cannot be read: {error.strerror}")
            return []

    def _keeps_name(self, entry: Entry, path: str) -> bool:
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES or entry.hidden:
            self.skipped["hidden or system files and folders"] += 1
            return False
        if any(fnmatch.fnmatch(entry.name, p) or fnmatch.fnmatch(path, p) for p in self.config.ignore):
            self.skipped["files and folders that match data.ignore"] += 1
            return False
        return True

    def _keeps_extension(self, name: str) -> bool:
        extension = os.path.splitext(name)[1].lower()  # noqa: PTH122 - Path would cost more than all the rest
        if extension in SKIPPED_EXTENSIONS:
            if extension not in self._annotations:
                self.skipped[f"{extension} files"] += 1
            return False
        return True
