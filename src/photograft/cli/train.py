"""`photograft train`: parse, train, print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli import choosing, cluster, console
from photograft.cli.scores import class_table, factor_table, fold_line, headline, slice_table

if TYPE_CHECKING:
    from photograft.workflow.prepare import Plan
    from photograft.workflow.train import TrainedRun


class Quality(StrEnum):
    """Levels of effort."""

    fast = "fast"
    good = "good"
    best = "best"


def train(
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with one sub-folder per class, a zip or tar of it, or a table; also at a URL.",
            show_default=False,
        ),
    ] = None,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    quality: Annotated[
        Quality | None,
        typer.Option(
            "--quality",
            help="fast: 224 px, one view. good: 320 px, two views (default). best: trains the last blocks too.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run; by default that of the folder.")] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Folder in which the run folder is made.")] = Path(
        "runs"
    ),
    classes: choosing.Classes = None,
    top_classes: choosing.TopClasses = None,
    per_class: choosing.PerClass = None,
    edits: choosing.EditsFile = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be done, what trains and how long it would take, then stop."),
    ] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on with this run, which was stopped while it was fine-tuned.")
    ] = None,
    on: cluster.On = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Train a classifier on a folder of photos.

    The head is calibrated and tested; the run folder holds the report and the bundle.
    """
    from photograft.config import load_config
    from photograft.errors import ConfigError
    from photograft.workflow import train as workflow

    if resume is not None:
        others = (photos, config, assignments, quality, name, classes, top_classes, per_class, edits, dry_run, on)
        if any(others) or runs_dir != Path("runs"):
            raise ConfigError("--resume goes on with a run as it was begun: give nothing but --json beside it")
        _show(workflow.resume(resume, narrator=console), json_output=json_output)
        return
    if photos is None:
        raise ConfigError("give a folder of photos, or --resume RUN. Try `photograft train --help`.")
    chosen = choosing.settings(classes=classes, top_classes=top_classes, per_class=per_class, edits=edits)
    settings = load_config(config, assignments or (), quality=quality and quality.value, **chosen)
    if dry_run and on is not None:
        raise ConfigError("--dry-run measures what a run costs on this machine: leave --on away.")
    if dry_run:
        _show_plan(workflow.plan(photos, config=settings, narrator=console), json_output=json_output)
        return
    asked: dict[str, Any] = {"name": name, "runs_dir": runs_dir, "config": settings, "narrator": console}
    _show(workflow.train(photos, **asked) if on is None else _train_on(on, photos, asked), json_output=json_output)


def _train_on(on: str, photos: Path, asked: dict[str, Any]) -> TrainedRun:
    from photograft.scaling.cluster import parse_on
    from photograft.scaling.train import train_on

    return train_on(parse_on(on), photos, **asked)


def _show_plan(planned: Plan, *, json_output: bool) -> None:
    if json_output:
        console.print_json(planned.to_json())
    elif planned.summaries:
        console.print_text("\n".join(planned.details()))


def _show(done: TrainedRun, *, json_output: bool) -> None:
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text(_describe(done))


def _describe(done: TrainedRun) -> str:
    stages = ", ".join(f"{stage} {s:.1f}" for stage, s in done.seconds.items() if s >= 0.1)
    lines = [
        "",
        *(f"warning: {warning}" for warning in done.warnings),
        headline(done.headline),
        "",
        *class_table(done.headline),
        *factor_table(done.headline),
        *slice_table(done.headline),
        *(["", *fold_line(done.folds)] if done.folds else []),
        "",
        f"Time    {sum(done.seconds.values()):.1f} s ({stages})",
        f"Report  {done.run / 'report.html'}",
        f"Model   {done.bundle}",
        f"Next    photograft predict {_quote(done.run)} PHOTO...",
    ]
    return "\n".join(lines)


def _quote(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
