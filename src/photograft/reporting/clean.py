"""Names and numbers made fit for files: what a folder name may hold, JSON, XML and UTF-8 may not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

# Control characters are illegal in XML, and the bidirectional overrides can make one name look like another.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def clean_text(text: str) -> str:
    """Return `text` as any UTF-8 file can hold it: bytes that were no UTF-8 become an escape."""
    return _UNPRINTABLE.sub("\ufffd", text.encode("utf-8", "backslashreplace").decode("utf-8"))


def clean_value(value: Any) -> Any:
    """Return `value` in JSON's own types; NaN and infinity become None, NumPy values plain ones."""
    if isinstance(value, str):
        return clean_text(str(value))
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_value(item) for item in value]
    if isinstance(value, np.ndarray):
        return clean_value(value.tolist())
    if isinstance(value, np.generic):
        return clean_value(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return clean_text(value.as_posix() if isinstance(value, PurePath) else str(value))
