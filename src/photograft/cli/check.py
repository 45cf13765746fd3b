"""`photograft check`: parse, check, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.cli import choosing, cluster, console

MUST_FIX = 3


def check(
    photos: choosing.Photos,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures of every finding.")
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", metavar="FILE", help="Write a page that shows photos before and after cropping."),
    ] = None,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    classes: choosing.Classes = None,
    top_classes: choosing.TopClasses = None,
    per_class: choosing.PerClass = None,
    edits: choosing.EditsFile = None,
    on: cluster.On = None,
    out: cluster.Out = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Check photos and labels before training: files, duplicates, leaks, classes, boxes. Changes nothing.

    Exit code 0: nothing must be fixed. 3: something must be.
    """
    from photograft.config import load_config
    from photograft.reporting.check_document import check_text

    cluster.check_out(on, out)
    chosen = choosing.settings(classes=classes, top_classes=top_classes, per_class=per_class, edits=edits)
    settings = load_config(config, assignments or (), **chosen)
    asked: dict[str, Any] = {"config": settings, "html": html, "preview": preview, "narrator": console}
    if on is None:
        from photograft.workflow.check import check as workflow

        document = workflow(photos, **asked)
    else:
        from photograft.scaling.check import check_on
        from photograft.scaling.cluster import parse_on

        document = check_on(parse_on(on), photos, out=out, **asked)
    if json_output:
        console.print_json(document)
    else:
        console.print_text(check_text(document))
    if not document["clean"]:
        raise typer.Exit(MUST_FIX)
