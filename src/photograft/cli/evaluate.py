"""`photograft evaluate`: parse, test, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.scores import class_table, factor_table, headline, slice_table

_DECIDED = ("data.formats", "data.max_pixels", "data.margin", "data.box_choice")


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    photos: Annotated[
        Path,
        typer.Argument(
            help="Labelled photos that the model never saw: a folder, an archive or a table, also at a URL."
        ),
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set a setting of data, or report.slices; repeatable."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Test a finished model on labelled photos that it never saw.

    Labels and boxes are read as they were for training; where photos have boxes, the score without them is shown too.
    """
    from photograft.errors import ConfigError
    from photograft.workflow.evaluate import evaluate as workflow

    others = [a for a in assignments or () if not a.strip().startswith(("data.", "report.slices"))]
    others += [a for a in assignments or () if a.split("=")[0].strip() in _DECIDED]
    if others:
        raise ConfigError(f"--set {others[0]}: the model decides this; evaluate takes data.* and report.slices.")
    tested = workflow(model, photos, settings=assignments or (), narrator=console)
    if json_output:
        console.print_json(tested.to_json())
        return
    for warning in tested.warnings:
        console.say(f"warning: {warning}")
    for photo in tested.rejected:
        console.say(f"skipped: {photo.name}: {photo.verdict}, {photo.reason}")
    lines = [headline(tested.evaluation)]
    if tested.whole is not None and tested.box_gain is not None:
        difference, low, high = tested.box_gain
        lines += [
            f"{headline(tested.whole)}",
            f"Boxes gain {difference:+.3f} (95 % interval {low:+.3f} to {high:+.3f})",
        ]
    lines += ["", *class_table(tested.evaluation), *factor_table(tested.evaluation), *slice_table(tested.evaluation)]
    console.print_text("\n".join(lines))
