"""label_doubts.csv: every judged photo of a run, the one whose label is most doubtful first; written and read back."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.data.csv_text import read_table, table_csv
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.errors import ModelError
from photograft.evaluation.label_errors import RankedLabel, rank_labels
from photograft.reporting.tables import LABEL_SEPARATOR
from photograft.tracking.pretrained import open_trained
from photograft.values import BoolArray, DoubleArray, IntArray, Predictions

DOUBTS = "label_doubts.csv"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One row: a photo by its name in the manifest, its label, the label that fits best of all others, and the part.

    `score` goes from 0 to 1, where 1 is most doubtful; `doubted` says that the label is probably wrong. Where photos
    may have several labels, `label` and `suggested` are JSON lists, as a journal of edits takes them.
    """

    path: str
    label: str
    suggested: str
    score: float
    part: str
    doubted: bool


def gather_doubts(*rankings: Sequence[RankedLabel], part_of: Mapping[str, str]) -> list[Doubt]:
    """The rows of several rankings as one, with the part that each photo is in, by its path."""
    doubts = [
        Doubt(each.path, each.label, each.suggested, each.score, part_of[each.path], each.doubted)
        for ranked in rankings
        for each in ranked
    ]
    return sorted(doubts, key=lambda doubt: -doubt.score)


def doubts_csv(doubts: Sequence[Doubt]) -> str:
    """Write ``path,label,suggested,score,part,doubted``, in the order given; doubted is 1 or 0."""
    rows = ([d.path, d.label, d.suggested, f"{d.score:.6f}", d.part, int(d.doubted)] for d in doubts)
    return table_csv([[field.name for field in fields(Doubt)], *rows])


def read_doubts(run: Path) -> list[Doubt]:
    """The judged photos of a finished run, most doubtful first; of a run without the file, from its predictions.

    Raises:
        ModelError: The folder is no run of `train`, or its tables are damaged.
    """
    folder = open_trained(run)
    try:
        if (run / DOUBTS).is_file():
            folder.check(DOUBTS)
            return [_read(row) for row in read_table((run / DOUBTS).read_bytes())]
        folder.check("predictions.csv")
        rows = read_table((run / "predictions.csv").read_bytes())
        report = json.loads(folder.read("report.json"))
        # Test photos were judged by another model than those of folds, which has its own thresholds.
        parts = ([row for row in rows if (row["part"] == "test") == tested] for tested in (False, True))
        rankings = [rank_labels(_predictions(part, report)) for part in parts if part]
        return gather_doubts(*rankings, part_of={row["path"]: row["part"] for row in rows})
    except (OSError, KeyError, ValueError, IndexError, csv.Error) as error:
        raise ModelError(f"{run}: its tables are damaged ({error!r}): train it again.") from error


def _read(row: Mapping[str, str]) -> Doubt:
    score, doubted = float(row["score"]), row["doubted"] == "1"
    return Doubt(row["path"], row["label"], row["suggested"], score, row["part"], doubted)


def _predictions(rows: Sequence[Mapping[str, str]], report: Mapping[str, Any]) -> Predictions:
    """What predictions.csv says, without the rejected photos; of factors what the combinations sum up to."""
    headline = report["evaluations"][0]
    columns = list(rows[0])[-len(headline["classes"]) :]
    rows = [row for row in rows if row[columns[0]]]
    classes = tuple(column.removeprefix("p_") for column in columns)
    p_NK = np.array([[float(row[column]) for column in columns] for row in rows]).reshape(len(rows), len(classes))
    index = {name: k for k, name in enumerate(classes)}
    member_NK: BoolArray | None = None
    if rows and "labels" in rows[0]:
        member_NK = np.zeros(p_NK.shape, dtype=bool)
        for has_K, row in zip(member_NK, rows, strict=True):
            has_K[[index[name] for name in _split(row["labels"])]] = True
    label_N = np.array([index.get(row.get("label", ""), -1) for row in rows], dtype=np.int64)
    table = _table([row["path"] for row in rows], classes, p_NK, label_N, member_NK)
    factors = enumerate(factor["name"] for factor in headline.get("factors", ()))
    return replace(table, factors=tuple((name, _factor(table, number)) for number, name in factors))


def _split(cell: str) -> list[str]:
    return next(csv.reader([cell], delimiter=LABEL_SEPARATOR), [])


def _factor(table: Predictions, number: int) -> Predictions:
    value_K = [name.split(FACTOR_SEPARATOR)[number] for name in table.classes]
    values = tuple(dict.fromkeys(value_K))
    of_K = np.array([values.index(value) for value in value_K], dtype=np.int64)
    p_NV = table.probabilities_NK @ np.eye(len(values))[of_K]
    return _table(table.paths, values, p_NV, np.where(table.label_N < 0, -1, of_K[table.label_N]), None)


def _table(
    paths: Sequence[str],
    classes: tuple[str, ...],
    p_NK: DoubleArray,
    label_N: IntArray,
    member_NK: BoolArray | None,
) -> Predictions:
    n = len(paths)
    return Predictions(tuple(paths), classes, p_NK, label_N, ("ok",) * n, ("",) * n, member_NK=member_NK)
