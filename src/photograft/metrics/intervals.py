"""How far a score could be off, given the number of photos it rests on.

Shape letters: N photos, G groups (duplicates, or what the user grouped by), S groups drawn in a resample, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from photograft.values import BoolArray, DoubleArray, IntArray


def wilson_interval(correct: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for a share of independent photos, such as an accuracy; (low, high) within 0..1.

    Stays within 0..1, and keeps a width where all or none are correct. Source: Wilson (1927), as recommended by
    Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (2001); no continuity correction.

    Args:
        correct: How many are correct, 0..n; not whole where `n` is an `effective_n`.
        n: How many there are, above 0.
        confidence: Share of such intervals that hold the true value, 0..1 exclusive.

    >>> [round(limit, 3) for limit in wilson_interval(81, 263)]
    [0.255, 0.366]
    """
    if not 0 <= correct <= n or n <= 0:
        raise ValueError(f"a share needs 0 <= correct <= n and n > 0, not {correct} of {n}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # Exact at the ends, where rounding would leave 1e-17 or cut off the share itself.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def effective_n(group_N: IntArray) -> float:
    """How many independent photos N photos in duplicate groups are worth: N^2 / sum(group size^2), G at least 1.

    Duplicates get the same prediction, so a group counts as one observation, weighted by its size: N single photos
    are worth N, N / 2 pairs N / 2. Kish's effective sample size ("Survey Sampling", 1965) for full correlation
    within groups: an interval on it is never narrower than the one that takes photos for independent.

    Args:
        group_N: Group number per photo; a negative number means a photo of its own. At least one photo.
    """
    size_G = np.bincount(_number_groups(group_N)).astype(np.float64)
    return float(size_G.sum() ** 2 / np.sum(size_G**2))


def clustered_n(value_N: npt.ArrayLike, group_N: IntArray, duplicate_N: IntArray | None = None) -> float:
    """How many independent photos N photos are worth for the mean of a value, such as correct or not.

    Photos of one person or video are alike, but not the same: how much so is read from the values themselves. The
    cluster-robust variance of the mean over G groups, against that of independent photos, gives the design effect, and
    N / design effect is the answer, corrected for the degrees of freedom G - 1. Sources: Kish, "Survey Sampling"
    (1965), section 5.4; Korn and Graubard, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data" (1998).

    It is never below `effective_n` of the groups, which takes all photos of a group for copies, and never above that
    of the duplicates. Where all values are equal, nothing can be read from them, and it is the lower of the two. With
    few groups and few of the rarer value it reads too little: a Wilson interval at 95 % then holds about 90 %.

    Args:
        value_N: One value per photo.
        group_N: Group number per photo; a negative number means a photo of its own. At least one photo.
        duplicate_N: Group of duplicates per photo, each within one group of `group_N`; None takes the groups for
            groups of duplicates.
    """
    lowest = effective_n(group_N)
    if duplicate_N is None:
        return lowest
    value_N, group_N = np.asarray(value_N, dtype=np.float64), _number_groups(group_N)
    n, n_groups = len(value_N), int(group_N.max()) + 1
    rest_N = value_N - value_N.mean()
    if n_groups == 1 or not np.any(rest_N):
        return lowest
    sum_G = np.bincount(group_N, weights=rest_N)
    variance = n_groups / (n_groups - 1) * float(np.sum(sum_G**2)) / n**2
    worth = float(np.mean(rest_N**2)) / variance if variance > 0 else np.inf
    worth *= (_t_quantile(0.975, n - 1) / _t_quantile(0.975, n_groups - 1)) ** 2
    return float(np.clip(worth, lowest, max(lowest, effective_n(duplicate_N))))


def paired_difference(
    correct_a_N: BoolArray, correct_b_N: BoolArray, group_N: IntArray, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Accuracy of a minus accuracy of b on the same N photos, with its interval: (difference, low, high).

    Only photos that one has right and the other wrong tell the two apart. The interval is the adjusted Wald one of
    Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data"
    (2012), which keeps a width where a and b never differ. It is taken on `clustered_n` of the differences, so that
    photos of one group do not count as independent.

    Args:
        correct_a_N: Whether a is right, per photo; at least one photo.
        correct_b_N: Whether b is right.
        group_N: Group number per photo; a negative number means a photo of its own.
        confidence: Share of such intervals that hold the true difference, 0..1 exclusive.

    >>> right = np.array([True] * 90 + [False] * 10)
    >>> [round(number, 3) for number in paired_difference(right, ~right | right, np.arange(100))]
    [-0.1, -0.162, -0.034]
    """
    difference_N = np.asarray(correct_a_N, dtype=np.float64) - np.asarray(correct_b_N, dtype=np.float64)
    n = clustered_n(difference_N, group_N, np.arange(len(difference_N)))
    only_a = (n * float(np.mean(difference_N > 0)) + 1) / (n + 2)
    only_b = (n * float(np.mean(difference_N < 0)) + 1) / (n + 2)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre, half = only_a - only_b, z * ((only_a + only_b - (only_a - only_b) ** 2) / (n + 2)) ** 0.5
    difference = float(difference_N.mean())
    return difference, max(-1.0, min(difference, centre - half)), min(1.0, max(difference, centre + half))


def bootstrap_interval(
    statistic: Callable[[IntArray], float],
    group_N: IntArray,
    *,
    n_resamples: int = 300,
    seed: int = 0,
    confidence: float = 0.95,
    limits: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Interval for any statistic, by drawing whole duplicate groups with replacement; (low, high) within `limits`.

    The basic bootstrap: low = 2 * estimate - upper quantile of the resamples, high likewise, widened to hold the
    estimate. Unlike the percentile interval it corrects for a statistic that chance moves to one side, such as the
    expected calibration error: each resample repeats the shift, so the percentile interval lies too high and often
    leaves out the estimate itself. Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997),
    section 5.2; groups as in section 3.8.

    Args:
        statistic: From row numbers (with repeats, any order, at least one) to a finite number.
        group_N: Group number per row; a negative number means a row of its own. At least one row.
        n_resamples: R; the ends of the interval are quantiles of that many values.
        seed: Same seed, same interval.
        confidence: Share of such intervals that hold the true value, 0..1 exclusive.
        limits: Smallest and largest possible value of the statistic.
    """
    estimate = statistic(np.arange(len(group_N)))
    value_R = _resample(statistic, _number_groups(group_N), n_resamples=n_resamples, seed=seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(value_R, [tail, 1 - tail]).tolist()
    return max(limits[0], min(estimate, 2 * estimate - high)), min(limits[1], max(estimate, 2 * estimate - low))


def _t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t, by the expansion 26.7.5 of Abramowitz and Stegun (1964): to 1 % from 3 degrees on."""
    z, v = NormalDist().inv_cdf(share), float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


def _resample(statistic: Callable[[IntArray], float], group_N: IntArray, *, n_resamples: int, seed: int) -> DoubleArray:
    """The statistic on R resamples of the groups 0..G-1, shape (R,)."""
    rng = np.random.default_rng(seed)
    # Rows of group g: row_N[start_G[g] : start_G[g] + size_G[g]].
    row_N = np.argsort(group_N, kind="stable")
    size_G = np.bincount(group_N)
    start_G = np.cumsum(size_G) - size_G
    value_R = np.empty(n_resamples)
    for r in range(n_resamples):
        drawn_S = rng.integers(0, len(size_G), size=len(size_G))
        size_S = size_G[drawn_S]
        end_S = np.cumsum(size_S)
        position = np.arange(end_S[-1]) + np.repeat(start_G[drawn_S] - end_S + size_S, size_S)
        value_R[r] = statistic(row_N[position])
    return value_R


def _number_groups(group_N: IntArray) -> IntArray:
    """The same groups numbered 0..G-1, with a group of its own for every negative number."""
    alone_N = group_N < 0
    own_N = np.where(alone_N, group_N.max(initial=-1) + 1 + np.arange(len(group_N)), group_N)
    return np.unique(own_N, return_inverse=True)[1].astype(np.int64)
