"""What was probably meant by a name that no setting has."""

from __future__ import annotations

import difflib

from photograft.config.names import dotted_name
from photograft.config.tree import NAME, SettingPath, concrete, fields, mappings, section_types, template


def did_you_mean(path: SettingPath) -> str:
    """Name what was probably meant: a key without its section, or a spelling close to it."""
    mapping = next((each for each in mappings() if template(path).startswith(f"{each}.")), "")
    guesses = _in_mappings(path) or _same_key(path) or ([] if mapping else _close(path))
    if guesses:
        return f"; did you mean {' or '.join(f'`{each}`' for each in guesses)}?"
    if mapping:
        return f"; `photograft config explain {mapping}` lists what there is"
    return "; `photograft config explain` lists all settings"


def _in_mappings(path: SettingPath) -> list[str]:
    """What was meant if the name belongs into a mapping, whose entries have names that nobody can know."""
    for mapping in mappings():
        inside = _inside(path, mapping)
        if not inside:
            continue
        meant = (*mapping.split("."), *inside)
        if template(meant) != template(path) and template(meant) in {*fields(), *section_types()}:
            return [dotted_name(meant)]
        keys = {name: name.rpartition(".")[2] for name in fields() if name.startswith(f"{mapping}.{NAME}.")}
        for key in difflib.get_close_matches(meant[-1], keys.values(), n=1, cutoff=0.7):
            return [dotted_name(concrete(name, meant)) for name, known in keys.items() if known == key]
    return []


def _inside(path: SettingPath, mapping: str) -> SettingPath:
    """The part of the path behind the mapping's name, which may be spelled wrongly or lack its section."""
    depth = mapping.count(".") + 1
    if path[0] == mapping.rpartition(".")[2]:
        return path[1:]
    return path[depth:] if difflib.get_close_matches(mapping, [".".join(path[:depth])], cutoff=0.85) else ()


def _same_key(path: SettingPath) -> list[str]:
    return [each for each in _unnamed() if each.rpartition(".")[2] == path[-1] and each != dotted_name(path)]


def _close(path: SettingPath) -> list[str]:
    known = _unnamed()
    close = difflib.get_close_matches(dotted_name(path), [*known, *section_types(), *mappings()], n=1, cutoff=0.6)
    if not close and len(path) > 1:
        close = difflib.get_close_matches(path[0], section_types(), n=1, cutoff=0.7)
    if not close:
        by_key = {each.rpartition(".")[2]: each for each in known}
        close = [by_key[each] for each in difflib.get_close_matches(path[-1], by_key, n=1, cutoff=0.7)]
    return close


def _unnamed() -> list[str]:
    """The settings outside of mappings."""
    return [each for each in fields() if NAME not in each.split(".")]
