"""`photograft runs`: list, show, tag, note, mirror and prune runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console

app = typer.Typer(help="List, show, tag and remove runs.")

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder in which the runs are.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Run folder, or the name of one in --runs-dir, or its beginning.")
]
RUNS = Path("runs")
PARTIAL = 6

_Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="EXPR",
        help="Only runs for which it holds, such as 'accuracy>0.9', data=flowers, train.lr<=0.01; repeatable.",
    ),
]


@app.command("list")
def list_(
    runs_dir: RunsDir = RUNS,
    filters: _Filters = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only runs with this tag.")] = None,
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="Sort by this: the largest, or newest, first.")
    ] = "created",
    reverse: Annotated[bool, typer.Option("--reverse", help="The smallest, or oldest, first.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    json_output: JsonOutput = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table to this file too.")] = None,
) -> None:
    """List the runs of a folder, those of studies in it too, the newest first."""
    from photograft.workflow.run_filter import other_keys
    from photograft.workflow.run_show import row_json, runs_lines, write_runs_csv
    from photograft.workflow.runs import list_runs

    filters = filters or []
    rows = list_runs(
        runs_dir, filters=filters, sort=sort, reverse=reverse, tag=tag, limit=limit, with_settings=csv is not None
    )
    settings = other_keys(filters, sort)
    if csv is not None:
        write_runs_csv(csv, rows)
        console.say(f"{csv}: {len(rows):,} runs")
    if json_output:
        console.print_json([row_json(row, settings=settings) for row in rows])
    elif rows:
        console.print_text("\n".join(runs_lines(rows, settings=settings)))
    else:
        console.say(f"There are no {'such ' if filters or tag else ''}runs in {runs_dir}.")


@app.command()
def show(run: Run, runs_dir: RunsDir = RUNS, json_output: JsonOutput = False) -> None:
    """Print what is known of one run: scores, model, the settings that were given, what it takes on disk."""
    from photograft.workflow.run_show import run_lines, show_run
    from photograft.workflow.runs import find_run

    document = show_run(find_run(run, runs_dir))
    if json_output:
        console.print_json(document)
    else:
        console.print_text("\n".join(run_lines(document)))


@app.command()
def tag(
    run: Run,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags, such as keep, which prune spares.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags away instead.")] = False,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Tag a run, and print all its tags."""
    from photograft.workflow.runs import find_run, tag_run

    folder = find_run(run, runs_dir)
    notes = tag_run(folder, remove=tags) if remove else tag_run(folder, add=tags)
    console.print_text(f"{folder}: {', '.join(notes.tags) or 'no tags'}")


@app.command()
def note(
    run: Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; '' takes it away.")],
    runs_dir: RunsDir = RUNS,
) -> None:
    """Give a run a note in place of the one it has, and print it."""
    from photograft.workflow.runs import find_run, note_run

    folder = find_run(run, runs_dir)
    console.print_text(f"{folder}: {note_run(folder, text).note or 'no note'}")


@app.command()
def mirror(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders, or their names in --runs-dir.")],
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", metavar="URI", help="An MLflow store, such as sqlite:///mlflow.db.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", metavar="DIR", help="A log directory of TensorBoard.")
    ] = None,
    network: Annotated[bool, typer.Option("--network", help="Copy the bundle too, to MLflow.")] = False,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Copy finished runs to MLflow or TensorBoard. What is there already is left as it is."""
    from photograft.workflow.mirror import mirror_run
    from photograft.workflow.runs import find_run

    for folder in [find_run(run, runs_dir) for run in runs]:
        done = mirror_run(folder, mlflow=mlflow, tensorboard=tensorboard, network=network)
        said = [f"copied to {' and '.join(done.made)}"] if done.made else []
        said += [f"{' and '.join(done.known)} had it already"] if done.known else []
        console.print_text(f"{folder}: {'; '.join(said)}")


@app.command()
def prune(
    runs_dir: RunsDir = RUNS,
    keep: Annotated[int | None, typer.Option("--keep", metavar="N", min=0, help="Keep the newest N.")] = None,
    keep_best: Annotated[
        int | None,
        typer.Option("--keep-best", metavar="N", min=0, help="Keep the N most accurate of each set of photos."),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Keep younger ones: 30d, 12h, 2w.")
    ] = None,
    filters: _Filters = None,
    light: Annotated[
        bool, typer.Option("--light", help="Remove only weights to train on with, and checkpoints of stopped runs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said what would go.")] = False,
    json_output: JsonOutput = False,
) -> None:
    """Say which runs would go to make room, and how many bytes that frees; with --yes, remove them.

    Runs that are tagged keep, named by a run that stays, or being written always stay.
    """
    from photograft.workflow.prune import PruneRule, prune_runs

    rule = PruneRule(keep, keep_best, older_than, tuple(filters or ()), light)
    done = prune_runs(runs_dir, rule, yes=yes)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(done.lines()))
        if done.going and not yes:
            console.say("Nothing was removed. Add --yes to do it.")
    if done.failed:
        raise typer.Exit(PARTIAL)
