"""What is wrong with settings, in words: the name, the value, where it stands and what would work."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from photograft.config.document import Given, escape, write_value
from photograft.config.explain import Explanation, explain_setting
from photograft.config.names import dotted_name
from photograft.config.suggest import did_you_mean
from photograft.config.tree import NAME, SettingPath, concrete, fields, mappings, section_types, template


def describe(problems: Sequence[str]) -> str:
    """All problems as one message, each on a line of its own."""
    lines = [escape(each) for each in problems]
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems in the settings:", *lines])


def shorten(text: str) -> str:
    """The text, cut off where it is long."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def name_problem(given: Given) -> str | None:
    """Why nothing can be set by this name; None where something can."""
    path, known = given.path, template(given.path)
    unnamed = next((path[:n] for n in range(len(path)) if not path[n] and template(path[:n]) in mappings()), None)
    if unnamed and template(unnamed) not in fields():
        return f"{dotted_name(unnamed)}: a name is missing, as in {template(unnamed)}.{NAME} ({given.origin})"
    if known in {*section_types(), *mappings()}:
        return _group_problem(given, known)
    if known in fields():
        return None
    if len(path) > 1 and path[0] not in section_types():
        close = difflib.get_close_matches(path[0], section_types(), n=1)
        hint = f"; did you mean `{close[0]}`?" if close else did_you_mean(path)
        return f"{path[0]}: there is no such section{hint} ({given.origin})"
    return f"{given.name}: there is no such setting{did_you_mean(path)} ({given.origin})"


def _group_problem(given: Given, known: str) -> str | None:
    """Why a section, a mapping or an entry cannot be given this value: it takes settings, or nothing at all."""
    path, value, origin = given.path, given.value, given.origin
    is_named = known in mappings() or known.rpartition(".")[0] in mappings()
    if value == {} or (value is None and (is_named or not origin.startswith("from --set"))):
        return None
    if known in fields():
        if isinstance(value, list | tuple):
            return None
        return f"{given.name}: {_short(value)} is not possible; use {_remedy(path, value)} ({origin})"
    inside = [dotted_name(concrete(each, path)) for each in fields() if each.startswith(f"{known}.")]
    key = path[-1]
    if known not in section_types() or f"{known}.{key}" not in fields() or not is_named:
        what = "section" if known in section_types() and not is_named else "group"
        return f"{given.name}: is a {what}, not a setting; set one of its settings, such as {inside[0]} ({origin})"
    meant = f"{known}.{key}"
    return f"{given.name}: is a group, not a setting; did you mean `{meant}`, with a name for {NAME}? ({origin})"


def value_problem(error: dict[str, Any], chosen: Mapping[SettingPath, Given]) -> str:
    """One problem that validation found. Several messages about one setting come out equal, and so count once."""
    location = tuple(str(part) for part in error["loc"])
    paths = [location[:n] for n in range(len(location), 0, -1)]
    path = next((each for each in paths if each in chosen), None)
    if path is not None:
        each = chosen[path]
        return f"{each.name}: {_short(each.value)} is not possible; use {_remedy(path, each.value)} ({each.origin})"
    # A rule about several settings of a section.
    section = next((each for each in paths if template(each) in section_types()), ())
    words = str(error.get("ctx", {}).get("error", "the settings do not go together"))
    inside = [each for path, each in chosen.items() if path[: len(section)] == section]
    given = [each for each in inside if each.name in words] or inside
    listed = "; ".join(f"{each.name} = {_short(each.value)}, {each.origin}" for each in given)
    return f"{dotted_name(section)}: {words} ({listed})"


def _remedy(path: SettingPath, value: Any) -> str:
    accepted = explain_setting(path)
    article = "" if accepted.type.startswith(("`", "true", "text")) else "a "
    words = f"{article}{accepted.accepted}"
    if accepted.type.startswith("list") and not isinstance(value, list | tuple):
        texts = [each.strip() for each in str(value).split(",")]
        split = "texts" in accepted.type or isinstance(value, str)
        return f"{words}, for example {write_value(texts if split else [value])}"
    if close := _close_choices(accepted, value):
        return f"{words}; did you mean {' or '.join(f'`{each}`' for each in close)}?"
    if accepted.type.startswith(("text", "list of texts")) and _has_numbers(value):
        return f"{words}: put {_quoted(value)}"
    return words


def _close_choices(accepted: Explanation, value: Any) -> list[str]:
    spelling = {each.lower(): each for each in accepted.choices}
    wrong = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    missing = [each.lower() for each in wrong if each not in accepted.choices]
    close = [match for each in missing for match in difflib.get_close_matches(each, spelling, n=1)]
    return [spelling[each] for each in dict.fromkeys(close)]


def _has_numbers(value: Any) -> bool:
    return any(isinstance(each, int | float) for each in (value if isinstance(value, list | tuple) else [value]))


def _quoted(value: Any) -> str:
    """The value as it is written if its numbers are meant as text."""
    if isinstance(value, list | tuple):
        texts = [each if isinstance(each, str) else write_value(each) for each in value]
        return f"numbers in quotes, {write_value(texts)}"
    return f'it in quotes, "{write_value(value)}"'


def _short(value: Any) -> str:
    return shorten(write_value(value))
