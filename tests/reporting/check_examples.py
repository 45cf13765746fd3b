"""Example checks for the tests of their document and page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from photograft.data.duplicates import Duplicates
from photograft.reporting.check_document import build_check
from photograft.values import Issue, Manifest, Photo

FOUND = Duplicates(group_N=np.empty(0, np.int64), n_exact=2, n_near=1, issues=())


def make_photos(n: int = 60, **values: Any) -> tuple[Photo, ...]:
    return tuple(
        Photo(f"장미/사진 {i:03}.jpg", label=("장미", "민들레")[i % 2], width=640, height=480, **values)
        for i in range(n)
    )


def make_check(
    issues: Sequence[Issue] = (),
    *,
    photos: Sequence[Photo] | None = None,
    notes: Sequence[str] = (),
    root: str = "꽃 사진",
    language: str = "en",
) -> dict[str, Any]:
    manifest = Manifest(Path(root), tuple(make_photos() if photos is None else photos), tuple(notes))
    return build_check(manifest, issues, duplicates=FOUND, seconds={"list": 0.1, "scan": 2.5}, language=language)


def find_conflicts(n: int, *, size: int = 2, n_photos: int = 60) -> list[Issue]:
    names = [photo.name for photo in make_photos(n_photos)]
    return [
        Issue("label_conflict", tuple(names[(i + k) % n_photos] for k in range(size)), f"case {i}", "Decide.", True)
        for i in range(n)
    ]
