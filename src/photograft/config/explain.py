"""What each setting is, read from the sections themselves: type, default, limits and meaning are written once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from photograft.config.document import write_value
from photograft.config.section import Section
from photograft.config.settings import Config
from photograft.errors import ConfigError

_WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    NoneType: "null",
}
_WORDS_OF_MANY: dict[Any, str] = {str: "texts", int: "whole numbers", float: "numbers", Path: "paths"}


@dataclass(frozen=True)
class Explanation:
    """One setting or section in words.

    `default` is written as in a settings file, `limits` may be empty, `choices` are the words that are allowed
    (beside numbers, where `type` names them too). A section has no default, and holds its `settings`.
    """

    name: str
    type: str
    default: str
    limits: str
    meaning: str
    choices: tuple[str, ...] = ()
    settings: tuple[Explanation, ...] = ()

    @property
    def accepted(self) -> str:
        """Type and limits as one phrase; limits belong to numbers."""
        return self.type.replace("number", f"number {self.limits}", 1) if self.limits else self.type


def explain(name: str) -> Explanation:
    """Explain a setting (`split.folds`) or a whole section (`split`). Raises ConfigError with a did-you-mean."""
    if name in section_types():
        section = section_types()[name]
        return Explanation(
            name=name,
            type="section",
            default="",
            limits="",
            meaning=inspect.cleandoc(section.__doc__ or ""),
            settings=tuple(each for each in all_settings() if each.name.rpartition(".")[0] == name),
        )
    if name in fields():
        return _explain_field(name, fields()[name])
    raise ConfigError(f"there is no setting `{name}`{did_you_mean(name)}")


def all_settings() -> list[Explanation]:
    """Explain every setting, in the order of the sections."""
    return [_explain_field(name, field) for name, field in fields().items()]


def did_you_mean(name: str) -> str:
    """Name what was probably meant: a key without its section, or a spelling close to it; empty when nothing is."""
    known = [*fields(), *section_types()]
    key = name.rpartition(".")[2]
    same_key = [each for each in fields() if each.rpartition(".")[2] == key and each != name]
    by_key = {each.rpartition(".")[2]: each for each in fields()}
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close and key != name:
        close = difflib.get_close_matches(name.partition(".")[0], section_types(), n=1, cutoff=0.7)
    if not close:
        close = [by_key[each] for each in difflib.get_close_matches(key, by_key, n=1, cutoff=0.7)]
    guesses = same_key or close
    if guesses:
        return f"; did you mean {' or '.join(f'`{each}`' for each in guesses)}?"
    return "; `photograft config explain` lists all settings"


def fields() -> dict[str, FieldInfo]:
    """Every setting by dotted name, in the order of the sections."""
    return dict(_walk(Config, ""))


def section_types() -> dict[str, type[Section]]:
    """Every section by its dotted name; a section inside another one comes after it."""
    return dict(_walk_sections(Config, ""))


def _walk(section: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if _is_section(annotation):
            yield from _walk(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{field.alias or name}", field


def _walk_sections(section: type[Section], prefix: str) -> Iterator[tuple[str, type[Section]]]:
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if _is_section(annotation):
            yield f"{prefix}{name}", annotation
            yield from _walk_sections(annotation, f"{prefix}{name}.")


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _explain_field(name: str, field: FieldInfo) -> Explanation:
    kinds: list[str] = []
    choices: list[str] = []
    limits = _limits(field.metadata)
    for kind, metadata in _alternatives(field.annotation):
        limits = limits or _limits(metadata)
        if get_origin(kind) is Literal:
            choices += [str(each) for each in get_args(kind)]
        elif get_origin(kind) is tuple:
            item = get_args(kind)[0]
            if get_origin(item) is Literal:
                choices += [str(each) for each in get_args(item)]
                kinds.append("list of words from: " + ", ".join(choices))
            else:
                kinds.append(f"list of {_WORDS_OF_MANY[item]}")
        else:
            kinds.append(_WORDS[kind])
    if choices and not any(kind.startswith("list") for kind in kinds):
        kinds += [f"`{each}`" for each in choices]
    return Explanation(
        name=name,
        type=_join_or(kinds),
        default=write_value(field.default),
        limits=limits,
        meaning=inspect.cleandoc(field.description or "").replace("\n", " "),
        choices=tuple(choices),
    )


def _alternatives(annotation: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The members of a union, each with the limits that belong to it alone."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for member in members:
        if get_origin(member) is Annotated:
            kind, *extras = get_args(member)
            yield kind, tuple(one for each in extras for one in getattr(each, "metadata", (each,)))
        else:
            yield member, ()


def _limits(metadata: Any) -> str:
    bounds: dict[str, Any] = {}
    for each in metadata:
        for bound in ("ge", "gt", "le", "lt"):
            if getattr(each, bound, None) is not None:
                bounds[bound] = getattr(each, bound)
    if "ge" in bounds and "le" in bounds:
        return f"from {_number(bounds['ge'])} to {_number(bounds['le'])}"
    words = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}
    return " and ".join(f"{words[bound]} {_number(limit)}" for bound, limit in bounds.items())


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _join_or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
