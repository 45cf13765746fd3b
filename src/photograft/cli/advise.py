"""`photograft advise`: parse, measure, try, print."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from photograft.cli import choosing, console
from photograft.cli.train import Quality


def advise(
    photos: choosing.Photos,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    quality: Annotated[
        Quality | None, typer.Option("--quality", help="As in train: input size and views of the photos.")
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="N", help="How long all of it may take; sets the size of the sample.")
    ] = 5.0,
    classes: choosing.Classes = None,
    top_classes: choosing.TopClasses = None,
    per_class: choosing.PerClass = None,
    edits: choosing.EditsFile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Say how much of the network to train on these photos, by measuring, and by trying it on a sample.

    Writes no run. The features that it computes stay in the cache, for a train that follows.
    """
    from photograft.config import load_config
    from photograft.reporting.advise_texts import advise_text
    from photograft.workflow.advise import advise as workflow

    given = choosing.settings(classes=classes, top_classes=top_classes, per_class=per_class, edits=edits)
    level = None if quality is None else quality.value
    settings = load_config(config, assignments or (), quality=level, **given)
    flags: dict[str, list[Any]] = {
        "--config": [config],
        "--set": assignments or [],
        "--quality": [level],
        "--classes": [classes],
        "--top-classes": [top_classes],
        "--per-class": [per_class],
        "--edits": [edits],
    }
    options = [each for flag, values in flags.items() for v in values if v is not None for each in (flag, str(v))]
    document = workflow(photos, config=settings, minutes=minutes, options=options, narrator=console)
    if json_output:
        console.print_json(document)
    else:
        console.print_text(advise_text(document))
