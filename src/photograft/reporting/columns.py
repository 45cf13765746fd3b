"""How many columns of a terminal a text takes: Hangul and other wide letters take two."""

from __future__ import annotations

import unicodedata


def count_columns(text: str) -> int:
    """Return the columns that a terminal needs for `text`."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in unicodedata.normalize("NFC", text))


def cut_columns(text: str, columns: int) -> str:
    """Return `text` on one line of at most so many columns; what does not fit ends with an ellipsis."""
    if len(text) <= columns and text.isascii() and text.isprintable():
        return text
    line = " ".join(unicodedata.normalize("NFC", text).splitlines())
    if count_columns(line) <= columns:
        return line
    kept, width = "", 1
    for letter in line:
        width += _columns(letter)
        if width > columns:
            break
        kept += letter
    return kept.rstrip() + "…"


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
