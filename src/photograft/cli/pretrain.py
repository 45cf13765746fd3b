"""`photograft pretrain`: parse, train without labels, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.cli import choosing, console

if TYPE_CHECKING:
    from photograft.workflow.pretrain import PretrainedRun

_NAMES = {
    "model": "this autoencoder",
    "quarter": "photos shrunk to a quarter",
    "mean_colour": "mean colours",
    "trained": "on photos it trained on",
}


def pretrain(
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Any folder of photos, however its folders are named, or a zip or tar.", show_default=False
        ),
    ] = None,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run; by default that of the folder and -pretrain.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Folder in which the run folder is made.")] = Path(
        "runs"
    ),
    resume: Annotated[Path | None, typer.Option("--resume", help="Go on with this run, which was stopped.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Train an autoencoder on photos without labels, as a beginning for `train`.

    Its encoder is then a backbone like any other: model.backbone=run:PATH.
    """
    from photograft.config import load_config
    from photograft.errors import ConfigError
    from photograft.workflow import pretrain as workflow

    if resume is not None:
        if any((photos, config, assignments, name)) or runs_dir != Path("runs"):
            raise ConfigError("--resume goes on with a run as it was begun: give nothing but --json beside it")
        done = workflow.resume_pretraining(resume, narrator=console)
    elif photos is None:
        raise ConfigError("give a folder of photos, or --resume RUN. Try `photograft pretrain --help`.")
    else:
        settings = load_config(config, assignments or ())
        done = workflow.pretrain(photos, name=name, runs_dir=runs_dir, config=settings, narrator=console)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text(_describe(done))


def _describe(done: PretrainedRun) -> str:
    width = max(map(len, _NAMES.values()))
    rows = [
        f"  {_NAMES[name]:<{width}}  {error.mse:.4f} ({error.low:.4f} to {error.high:.4f})  {error.psnr_db:.1f} dB"
        for name, error in done.errors.items()
    ]
    lines = [
        "",
        *(f"warning: {warning}" for warning in done.warnings),
        f"Mean squared error of {done.photos['held_out']:,} held-out photos (colours from 0 to 1)",
        *rows,
        "",
        f"Time    {sum(done.seconds.values()):.1f} s",
        f"Report  {done.run / 'report.html'}",
        f"Next    {done.next_command}",
    ]
    return "\n".join(lines)
