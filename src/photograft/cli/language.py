"""The option that says in which language a page is."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """Languages of pages; `auto` is that of this computer."""

    auto = "auto"
    en = "en"
    ko = "ko"
