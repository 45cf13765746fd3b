"""`photograft evaluate`: parse, test, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.scores import class_table, headline

_SETTINGS = ("data.ignore", "data.max_file_mb", "data.timeout_s", "data.max_bad_fraction")


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    photos: Annotated[Path, typer.Argument(help="Folder with one sub-folder per class, which the model never saw.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Set data.ignore, data.max_file_mb, data.timeout_s or data.max_bad_fraction.",
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Test a finished model on labelled photos that it never saw."""
    from photograft.config import load_config
    from photograft.errors import ConfigError
    from photograft.workflow.evaluate import evaluate as workflow

    others = [a for a in assignments or () if a.split("=")[0].strip() not in _SETTINGS]
    if others:
        raise ConfigError(f"--set {others[0]}: the model decides this; evaluate takes only {', '.join(_SETTINGS)}.")
    tested = workflow(model, photos, data=load_config(None, assignments or ()).data, narrator=console)
    if json_output:
        console.print_json(tested.to_json())
        return
    for warning in tested.warnings:
        console.say(f"warning: {warning}")
    for photo in tested.rejected:
        console.say(f"skipped: {photo.path}: {photo.verdict}, {photo.reason}")
    console.print_text("\n".join([headline(tested.evaluation), "", *class_table(tested.evaluation)]))
