"""The members of an archive by safe names, and the limits that archives have."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from photograft.data.files import printable
from photograft.errors import DataError

MAX_RATIO: Final = 100
MAX_EXTRA_BYTES: Final = 100_000_000
"""An archive of S bytes may expand to 100 S + 100 MB. Photos hardly compress; this much only bombs need."""

MAX_MEMBERS: Final = 5_000_000

SPECIAL: Final = "links and special files"

_MAX_NAME, _MAX_DEPTH = 4096, 64


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: where its data (tar) or header (zip) begins, its size, its number in a zip.

    `problem` says why it cannot be read, if so.
    """

    position: int
    size_bytes: int
    number: int = 0
    problem: str = ""


class Members:
    """Files by path, folders with the names in them (and whether those are folders), and what was left out."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Member] = {}
        self.folders: dict[str, dict[str, bool]] = {"": {}}
        self.size_bytes = root.stat().st_size
        self.max_bytes = MAX_RATIO * self.size_bytes + MAX_EXTRA_BYTES
        self._shown = printable(root)
        self._left_out: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._n_seen = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason to leave members out."""
        return tuple(
            f"left out of the archive: {n} {reason} ({printable(self._examples[reason])}{', ...' if n > 1 else ''})"
            for reason, n in sorted(self._left_out.items())
        )

    def add(self, raw_name: str, kind: str, member: Member) -> None:
        """Take in a ``file`` or ``folder`` under its safe name; a member of any other kind is only counted."""
        self._n_seen += 1
        if self._n_seen > MAX_MEMBERS:
            raise DataError(f"{self._shown} has more than {MAX_MEMBERS:,} members: unpack what you need, or divide it.")
        name = _safe_name(raw_name)
        if name is None:
            kind = "members whose names lead out of the archive or are not usable"
        elif kind == "file" and (name in self.files or name in self.folders):
            kind = "members whose names come twice"
        if kind not in ("file", "folder"):
            self._leave_out(kind, raw_name)
        elif name and self._add_folders(name if kind == "folder" else name.rpartition("/")[0]) and kind == "file":
            parent, _, own = name.rpartition("/")
            self.folders[parent][own] = False
            self.files[name] = member

    def require_size(self, expanded_bytes: int) -> None:
        """Raise DataError where the archive expands beyond what it may."""
        if expanded_bytes > self.max_bytes:
            raise DataError(
                f"{self._shown} is refused: its {self.size_bytes:,} bytes expand to {expanded_bytes:,} or more, and "
                f"{self.max_bytes:,} are allowed. If you trust it, unpack it and give the folder."
            )

    def refuse(self) -> DataError:
        """The error that says that the file is no archive."""
        return DataError(
            f"{self._shown} is a file, neither a folder nor an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) nor a "
            "table (.csv, .tsv, .jsonl, .json)."
        )

    def _leave_out(self, reason: str, name: str) -> None:
        self._left_out[reason] += 1
        self._examples.setdefault(reason, name[:200])

    def _add_folders(self, folder: str) -> bool:
        """Make the folder and those above it known; False where one of these names is a file."""
        made = folder
        while made not in self.folders:
            if made in self.files:
                self._leave_out("members inside of what is a file", folder)
                return False
            made = made.rpartition("/")[0]
        while made != folder:
            name = folder[len(made) + 1 if made else 0 :].partition("/")[0]
            self.folders[made][name] = True
            made = f"{made}/{name}" if made else name
            self.folders[made] = {}
        return True


def decode_name(raw: bytes) -> str:
    """A name as it was meant: old programs write that of the local code page and do not say which."""
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


def _safe_name(raw_name: str) -> str | None:
    """The name with single forward slashes; None where it is absolute, leads upwards, or no name at all.

    A backslash is what some Windows programs write instead of a slash.
    """
    name = raw_name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    unsafe = name.startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name)
    if unsafe or len(name) > _MAX_NAME or len(parts) > _MAX_DEPTH:
        return None
    return "/".join(parts)
