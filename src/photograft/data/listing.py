"""What a source of photos gives: the rows to be read, with what the source says of each. No photo is opened yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from photograft.values import Annotation


@dataclass(frozen=True, slots=True)
class Found:
    """One row: a file, or one annotated object of it.

    `path` is relative to the root with forward slashes. `object`, `labels`, `group` and `values` are as in
    `photograft.values.Photo`; `annotation` holds the boxes to crop to, None for the whole photo.
    """

    path: str
    label: str | None = None
    part: str | None = None
    object: int = 0
    labels: tuple[str, ...] = ()
    group: str = ""
    values: tuple[tuple[str, str], ...] = ()
    annotation: Annotation | None = None

    @property
    def name(self) -> str:
        """What names the row in every table, as `Photo.name`."""
        return f"{self.path}#{self.object}" if self.object else self.path


@dataclass(frozen=True)
class Listing:
    """Every row to be read, in path order; `classes` also names the empty ones; `notes` are sentences for people."""

    root: Path
    files: tuple[Found, ...]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
