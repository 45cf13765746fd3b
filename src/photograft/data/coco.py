"""Boxes in COCO JSON, one file for many photos."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from photograft.data.annotation_files import AnnotationProblem, Place, join, named_folders
from photograft.data.files import printable
from photograft.errors import DataError
from photograft.values import Annotation, Rect

FILE_LIMIT_MB = 2000


@dataclass
class ReadCoco:
    """Rectangles by the path of their photo, what is wrong in the file, and pictures in it that are no photos."""

    by_path: dict[str, Annotation] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def read_coco(place: Place, paths: Sequence[str]) -> ReadCoco:
    """Read the boxes of all photos from the file that the user named, or from those that lie in the usual places.

    These are the JSON files with `images`, `annotations` and `categories` in the root, in a folder ``annotations`` in
    or beside it, and in the folders of photos. Boxes are left, top, width and height from 0 on (Lin et al. 2014,
    Microsoft COCO). Those that are marked as crowds are no single object, and are skipped.

    Raises:
        DataError: there is no such file, it is no COCO file, or two of them are about the same photos.
    """
    read, from_file = ReadCoco(), dict[str, str]()
    photos = _Photos(paths)
    for file, document in _documents(place, paths):
        shown = place.show(file)
        of_file = _Document(document, shown, photos, "" if place.is_given else file.rpartition("/")[0]).read()
        twice = next((path for path in of_file.by_path if path in read.by_path), None)
        if twice is not None:
            raise DataError(
                f"{from_file[twice]} and {shown} both annotate {printable(twice)}: name the one to use by the setting "
                "data.annotations."
            )
        from_file.update(dict.fromkeys(of_file.by_path, shown))
        read.by_path.update(of_file.by_path)
        read.problems.extend(of_file.problems)
        read.unused.extend(of_file.unused)
    return read


_PARTS = ("images", "annotations", "categories")


def _documents(place: Place, paths: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every COCO file and its path, one after the other, since each may be large."""
    if place.only:
        document = _parse(place, place.only)
        missing = [part for part in _PARTS if not isinstance(document, dict) or part not in document]
        if missing or not isinstance(document, dict):
            raise DataError(f"{place.show(place.only)}: not a COCO file: it has no `{missing[0]}`.")
        yield place.only, document
        return
    folders = [place.folder]
    if not place.is_given:
        names = ("annotations", "annotation", "labels")
        folders += [*named_folders(place, "", names), *named_folders(place, "..", names)]
        folders += sorted({path.rpartition("/")[0] for path in paths})
    n_found, damaged = 0, ""
    for folder in dict.fromkeys(folders):
        for entry in sorted(place.entries(folder).values(), key=lambda entry: entry.name):
            if entry.is_folder or not entry.name.lower().endswith(".json"):
                continue
            file = join(folder, entry.name)
            try:
                document = _parse(place, file)
            except DataError as error:
                damaged = damaged or f" {error}"
                continue
            if isinstance(document, dict) and all(part in document for part in _PARTS):
                n_found += 1
                yield file, document
    if not n_found:
        raise DataError(
            "no COCO file (JSON with images, annotations and categories) was found in the folder of the photos or in "
            f"`annotations` there or beside it: name it by the setting data.annotations.{damaged}"
        )


def _parse(place: Place, file: str) -> Any:
    try:
        return json.loads(place.read_text(file, max_mb=FILE_LIMIT_MB))
    except AnnotationProblem as problem:
        raise DataError(f"{problem}.") from None
    except json.JSONDecodeError as error:
        where = f"{place.show(file)}, line {error.lineno}, column {error.colno}"
        raise DataError(f"{where}: not valid JSON: {error.msg}.") from None
    except ValueError:
        raise DataError(f"{place.show(file)}: a whole number has too many digits.") from None
    except RecursionError:
        raise DataError(f"{place.show(file)}: brackets are nested too deep.") from None


