"""`photograft explain`: parse, explain, print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.language import Language

PARTIAL = 6


class Method(StrEnum):
    """How heat maps are made."""

    auto = "auto"
    cam = "cam"
    occlusion = "occlusion"
    gradient = "gradient"


def explain(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Files, folders, patterns.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the photos and heat maps.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the heat maps over the photos as PNG files.")
    ] = None,
    method: Annotated[
        Method,
        typer.Option("--method", help="cam and occlusion need the bundle alone, gradient a run and torch."),
    ] = Method.auto,
    label: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Explain this class, not the predicted one.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="How many training photos to name per photo.")] = 6,
    language: Annotated[
        Language, typer.Option("--language", help="Of the page; auto: as this computer speaks.")
    ] = Language.auto,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Show why the model said what it said of photos: where it looked, and the training photos most like them.

    Exit code 6 if some photos could not be used.
    """
    from photograft.data.inputs import expand_inputs
    from photograft.reporting.explain_page import explain_lines
    from photograft.workflow.explain import explain as workflow
    from photograft.workflow.explain_page import (
        check_places,
        explanations_document,
        write_explanations,
        write_overlays,
    )

    paths = list(expand_inputs(photos))
    check_places(html, out, photos)
    explanations = workflow(model, paths, method=method.value, label=label, top=top, narrator=console)
    files = write_overlays(out, explanations) if out is not None else ()
    document = explanations_document(model, explanations, files=files)
    if html is not None:
        write_explanations(html, model, explanations, language=language.value)
    if json_output:
        console.print_json(document)
    else:
        console.print_text("\n".join(explain_lines(document)))
    if html is not None:
        console.say(f"Page: {html}")
    rejected = sum(each.prediction.status == "rejected" for each in explanations)
    if rejected:
        console.say(f"{rejected} of {len(paths)} photos could not be used; the lines say why.")
        raise typer.Exit(PARTIAL)
