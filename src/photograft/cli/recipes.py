"""`photograft recipes`: list, show, copy and run the models of five source systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.cli import choosing, console

app = typer.Typer(help="List, show, copy and run the recipes of five source systems.")

PARTIAL = 6
_WEIGHTS = {"none": "-"}

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a recipe, as `photograft recipes list` shows them.")]


@app.command("list")
def list_(json_output: _Json = False) -> None:
    """List the recipes of every system, with whether the pretrained weights that they want are on this machine."""
    from photograft.workflow.recipes import recipe_rows

    rows = recipe_rows()
    if json_output:
        console.print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    lines: list[str] = []
    system = ""
    for row in rows:
        if row["system"] != system:
            system = row["system"]
            lines += ["", system]
        weights = _WEIGHTS.get(row["weights"], row["weights"])
        lines.append(f"  {row['name']:<{width}}  {weights:<7}  {row['reproduces']}")
    console.print_text("\n".join([f"{'recipe':<{width + 2}}  weights  reproduces", *lines]))
    console.say("`photograft recipes run NAME --data PATH` runs a recipe, or all of a system.")


@app.command()
def show(name: _Name) -> None:
    """Print a recipe: what it reproduces and expects, and all its settings."""
    from photograft.config.recipe import read_recipe

    console.print_text(read_recipe(name).text)


@app.command()
def copy(
    name: _Name,
    to: Annotated[Path, typer.Argument(metavar="[TO]", help="Folder or file; by default the current folder.")] = Path(),
) -> None:
    """Copy a recipe, to change it and train with `photograft train PHOTOS --config FILE`."""
    from photograft.workflow.recipes import copy_recipe

    console.print_text(str(copy_recipe(name, to)))


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a recipe, or of a system: all its recipes.")],
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="The photos, as `photograft train` takes them.")],
    assignments: choosing.Assignments = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="A,B,...", help="Of a system, run these recipes and what they need.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Folder in which that of the study is made.")] = Path(
        "runs"
    ),
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FOLDER", help="Go on with the study in this folder.")
    ] = None,
    json_output: _Json = False,
) -> None:
    """Run a recipe, or all recipes of a system on one split, and compare them on the same photos."""
    from photograft.workflow.recipes import run_recipe

    names = [each.strip() for each in (only or "").split(",") if each.strip()]
    where: dict[str, Any] = {"runs_dir": runs_dir, "into": into}
    done = run_recipe(name, data, assignments=assignments or (), only=names, narrator=console, **where)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(["", *done.lines()]))
    if done.failed:
        raise typer.Exit(PARTIAL)
