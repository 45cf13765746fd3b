"""Out-of-fold predictions of several factors, judged by drawing whole persons with replacement.

Shape letters: N photos, P persons, K classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.data.csv_text import read_table
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.values import DoubleArray, IntArray

JOINT = "joint"
SCORES = ("accuracy", "macro_f1")
RESAMPLES = 2000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Judged:
    """Label and prediction of N photos, as numbers of classes, and the number of the person on each of them."""

    label_N: IntArray
    predicted_N: IntArray
    n_classes: int


@dataclass(frozen=True)
class Resampled:
    """A score of all photos, and of R resamples of the persons."""

    score: float
    score_R: DoubleArray

    def interval(self, limits: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float]:
        """The 95 % interval of the basic bootstrap, as in `photograft.metrics.intervals.bootstrap_interval`."""
        low, high = np.quantile(self.score_R, [0.025, 0.975]).tolist()
        ends = min(self.score, 2 * self.score - high), max(self.score, 2 * self.score - low)
        return max(limits[0], ends[0]), min(limits[1], ends[1])

    def minus(self, other: Resampled) -> Resampled:
        """The difference, resample by resample: both must have been drawn alike."""
        return Resampled(self.score - other.score, self.score_R - other.score_R)

    @property
    def p_value(self) -> float:
        """How often chance alone moves the score as far from 0 as it is: the bootstrap around the score itself."""
        moved_R = np.abs(self.score_R - self.score)
        return float((1 + np.sum(moved_R >= abs(self.score))) / (1 + len(moved_R)))


def read_predictions(run: Path, factors: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Judged]]:
    """Paths of all photos in order, and how the run predicts them out-of-fold: jointly, and each factor.

    The classes are combinations of the factors. A factor is predicted by its most probable value, where the
    probabilities of all combinations with a value are added up.
    """
    rows = sorted(read_table((run / "predictions.csv").read_bytes()), key=lambda row: row["path"])
    classes = [name.removeprefix("p_") for name in rows[0] if name.startswith("p_")]
    if missing := [row["path"] for row in rows if not row["fold"] or not row["predicted"]]:
        raise RuntimeError(f"{run}: {len(missing)} photos have no out-of-fold prediction, such as {missing[0]}")
    probability_NK = np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows])
    number = {name: k for k, name in enumerate(classes)}
    label_N = np.array([number[row["label"]] for row in rows], dtype=np.int64)
    predicted_N = np.array([number[row["predicted"]] for row in rows], dtype=np.int64)
    judged = {JOINT: Judged(label_N, predicted_N, len(classes))}
    for position, factor in enumerate(factors):
        value_K = [name.split(FACTOR_SEPARATOR)[position] for name in classes]
        values, place_K = np.unique(value_K, return_inverse=True)
        sum_KV = np.eye(len(values))[place_K]
        best_N = np.argmax(probability_NK @ sum_KV, axis=1)
        judged[factor] = Judged(place_K[label_N], best_N, len(values))
    return tuple(row["path"] for row in rows), judged


def check_against(stated: Mapping[str, Any], judged: Mapping[str, Judged], run: Path) -> None:
    """Refuse predictions that are not those which the run's own scores (`oof` of its JSON) rest on."""
    for what, each in judged.items():
        scores = stated if what == JOINT else stated.get("factors", {}).get(what)
        found = float(np.mean(each.label_N == each.predicted_N))
        if scores is not None and abs(scores["accuracy"] - found) > _ROUNDING:
            raise RuntimeError(
                f"{run}: the run says {scores['accuracy']:.4f} of {what}, its predictions.csv {found:.4f}"
            )


def draw_persons(n_persons: int, *, n_resamples: int = RESAMPLES, seed: int = 0) -> DoubleArray:
    """How often each person is drawn in each resample, shape (R, P)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_persons, np.full(n_persons, 1 / n_persons), size=n_resamples).astype(np.float64)


def resampled(judged: Judged, person_N: IntArray, drawn_RP: DoubleArray) -> dict[str, Resampled]:
    """Accuracy and macro-F1 of all photos, and of each resample of the persons."""
    right_N = judged.label_N == judged.predicted_N
    right_PK = _count(judged.label_N[right_N], person_N[right_N], judged.n_classes, drawn_RP)
    label_PK, predicted_PK = (
        _count(each_N, person_N, judged.n_classes, drawn_RP) for each_N in (judged.label_N, judged.predicted_N)
    )
    scores: dict[str, Callable[[DoubleArray], DoubleArray]] = {
        "accuracy": lambda drawn: (drawn @ right_PK).sum(axis=1) / (drawn @ label_PK).sum(axis=1),
        "macro_f1": lambda drawn: _macro_f1(drawn @ right_PK, drawn @ (label_PK + predicted_PK)),
    }
    once_1P = np.ones((1, drawn_RP.shape[1]))
    return {name: Resampled(float(score(once_1P)[0]), score(drawn_RP)) for name, score in scores.items()}


def pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each name with each one before it."""
    for number, name in enumerate(names):
        for before in names[:number]:
            yield name, before


def _count(class_N: IntArray, person_N: IntArray, n_classes: int, drawn_RP: DoubleArray) -> DoubleArray:
    """How many photos each person has of each class, shape (P, K)."""
    n_persons = drawn_RP.shape[1]
    counts = np.bincount(person_N * n_classes + class_N, minlength=n_persons * n_classes)
    return counts.reshape(n_persons, n_classes).astype(np.float64)


def _macro_f1(right_RK: DoubleArray, counted_RK: DoubleArray) -> DoubleArray:
    """Mean F1 over the classes that occur, of each resample; as `photograft.metrics.confusion.macro_f1`."""
    occurs_RK = counted_RK > 0
    f1_RK = np.divide(2 * right_RK, counted_RK, out=np.zeros_like(right_RK), where=occurs_RK)
    return np.asarray(f1_RK.sum(axis=1) / occurs_RK.sum(axis=1))
