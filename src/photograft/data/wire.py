"""Messages between the program and its decoder processes: a JSON header and a binary payload, each with its length."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any, BinaryIO

from photograft.values import Annotation, Rect

_LENGTHS = struct.Struct(">IQ")


def send(stream: BinaryIO, header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Write one message and flush it."""
    text = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(text), len(payload)) + text)
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises:
        EOFError: if the other side has ended.
        MemoryError: if the payload does not fit; it is then read and thrown away, so that the next message follows.
    """
    text_length, payload_length = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    header: dict[str, Any] = json.loads(_read(stream, text_length))
    try:
        return header, _read(stream, payload_length)
    except MemoryError:
        while payload_length > 0:
            payload_length -= len(_read(stream, min(payload_length, 1 << 20)))
        raise


def pack_annotation(annotation: Annotation | None) -> dict[str, Any]:
    """The header of a message that asks to decode a photo with this annotation."""
    return {} if annotation is None else {"annotation": asdict(annotation)}


def unpack_annotation(header: dict[str, Any]) -> Annotation | None:
    """The annotation that `pack_annotation` was given."""
    fields = header.get("annotation")
    if fields is None:
        return None
    return Annotation(**{**fields, "rects": tuple(Rect(**rect) for rect in fields["rects"])})


def _read(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
