"""The body of a request as photos, in memory alone: nothing of it is ever written to a disk."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from photograft.data.files import printable
from photograft.serving.guard import Refused

_NAME_LENGTH = 255
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would write a line for every damaged form
_FIELD = "files"


@dataclass(frozen=True)
class Upload:
    """One photo as it was sent; the name is only ever shown."""

    name: str
    data: bytes


class Bodies:
    """Reads bodies within limits, for one request and for all that are held at one time."""

    def __init__(self, *, most_bytes: int, most_held: int) -> None:
        self.most_bytes, self.most_held = most_bytes, most_held
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts as held within the block.

        Raises:
            Refused: It is larger than a body may be (413), or there is no room for it just now (503).
        """
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.most_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self.held += len(chunk)
                if size > self.most_bytes:
                    raise self._too_large()
                if self.held > self.most_held:
                    raise Refused(503, "uploads_full", "Too much is being uploaded: try again.", {"retry-after": "2"})
                chunks.append(chunk)
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self.held -= size

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"A request may hold {self.most_bytes / 1e6:g} MB at most.")


def photos_in(body: bytes, content_type: str, *, most: int) -> list[Upload]:
    """The photos of a body: those of the field `files` of a form, or the body itself.

    Raises:
        Refused: There are none, more than `most`, or the form cannot be read.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        if not body:
            raise Refused(
                422, "no_photo", "The body is empty: send a photo, or a form with photos in the field `files`."
            )
        return [Upload("photo 1", body)]
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Refused(422, "bad_form", "The form has no boundary in its Content-Type.")
    parts = _Parts(most)
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused(422, "bad_form", "The form cannot be read: it ends early or is damaged.") from error
    if not parts.ended:
        raise Refused(422, "bad_form", "The form cannot be read: it ends early.")
    if not parts.photos:
        raise Refused(422, "no_photo", f"The form has no photo: its field is called `{_FIELD}`.")
    return parts.photos


@dataclass
class _Parts:
    """Collects the parts of a form, as the parser comes across them."""

    most: int
    photos: list[Upload] = field(default_factory=list)
    ended: bool = False
    _given: str = ""
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _data: list[bytes] = field(default_factory=list)

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        names = (
            "part_begin",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
            "part_data",
            "part_end",
            "end",
        )
        return {f"on_{name}": getattr(self, f"on_{name}") for name in names}

    def on_part_begin(self) -> None:
        self._disposition, self._data = b"", []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") != _FIELD.encode() or b"filename" not in options:
            raise Refused(422, "bad_form", f"A form holds files alone, in its field `{_FIELD}`.")
        if len(self.photos) == self.most:
            most = "one photo" if self.most == 1 else f"{self.most} photos at most"
            raise Refused(413, "too_many_photos", f"One request takes {most}.")
        self._given = printable(options[b"filename"].decode("utf-8", "replace"))[:_NAME_LENGTH]

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def on_part_end(self) -> None:
        self.photos.append(Upload(self._given or f"photo {len(self.photos) + 1}", b"".join(self._data)))
        self._data = []

    def on_end(self) -> None:
        self.ended = True
