from __future__ import annotations

import numpy as np
import pytest

from photograft.metrics.intervals import bootstrap_interval, effective_n, wilson_interval
from photograft.values import IntArray


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_published_values(correct: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_wilson_ends_are_exact_and_hold_the_share() -> None:
    for n in range(1, 60):
        assert wilson_interval(0, n)[0] == 0.0
        assert wilson_interval(n, n)[1] == 1.0
        for correct in range(n + 1):
            low, high = wilson_interval(correct, n)
            assert 0 <= low <= correct / n <= high <= 1
            assert high - low > 0.05


def test_wilson_narrows_with_photos_and_widens_with_confidence() -> None:
    widths = [high - low for low, high in (wilson_interval(9 * n, 10 * n) for n in (1, 10, 100))]
    assert widths == sorted(widths, reverse=True)
    assert wilson_interval(9, 10, confidence=0.99)[0] < wilson_interval(9, 10)[0]


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        wilson_interval(correct, n)


def test_effective_n_counts_groups_not_copies() -> None:
    assert effective_n(np.arange(7)) == 7
    assert effective_n(np.array([5, 5, 9, 9, 2, 2])) == 3
    assert effective_n(np.zeros(10, dtype=np.int64)) == 1
    assert effective_n(np.array([-1, -1, -1, 0])) == 4
    assert effective_n(np.array([0, 0, 1])) == pytest.approx(9 / 5)


def test_bootstrap_draws_whole_groups() -> None:
    group_N = np.array([7, 3, 7, 3, 3, 0, -1, -1])  # interleaved, with two photos of their own
    seen: list[IntArray] = []

    def count(row_N: IntArray) -> float:
        seen.append(row_N)
        return 0.5

    assert bootstrap_interval(count, group_N, n_resamples=50) == (0.5, 0.5)
    groups = [{0, 2}, {1, 3, 4}, {5}, {6}, {7}]
    for row_N in seen[1:]:
        times_N = np.bincount(row_N, minlength=8)
        drawn = [set(times_N[list(group)].tolist()) for group in groups]
        assert all(len(times) == 1 for times in drawn)  # all photos of a group equally often
        assert sum(times.pop() for times in drawn) == len(groups)
    assert len({tuple(row_N) for row_N in seen[1:]}) > 40


def test_bootstrap_of_copies_equals_that_of_the_originals() -> None:
    value_N = np.random.default_rng(0).random(40)
    once = bootstrap_interval(lambda row_N: float(value_N[row_N].mean()), np.arange(40))
    copied_N = np.tile(value_N, 5)
    grouped = bootstrap_interval(lambda row_N: float(copied_N[row_N].mean()), np.tile(np.arange(40), 5))
    ungrouped = bootstrap_interval(lambda row_N: float(copied_N[row_N].mean()), np.arange(200))
    assert grouped == pytest.approx(once, abs=1e-12)
    assert ungrouped[1] - ungrouped[0] < 0.6 * (once[1] - once[0])


def test_bootstrap_of_a_mean_is_about_the_normal_interval() -> None:
    value_N = np.random.default_rng(1).random(400)
    low, high = bootstrap_interval(lambda row_N: float(value_N[row_N].mean()), np.arange(400), n_resamples=2000)
    half = 1.96 * value_N.std() / 20
    assert (low, high) == pytest.approx((value_N.mean() - half, value_N.mean() + half), abs=0.1 * half)


def test_bootstrap_is_seeded_and_stays_within_limits() -> None:
    value_N = np.array([0.0, 0.0, 1.0])

    def mean(row_N: IntArray) -> float:
        return float(value_N[row_N].mean())

    assert bootstrap_interval(mean, np.arange(3), seed=4) == bootstrap_interval(mean, np.arange(3), seed=4)
    assert bootstrap_interval(mean, np.arange(3)) == (0.0, pytest.approx(2 / 3))
    low, high = bootstrap_interval(lambda row_N: float(len(set(row_N.tolist()))), np.arange(9), limits=(0.0, 99.0))
    assert low <= 9 <= high  # every resample is below the estimate, and the interval still holds it


def test_bootstrap_of_one_photo_is_a_point() -> None:
    assert bootstrap_interval(lambda row_N: 0.25, np.array([3])) == (0.25, 0.25)
