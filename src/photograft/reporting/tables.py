"""Tables as CSV: UTF-8, Unix newlines, quoted, and harmless when a spreadsheet opens them.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula. Such a name gets an apostrophe
in front, and so does a name that begins with an apostrophe, so that `unguard_cell` gives every name back. All tables
are guarded alike: the same path is the same cell in each. Names that are not UTF-8 keep their bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.values import IntArray, Predictions

_GUARDED = ("'", "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_QUOTED = frozenset(',"\r\n')


def confusion_csv(classes: Sequence[str], confusion_KK: IntArray) -> str:
    """Write the confusion matrix: one row per true class, one column per predicted class.

    Each cell is "n/total": the photos of the row's class that got the column's name, of all photos of the row's class.
    The diagonal is therefore "correct/total". A class without photos has "0/0" in every cell.
    """
    totals_K = confusion_KK.sum(axis=1)
    rows: list[list[str]] = [["label", *(guard_cell(name) for name in classes)]]
    for name, counts_K, total in zip(classes, confusion_KK, totals_K, strict=True):
        rows.append([guard_cell(name), *(f"{count}/{total}" for count in counts_K)])
    return _write(rows)


def predictions_csv(predictions: Predictions, *, part_N: npt.NDArray[np.str_], fold_N: IntArray) -> str:
    """Write one row per photo: path, part, fold, label, predicted, probability, then ``p_<class>`` for every class.

    `part_N` and `fold_N` have one entry per photo of `predictions`; a fold of -1 is left blank, and so are the
    probabilities of a rejected photo. Probabilities carry ten significant digits: they read back to 1e-9.
    """
    classes = predictions.classes
    header = ["path", "part", "fold", "label", "predicted", "probability"]
    rows: list[list[str]] = [[*header, *(f"p_{name}" for name in classes)]]
    guarded = [guard_cell(name) for name in classes]
    best_N = predictions.best_N
    for row, path in enumerate(predictions.paths):
        best, label, fold = int(best_N[row]), int(predictions.label_N[row]), int(fold_N[row])
        probabilities = [_number(p) for p in predictions.probabilities_NK[row].tolist()]
        where = [guard_cell(path), str(part_N[row]), str(fold) if fold >= 0 else ""]
        names = [guarded[label] if label >= 0 else "", guarded[best] if best >= 0 else ""]
        rows.append([*where, *names, probabilities[best] if best >= 0 else "", *probabilities])
    return _write(rows)


def guard_cell(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_GUARDED) else text


def unguard_cell(text: str) -> str:
    """Return the text that `guard_cell` was given."""
    return text.removeprefix("'")


def table_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Write rows of text and numbers as CSV, text guarded; None is an empty cell."""
    return _write([["" if v is None else guard_cell(v) if isinstance(v, str) else str(v) for v in row] for row in rows])


def read_table(content: bytes) -> list[dict[str, str]]:
    """Read rows by column name from what `table_csv` or `predictions_csv` wrote, cells as they were before guarding."""
    rows = csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
    header = next(rows, [])
    return [{name: unguard_cell(cell) for name, cell in zip(header, row, strict=False)} for row in rows]


def _number(value: float) -> str:
    return "" if value != value else f"{value:.10g}"  # NaN is the one number that differs from itself


def _write(rows: list[list[str]]) -> str:
    # The csv module leaves a lone carriage return unquoted, which it then refuses to read.
    return "".join(",".join(map(_quote, row)) + "\n" for row in rows)


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED & set(cell) else cell
