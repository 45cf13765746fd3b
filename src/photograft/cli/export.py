"""`photograft export`: parse, export, print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console


class Form(StrEnum):
    """What a bundle can be exported as."""

    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    openvino = "openvino"
    timm = "timm"
    web = "web"


def export(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    to: Annotated[Form, typer.Option("--to", help="The form.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to write; by default NAME-FORM.")
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            "--photos",
            metavar="PHOTOS",
            help="Photos to compare on (and to calibrate on), best with labels; by default the run's. Repeatable.",
        ),
    ] = None,
    runtime: Annotated[
        Path | None, typer.Option("--runtime", metavar="DIR", help="For web: where the browser's runtime is.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older export.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Write a model in a form that other programs open, and compare it with the bundle.

    onnx: one file from pixels to probabilities. onnx-int8: the same in 8 bits. openvino: for Intel's runtime. timm: a
    folder that timm opens. web: a page that classifies in the browser.
    """
    from photograft.reporting.export_texts import export_lines
    from photograft.workflow.export import export as workflow

    done = workflow(
        model, to.value, out=out, photos=photos or (), runtime=runtime, force=force, narrator=console
    ).to_json()
    if json_output:
        console.print_json(done)
    else:
        console.print_text("\n".join(export_lines(done)))
