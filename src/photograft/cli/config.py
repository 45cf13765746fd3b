"""`photograft config`: show the settings of a run to be, and explain each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli.console import print_json, print_text

if TYPE_CHECKING:
    from photograft.config import Explanation

app = typer.Typer(help="Show and explain the settings.", add_completion=False, rich_markup_mode=None)


@app.command()
def show(
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A YAML file with settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print every setting as a run would use it, and where each comes from."""
    from photograft.config import as_document, load_with_origins, to_yaml

    loaded = load_with_origins(config, assignments or ())
    if json:
        print_json({"settings": as_document(loaded.config), "origins": loaded.origins})
    else:
        print_text(to_yaml(loaded.config, reasons=loaded.origins))


@app.command()
def explain(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="A setting or a section. Default: all.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what a setting means, what it accepts and what it is by default."""
    from photograft.config import all_settings
    from photograft.config import explain as explain_setting

    explained = None if key is None else explain_setting(key)
    found = all_settings() if explained is None else list(explained.settings) or [explained]
    if json:
        print_json([_as_json(each) for each in found])
    elif explained is None:
        print_text(_table(found))
    elif explained.settings:
        print_text(f"{explained.meaning}\n\n{_table(found)}")
    else:
        print_text(_paragraph(explained))


def _as_json(each: Explanation) -> dict[str, Any]:
    return {
        "name": each.name,
        "accepts": each.accepted,
        "default": each.default,
        "choices": list(each.choices),
        "meaning": each.meaning,
    }


def _table(found: list[Explanation]) -> str:
    rows = [("setting", "default", "accepts"), *((each.name, each.default, each.accepted) for each in found)]
    # A long default would push the last column off the screen; the paragraph of its setting shows it whole.
    rows = [(name, default if len(default) <= 22 else f"{default[:19]}...", accepts) for name, default, accepts in rows]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {default:<{widths[1]}}  {accepts}" for name, default, accepts in rows)


def _paragraph(each: Explanation) -> str:
    return f"{each.name}\n  {each.meaning}\n  accepts: {each.accepted}\n  default: {each.default}"
