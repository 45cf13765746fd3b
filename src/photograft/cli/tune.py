"""`photograft tune`: search settings, or go on with a search."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.cli import choosing, console


class Sampler(StrEnum):
    """How settings are chosen."""

    tpe = "tpe"
    grid = "grid"
    random = "random"


def tune(
    photos: Annotated[
        Path | None,
        typer.Argument(help="The photos, as `photograft train` takes them.", show_default=False),
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", metavar="FILE", help="YAML file: which values of which settings to try.")
    ] = None,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="How many to run, base settings included; 20 by default.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="Time after which no trial is begun.")
    ] = None,
    sampler: Annotated[
        Sampler | None,
        typer.Option("--sampler", help="tpe learns from earlier trials (default); grid takes every combination."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes side by side.")] = 1,
    name: Annotated[str | None, typer.Option("--name", help="Of the search; by default that of the photos.")] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Folder in which that of the search is made.")] = Path(
        "runs"
    ),
    per_class: choosing.PerClass = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="FOLDER", help="Go on with this search, or join it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Search settings: every trial is a run, and the winner is judged once on the test part.

    The first trial has the base settings, those of --config and --set. Nothing of the test part is seen before the end.
    """
    from photograft.config import load_config
    from photograft.errors import ConfigError
    from photograft.workflow import tune as workflow

    if resume is not None:
        others = (space, config, assignments, sampler, name, per_class)
        if any(each is not None for each in others) or runs_dir != Path("runs"):
            raise ConfigError(
                "--resume goes on with a search as it was begun: give nothing but --trials, --minutes, --workers and "
                "--json beside it, and where the photos are on another machine"
            )
        done = workflow.resume_tuning(
            resume, photos=photos, trials=trials, minutes=minutes, workers=workers, narrator=console
        )
    elif photos is None or space is None:
        raise ConfigError("give photos and --space FILE, or --resume FOLDER. Try `photograft tune --help`.")
    else:
        base = load_config(config, assignments or (), **{"data.per_class": per_class})
        options: dict[str, Any] = {"name": name, "runs_dir": runs_dir, "trials": trials or workflow.TRIALS}
        options |= {"sampler": "tpe" if sampler is None else sampler.value, "minutes": minutes, "workers": workers}
        done = workflow.tune(photos, space=space, config=base, narrator=console, **options)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(done.lines()))
