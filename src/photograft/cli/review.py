"""`photograft review`: parse, serve the page, print what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console


def review(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    edits: Annotated[
        Path | None,
        typer.Option(
            "--edits", metavar="FILE", help="Journal of the decisions; by default edits.csv beside the runs folder."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Look at the N worst photos, doubted or not.", metavar="N")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open nothing.")] = False,
) -> None:
    """Look at doubtful labels in the browser, worst first, and correct them in a journal of edits.

    The page is for this machine alone. It ends with Ctrl-C.
    """
    from photograft.serving.review import review as serve

    def opened(address: str) -> None:
        console.print_text(f"Review page: {address}")
        console.say("Ctrl-C ends it; every decision is written at once.")

    done = serve(run, edits=edits, limit=limit, port=port, browser=not no_browser, narrator=console, opened=opened)
    counts = done.counts()
    lines = [
        "",
        f"{counts['kept']} kept, {counts['relabelled']} relabelled, {counts['excluded']} excluded, "
        f"{counts['open']} open; journal {done.journal}",
    ]
    if counts["relabelled"] or counts["excluded"]:
        lines += ["Train again, then see what it changed:", *(f"  {command}" for command in done.commands())]
    console.print_text("\n".join(lines))
