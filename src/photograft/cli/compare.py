"""`photograft runs compare` and `photograft runs diff`: parse, compare, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console
from photograft.cli.language import Language

_RUNS = Path("runs")
_RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder in which the runs are.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Two or more: run folders, names in --runs-dir, or their beginnings."),
    ],
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="RUN", help="Compare the others with this one; by default with the first."),
    ] = None,
    shared: Annotated[
        bool,
        typer.Option("--shared", help="Where the photos differ, compare on those alone that both judged unseen."),
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page, one file, to send to somebody.")
    ] = None,
    language: Annotated[
        Language, typer.Option("--language", help="Of the page; auto: as this computer speaks.")
    ] = Language.auto,
    runs_dir: _RunsDir = _RUNS,
    json_output: _Json = False,
) -> None:
    """Compare runs on the same photos: score with a paired test, classes, photos, settings."""
    from photograft.workflow.compare import compare_runs

    done = compare_runs(*runs, against=against, shared=shared, language=language.value, runs_dir=runs_dir)
    if html is not None:
        console.say(f"Page: {done.write_html(html)}")
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(done.lines()))


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The run before.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The run after.")],
    runs_dir: _RunsDir = _RUNS,
    json_output: _Json = False,
) -> None:
    """Say what changed from one run to another: model, parameters, data, versions, and what it did to each class."""
    from photograft.workflow.run_diff import diff_runs

    done = diff_runs(before, after, runs_dir=runs_dir)
    if json_output:
        console.print_json(done.to_json())
    else:
        console.print_text("\n".join(done.lines()))
