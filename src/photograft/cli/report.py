"""`photograft report`: parse, render, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.language import Language


def report(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    robustness: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="SECONDS", help="First try the model on worse photos (noise, blur, poor light) for so long."
        ),
    ] = None,
    language: Annotated[
        Language | None,
        typer.Option("--language", help="Of the page; auto: as this computer speaks. By default as trained."),
    ] = None,
) -> None:
    """Render the report of a run again and print its path."""
    from photograft.workflow.render import report as workflow

    console.print_text(
        str(workflow(run, robustness_s=robustness, language=language and language.value, narrator=console))
    )
