"""`photograft edits`: write, show and undo corrections of labels, choice and boxes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console

app = typer.Typer(help="Correct labels and boxes in a journal, without touching a photo.", add_completion=False)

_Journal = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The journal, such as edits.csv.")]


class Action(StrEnum):
    """What can be done to a photo."""

    relabel = "relabel"
    exclude = "exclude"
    include = "include"
    box = "box"
    keep = "keep"


@app.command()
def add(
    journal: _Journal,
    action: Annotated[Action, typer.Argument(help="relabel, exclude, include (undoes exclude), box or keep.")],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="The photos that it is about.")],
    value: Annotated[
        str, typer.Option("--value", help="The new label, or the box as left,top,right,bottom in pixels.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="Why, for those who read the journal.")] = "",
    number: Annotated[
        int, typer.Option("--object", min=0, help="Number of the object (PHOTO#2 is 2); 0 means the whole photo.")
    ] = 0,
) -> None:
    """Add one correction per photo. It belongs to the content of the file: moving or renaming the photo keeps it."""
    from photograft.workflow.edits import add_edits

    n = add_edits(journal, action.value, photos, value=value, note=note, number=number)
    console.print_text(f"{journal}: {n} {'row' if n == 1 else 'rows'} added. Apply it with --edits {journal}")


@app.command("list")
def show(
    journal: _Journal,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Print every row with its line in the file; a dash marks rows that are not in force."""
    from photograft.workflow.edits import list_edits

    rows = list_edits(journal)
    if json_output:
        console.print_json(rows)
        return
    for row in rows:
        state = " " if row["in_force"] else "-"
        cells = (f"{row['line']:>4} {state}", row["action"], row["path"], row["value"], row["note"])
        console.print_text("  ".join(cell for cell in cells if cell))


@app.command()
def undo(
    journal: _Journal,
    lines: Annotated[list[int], typer.Argument(metavar="LINE...", help="Lines of rows, as `list` prints them.")],
) -> None:
    """Undo rows by adding rows that say so; undoing such a row brings the correction back."""
    from photograft.workflow.edits import undo_edits

    undo_edits(journal, lines)
    console.print_text(f"{journal}: {len(lines)} {'row' if len(lines) == 1 else 'rows'} undone.")
