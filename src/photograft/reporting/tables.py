"""The tables of scores and predictions: confusion.csv and predictions.csv."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from photograft.data.csv_text import guard_cell, write_cells
from photograft.values import Evaluation, IntArray, Predictions

LABEL_SEPARATOR = ";"
"""Between several labels of a photo; a label that holds one is quoted as in CSV."""
_LONGEST = 60  # letters of a factor in a file name: even as four bytes each they fit any file system


def confusion_tables(evaluation: Evaluation) -> dict[str, str]:
    """The confusion of an evaluation as CSV texts, by file name.

    ``confusion.csv`` is that of the classes, and ``confusion_<factor>.csv`` that of each factor; in the name, what is
    neither letter nor digit becomes ``_``, and a name that is taken gets a number. Where a photo may have several
    labels, ``confusion.csv`` counts each label: tp and fp photos that were given it, rightly and wrongly, fn and tn
    those that were not.
    """
    if evaluation.classes and not evaluation.confusion_KK.size:
        return {"confusion.csv": _labels_csv(evaluation)}
    tables = {"confusion.csv": confusion_csv(evaluation.classes, evaluation.confusion_KK)}
    names = _file_names(name for name, _ in evaluation.factors)
    for name, (_, factor) in zip(names, evaluation.factors, strict=True):
        tables[f"confusion_{name}.csv"] = confusion_csv(factor.classes, factor.confusion_KK)
    return tables


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

    Each factor adds ``<factor>``, ``<factor>_predicted`` and ``<factor>_probability`` before the ``p_`` columns; where
    one of these names is taken, all of them begin with ``factor1_``, ``factor2_`` and so on. Where a photo may have
    several labels, ``labels`` and ``predicted`` hold them joined by `LABEL_SEPARATOR`, in the place of label, predicted
    and probability.
    """
    if predictions.member_NK is None:
        answers = [_answer_columns(predictions, ("label", "predicted", "probability")), *_factor_columns(predictions)]
    else:
        answers = [_label_columns(predictions, predictions.member_NK)]
    header = ["path", "part", "fold", *(name for names, _ in answers for name in names)]
    rows: list[list[str]] = [[*header, *(f"p_{name}" for name in predictions.classes)]]
    for row, path in enumerate(predictions.paths):
        where = [guard_cell(path), str(part_N[row]), str(int(fold_N[row])) if fold_N[row] >= 0 else ""]
        told = [cell for _, cells in answers for cell in cells[row]]
        rows.append([*where, *told, *(_number(p) for p in predictions.probabilities_NK[row].tolist())])
    return write_cells(rows)


Columns = tuple[Sequence[str], list[list[str]]]
"""Names of columns, and their cells photo by photo."""


def _answer_columns(predictions: Predictions, names: Sequence[str]) -> Columns:
    """What the photo is, what it was named, and how probable that was."""
    guarded = [guard_cell(name) for name in predictions.classes]
    cells = []
    for row, (label, best) in enumerate(zip(predictions.label_N.tolist(), predictions.best_N.tolist(), strict=True)):
        probability = _number(float(predictions.probabilities_NK[row, best])) if best >= 0 else ""
        cells.append([guarded[label] if label >= 0 else "", guarded[best] if best >= 0 else "", probability])
    return names, cells


def _factor_columns(predictions: Predictions) -> list[Columns]:
    each = [(name, f"{name}_predicted", f"{name}_probability") for name, _ in predictions.factors]
    taken = [
        "path",
        "part",
        "fold",
        "label",
        "predicted",
        "probability",
        *(f"p_{name}" for name in predictions.classes),
    ]
    taken += [name for names in each for name in names]
    if len(set(taken)) < len(taken):
        each = [(f"factor{i}_{a}", f"factor{i}_{b}", f"factor{i}_{c}") for i, (a, b, c) in enumerate(each, 1)]
    factors = (factor for _, factor in predictions.factors)
    return [
        _answer_columns(factor, [guard_cell(name) for name in names])
        for names, factor in zip(each, factors, strict=True)
    ]


def _label_columns(predictions: Predictions, member_NK: npt.NDArray[np.bool_]) -> Columns:
    given_NK = predictions.given_NK
    cells = []
    for row in range(len(predictions.paths)):
        both = (member_NK[row], given_NK[row])
        names = ([predictions.classes[k] for k in np.flatnonzero(has_K)] for has_K in both)
        cells.append([guard_cell(write_cells([each], delimiter=LABEL_SEPARATOR).removesuffix("\n")) for each in names])
    return ("labels", "predicted"), cells


def _labels_csv(evaluation: Evaluation) -> str:
    rows = [["label", "tp", "fp", "fn", "tn"]]
    for c in evaluation.per_class:
        wrong, missed = c.predicted - c.correct, c.support - c.correct
        counts = (c.correct, wrong, missed, evaluation.scores["n"] - c.support - wrong)
        rows.append([guard_cell(c.name), *map(str, counts)])
    return write_cells(rows)


def _file_names(factors: Iterable[str]) -> list[str]:
    """Names that every file system takes and keeps apart, also one that ignores case."""
    names: dict[str, str] = {}
    for factor in factors:
        plain = re.sub(r"[^\w-]", "_", unicodedata.normalize("NFC", factor))[:_LONGEST]
        name, number = plain, 2
        while name.casefold() in names:
            name, number = f"{plain}_{number}", number + 1
        names[name.casefold()] = name
    return list(names.values())


def _number(value: float) -> str:
    return "" if value != value else f"{value:.10g}"  # NaN is the one number that differs from itself
