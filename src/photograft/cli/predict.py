"""`photograft predict`: parse, predict, print."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli import console

if TYPE_CHECKING:
    from photograft.inference.classifier import Classifier, Prediction
    from photograft.workflow.narrator import Progress

PARTIAL = 6
_MEANINGS = {
    "unsure": "unsure: the label is the best guess, and less probable than this model's limit",
    "unfamiliar": "unfamiliar: like none that this model learned from, so that the label may mean nothing",
    "rejected": "could not be used; the rows say why",
}


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
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability", metavar="P", help="Below this a photo is unsure; the model has its own limit."
        ),
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
    with (
        load(model, min_probability=min_probability) as classifier,
        console.progress(len(paths), "Predicting") as progress,
    ):
        several = classifier.bundle.several
        if classifier.bundle.contract.box.source != "none":
            console.say("This model learned from photos cropped to boxes; new ones have none: the whole photo is used.")
        predictions = _count(classifier.predict_each(paths), progress)
        statuses: Counter[str] = Counter()
        if json_output or csv_file:
            rows = list(predictions)
            if csv_file:
                _write_csv(csv_file, rows, top, classifier)
            if json_output:
                console.print_json([_to_json(p, top, several=several) for p in rows])
            statuses.update(p.status for p in rows)
        else:
            for prediction in predictions:
                console.print_text(_to_line(prediction, top, several=several))
                statuses[prediction.status] += 1
    for status, meaning in _MEANINGS.items():
        if statuses[status]:
            console.say(f"{statuses[status]} of {len(paths)} photos {meaning}.")
    if statuses["rejected"]:
        raise typer.Exit(PARTIAL)


def _count(predictions: Iterator[Prediction], progress: Progress) -> Iterator[Prediction]:
    for prediction in predictions:
        progress.advance()
        yield prediction


def _to_json(prediction: Prediction, top: int, *, several: bool) -> dict[str, Any]:
    from photograft.inference.rows import prediction_row

    path = prediction.path.encode("utf-8", "backslashreplace").decode()
    return {"path": path} | prediction_row(prediction, top=top, several=several)


def _to_line(prediction: Prediction, top: int, *, several: bool) -> str:
    """One line: the path, and behind tabs the classes, then the factors; of several labels those that are given.

    A status other than ok stands before them.
    """
    from photograft.data.files import printable

    if prediction.status == "rejected":
        return f"{printable(prediction.path)}\trejected\t{prediction.reason}"
    named = [f"{printable(label)} {chance:.3f}" for label, chance in prediction.top[:top]]
    if several:
        given = ", ".join(f"{printable(label)} {chance:.3f}" for label, chance in prediction.labels)
        named = [given or "(no label)", *(named if top > 1 else [])]
    factors = [
        f"{printable(name)}={printable(factor.label)} {factor.probability:.3f}"
        for name, factor in prediction.factors.items()
    ]
    status = [] if prediction.status == "ok" else [prediction.status]
    return "\t".join([printable(prediction.path), *status, *named, *factors])


def _check_csv(file: Path) -> None:
    """Refuse a table that could not be written before any photo is predicted."""
    from photograft.errors import ConfigError

    if file.is_dir():
        raise ConfigError(f"--csv: {file} is a folder; give the name of a file.")
    if not file.parent.is_dir():
        raise ConfigError(f"--csv: the folder {file.parent} does not exist; make it first, or choose another file.")
    if not os.access(file.parent, os.W_OK):
        raise ConfigError(f"--csv: the folder {file.parent} cannot be written; choose another file.")


def _write_csv(file: Path, predictions: list[Prediction], top: int, classifier: Classifier) -> None:
    from photograft.data.csv_text import table_csv
    from photograft.tracking.atomic import write_atomically

    factors, several = classifier.factors, classifier.bundle.several
    ranks = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "probability")]
    fixed = ["path", "status", "label", "probability", *ranks, *(["labels"] if several else [])]
    rows: list[list[str]] = [[*fixed, *_factor_columns(factors, taken={*fixed, "reason"}), "reason"]]
    for p in predictions:
        named = [cell for label, chance in p.top[:top] for cell in (label, f"{chance:.10g}")]
        blank = [""] * (2 * top - len(named))
        labels = [";".join(label for label, _ in p.labels)] if several else []
        found = [p.factors.get(name) for name in factors]
        values = [cell for f in found for cell in ((f.label, f"{f.probability:.10g}") if f else ("", ""))]
        rows.append([p.path, p.status, *named, *blank, *labels, *values, p.reason])
    if file == Path("-"):
        console.print_text(table_csv(rows).rstrip("\n"))
    else:
        write_atomically(file, table_csv(rows))


def _factor_columns(factors: Iterable[str], *, taken: set[str]) -> list[str]:
    """Two columns per factor, in the order of the factors; one whose names are taken gets ``factor_`` in front."""
    columns: list[str] = []
    for name in factors:
        while {name.lower(), f"{name}_probability".lower()} & {each.lower() for each in (*taken, *columns)}:
            name = f"factor_{name}"
        columns += [name, f"{name}_probability"]
    return columns
