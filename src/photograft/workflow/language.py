"""The language of pages: as asked for, or that of the user."""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping


def page_language(asked: str = "auto", environment: Mapping[str, str] | None = None) -> str:
    """Return "en" or "ko"; for "auto" Korean where the user's locale is Korean, else English.

    The locale is the first that is set of LC_ALL, LC_MESSAGES and LANG in `environment` (by default that of this
    process), as POSIX has it; where none is, as on Windows, that of the system.
    """
    if asked != "auto":
        return asked
    known = os.environ if environment is None else environment
    name = next((known[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if known.get(key)), None)
    if name is None:
        name = locale.getlocale()[0] or ""
    # ko_KR.UTF-8, ko-KR, or Korean_Korea on Windows; not kok_IN, which is Konkani.
    language = name.replace("-", "_").split(".")[0].split("_")[0].lower()
    return "ko" if language in ("ko", "korean") else "en"
