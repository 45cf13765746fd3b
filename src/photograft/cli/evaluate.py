"""`photograft evaluate`: parse, test, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.scores import class_table, headline


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    photos: Annotated[Path, typer.Argument(help="Folder with one sub-folder per class, which the model never saw.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set one data.* setting; repeatable.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Test a finished model on labelled photos that it never saw."""
    from photograft.config import load_config
    from photograft.workflow.evaluate import evaluate as workflow

    tested = workflow(model, photos, data=load_config(None, assignments or ()).data, narrator=console)
    if json_output:
        console.print_json(tested.to_json())
        return
    for warning in tested.warnings:
        console.say(f"warning: {warning}")
    for photo in tested.rejected:
        console.say(f"skipped: {photo.path}: {photo.verdict}, {photo.reason}")
    console.print_text("\n".join([headline(tested.evaluation), "", *class_table(tested.evaluation)]))
