"""An evaluation as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.reporting.columns import count_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photograft.evaluation.folds import FoldScores
    from photograft.values import Evaluation

_WHERE = {
    "test": "photos never trained on",
    "out-of-fold": "photos, each judged by a model that had not seen it",
    "evaluated photos": "photos",
    "the same photos without boxes": "of the same photos without boxes",
}


def headline(evaluation: Evaluation) -> str:
    """The one number, with its interval and what it rests on; where a photo may have several labels, four of them."""
    s, where = evaluation.scores, _WHERE.get(evaluation.what, evaluation.what)
    interval = f"95 % interval {s['accuracy_low']:.3f} to {s['accuracy_high']:.3f}"
    if "map" in s:
        scores = f"mAP {_score(s['map'])}, micro-F1 {s['micro_f1']:.3f}, macro-F1 {s['macro_f1']:.3f}"
        return f"{scores}, all labels right in {s['accuracy']:.3f} ({interval}) of {s['n']:,} {where}"
    return f"Accuracy {s['accuracy']:.3f} ({interval}) on {s['n']:,} {where}"


def class_table(evaluation: Evaluation) -> list[str]:
    """One line per class; a dash where a number would divide by zero."""
    labels = "map" in evaluation.scores
    width = max(5, *(count_columns(c.name) for c in evaluation.per_class))
    more = "     AP  threshold" if labels else ""
    lines = [f"{'label' if labels else 'class':<{width}}  photos{more}  precision  recall     F1"]
    for c in evaluation.per_class:
        values = [(c.average_precision, 5), (c.threshold, 9)] if labels else []
        values += [(c.precision, 9), (c.recall, 6), (c.f1, 5)]
        cells = "  ".join(f"{_score(value):>{columns}}" for value, columns in values)
        lines.append(f"{_pad(c.name, width)}  {c.support:>6}  {cells}")
    return lines


def factor_table(evaluation: Evaluation) -> list[str]:
    """One line per factor; nothing where there is none."""
    if not evaluation.factors:
        return []
    width = max(6, *(count_columns(name) for name, _ in evaluation.factors))
    lines = ["", f"{'factor':<{width}}  accuracy  95 % interval   macro-F1"]
    for name, factor in evaluation.factors:
        s = factor.scores
        interval = f"{s['accuracy_low']:.3f} to {s['accuracy_high']:.3f}"
        lines.append(f"{_pad(name, width)}  {s['accuracy']:>8.3f}  {interval}  {s['macro_f1']:>8.3f}")
    return lines


def fold_line(folds: Sequence[FoldScores]) -> list[str]:
    """Mean and standard deviation of the folds' accuracy and macro-F1, in one line; nothing without folds."""
    if not folds:
        return []
    from photograft.evaluation.folds import mean_and_spread

    accuracy, macro_f1 = (mean_and_spread([getattr(fold, name) for fold in folds]) for name in ("accuracy", "macro_f1"))
    return [
        f"{len(folds)} folds: accuracy {accuracy[0]:.3f} +- {accuracy[1]:.3f}, "
        f"macro-F1 {macro_f1[0]:.3f} +- {macro_f1[1]:.3f}"
    ]


def slice_table(evaluation: Evaluation) -> list[str]:
    """One line per value of each column that the score is split by; nothing where there is none."""
    if not evaluation.slices:
        return []
    names = [f"{part.column} = {part.value}" for part in evaluation.slices]
    width = max(5, *map(count_columns, names))
    lines = ["", f"{'slice':<{width}}  photos  accuracy  95 % interval"]
    for name, part in zip(names, evaluation.slices, strict=True):
        interval = f"{part.low:.3f} to {part.high:.3f}"
        lines.append(f"{_pad(name, width)}  {part.n:>6}  {part.accuracy:>8.3f}  {interval}")
    return lines


def _pad(name: str, width: int) -> str:
    return name + " " * (width - count_columns(name))


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
