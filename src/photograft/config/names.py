"""Names of settings: the parts of a path, with dots between them; a part stands in quotes where it holds a dot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NEEDS_QUOTES = re.compile(r'[."=\n]|^\s|\s$')
_QUOTES_FOLLOW_IN_PAIRS = r'(?=(?:[^"]*"[^"]*")*[^"]*$)'
_DOT = re.compile(rf"\.{_QUOTES_FOLLOW_IN_PAIRS}")
_EQUALS = re.compile(r"(?:[^=\"]|\"[^\"]*\")*=")


def split_name(name: str) -> tuple[str, ...]:
    """The parts of a dotted name. A quote within quotes is written twice, as in CSV.

    >>> split_name('model.factors."no. of people".graft')
    ('model', 'factors', 'no. of people', 'graft')
    """
    return tuple(_unquote(part.strip()) for part in _DOT.split(name))


def dotted_name(path: Iterable[str]) -> str:
    """The inverse of `split_name`; a last part without a name (a list that belongs to no named one) is left out."""
    parts = list(path)
    if parts and not parts[-1]:
        parts.pop()
    return ".".join(_quote(part) for part in parts)


def dotted_values(groups: Mapping[str, Any], before: Iterable[str] = ()) -> Iterator[tuple[str, Any]]:
    """The values of groups in groups, as settings stand in JSON, by their dotted names.

    >>> list(dotted_values({"quality": "good", "train": {"lr": 0.1, "options": {}}}))
    [('quality', 'good'), ('train.lr', 0.1), ('train.options', {})]
    """
    for key, value in groups.items():
        path = (*before, str(key))
        if isinstance(value, Mapping) and value:
            yield from dotted_values(value, path)
        else:
            yield dotted_name(path), value


def split_assignment(text: str) -> tuple[str, str] | None:
    """Name and value of `section.key=value`, None where it is none; an equals sign in quotes belongs to the name."""
    found = _EQUALS.match(text)
    if found is None or not (name := found.group()[:-1].strip()):
        return None
    return name, text[found.end() :].strip()


def _quote(part: str) -> str:
    doubled = part.replace('"', '""')
    return f'"{doubled}"' if not part or _NEEDS_QUOTES.search(part) else part


def _unquote(part: str) -> str:
    is_quoted = len(part) > 1 and part[0] == part[-1] == '"'
    return part[1:-1].replace('""', '"') if is_quoted else part
