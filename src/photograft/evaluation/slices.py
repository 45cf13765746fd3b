"""Accuracy by the values of a column, such as camera or place. Shape letters: N photos, M scored ones."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from photograft.metrics.intervals import clustered_n, wilson_interval
from photograft.values import BoolArray, IntArray, Predictions, Slice

MOST_VALUES = 20
"""Values of a column that are shown each; the rarer ones are gathered, and so many numbers are cut into quartiles."""

NONE, OTHER = "(none)", "(other)"


def evaluate_slices(
    predictions: Predictions,
    values: Mapping[str, Sequence[str]],
    *,
    group_N: IntArray | None = None,
    duplicate_N: IntArray | None = None,
) -> tuple[Slice, ...]:
    """Score each value of each column on its own, column by column, the lowest accuracy first.

    Only photos with a prediction and a known label count, as in `photograft.evaluation.evaluate`, and the interval is
    taken the same way: Wilson's at 95 %, on the number of independent photos that the groups are worth. Of a column
    with more than `MOST_VALUES` different values the rarer ones are gathered as `OTHER`; where all of them are
    numbers they are cut into quartiles instead. An empty cell is `NONE`.

    Args:
        predictions: Probabilities and true labels of N photos.
        values: By column, one value per photo, in the order of the predictions.
        group_N: Group per photo, shape (N,); a negative number means a photo of its own.
        duplicate_N: Group of duplicates per photo, shape (N,), where `group_N` holds more than those.

    Raises:
        ValueError: A column has another number of values than there are photos.
    """
    row_M, correct_M = _scored(predictions)
    group_M = np.arange(len(row_M)) if group_N is None else np.asarray(group_N)[row_M]
    duplicate_M = None if duplicate_N is None else np.asarray(duplicate_N)[row_M]
    slices: list[Slice] = []
    for column, cells in values.items():
        if len(cells) != len(predictions.paths):
            raise ValueError(f"column {column}: {len(cells)} values for {len(predictions.paths)} photos")
        members: dict[str, list[int]] = {}
        for m, name in enumerate(_name_values([cells[row] for row in row_M.tolist()])):
            members.setdefault(name, []).append(m)
        found = []
        for name, chosen in members.items():
            duplicates = None if duplicate_M is None else duplicate_M[chosen]
            found.append(_score(column, name, correct_M[chosen], group_M[chosen], duplicates))
        slices.extend(sorted(found, key=lambda part: (part.accuracy, -part.n, part.value)))
    return tuple(slices)


def _scored(predictions: Predictions) -> tuple[IntArray, BoolArray]:
    """The photos that count, as row numbers, and whether each is right: in all its labels, where it has several."""
    if predictions.member_NK is None:
        right_N, known_N = predictions.best_N == predictions.label_N, predictions.label_N >= 0
    else:
        right_N = (predictions.member_NK == predictions.given_NK).all(axis=1)
        known_N = np.ones(len(right_N), dtype=bool)
    row_M = np.flatnonzero(predictions.ok_N & known_N).astype(np.int64)
    return row_M, right_N[row_M]


def _score(column: str, value: str, correct_M: BoolArray, group_M: IntArray, duplicate_M: IntArray | None) -> Slice:
    share, n_independent = float(correct_M.mean()), clustered_n(correct_M, group_M, duplicate_M)
    low, high = wilson_interval(share * n_independent, n_independent)
    return Slice(column, value, len(correct_M), share, low, high)


def _name_values(cells: Sequence[str]) -> list[str]:
    """The value that each photo is counted under."""
    # Some systems store Hangul decomposed; the same place must not become two.
    names = [unicodedata.normalize("NFC", cell.strip()) or NONE for cell in cells]
    counts = Counter(names)
    if len(counts) <= MOST_VALUES:
        return names
    numbers = {name: number for name in counts if (number := _number(name)) is not None}
    if len(numbers) > MOST_VALUES and len(numbers) == len(counts.keys() - {NONE}):
        return _cut_quartiles(names, numbers)
    # Of equally frequent values the first by name, so that the order of the photos changes nothing.
    kept = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]}
    return [name if name in kept else OTHER for name in names]


def _cut_quartiles(names: Sequence[str], numbers: Mapping[str, float]) -> list[str]:
    """Name each number by the smallest and largest of its quartile, as they are written."""
    edges = np.unique(np.quantile([numbers[name] for name in names if name in numbers], [0.25, 0.5, 0.75]))
    quartile_of = {name: int(np.searchsorted(edges, number)) for name, number in numbers.items()}
    members: dict[int, list[str]] = {}
    for name in sorted(numbers, key=lambda name: numbers[name]):
        members.setdefault(quartile_of[name], []).append(name)
    titles = {q: inside[0] if len(inside) == 1 else f"{inside[0]} to {inside[-1]}" for q, inside in members.items()}
    return [titles[quartile_of[name]] if name in numbers else NONE for name in names]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
