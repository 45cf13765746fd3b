"""Write the reference of all settings: `python -m photograft.config.reference docs/reference/settings.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from photograft.config.explain import Explanation, explain
from photograft.config.tree import fields, section_types

_OPENING = """\
# Settings

Written by `make docs` from the settings themselves; change `src/photograft/config/` instead of this page.

Every setting has one name, `section.key`. It can stand in a YAML file (`--config FILE`), or be given with
`--set section.key=value`; the later of *default, file, `--set`, flag* wins. `photograft config show` prints what a run
would use, `photograft config explain KEY` prints one entry of this page. NAME stands for a name that you choose, such
as that of a factor: `model.factors.age.graft`. The [guide](../guides/config.md) says more on files, values and names.
"""


def render() -> str:
    """Write the page as Markdown."""
    parts = [_OPENING]
    alone = [explain(name) for name in fields() if "." not in name]
    parts.append(f"## General\n\n{_table(alone)}")
    for section in section_types():
        explained = explain(section)
        parts.append(f"## {section}\n\n{explained.meaning}\n\n{_table(list(explained.settings))}")
    return "\n".join(parts)


def _table(settings: list[Explanation]) -> str:
    rows = ["| setting | default | accepts | meaning |", "|---|---|---|---|"]
    rows += [f"| `{each.name}` | {_default(each)} | {each.accepted} | {each.meaning} |" for each in settings]
    return "\n".join(rows) + "\n"


def _default(each: Explanation) -> str:
    return f"as `{each.same_as}`" if each.same_as else f"`{each.default}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8", newline="\n")
