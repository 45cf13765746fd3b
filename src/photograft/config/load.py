"""Where settings come from: defaults, then the settings file, then `--set`, then everyday flags; the last one wins."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from photograft.config.document import DocumentProblem, Given, escape, read_file, read_value, write_value
from photograft.config.explain import did_you_mean, explain, fields, section_types
from photograft.config.settings import Config
from photograft.errors import ConfigError

DEFAULT = "default"


@dataclass(frozen=True)
class Loaded:
    """Settings with where each came from: `origins` maps every dotted name to words such as "default"."""

    config: Config
    origins: dict[str, str]


def load_config(file: Path | None = None, assignments: Sequence[str] = (), **everyday: Any) -> Config:
    """Merge defaults < settings file < `--set` assignments < everyday flags into one checked Config.

    Args:
        file: a YAML file with one group per section.
        assignments: texts like `split.folds=10`, as `--set` takes them; the value is read as in the file.
        everyday: settings by name, `quality="fast"`, or by dotted name through `**`; None means not given.

    Raises:
        ConfigError: names every problem at once, each with its value, where it stands and what would work.
    """
    return load_with_origins(file, assignments, **everyday).config


def load_with_origins(file: Path | None = None, assignments: Sequence[str] = (), **everyday: Any) -> Loaded:
    """Do what `load_config` does, and tell where each setting came from."""
    given, problems = _collect(file, assignments, everyday)
    chosen: dict[str, Given] = {}
    unknown: set[str] = set()
    for each in given:
        problem = _name_problem(each)
        if problem is None:
            chosen[each.name] = each
        elif each.name.partition(".")[0] in section_types() or each.name.partition(".")[0] not in unknown:
            problems.append(problem)
            unknown.add(each.name.partition(".")[0])
    chosen = {name: each for name, each in chosen.items() if name not in section_types()}
    unwritable = [each for each in chosen.values() if not _is_text(each.value)]
    problems += [f"{each.name}: holds characters that are no text ({each.origin})" for each in unwritable]
    config, wrong = _validate({name: each for name, each in chosen.items() if each not in unwritable})
    problems += wrong
    if problems or config is None:
        raise ConfigError(_message(problems))
    return Loaded(config, {name: chosen[name].origin if name in chosen else DEFAULT for name in fields()})


def to_yaml(config: Config, *, reasons: Mapping[str, str] | None = None) -> str:
    """Write all settings as YAML that `load_config` reads back to the same Config.

    `reasons` maps dotted names to a comment that is put behind the value.
    """
    reasons = reasons or {}
    for name in reasons:
        explain(name)
    lines: list[str] = []
    section = ""
    for name in fields():
        group, _, key = name.rpartition(".")
        indent = "  " * name.count(".")
        if group != section:
            lines += [] if "." in group else [""]
            lines.append(f"{indent[2:]}{group.rpartition('.')[2]}:")
            section = group
        comment = f"  # {escape(' '.join(reasons[name].split()))}" if name in reasons else ""
        lines.append(f"{indent}{key}: {write_value(value_of(config, name))}{comment}")
    return "\n".join(lines).lstrip("\n") + "\n"


def value_of(config: Config, name: str) -> Any:
    """Look up one setting by its dotted name."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, f"{part}_" if iskeyword(part) else part)
    return value


def _collect(
    file: Path | None, assignments: Sequence[str], everyday: Mapping[str, Any]
) -> tuple[list[Given], list[str]]:
    """Everything that was given, the weakest source first."""
    given: list[Given] = []
    problems: list[str] = []
    if file is not None:
        try:
            given, problems = read_file(Path(file))
        except DocumentProblem as problem:
            problems.append(str(problem))
    for text in assignments:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            problems.append(f"--set {text}: write it as section.key=value, for example --set split.folds=10")
            continue
        try:
            given.append(Given(name, _read_assigned(name, value), "from --set"))
        except DocumentProblem as problem:
            problems.append(f"{name}: {_shorten(value)} cannot be read: {problem} (from --set)")
    given += [Given(name, value, f"given as {name}") for name, value in everyday.items() if value is not None]
    return given, problems


