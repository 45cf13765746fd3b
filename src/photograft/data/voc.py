"""Boxes in Pascal-VOC XML, one file per photo."""

from __future__ import annotations

import math
import unicodedata
from xml.parsers import expat

from photograft.data.annotation_files import ReadFile
from photograft.values import Annotation, Rect


def read_voc(data: bytes, *, name: str) -> ReadFile:
    """Read the boxes of one file, `name` for messages. A box that is wrong is left out, and its line is a problem.

    Coordinates count from 1 and include their ends (Everingham and Winn 2012, PASCAL VOC development kit): ``xmin`` 1
    is the first column of pixels. Document types are refused, because they can define text that grows without limit.
    """
    reader = _Reader(name)
    try:
        reader.parse(data)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code) if error.code else "damaged"
        return ReadFile(problems=[f"{name}, line {error.lineno}: not valid XML: {what}"])
    except (ValueError, LookupError, _Refused) as error:  # an encoding that is not known
        return ReadFile(problems=[f"{name}: {error}"])
    if reader.root != "annotation":
        return ReadFile(problems=[f"{name}: not a Pascal-VOC file, which has <annotation> outermost"])
    width, height = (_whole(reader.size.get(side, "")) for side in ("width", "height"))
    rects = tuple(reader.rects)
    return ReadFile(Annotation(rects, width=width, height=height, source=name), reader.problems)


class _Refused(Exception):
    pass


class _Reader:
    """Collects the size and the objects while expat reads."""

    def __init__(self, name: str) -> None:
        self.root = ""
        self.size: dict[str, str] = {}
        self.rects: list[Rect] = []
        self.problems: list[str] = []
        self._name = name
        self._path: list[str] = []
        self._text: list[str] = []
        self._object: dict[str, tuple[str, int]] = {}
        self._line = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.StartDoctypeDeclHandler = self._refuse

    def parse(self, data: bytes) -> None:
        self._parser.Parse(data, True)

    def _refuse(self, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise _Refused(f"line {line}: a document type (<!DOCTYPE ...>) is not read; remove it")

    def _start(self, tag: str, _: dict[str, str]) -> None:
        self.root = self.root or tag
        self._path.append(tag)
        self._text.clear()
        if len(self._path) == 2 and tag == "object":
            self._object, self._line = {}, self._parser.CurrentLineNumber

    def _end(self, tag: str) -> None:
        inner = self._path[1:] if len(self._path) <= _DEEPEST else []
        text = "".join(self._text).strip()
        self._path.pop()
        self._text.clear()
        if inner[:1] == ["size"] and len(inner) == 2:
            self.size[tag] = text
        elif inner in (["object", "name"], *(["object", "bndbox", corner] for corner in _CORNERS)):
            self._object[tag] = text, self._parser.CurrentLineNumber
        elif inner == ["object"]:
            self._add_object()

    def _add_object(self) -> None:
        edges: list[float] = []
        for corner in _CORNERS:
            text, line = self._object.get(corner, ("", self._line))
            number = _number(text)
            if number is None:
                what = f"{corner} is {text[:40]!r}, not a number" if text else f"<{corner}> is missing in <bndbox>"
                self.problems.append(f"{self._name}, line {line}: {what}")
                return
            edges.append(number)
        left, top, right, bottom = edges
        if right < left or bottom < top:
            what = f"the box {left:g},{top:g} to {right:g},{bottom:g} has no area"
            self.problems.append(f"{self._name}, line {self._line}: {what}")
            return
        label = unicodedata.normalize("NFC", self._object.get("name", ("", 0))[0])
        self.rects.append(Rect(left - 1, top - 1, right, bottom, label))


_DEEPEST = 4  # annotation, object, bndbox, xmin
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(text: str) -> int:
    value = _number(text)
    return round(value) if value is not None and 0 < value < 1e9 else 0
