"""From which probability on a label is good enough, and what that costs. Shape letters: N photos, M answered ones.

The most probable class of a photo is right more often the more probable it is. Of the photos above a limit, the share
that is right is the precision. A limit that is read off the same photos as the lowest one that reaches the wanted
precision promises too much: in simulations it misses it every second time. So limits are tested one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from photograft.metrics.intervals import clustered_n
from photograft.values import BoolArray, DoubleArray, IntArray, Predictions

RISK = 0.1
"""Chance that the precision is below the wanted one all the same."""

_STEPS = 50
_POINTS = 80
_CROSS_FITS = 10


@dataclass(frozen=True)
class Answers:
    """How a model does that keeps to a limit, on `n` photos that neither it nor the limit was chosen on.

    `answered` of them reach the limit, and `right` of those have the right label.
    """

    what: str
    n: int
    answered: int
    right: int


@dataclass(frozen=True)
class Unsure:
    """The limit that reaches a precision: `min_probability` is 0 where every photo may be answered, None without one.

    It rests on `n` photos, `n_effective` independent ones. `answers` is None where nothing could be judged.
    `curve` holds for other limits the share of photos that reach them and the share of those that are right.
    """

    precision: float
    min_probability: float | None
    n: int
    n_effective: int
    answers: Answers | None = None
    curve: tuple[tuple[float, float, float], ...] = ()


def choose_min_probability(
    probability_N: DoubleArray,
    right_N: BoolArray,
    *,
    precision: float,
    group_N: IntArray,
    duplicate_N: IntArray | None = None,
) -> float | None:
    """The lowest limit at which the answered photos reach the precision, with a chance of 9 in 10 or more.

    Fixed-sequence testing (Angelopoulos et al. 2021, "Learn then Test"): beginning with the more probable photos, ever
    lower limits are tested with an exact binomial test at level 0.1, until one fails; so no limit is accepted by luck
    among many. Where the tests begin, and their steps, depend on the number of photos alone. Photos of one group count
    as fewer (`metrics.intervals.clustered_n`).

    Args:
        probability_N: of the most probable class, by models that had not seen the photo; at least one photo.
        right_N: whether that class is the true one.
        precision: wanted share of right ones, above 0 and below 1.
        group_N: number of the group that each photo belongs to.
        duplicate_N: number of its group of duplicates.

    Returns:
        The limit, 0 where all photos may be answered, None where no limit is good enough or photos are too few.
    """
    order_N = np.argsort(-probability_N, kind="stable")
    sorted_N, right_N, group_N = probability_N[order_N], right_N[order_N], group_N[order_N]
    duplicate_N = None if duplicate_N is None else duplicate_N[order_N]
    chosen = None
    for m in _counts(sorted_N, precision):
        same_M = None if duplicate_N is None else duplicate_N[:m]
        n_worth = int(clustered_n(right_N[:m], group_N[:m], same_M) + 1e-9)
        n_wrong = math.ceil((m - int(right_N[:m].sum())) * n_worth / m - 1e-9)
        if binomial_cdf(n_wrong, n_worth, 1 - precision) > RISK:
            break
        chosen = 0.0 if m == len(sorted_N) else float(sorted_N[m - 1] + sorted_N[m]) / 2
    return chosen


def decide_unsure(
    judged: Predictions, *, precision: float, group_N: IntArray, duplicate_N: IntArray, what: str
) -> Unsure:
    """The limit that these photos give, and how it does on photos that it was not chosen on: by tenths of the groups.

    A tenth whose rest gives no limit is left out. `judged` are predictions by models that had not seen the photos.
    """
    probability_N, right_N, rows_N = confidence(judged)
    group_N, duplicate_N = group_N[rows_N], duplicate_N[rows_N]

    def choose(chosen_N: BoolArray) -> float | None:
        if not chosen_N.any():
            return None
        return choose_min_probability(
            probability_N[chosen_N],
            right_N[chosen_N],
            precision=precision,
            group_N=group_N[chosen_N],
            duplicate_N=duplicate_N[chosen_N],
        )

    limit = choose(np.ones(len(rows_N), bool))
    n_worth = int(clustered_n(right_N, group_N, duplicate_N)) if len(rows_N) else 0
    found = Unsure(precision, limit, len(rows_N), n_worth, curve=coverage_curve(probability_N, right_N))
    if limit is None:
        return found
    number_N = np.unique(group_N, return_inverse=True)[1]
    tenth_N = np.random.default_rng(0).permutation(int(number_N.max()) + 1)[number_N] % _CROSS_FITS
    n = answered = right = 0
    for tenth in range(_CROSS_FITS):
        held_N = tenth_N == tenth
        other = choose(~held_N)
        if other is None or not held_N.any():
            continue
        reaches_N = probability_N[held_N] >= other
        n += int(held_N.sum())
        answered += int(reaches_N.sum())
        right += int(right_N[held_N][reaches_N].sum())
    answers = Answers(what, n, answered, right) if n else None
    return Unsure(precision, limit, found.n, n_worth, answers, found.curve)


def count_answers(predictions: Predictions, min_probability: float, *, what: str) -> Answers:
    """How many photos reach a limit that was chosen on others, and how many of those are right."""
    probability_N, right_N, _ = confidence(predictions)
    reaches_N = probability_N >= min_probability
    return Answers(what, len(right_N), int(reaches_N.sum()), int((right_N & reaches_N).sum()))


def confidence(predictions: Predictions) -> tuple[DoubleArray, BoolArray, IntArray]:
    """Of photos with a known label: the highest probability, whether its class is right, and their row numbers."""
    rows_N = np.flatnonzero(predictions.ok_N & (predictions.label_N >= 0)).astype(np.int64)
    probabilities_NK, label_N = predictions.probabilities_NK[rows_N], predictions.label_N[rows_N]
    if not len(rows_N):
        return np.empty(0), np.empty(0, bool), rows_N
    return probabilities_NK.max(axis=1), probabilities_NK.argmax(axis=1) == label_N, rows_N


def coverage_curve(probability_N: DoubleArray, right_N: BoolArray) -> tuple[tuple[float, float, float], ...]:
    """(share of photos that reach a limit, share of those that are right, the limit), the highest limit first."""
    n = len(probability_N)
    order_N = np.argsort(-probability_N, kind="stable")
    sorted_N, n_right_N = probability_N[order_N], np.cumsum(right_N[order_N])
    counts = sorted(
        {_end_of_ties(sorted_N, max(1, round(n * i / _POINTS))) for i in range(1, _POINTS + 1)} if n else ()
    )
    return tuple((m / n, float(n_right_N[m - 1]) / m, float(sorted_N[m - 1])) for m in counts)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Chance of at most k successes in n tries of chance p, which lies above 0 and below 1."""
    if k >= n:
        return 1.0
    terms = (
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _counts(sorted_N: DoubleArray, precision: float) -> Iterator[int]:
    """How many photos are answered at the limits to test, in order: from a quarter of them on, in fiftieths.

    Fewer than can pass the test are not tried. Of many photos, so many that two mistakes may be among the first:
    a wrong label among the photos that the model is surest of would end the tests at once.
    """
    n = len(sorted_N)
    first = fewest_photos(precision)
    if n >= 2 * fewest_photos(precision, wrong=2):
        first = fewest_photos(precision, wrong=2)
    m = max(first, n // 4)
    while m <= n:
        m = _end_of_ties(sorted_N, m)
        yield m
        m = n if m < n < m + max(1, n // _STEPS) else m + max(1, n // _STEPS)


def fewest_photos(precision: float, *, wrong: int = 0) -> int:
    """The fewest photos that show a precision with so many wrong ones among them."""
    low, high = wrong, wrong + 1
    while binomial_cdf(wrong, high, 1 - precision) > RISK:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_cdf(wrong, middle, 1 - precision) <= RISK else (middle, high)
    return high


def _end_of_ties(sorted_N: DoubleArray, m: int) -> int:
    """`m`, or the larger count at which no photo as probable as the last one is left."""
    return int(np.searchsorted(-sorted_N, -sorted_N[m - 1], side="right"))
