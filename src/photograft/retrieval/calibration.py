"""How probable it is that two photos show the same class, from the cosine of their embeddings and labelled photos.

Every labelled photo is in turn the query, and all others are what it is compared with (leave one out): pairs of the
same class are examples of "same", the others of "different". A logistic curve through their cosines (Platt 1999,
Probabilistic outputs for support vector machines, with its targets that keep separable pairs from infinite slopes)
gives the probability. Same and different pairs count equally for every query: the prior is one half, whatever the
number of classes. So the probability says what the cosine says, and not how frequent a class is.

Shape letters: N photos, Q queries, E numbers per photo, B bins of the cosine, K classes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photograft.retrieval.chain import ByNumber
from photograft.retrieval.exact import Vectors
from photograft.retrieval.vectors import BLOCK
from photograft.values import BoolArray, DoubleArray, FloatArray

PRIOR = 0.5
_BINS = 2000
_MOST_QUERIES = 1000
_MOST_PHOTOS = 20_000
_FEWEST_QUERIES = 20
_STEPS = 50


@dataclass(frozen=True)
class SameClass:
    """The curve from cosine to probability, and what it was found on.

    `n_queries` of `n_photos` labelled photos of `n_classes` classes were compared with all others. `precision_at_1` is
    the share of them whose nearest other photo has their class. `auroc` says how well the cosine tells same from
    different pairs: 0.5 is chance.
    """

    slope: float
    intercept: float
    prior: float
    n_photos: int
    n_queries: int
    n_classes: int
    precision_at_1: float
    auroc: float

    def probability(self, cosine_N: FloatArray | DoubleArray) -> DoubleArray:
        """Probability of the same class for cosines, shape as given."""
        return _logistic(self.intercept + self.slope * np.asarray(cosine_N, np.float64))


def calibrate(rows_NE: ByNumber, labels: Sequence[Sequence[str]]) -> SameClass | None:
    """The curve for rows of length 1 with their labels (none: left out; several: same class where one is shared).

    None where there is nothing to learn from: fewer than two classes, fewer than 20 photos whose class has another
    photo, or cosines that are no higher within classes than across.
    """
    names = [tuple(unicodedata.normalize("NFC", label) for label in some) for some in labels]
    classes = {label: k for k, label in enumerate(sorted({label for some in names for label in some}))}
    labelled = np.array([row for row, some in enumerate(names) if some], dtype=np.int64)
    n_photos = len(labelled)
    if len(classes) < 2:
        return None
    labelled = labelled[_spread(n_photos, _MOST_PHOTOS)]
    compared_NE = rows_NE[labelled]
    member_NK = np.zeros((len(labelled), len(classes)), dtype=bool)
    for n, row in enumerate(labelled):
        member_NK[n, [classes[label] for label in names[row]]] = True
    queries = np.flatnonzero((member_NK[:, member_NK.sum(axis=0) > 1]).any(axis=1))
    queries = queries[_spread(len(queries), _MOST_QUERIES)]
    same_B, different_B, hits = _count(compared_NE, member_NK, queries)
    if len(hits) < _FEWEST_QUERIES:
        return None
    slope, intercept = _fit(same_B, different_B, n_same=len(hits))
    if slope <= 0:
        return None
    return SameClass(
        slope=slope,
        intercept=intercept,
        prior=PRIOR,
        n_photos=n_photos,
        n_queries=len(hits),
        n_classes=len(classes),
        precision_at_1=float(np.mean(hits)),
        auroc=_auroc(same_B, different_B),
    )


def _count(rows_NE: Vectors, member_NK: BoolArray, queries: np.ndarray) -> tuple[DoubleArray, DoubleArray, list[bool]]:
    """Shares of same and of different pairs by bin of the cosine, and whether each query's nearest has its class.

    The pairs of each kind of one query come to 1.
    """
    same_B, different_B = np.zeros(_BINS), np.zeros(_BINS)
    hits: list[bool] = []
    for start in range(0, len(queries), 64):
        some = queries[start : start + 64]
        query_QE = rows_NE[some].astype(np.float32)
        blocks = (rows_NE[i : i + BLOCK].astype(np.float32) for i in range(0, len(rows_NE), BLOCK))
        cosine_QN = np.concatenate([query_QE @ block_BE.T for block_BE in blocks], axis=1)
        same_QN = (member_NK[some].astype(np.float32) @ member_NK.T.astype(np.float32)) > 0
        bin_QN = np.clip(((cosine_QN + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
        for query, cosine_N, same_N, bin_N in zip(some, cosine_QN, same_QN, bin_QN, strict=True):
            other_N = np.ones(len(rows_NE), dtype=bool)
            other_N[query] = False
            within, across = other_N & same_N, other_N & ~same_N
            if not within.any() or not across.any():
                continue
            same_B += np.bincount(bin_N[within], minlength=_BINS) / within.sum()
            different_B += np.bincount(bin_N[across], minlength=_BINS) / across.sum()
            hits.append(bool(same_N[np.argmax(np.where(other_N, cosine_N, -2))]))
    return same_B, different_B, hits


def _fit(same_B: DoubleArray, different_B: DoubleArray, *, n_same: int) -> tuple[float, float]:
    """Slope and intercept by Newton's method on the bins."""
    cosine_B = (np.arange(_BINS) + 0.5) / _BINS * 2 - 1
    high, low = (n_same + 1) / (n_same + 2), 1 / (n_same + 2)
    weight_B, target_B = same_B + different_B, high * same_B + low * different_B
    design_B2 = np.stack([np.ones(_BINS), cosine_B], axis=1)
    theta_2 = np.zeros(2)

    def loss(theta: DoubleArray) -> float:
        score_B = design_B2 @ theta
        return float(weight_B @ np.logaddexp(0, score_B) - target_B @ score_B)

    for _ in range(_STEPS):
        chance_B = _logistic(design_B2 @ theta_2)
        gradient_2 = design_B2.T @ (weight_B * chance_B - target_B)
        curvature_B = weight_B * chance_B * (1 - chance_B)
        hessian_22 = design_B2.T @ (curvature_B[:, None] * design_B2) + 1e-9 * np.eye(2)
        step_2 = np.linalg.solve(hessian_22, gradient_2)
        share = 1.0
        while share > 1e-6 and loss(theta_2 - share * step_2) > loss(theta_2):
            share /= 2
        theta_2 = theta_2 - share * step_2
        if np.abs(share * step_2).max() < 1e-8:
            break
    return float(theta_2[1]), float(theta_2[0])


def _auroc(same_B: DoubleArray, different_B: DoubleArray) -> float:
    below_B = np.cumsum(different_B) - different_B / 2
    return float(same_B @ below_B / (same_B.sum() * different_B.sum()))


def _spread(n: int, most: int) -> np.ndarray:
    """Numbers from 0 to n - 1, evenly spread where they are too many."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(np.int64))


def _logistic(score: DoubleArray) -> DoubleArray:
    return np.asarray(np.where(score >= 0, 1, np.exp(np.minimum(score, 0))) / (1 + np.exp(-np.abs(score))))
