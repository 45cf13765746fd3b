"""The one way in which pages get their texts: by key, from tables in English and Korean.

A text is what `str.format` takes. One with `{n}` may be a pair: for one, and for any other number. In Korean, where
nothing has a plural, `{name:은}` puts the form of a particle behind the value that goes with its last sound.

The texts that most pages share are in `report_english` and `report_korean`; what one page or section adds is in a
module of its own, `<name>_texts`. Both languages of a table have the same keys.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from photograft.reporting.josa import PARTICLES, with_josa
from photograft.reporting.report_english import REPORT_ENGLISH
from photograft.reporting.report_korean import REPORT_KOREAN

Entry = str | tuple[str, str]


@dataclass(frozen=True)
class Words:
    """A table of texts in both languages."""

    english: Mapping[str, Entry]
    korean: Mapping[str, Entry]


REPORT_WORDS = Words(REPORT_ENGLISH, REPORT_KOREAN)


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: str
    table: Mapping[str, Entry]

    def say(self, key: str, **values: Any) -> str:
        """Return the text of `key` with its values filled in."""
        entry = self.table[key]
        if isinstance(entry, tuple):
            entry = entry[0] if values["n"] == 1 else entry[1]
        return fill_in(entry.replace(" %", "\u00a0%"), values)

    def name(self, group: str, key: str) -> str:
        """Return the display name of a verdict, score or part; an unknown one is shown as it is."""
        entry = self.table.get(f"{group}.{key}")
        return entry.replace(" %", "\u00a0%") if isinstance(entry, str) else key.replace("_", " ")

    def percent(self, share: float, digits: int = 1) -> str:
        """Return a share as percent, as in "93.7 %"; only a share of exactly 1 is shown as 100 %."""
        return f"{self.number(100 * share, digits)}\u00a0%"

    def number(self, value: float, digits: int = 1, *, top: float = 100.0) -> str:
        """Return a number of at most `top`, rounded, but only a full `top` is shown as such."""
        if value < top:
            value = min(value, top - 10.0**-digits)
        return f"{value:.{digits}f}"


def texts_in(language: str, *more: Words) -> Texts:
    """Return the texts of the report, and those of `more`, which come first: in Korean for "ko", else in English."""
    tables = (REPORT_WORDS, *more)
    if language == "ko":
        return Texts("ko", {key: entry for words in tables for key, entry in words.korean.items()})
    return Texts("en", {key: entry for words in tables for key, entry in words.english.items()})


def fill_in(text: str, values: Mapping[str, Any]) -> str:
    """Return a text with its values filled in, and with particles as its places ask for them."""
    return _FORMATTER.vformat(text, (), values)


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in PARTICLES:
            return with_josa(str(value), format_spec)
        return str(super().format_field(value, format_spec))


_FORMATTER = _Formatter()
