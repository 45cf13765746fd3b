"""`photograft doctor`: look, print."""

from __future__ import annotations

from typing import Annotated

import typer

from photograft.cli import console


def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Show what this machine has and what is missing.

    Versions, device, threads, weights, cache and disk.
    """
    from photograft.workflow.doctor import doctor as workflow

    found = workflow()
    if json_output:
        console.print_json(found)
        return
    for section in ("versions", "device", "extras", "weights", "cache"):
        console.print_text(section)
        for name, value in found[section].items():
            console.print_text(f"  {name:<16} {value}")
    for problem in found["problems"]:
        console.print_text(f"problem: {problem}")
    if not found["problems"]:
        console.print_text("All is well.")
