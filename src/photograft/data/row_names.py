"""Finding the rows of a manifest by what a table calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence, Set

from photograft.values import Photo

_OBJECT = re.compile(r"#(\d+)$")


class RowNames:
    """Finds rows of the manifest by name or by content."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.exact = {photo.name: row for row, photo in enumerate(photos)}
        self.composed = {unicodedata.normalize("NFC", name): row for name, row in self.exact.items()}
        self.by_content: dict[tuple[str, int], list[int]] = {}
        for row, photo in enumerate(photos):
            if photo.sha256:
                self.by_content.setdefault((photo.sha256, photo.object), []).append(row)

    def find(self, name: str) -> int | None:
        """The row with this name, in whatever Unicode form, or None."""
        for text in (name, _from_korean_windows(name)):
            row = self.exact.get(text, self.composed.get(unicodedata.normalize("NFC", text)))
            if row is not None:
                return row
        return None

    def find_moved(self, name: str, sha256: str, taken: Set[int | None]) -> int | None:
        """The first row with this content that no other row of the file names, or None."""
        match = _OBJECT.search(name)
        numbers = (int(match[1]), 0) if match else (0,)
        rows = (row for number in numbers for row in self.by_content.get((sha256.strip(), number), ()))
        return next((row for row in rows if row not in taken), None)


def _from_korean_windows(name: str) -> str:
    """What a name that is no UTF-8 says in the encoding that spreadsheets of Korean Windows save in."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("cp949")
    except UnicodeError:
        return name
