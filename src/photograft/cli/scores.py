"""An evaluation as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.reporting.columns import count_columns

if TYPE_CHECKING:
    from photograft.values import Evaluation

_WHERE = {
    "test": "photos never trained on",
    "out-of-fold": "photos, each judged by a model that had not seen it",
    "evaluated photos": "photos",
    "the same photos without boxes": "of the same photos without boxes",
}


def headline(evaluation: Evaluation) -> str:
    """The one number, with its interval and what it rests on."""
    s = evaluation.scores
    interval = f"95 % interval {s['accuracy_low']:.3f} to {s['accuracy_high']:.3f}"
    return f"Accuracy {s['accuracy']:.3f} ({interval}) on {s['n']:,} {_WHERE.get(evaluation.what, evaluation.what)}"


def class_table(evaluation: Evaluation) -> list[str]:
    """One line per class; a dash where a number would divide by zero."""
    width = max(5, *(count_columns(c.name) for c in evaluation.per_class))
    lines = [f"{'class':<{width}}  photos  precision  recall     F1"]
    for c in evaluation.per_class:
        values = ((c.precision, 9), (c.recall, 6), (c.f1, 5))
        cells = "  ".join(f"{'-' if v is None else format(v, '.3f'):>{w}}" for v, w in values)
        lines.append(f"{c.name}{' ' * (width - count_columns(c.name))}  {c.support:>6}  {cells}")
    return lines


def slice_table(evaluation: Evaluation) -> list[str]:
    """One line per value of each column that the score is split by; nothing where there is none."""
    if not evaluation.slices:
        return []
    names = [f"{part.column} = {part.value}" for part in evaluation.slices]
    width = max(5, *map(count_columns, names))
    lines = ["", f"{'slice':<{width}}  photos  accuracy  95 % interval"]
    for name, part in zip(names, evaluation.slices, strict=True):
        padding = " " * (width - count_columns(name))
        lines.append(f"{name}{padding}  {part.n:>6}  {part.accuracy:>8.3f}  {part.low:.3f} to {part.high:.3f}")
    return lines
