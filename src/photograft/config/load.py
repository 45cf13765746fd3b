"""Where settings come from: defaults, then the settings file, then `--set`, then everyday flags; the last one wins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from photograft.config.document import DocumentProblem, Given, read_file, read_value
from photograft.config.explain import explain_setting
from photograft.config.names import dotted_name, split_assignment, split_name
from photograft.config.problems import describe, name_problem, shorten, value_problem
from photograft.config.settings import Config
from photograft.config.tree import SettingPath, fields, leaves, mappings, nest, section_types, template
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
    chosen: dict[SettingPath, Given] = {}
    unknown: set[str] = set()
    for each in given:
        problem = name_problem(each)
        if problem is None:
            _choose(each, chosen)
        elif each.path[0] in section_types() or each.path[0] not in unknown:
            problems.append(problem)
            unknown.add(each.path[0])
    config, wrong = validate(chosen)
    problems += wrong
    if problems or config is None:
        raise ConfigError(describe(problems))
    origins = {dotted_name(path): chosen[path].origin if path in chosen else DEFAULT for path, _ in leaves(config)}
    return Loaded(config, origins)


def _collect(
    file: Path | None, assignments: Sequence[str], everyday: Mapping[str, Any]
) -> tuple[list[Given], list[str]]:
    """Everything that was given, one by one, the weakest source first."""
    given: list[Given] = []
    problems: list[str] = []
    if file is not None:
        try:
            given, problems = read_file(Path(file))
        except DocumentProblem as problem:
            problems.append(str(problem))
    for text in assignments:
        assignment = split_assignment(text)
        if assignment is None:
            problems.append(f"--set {text}: write it as section.key=value, for example --set split.folds=10")
            continue
        name, value = assignment
        try:
            given.append(Given((name,), _read_assigned(split_name(name), value), "from --set"))
        except DocumentProblem as problem:
            problems.append(f"{name}: {shorten(value)} cannot be read: {problem} (from --set)")
    given += [Given((name,), value, f"given as {name}") for name, value in everyday.items() if value is not None]
    return [part for each in given for part in _parts(each)], problems


def _read_assigned(path: SettingPath, text: str) -> Any:
    """The value of an assignment; a text may begin with a bracket, as patterns on a path do."""
    is_text = template(path) in fields() and explain_setting(path).type.startswith("text")
    try:
        value = read_value(text)
    except DocumentProblem:
        if is_text:
            return text
        raise
    return text if is_text and isinstance(value, dict | list) else value


def _parts(given: Given) -> Iterator[Given]:
    """The same with every name taken apart, and a group that was given as one value as its settings."""
    path: SettingPath = ()
    for part in given.path:
        path += (part,) if template(path) in mappings() else split_name(part)
    is_group = template(path) in {*section_types(), *mappings()}
    if is_group and isinstance(given.value, dict) and given.value:
        for key, value in given.value.items():
            yield from _parts(Given((*path, str(key)), value, given.origin))
    else:
        yield replace(given, path=path)


def _choose(given: Given, chosen: dict[SettingPath, Given]) -> None:
    """Let a setting, or a mapping or entry as a whole, win over what was chosen before."""
    path, known = given.path, template(given.path)
    if known in section_types() and known.rpartition(".")[0] not in mappings():
        return  # a heading with nothing below it
    if known in {*section_types(), *mappings()}:
        for before in [each for each in chosen if each[: len(path)] == path]:
            del chosen[before]
        is_list = isinstance(given.value, list | tuple)
        path, given = ((*path, ""), given) if is_list else (path, replace(given, value={}))
    chosen[path] = replace(given, path=path)


def validate(chosen: Mapping[SettingPath, Given]) -> tuple[Config | None, list[str]]:
    """The settings that these come to, or None and what is wrong with them. Their names are known to be right."""
    unwritable = [each for each in chosen.values() if not _is_text([*each.path, each.value])]
    problems = [f"{each.name}: holds characters that are no text ({each.origin})" for each in unwritable]
    nested = nest((path, each.value) for path, each in chosen.items() if each not in unwritable)
    try:
        # Through JSON, because strict validation then still takes lists for tuples and text for paths,
        # but no "yes" for true and no "5" for 5.
        return Config.model_validate_json(json.dumps(nested, default=str), strict=True), problems
    except ValidationError as error:
        wrong = [value_problem(dict(each), chosen) for each in error.errors(include_url=False)]
        return None, [*problems, *dict.fromkeys(wrong)]


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True
