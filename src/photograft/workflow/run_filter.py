"""Which runs are meant: `accuracy>0.9`, `model.backbone=timm:*`, `tag=keep`; and what they are sorted by."""

from __future__ import annotations

import difflib
import operator
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from photograft.config import tree
from photograft.config.names import dotted_name, split_name
from photograft.config.suggest import did_you_mean
from photograft.errors import ConfigError
from photograft.reporting.runs_table import local_time
from photograft.tracking.run_row import RunRow

COLUMNS = tuple(each.name for each in fields(RunRow) if each.name != "settings")
"""What every run has, by the names that filters, tables and JSON use."""

_NUMBERS = {each.name for each in fields(RunRow) if str(each.type).startswith(("int", "float"))}
_OTHER_NAMES = {"tag": "tags", "name": "run", "date": "created", "size": "px", "f1": "macro_f1"}
_EXPRESSION = re.compile(r'((?:[^"!=<>~]|"[^"]*")+?)\s*(!=|>=|<=|==|=|>|<|~)\s*(.*)\Z', re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Condition:
    """What a run must be like: a key, an operator (= != > >= < <= ~) and the text it is compared with."""

    key: str
    sign: str
    text: str

    def holds(self, row: RunRow) -> bool:
        """Whether the run is so. What is not known of a run is only unequal to everything."""
        value = value_of(row, self.key)
        if isinstance(value, list | tuple):
            held = any(_compare(each, "=" if self.sign == "!=" else self.sign, self.text) for each in value)
            return held != (self.sign == "!=")
        return _compare(value, self.sign, self.text)


def read_conditions(texts: Sequence[str]) -> list[Condition]:
    """The conditions of `--filter`; all that cannot be read are named at once.

    Raises:
        ConfigError: One of them is none.
    """
    conditions, problems = [], []
    for text in texts:
        found = _EXPRESSION.match(text.strip())
        if found is None:
            problems.append(f"--filter {text}: write it as KEY=VALUE, KEY>NUMBER or KEY~PART, such as 'accuracy>0.9'")
            continue
        condition = Condition(read_key(found[1]), "=" if found[2] == "==" else found[2], found[3].strip())
        if condition.sign in _ORDER and condition.key in _NUMBERS and _number(condition.text) is None:
            problems.append(f"--filter {text}: {condition.key} is a number: compare it with one, such as 0.9 or 90%")
        if condition.sign in _ORDER and condition.key == "created" and not re.match(r"\d{4}", condition.text):
            problems.append(f"--filter {text}: write the date as in 'created>2026-11-22'")
        conditions.append(condition)
    if problems:
        raise ConfigError("\n".join(problems))
    return conditions


def read_key(text: str) -> str:
    """A key by the name that rows have for it: "Macro-F1" is "macro_f1", "tag" is "tags"."""
    name = text.strip()
    plain = name.lower().replace("-", "_")
    plain = _OTHER_NAMES.get(plain, plain)
    return plain if plain in COLUMNS else dotted_name(split_name(name))


def other_keys(filters: Sequence[str], sort: str) -> list[str]:
    """The settings that runs are filtered or sorted by, which their table then shows."""
    keys = dict.fromkeys([*(each.key for each in read_conditions(filters)), read_key(sort)])
    return [key for key in keys if key not in COLUMNS]


def require_known(keys: Sequence[str], rows: Sequence[RunRow]) -> None:
    """Refuse keys that no run can have. Settings of other releases are known where a run has them.

    Raises:
        ConfigError: Names every such key, and what was probably meant.
    """
    in_runs: set[str] = set().union(*(row.settings or () for row in rows))
    unknown = [key for key in keys if not _is_known(key, in_runs)]
    if unknown:
        raise ConfigError("\n".join(f"runs have no {key}{_meant(key, in_runs)}" for key in dict.fromkeys(unknown)))


def value_of(row: RunRow, key: str) -> Any:
    """What a run has under a key: of its row, else of its settings; None where it has nothing."""
    if key == "created":
        return local_time(row.created)
    return getattr(row, key) if key in COLUMNS else (row.settings or {}).get(key)


def sorted_by(rows: Sequence[RunRow], key: str, *, reverse: bool = False) -> list[RunRow]:
    """Runs with numbers and dates from the largest down, texts from A to Z; those without a value come last.

    Runs that are equal stay as they are.
    """
    values = [(value_of(row, key), row) for row in rows]
    known = [(value, row) for value, row in values if _is_filled(value)]
    numbers = [(number, row) for value, row in known if (number := _number(value)) is not None]
    if len(numbers) == len(known):
        ordered = [row for _, row in sorted(numbers, key=lambda each: -each[0])]
    else:
        texts = [(_folded(_shown(value)), row) for value, row in known]
        ordered = [row for _, row in sorted(texts, key=lambda each: each[0], reverse=key == "created")]
    return [*(reversed(ordered) if reverse else ordered), *(row for value, row in values if not _is_filled(value))]


def _is_filled(value: Any) -> bool:
    return value is not None and value not in ("", (), [], {})


def _is_known(key: str, in_runs: Collection[str]) -> bool:
    return key in COLUMNS or key in in_runs or tree.template(split_name(key)) in tree.fields()


def _meant(key: str, in_runs: Collection[str]) -> str:
    names = [*COLUMNS, *_OTHER_NAMES]
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    ends = sorted(name for name in {*tree.fields(), *in_runs} if name.rpartition(".")[2] == key)
    if ends:
        return f"; did you mean {' or '.join(f'`{name}`' for name in ends[:3])}?"
    return did_you_mean(split_name(key)).replace(
        "; `photograft config explain` lists all settings",
        f". There are {', '.join(COLUMNS)}, and the settings that `photograft config explain` lists.",
    )


def _compare(value: Any, sign: str, text: str) -> bool:
    if sign in ("=", "!="):
        return _equal(value, text) == (sign == "=")
    if value is None:
        return False
    if sign == "~":
        return _folded(text) in _folded(_shown(value))
    number, wanted = _number(value), _number(text)
    if number is not None and wanted is not None:
        return _ORDER[sign](number, wanted)
    if isinstance(value, str) and number is None:
        return _ORDER[sign](_folded(value), _folded(text))
    return False


def _equal(value: Any, text: str) -> bool:
    if value is None or isinstance(value, bool):
        return text.lower() in _WORDS and _WORDS[text.lower()] is value
    number, wanted = _number(value), _number(text)
    if number is not None and wanted is not None:
        return number == wanted
    pattern = ".*".join(re.escape(part) for part in _folded(text).split("*"))
    return re.fullmatch(pattern, _folded(_shown(value)), re.DOTALL) is not None


def _number(value: Any) -> float | None:
    """A number, also of a text such as 0.9, 1e-3 or 90%; a number is none where it is part of a date or word."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    share = isinstance(value, str) and value.endswith("%")
    try:
        number = float(value[:-1] if isinstance(value, str) and share else value)
    except ValueError:
        return None
    return number / 100 if share else number


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
