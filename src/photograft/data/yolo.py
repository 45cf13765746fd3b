"""Boxes and outlines in YOLO text files, one per photo."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import yaml

from photograft.data.annotation_files import AnnotationProblem, Place, ReadFile
from photograft.errors import DataError
from photograft.values import Annotation, Rect

LABEL_FOLDERS = ("labels", "label", "annotations", "annotation")


def read_yolo(data: bytes, *, name: str, classes: Sequence[str]) -> ReadFile:
    """Read the boxes of one file, `name` for messages. A wrong line is left out, and is a problem.

    A line holds the number of the class and centre, width and height of a box, or three and more corners of an
    outline, of which the smallest box around it is taken; all in fractions of the photo. A sixth number is the
    confidence of whatever found a box. A class without a name is called ``class 3``. An empty file means no object.
    """
    read = ReadFile()
    rects: list[Rect] = []
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        return ReadFile(problems=[f"{name}: it is not text (byte {error.start})"])
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            rects.append(_read_line(words, classes))
        except ValueError as error:
            read.problems.append(f"{name}, line {number}: {error}")
    read.annotation = Annotation(tuple(rects), relative=True, source=name)
    return read


def read_class_names(place: Place, label_folders: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes by number, from ``data.yaml``, ``dataset.yaml``, ``classes.txt`` or ``obj.names``.

    They are looked for where the annotations are, in the root, and beside it; empty where there are none.

    Raises:
        DataError: if such a file holds no list of names.
    """
    around = dict.fromkeys([place.folder, "", *label_folders, *(folder.rpartition("/")[0] for folder in label_folders)])
    folders = [*around, ".."] if place.files.root.is_dir() else list(around)
    for names in (_YAML_NAMES, _TEXT_NAMES):
        for folder in folders:
            file = place.file(folder, names)
            if file is not None:
                try:
                    text = place.read_text(file, max_mb=1)
                except AnnotationProblem as problem:
                    raise DataError(f"{problem}.") from None
                found = _names_of_yaml(text, place.show(file)) if names is _YAML_NAMES else text.splitlines()
                if found is not None:
                    return tuple(unicodedata.normalize("NFC", name.strip()) for name in found)
    return ()


_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_TEXT_NAMES = ("classes.txt", "obj.names")
_TOLERANCE = 1e-3  # by which a fraction may leave 0 to 1 through rounding
_INDEX = re.compile(r"[0-9]{1,6}(\.0*)?\Z")


def _read_line(words: Sequence[str], classes: Sequence[str]) -> Rect:
    if len(words) not in (5, 6) and (len(words) < 7 or len(words) % 2 == 0):
        raise ValueError(f"{len(words)} numbers; a box has five or six, an outline an odd number from seven on")
    if not _INDEX.match(words[0]):
        raise ValueError(f"the class is {words[0][:40]!r}, not a whole number from 0 on")
    index = int(float(words[0]))
    if classes and index >= len(classes):
        raise ValueError(f"class {index}, of which there is no name: {len(classes)} classes are named, from 0 on")
    numbers = [_fraction(word) for word in words[1:]]
    label = classes[index] if classes else f"class {index}"
    if len(words) <= 6:
        x, y, width, height = numbers[:4]
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        left, top, right, bottom = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    if right <= left or bottom <= top:
        raise ValueError("the box has no area")
    return Rect(left, top, right, bottom, label)


def _fraction(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ValueError(f"{word[:40]!r} is not a number") from None
    if not -_TOLERANCE <= value <= 1 + _TOLERANCE:
        raise ValueError(f"{word[:40]} is not between 0 and 1; YOLO files hold fractions of width and height")
    return value


def _names_of_yaml(text: str, shown: str) -> list[str] | None:
    """The names in the settings of a data set, a list or a map by number; None where it has no names."""
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # builds text, lists and maps, and nothing else
        if not isinstance(document, dict) or "names" not in document:
            return None
        names = document["names"]
        if isinstance(names, dict):
            by_number = {int(number): name for number, name in names.items() if _INDEX.match(number)}
            names = None
            if len(by_number) == len(document["names"]):
                names = [by_number.get(k, f"class {k}") for k in range(max(by_number, default=-1) + 1)]
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{shown}{line}: not valid YAML: {error.problem}.") from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        raise DataError(f"{shown}: not valid YAML.") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{shown}: `names` must be a list of the classes' names, or a map of their numbers to names.")
    return names
