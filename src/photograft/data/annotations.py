"""Annotation files to rectangles per photo."""

from __future__ import annotations

from dataclasses import dataclass

from photograft.values import Annotation


@dataclass(frozen=True)
class Annotations:
    """What the annotation files say: rectangles by the path of the photo, what is wrong with them, and sentences."""

    by_path: dict[str, Annotation]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
