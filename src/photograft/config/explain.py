"""What each setting is, read from the sections themselves: type, default, limits and meaning are written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from photograft.config.document import write_value
from photograft.config.names import dotted_name, split_name
from photograft.config.suggest import did_you_mean
from photograft.config.tree import NAME, SettingPath, concrete, fields, mappings, section_types, template
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
    (beside numbers, where `type` names them too). A section has no default, and holds its `settings`. Where entries of
    a mapping repeat a section, `same_as` names the setting that counts as long as nothing is given.
    """

    name: str
    type: str
    default: str
    limits: str
    meaning: str
    choices: tuple[str, ...] = ()
    settings: tuple[Explanation, ...] = ()
    same_as: str = ""

    @property
    def accepted(self) -> str:
        """Type and limits as one phrase; limits belong to numbers."""
        return self.type.replace("number", f"number {self.limits}", 1) if self.limits else self.type


def explain(name: str) -> Explanation:
    """Explain a setting (`split.folds`), a section (`split`) or a mapping (`model.factors`).

    Raises ConfigError with a did-you-mean.
    """
    path = split_name(name)
    found = template(path)
    if found in fields():
        return explain_setting(path)
    if found in section_types():
        inside = [each for each in all_settings() if each.name.rpartition(".")[0] == found]
        meaning = _meaning_of_section(found)
    elif found in mappings():
        inside = [each for each in all_settings() if each.name.startswith(f"{found}.")]
        meaning = _meaning(mappings()[found])
    else:
        raise ConfigError(f"there is no setting `{name}`{did_you_mean(path)}")
    settings = tuple(explain_setting(concrete(each.name, path)) for each in inside)
    return Explanation(name=name, type="section", default="", limits="", meaning=meaning, settings=settings)


def explain_setting(path: SettingPath) -> Explanation:
    """Explain a setting that there is, by its path."""
    return _explain_field(dotted_name(path), template(path))


def all_settings() -> list[Explanation]:
    """Explain every setting, in the order of the sections; those of entries with NAME in the place of their name."""
    return [_explain_field(name, name) for name in fields() if name.rpartition(".")[0] not in fields()]


def _explain_field(name: str, known: str) -> Explanation:
    field = fields()[known]
    kinds: list[str] = []
    choices: list[str] = []
    limits, same_as = _limits(field.metadata), _same_as(known)
    for kind, metadata in _alternatives(field):
        limits = limits or _limits(metadata)
        if words := _words_of_pattern(metadata):
            choices += words
        elif get_origin(kind) is Literal:
            choices += [str(each) for each in get_args(kind)]
        elif get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
            choices += [str(each) for each in get_args(get_args(kind)[0])]
            kinds.append("list of words from: " + ", ".join(choices))
        elif get_origin(kind) is tuple:
            number = "" if Ellipsis in get_args(kind) else f"{len(get_args(kind))} "
            element, *extras = get_args(get_args(kind)[0]) or get_args(kind)[:1]
            forms = " or ".join(f"`{each}`" for each in _words_of_pattern(_of_each(extras)))
            kinds.append(f"list of {forms or number + _WORDS_OF_MANY[element]}")
        elif get_origin(kind) is dict:
            kinds.append(f"list of {_WORDS_OF_MANY[get_args(get_args(kind)[1])[0]]}, or one for each name")
        else:
            kinds.append(_WORDS[kind])
    if choices and not any(kind.startswith("list") for kind in kinds):
        kinds += [f"`{each}`" for each in choices]
    return Explanation(
        name=name,
        type=_join_or(sorted(kinds, key=lambda kind: kind == _WORDS[NoneType])),
        default=f"as {same_as}" if same_as else write_value(field.default),
        limits=limits,
        meaning=_meaning(field),
        choices=tuple(choices),
        same_as=same_as,
    )


def _same_as(known: str) -> str:
    section, _, key = known.rpartition(".")
    if NAME not in section.split("."):
        return ""
    kind = section_types().get(section)
    twin = next((name for name, each in section_types().items() if each is kind and NAME not in name.split(".")), "")
    return f"{twin}.{key}" if twin else ""


def _meaning_of_section(known: str) -> str:
    """What the section says, or, where entries repeat a section, what their field says."""
    holder, _, key = known.rpartition(".")
    if NAME in holder.split("."):
        return _meaning(section_types()[holder].model_fields[key])
    return inspect.cleandoc(section_types()[known].__doc__ or "")


def _meaning(field: FieldInfo) -> str:
    return inspect.cleandoc(field.description or "").replace("\n", " ")


def _alternatives(field: FieldInfo) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The members of a union, each with the limits that belong to it alone."""
    if get_origin(field.annotation) not in (Union, UnionType):
        yield field.annotation, tuple(field.metadata)
        return
    for member in get_args(field.annotation):
        if get_origin(member) is Annotated:
            kind, *extras = get_args(member)
            yield kind, _of_each(extras)
        else:
            yield member, ()


def _of_each(extras: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(one for each in extras for one in getattr(each, "metadata", (each,)))


def _words_of_pattern(metadata: tuple[Any, ...]) -> list[str]:
    """The words that a pattern `^(auto|blocks:[1-9][0-9]*)$` lets through, N for numbers and NAME for names."""
    patterns = [str(each.pattern) for each in metadata if getattr(each, "pattern", None)]
    return [
        re.sub(r"(\[[^]]*\])+([*+]|\{[0-9,]+\})", lambda found: "N" if "0-9" in found.group() else NAME, word)
        for pattern in patterns
        for word in pattern.removeprefix("^(").removesuffix(")$").split("|")
    ]


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
