"""`photograft verify`: parse, verify, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console

REFUSED = 4


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Check that a bundle still predicts what it should.

    Every file must be unchanged and every golden picture must give what it gave where the model was made; exit code 4
    if not.
    """
    from photograft.inference.verify import verify as workflow

    done = workflow(bundle)
    if json_output:
        golden = {"n": done.n_golden, "max_difference": done.max_difference}
        console.print_json(
            {
                "bundle": str(done.bundle),
                "ok": done.ok,
                "files": done.n_files,
                "golden": golden,
                "problems": list(done.problems),
            }
        )
    elif done.ok:
        console.print_text(
            f"{done.bundle}: {done.n_files} files unchanged; {done.n_golden} golden pictures agree "
            f"(largest difference {done.max_difference:.1e})"
        )
    for problem in done.problems:
        console.say(f"problem: {problem}")
    if not done.ok:
        raise typer.Exit(REFUSED)
