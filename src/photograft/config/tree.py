"""The tree of settings: sections with their settings, and mappings whose entries the user names.

A *path* holds the parts of a name, ("model", "factors", "age", "graft"). Its *template* has NAME in the place of what
the user chose, `model.factors.NAME.graft`: templates are what is known before anybody named anything. The entries of
a mapping are sections (`model.factors`) or values (`data.labels.order`); a mapping of values is a setting itself, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from photograft.config.section import Section
from photograft.config.settings import Config

NAME = "NAME"
SettingPath = tuple[str, ...]


@cache
def fields() -> Mapping[str, FieldInfo]:
    """Every setting by its template, in the order of the sections."""
    return {name: each for name, each in _walk(Config, "") if isinstance(each, FieldInfo) and not _holds_sections(each)}


@cache
def section_types() -> Mapping[str, type[Section]]:
    """Every section by its template; a section inside another one comes after it."""
    return {name: each for name, each in _walk(Config, "") if not isinstance(each, FieldInfo)}


@cache
def mappings() -> Mapping[str, FieldInfo]:
    """Every mapping by its name."""
    return {name: each for name, each in _walk(Config, "") if isinstance(each, FieldInfo) and _is_mapping(each)}


def template(path: SettingPath) -> str:
    """The path as a name, with NAME in the place of what the user named."""
    known = ""
    for part in path:
        key = NAME if known in mappings() else part
        known = f"{known}.{key}" if known else key
    return known


def concrete(known: str, path: SettingPath) -> SettingPath:
    """The inverse: a template as a path, with the names that `path` has in the places of NAME."""
    parts = known.split(".")
    return tuple(path[n] if part == NAME and n < len(path) else part for n, part in enumerate(parts))


def leaves(config: Config) -> Iterator[tuple[SettingPath, Any]]:
    """Every setting with its value; of the entries of a mapping what was given, {} where that is nothing."""
    yield from _leaves(config, (), only_given=False)


def nest(values: Iterable[tuple[SettingPath, Any]]) -> dict[str, Any]:
    """Settings as groups within groups, of the plain values that JSON has."""
    nested: dict[str, Any] = {}
    for path, value in values:
        inner = nested
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        if value == {}:
            inner.setdefault(path[-1], {})
        else:
            inner[path[-1]] = _plain(value)
    return nested


def _walk(section: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo | type[Section]]]:
    for key, field in section.model_fields.items():
        name = f"{prefix}{field.alias or key}"
        inner: Any = field.annotation
        if not _is_section(inner):
            yield name, field
        if _is_mapping(field):
            name, inner = f"{name}.{NAME}", get_args(inner)[1]
            if not _is_section(inner):
                yield name, FieldInfo(annotation=inner, default=(), description=field.description)
        if _is_section(inner):
            yield name, inner
            yield from _walk(inner, f"{name}.")


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _is_mapping(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is dict


def _holds_sections(field: FieldInfo) -> bool:
    return _is_mapping(field) and _is_section(get_args(field.annotation)[1])


def _leaves(section: Section, path: SettingPath, *, only_given: bool) -> Iterator[tuple[SettingPath, Any]]:
    for key, field in type(section).model_fields.items():
        if only_given and key not in section.model_fields_set:
            continue
        value, here = getattr(section, key), (*path, field.alias or key)
        if isinstance(value, Section):
            yield from _leaves(value, here, only_given=only_given)
        elif _is_mapping(field):
            yield from _entries(value, here)
        else:
            yield here, value


def _entries(mapping: Mapping[str, Any], path: SettingPath) -> Iterator[tuple[SettingPath, Any]]:
    if not mapping:
        yield path, {}
    for name, entry in mapping.items():
        if isinstance(entry, Section):
            yield from list(_leaves(entry, (*path, name), only_given=True)) or [((*path, name), {})]
        else:
            yield (*path, name), entry


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
