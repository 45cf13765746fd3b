"""`photograft predict`: parse, predict, print."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli import console

if TYPE_CHECKING:
    from photograft.inference.classifier import Prediction
    from photograft.workflow.narrator import Progress

PARTIAL = 6


def predict(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Files, folders, patterns; - reads a list of paths from stdin."),
    ],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to name per photo.")] = 1,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the table to this CSV file (- for stdout).")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Classify photos. One row per photo, with a reason where one cannot be used; exit code 6 if some could not."""
    import sys

    from photograft.data.inputs import expand_inputs
    from photograft.errors import ConfigError
    from photograft.inference.classifier import load

    if json_output and csv_file == Path("-"):
        raise ConfigError("--json and --csv - both write to stdout: give --csv a file name.")
    if csv_file and csv_file != Path("-"):
        _check_csv(csv_file)
    paths = list(expand_inputs(inputs, stdin=sys.stdin.buffer))
    with load(model) as classifier, console.progress(len(paths), "Predicting") as progress:
        if classifier.bundle.contract.box.source != "none":
            console.say("This model learned from photos cropped to boxes; new ones have none: the whole photo is used.")
        predictions = _count(classifier.predict_each(paths), progress)
        if json_output or csv_file:
            rows = list(predictions)
            if csv_file:
                _write_csv(csv_file, rows, top)
            if json_output:
                console.print_json([_to_json(p, top) for p in rows])
            n_rejected = sum(p.status != "ok" for p in rows)
        else:
            n_rejected = 0
            for prediction in predictions:
                console.print_text(_to_line(prediction, top))
                n_rejected += prediction.status != "ok"
    if n_rejected:
        console.say(f"{n_rejected} of {len(paths)} photos could not be used; the rows say why.")
        raise typer.Exit(PARTIAL)


def _count(predictions: Iterator[Prediction], progress: Progress) -> Iterator[Prediction]:
    for prediction in predictions:
        progress.advance()
        yield prediction


def _to_json(prediction: Prediction, top: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": prediction.path.encode("utf-8", "backslashreplace").decode(),
        "status": prediction.status,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": [{"label": label, "probability": p} for label, p in prediction.top[:top]],
    }
    return row | ({"reason": prediction.reason} if prediction.reason else {})


def _to_line(prediction: Prediction, top: int) -> str:
    from photograft.data.files import printable

    if prediction.status != "ok":
        return f"{printable(prediction.path)}\trejected\t{prediction.reason}"
    return "\t".join(
        [printable(prediction.path), *(f"{printable(label)} {p:.3f}" for label, p in prediction.top[:top])]
    )


def _check_csv(file: Path) -> None:
    """Refuse a table that could not be written before any photo is predicted."""
    from photograft.errors import ConfigError

    if file.is_dir():
        raise ConfigError(f"--csv: {file} is a folder; give the name of a file.")
    if not file.parent.is_dir():
        raise ConfigError(f"--csv: the folder {file.parent} does not exist; make it first, or choose another file.")
    if not os.access(file.parent, os.W_OK):
        raise ConfigError(f"--csv: the folder {file.parent} cannot be written; choose another file.")


def _write_csv(file: Path, predictions: list[Prediction], top: int) -> None:
    import csv
    import io

    from photograft.data.csv_text import guard_cell
    from photograft.tracking.atomic import write_atomically

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    ranks = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "probability")]
    writer.writerow(["path", "status", "label", "probability", *ranks, "reason"])
    for p in predictions:
        named = [cell for label, chance in p.top[:top] for cell in (guard_cell(label), f"{chance:.10g}")]
        blank = [""] * (2 * top - len(named))
        writer.writerow([guard_cell(p.path), p.status, *named, *blank, guard_cell(p.reason)])
    if file == Path("-"):
        console.print_text(text.getvalue().rstrip("\n"))
    else:
        write_atomically(file, text.getvalue())
