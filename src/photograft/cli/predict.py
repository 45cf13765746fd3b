"""`photograft predict`: parse, predict, print."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli import cluster, console

if TYPE_CHECKING:
    from photograft.inference.classifier import Prediction
    from photograft.models.bundle import Bundle
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
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, patterns, URLs; @FILE reads paths from a list or table, - from stdin.",
        ),
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
    on: cluster.On = None,
    out: cluster.Out = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Classify photos. One row per photo, with a reason where one cannot be used; exit code 6 if some could not."""
    import sys

    from photograft.errors import ConfigError

    if json_output and csv_file == Path("-"):
        raise ConfigError("--json and --csv - both write to stdout: give --csv a file name.")
    if csv_file and csv_file != Path("-"):
        _check_csv(csv_file)
    cluster.check_out(on, out)
    output = _Output(top, csv_file, json_output)
    if on is None:
        statuses = _predict_here(model, inputs, min_probability, sys.stdin.buffer, output)
    else:
        statuses = _predict_on(on, out, model, inputs, min_probability, sys.stdin.buffer, output)
    n = sum(statuses.values())
    for status, meaning in _MEANINGS.items():
        if statuses[status]:
            console.say(f"{statuses[status]} of {n} photos {meaning}.")
    if statuses["rejected"]:
        raise typer.Exit(PARTIAL)


@dataclass(frozen=True)
class _Output:
    """What is printed or written of every prediction."""

    top: int
    csv_file: Path | None
    json_output: bool

    def emit(self, predictions: Iterable[Prediction], bundle: Bundle) -> Counter[str]:
        """Print or write them all; how many have which status."""
        from photograft.inference.compose import factors_of

        several = bundle.several
        if not self.json_output and not self.csv_file:
            statuses: Counter[str] = Counter()
            for prediction in predictions:
                console.print_text(_to_line(prediction, self.top, several=several))
                statuses[prediction.status] += 1
            return statuses
        rows = list(predictions)
        if self.csv_file:
            factors = tuple(factor.name for factor in factors_of(bundle.info.targets, bundle.info.joint))
            _write_csv(self.csv_file, rows, self.top, factors, several=several)
        if self.json_output:
            console.print_json([_to_json(p, self.top, several=several) for p in rows])
        return Counter(p.status for p in rows)


def _predict_here(
    model: Path, inputs: list[str], min_probability: float | None, stdin: Iterable[bytes], output: _Output
) -> Counter[str]:
    from photograft.data.inputs import expand_inputs
    from photograft.inference.classifier import load

    paths = list(expand_inputs(inputs, stdin=stdin))
    with (
        load(model, min_probability=min_probability) as classifier,
        console.progress(len(paths), "Predicting") as progress,
    ):
        _say_boxes(classifier.bundle)
        return output.emit(_count(classifier.predict_each(paths), progress), classifier.bundle)


def _predict_on(
    on: str,
    out: str | None,
    model: Path,
    inputs: list[str],
    min_probability: float | None,
    stdin: Iterable[bytes],
    output: _Output,
) -> Counter[str]:
    from photograft.scaling.cluster import parse_on
    from photograft.scaling.predict import predict_on

    where = parse_on(on)
    asked: dict[str, Any] = {"out": out, "top": output.top, "min_probability": min_probability}
    with predict_on(where, model, inputs, stdin=stdin, narrator=console, **asked) as done:
        _say_boxes(done.bundle)
        if done.parts is None or output.json_output or output.csv_file:
            statuses = output.emit(done.predictions(), done.bundle)
        else:
            statuses = done.statuses()
        if done.parts is not None:
            console.say(f"{done.n:,} rows are in {done.parts}/*.parquet")
        return statuses


def _say_boxes(bundle: Bundle) -> None:
    if bundle.contract.box.source != "none":
        console.say("This model learned from photos cropped to boxes; new ones have none: the whole photo is used.")


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


def _write_csv(file: Path, predictions: list[Prediction], top: int, factors: tuple[str, ...], *, several: bool) -> None:
    from photograft.data.csv_text import table_csv
    from photograft.tracking.atomic import write_atomically

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