class _Photos:
    """The photos by what a file name in JSON may say of them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._by_path = {unicodedata.normalize("NFC", path): path for path in paths}
        self._by_name: dict[str, list[str]] = {}
        for path in self._by_path:
            self._by_name.setdefault(path.rpartition("/")[2], []).append(path)

    def find(self, file_name: str, base: str) -> list[str]:
        """The photos that a file name may mean, read from the folder `base`, from the root, or by its end."""
        name = unicodedata.normalize("NFC", file_name).replace("\\", "/").removeprefix("./")
        for exact in (join(base, name), name):
            if exact in self._by_path:
                return [self._by_path[exact]]
        same = self._by_name.get(name.rpartition("/")[2], [])
        ends = [path for path in same if f"/{path}".endswith(f"/{name}") or f"/{name}".endswith(f"/{path}")]
        below = [path for path in ends if path.startswith(f"{base}/")] if len(ends) > 1 and base else ends
        return [self._by_path[path] for path in below or ends or same]


class _Document:
    """One parsed file, whose values may be anything."""

    def __init__(self, document: dict[str, Any], shown: str, photos: _Photos, base: str) -> None:
        self._document = document
        self._shown = shown
        self._photos = photos
        self._base = base
        self._read = ReadCoco()

    def read(self) -> ReadCoco:
        categories = self._categories()
        images = self._images()
        rects: dict[Any, list[Rect]] = {number: [] for number in images}
        for k, item in self._items("annotations"):
            try:
                if not _is_crowd(item):
                    image, rect = _read_annotation(item, categories)
                    if image not in images:
                        raise _Wrong("image_id", f"{_short(image)} is the id of no image")
                    rects[image].append(rect)
            except _Wrong as wrong:
                self._report(f"annotations[{k}]", wrong)
        for number, (where, name, width, height) in images.items():
            found = self._photos.find(name, self._base)
            if len(found) > 1:
                what = f"{_short(name)} fits {len(found)} photos ({', '.join(map(printable, found[:3]))})"
                self._read.problems.append(f"{self._shown}, {where}.file_name: {what}")
            elif not found:
                self._read.unused.append(name)
            elif found[0] in self._read.by_path:
                what = f"{_short(name)} is the photo of another image, too"
                self._read.problems.append(f"{self._shown}, {where}.file_name: {what}")
            else:
                source = f"{self._shown}, {where}"
                self._read.by_path[found[0]] = Annotation(tuple(rects[number]), width, height, source=source)
        return self._read

    def _categories(self) -> dict[Any, str]:
        categories: dict[Any, str] = {}
        for k, item in self._items("categories"):
            try:
                categories[_identity(item, "id")] = unicodedata.normalize("NFC", _text(item, "name").strip())
            except _Wrong as wrong:
                self._report(f"categories[{k}]", wrong)
        return categories

    def _images(self) -> dict[Any, tuple[str, str, int, int]]:
        """Place in the file, file name, width and height by id."""
        images: dict[Any, tuple[str, str, int, int]] = {}
        for k, item in self._items("images"):
            try:
                number = _identity(item, "id")
                if number in images:
                    raise _Wrong("id", f"{_short(number)} is that of {images[number][0]}, too")
                sides = (_side(item.get("width")), _side(item.get("height")))
                images[number] = (f"images[{k}]", _text(item, "file_name"), *sides)
            except _Wrong as wrong:
                self._report(f"images[{k}]", wrong)
        return images

    def _items(self, part: str) -> Iterator[tuple[int, dict[str, Any]]]:
        items = self._document[part]
        if not isinstance(items, list):
            self._read.problems.append(f"{self._shown}, {part}: it is not a list")
            return
        for k, item in enumerate(items):
            if isinstance(item, dict):
                yield k, item
            else:
                self._read.problems.append(f"{self._shown}, {part}[{k}]: it is no object with names and values")

    def _report(self, where: str, wrong: _Wrong) -> None:
        self._read.problems.append(f"{self._shown}, {where}.{wrong.key}: {wrong.what}")


class _Wrong(Exception):
    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key, self.what = key, what


def _read_annotation(item: dict[str, Any], categories: dict[Any, str]) -> tuple[Any, Rect]:
    image, category = _identity(item, "image_id"), _identity(item, "category_id")
    if category not in categories:
        raise _Wrong("category_id", f"{_short(category)} is the id of no category")
    box = item.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise _Wrong("bbox", f"{_short(box)} is not a list of four numbers")
    numbers = [_number(value) for value in box]
    if None in numbers:
        raise _Wrong("bbox", f"{_short(box)} holds something that is not a number")
    left, top, width, height = (float(number or 0) for number in numbers)
    if width <= 0 or height <= 0:
        raise _Wrong("bbox", f"{_short(box)} has no area")
    return image, Rect(left, top, left + width, top + height, categories[category])


def _is_crowd(item: dict[str, Any]) -> bool:
    return item.get("iscrowd", 0) in (1, True, "1")


def _identity(item: dict[str, Any], key: str) -> int | str:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _Wrong(key, "it is missing" if value is None else f"{_short(value)} is no id")
    return value


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(key, "it is missing" if value is None else f"{_short(value)} is no name")
    return value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _side(value: object) -> int:
    number = _number(value)
    return round(number) if number is not None and 0 < number < 1e9 else 0


def _short(value: object) -> str:
    """The value as JSON writes it, on one line of at most sixty characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "it"
    return printable(text if len(text) <= 60 else text[:57] + "...")
