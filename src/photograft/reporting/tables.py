"""The tables of scores and predictions: confusion.csv and predictions.csv."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photograft.data.csv_text import guard_cell, write_cells
from photograft.values import IntArray, Predictions


def confusion_csv(classes: Sequence[str], confusion_KK: IntArray) -> str:
    """Write the confusion matrix: one row per true class, one column per predicted class.

    Each cell is "n/total": the photos of the row's class that got the column's name, of all photos of the row's class.
    The diagonal is therefore "correct/total". A class without photos has "0/0" in every cell.
    """
    totals_K = confusion_KK.sum(axis=1)
    rows: list[list[str]] = [["label", *(guard_cell(name) for name in classes)]]
    for name, counts_K, total in zip(classes, confusion_KK, totals_K, strict=True):
        rows.append([guard_cell(name), *(f"{count}/{total}" for count in counts_K)])
    return write_cells(rows)


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
    return write_cells(rows)


def _number(value: float) -> str:
    return "" if value != value else f"{value:.10g}"  # NaN is the one number that differs from itself
