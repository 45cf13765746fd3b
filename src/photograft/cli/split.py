"""`photograft split`: parse, split, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import choosing, console

MUST_FIX = 3


def split(
    photos: choosing.Photos,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the table of parts and folds is written.")
    ] = Path("splits.csv"),
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Check this table against the photos instead of writing one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file of --out.")] = False,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    classes: choosing.Classes = None,
    top_classes: choosing.TopClasses = None,
    per_class: choosing.PerClass = None,
    edits: choosing.EditsFile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Divide photos into parts and folds without training, or check a table that does.

    Duplicates and photos of one group stay together. Give the file back with --set split.file=FILE.
    """
    from photograft.config import load_config
    from photograft.workflow.split import check_split
    from photograft.workflow.split import split as workflow

    chosen = choosing.settings(classes=classes, top_classes=top_classes, per_class=per_class, edits=edits)
    settings = load_config(config, assignments or (), **chosen)
    if check is not None:
        done = check_split(photos, check, config=settings, narrator=console)
    else:
        done = workflow(photos, out, config=settings, force=force, narrator=console)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(done.lines()))
    if any(issue.must_fix for issue in done.issues):
        raise typer.Exit(MUST_FIX)
