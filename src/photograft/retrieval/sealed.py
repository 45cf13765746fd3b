"""Small JSON documents that say what an index is made of, with the SHA-256 of what they state."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from photograft.errors import IntegrityError, ModelError
from photograft.tracking.atomic import write_atomically

REMEDY = "copy the index again, or build it again (`photograft search build`)."
NEWER = "pip install -U photograft"


def read_sealed(file: Path, key: str, *, number: int) -> dict[str, Any]:
    """What a document states below `key`.

    Raises:
        FileNotFoundError: It is not there.
        IntegrityError: It was changed.
        ModelError: Its format has another number.
    """
    try:
        raw = json.loads(file.read_bytes())
        stated, seal, found = raw[key], raw["sha256"], raw["format"]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(file) from error
    if found != number:
        raise ModelError(f"{file} has format {found!r}, this release of photograft reads format {number}: {NEWER}")
    if hashlib.sha256(_text(stated)).hexdigest() != seal:
        raise damaged(file)
    return dict(stated)


def write_sealed(file: Path, key: str, stated: dict[str, Any], *, number: int) -> None:
    """Write a document, in place of the one that is there in one step."""
    document = {"format": number, key: stated, "sha256": hashlib.sha256(_text(stated)).hexdigest()}
    write_atomically(file, json.dumps(document, indent=1) + "\n")


def damaged(file: Path) -> IntegrityError:
    """The error that says so of a file of an index."""
    return IntegrityError(f"{file} was changed or is damaged: {REMEDY}")


def _text(stated: Any) -> bytes:
    # Names that are not UTF-8 on disk are lone surrogates, which only escapes can hold.
    return json.dumps(stated, sort_keys=True, separators=(",", ":")).encode("ascii")
