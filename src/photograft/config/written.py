"""Settings written down again: as a settings file, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photograft.config.document import escape, write_value
from photograft.config.explain import explain
from photograft.config.names import dotted_name, split_name
from photograft.config.settings import Config
from photograft.config.tree import SettingPath, leaves, nest


def to_yaml(config: Config, *, reasons: Mapping[str, str] | None = None) -> str:
    """Write all settings as YAML that `load_config` reads back to the same Config.

    Of factors and members it is what was given. `reasons` maps dotted names to a comment that is put behind the value.
    """
    comments = {}
    for name, words in (reasons or {}).items():
        explain(name)
        comments[dotted_name(split_name(name))] = f"  # {escape(' '.join(words.split()))}"
    lines: list[str] = []
    groups: SettingPath = ()
    written = list(leaves(config))
    for path, value in written:
        place = path[:-1] if _is_alone(path, [each for each, _ in written]) else path
        shared = next((n for n, part in enumerate(place[:-1]) if groups[n : n + 1] != (part,)), len(place) - 1)
        for depth in range(shared, len(place) - 1):
            lines += [*([] if depth else [""]), f"{'  ' * depth}{write_value(place[depth])}:"]
        groups = place[:-1]
        comment = comments.get(dotted_name(path), "")
        lines.append(f"{'  ' * len(groups)}{write_value(place[-1])}: {write_value(value)}{comment}")
    return "\n".join(lines).lstrip("\n") + "\n"


def as_document(config: Config) -> dict[str, Any]:
    """All settings as groups of plain values for JSON; of factors and members what was given."""
    return nest(leaves(config))


def _is_alone(path: SettingPath, paths: list[SettingPath]) -> bool:
    """Whether this is a plain list in the place of a mapping."""
    return not path[-1] and sum(each[:-1] == path[:-1] for each in paths) == 1