def _read_assigned(name: str, text: str) -> Any:
    """The value of an assignment; a text may begin with a bracket, as patterns on a path do."""
    is_text = name in fields() and explain(name).type.startswith("text")
    try:
        value = read_value(text)
    except DocumentProblem:
        if is_text:
            return text
        raise
    return text if is_text and isinstance(value, dict | list) else value


def _name_problem(given: Given) -> str | None:
    name, origin = given.name, given.origin
    if name in section_types():
        if given.value is None and not origin.startswith("from --set"):
            return None  # a heading with nothing below it
        first = next(each for each in fields() if each.startswith(f"{name}."))
        return f"{name}: is a section, not a setting; set one of its settings, such as {first} ({origin})"
    if name in fields():
        return None
    section = name.partition(".")[0]
    if "." in name and section not in section_types():
        close = difflib.get_close_matches(section, section_types(), n=1)
        hint = f"; did you mean `{close[0]}`?" if close else did_you_mean(name)
        return f"{section}: there is no such section{hint} ({origin})"
    return f"{name}: there is no such setting{did_you_mean(name)} ({origin})"


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _validate(chosen: Mapping[str, Given]) -> tuple[Config | None, list[str]]:
    nested: dict[str, Any] = {}
    for name, each in chosen.items():
        *sections, key = name.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = each.value
    try:
        # Through JSON, because strict validation then still takes lists for tuples and text for paths,
        # but no "yes" for true and no "5" for 5.
        return Config.model_validate_json(json.dumps(nested, default=str), strict=True), []
    except ValidationError as error:
        problems = dict.fromkeys(_in_words(dict(each), chosen) for each in error.errors(include_url=False))
        return None, list(problems)


def _in_words(error: dict[str, Any], chosen: Mapping[str, Given]) -> str:
    """One problem for people. Several messages about one setting come out equal, and so count once."""
    location = [str(part) for part in error["loc"]]
    names = [".".join(location[:n]) for n in range(len(location), 0, -1)]
    name = next((each for each in names if each in fields()), None)
    if name is None:  # a rule about several settings of a section
        section = next((each for each in names if each in section_types()), "")
        involved = [each for each in chosen.values() if each.name.startswith(f"{section}.")]
        words = str(error.get("ctx", {}).get("error", "the settings do not go together"))
        given = "; ".join(f"{each.name} = {_short(each.value)}, {each.origin}" for each in involved)
        return f"{section}: {words} ({given})"
    each = chosen[name]
    return f"{name}: {_short(each.value)} is not possible; use {_remedy(name, each.value)} ({each.origin})"


def _remedy(name: str, value: Any) -> str:
    accepted = explain(name)
    article = "" if accepted.type.startswith(("`", "true", "text")) else "a "
    words = f"{article}{accepted.accepted}"
    if accepted.type.startswith("list") and not isinstance(value, list):
        return f"{words}, for example {write_value([value])}"
    wrong = value if isinstance(value, list) else [value]
    missing = [str(each) for each in wrong if str(each) not in accepted.choices]
    close = [
        match for each in missing for match in difflib.get_close_matches(each.lower(), _lower(accepted.choices), n=1)
    ]
    if close:
        spelling = {each.lower(): each for each in accepted.choices}
        return f"{words}; did you mean {' or '.join(f'`{spelling[each]}`' for each in dict.fromkeys(close))}?"
    if accepted.type.startswith("text") and isinstance(value, (int, float)):
        return f'{words}: put it in quotes, "{write_value(value)}"'
    return words


def _lower(words: Sequence[str]) -> list[str]:
    return [each.lower() for each in words]


def _short(value: Any) -> str:
    return _shorten(write_value(value))


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _message(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join([f"{len(problems)} problems in the settings:", *problems])
