from __future__ import annotations

import numpy as np
import pytest

from photograft.metrics.intervals import (
    bootstrap_interval,
    clustered_n,
    effective_n,
    paired_difference,
    wilson_interval,
)
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


def draw_alike(rng: np.random.Generator, share: float, group_N: IntArray, correlation: float) -> np.ndarray:
    """Whether photos are right where those of a group are correlated: each group has a share of its own."""
    scale = (1 - correlation) / correlation
    share_G = rng.beta(share * scale, (1 - share) * scale, int(group_N.max()) + 1)
    return rng.random(len(group_N)) < share_G[group_N]


@pytest.mark.parametrize(("share", "correlation"), [(0.7, 0.1), (0.9, 0.4), (0.9, 0.05), (0.8, 0.8)])
def test_intervals_hold_the_truth_where_photos_of_a_group_are_alike(share: float, correlation: float) -> None:
    group_N = np.repeat(np.arange(80), np.tile([3, 4, 5, 8], 20))
    held, narrower = 0, 0.0
    for seed in range(400):
        correct_N = draw_alike(np.random.default_rng(seed), share, group_N, correlation)
        n = clustered_n(correct_N, group_N, np.arange(400))
        low, high = wilson_interval(correct_N.mean() * n, n)
        held += low <= share <= high
        narrower += n / effective_n(group_N)
    assert held / 400 >= 0.92
    assert narrower / 400 > (1.1 if correlation > 0.5 else 1.7)  # than if photos of a group were copies


def test_clustered_n_lies_between_all_copies_and_all_independent() -> None:
    rng = np.random.default_rng(0)
    group_N, duplicate_N = np.repeat(np.arange(40), 6), np.repeat(np.arange(120), 2)
    for _ in range(50):
        n = clustered_n(rng.random(240) < 0.5, group_N, duplicate_N)
        assert effective_n(group_N) <= n <= effective_n(duplicate_N)
    copies_N = np.repeat(rng.random(40) < 0.5, 6)
    assert clustered_n(copies_N, group_N, duplicate_N) == pytest.approx(40)
    assert clustered_n(np.ones(240), group_N, duplicate_N) == 40
    assert clustered_n(rng.random(240) < 0.5, group_N) == 40
    assert clustered_n(np.array([True, False]), np.array([0, 0]), np.arange(2)) == 1
    assert clustered_n(rng.random(2000) < 0.9, np.arange(2000), np.arange(2000)) == 2000


def test_paired_difference_equals_published_formula() -> None:
    # Bonett and Price: with f12 = 20 and f21 = 8 of 100, (21 - 9) / 102 +- 1.96 sqrt(...)
    a_N, b_N = np.zeros(100, bool), np.zeros(100, bool)
    a_N[:20], b_N[20:28] = True, True
    difference, low, high = paired_difference(a_N, b_N, np.arange(100))
    half = 1.959964 * ((30 / 102 - (12 / 102) ** 2) / 102) ** 0.5
    assert (difference, low, high) == pytest.approx((0.12, 12 / 102 - half, 12 / 102 + half), abs=1e-6)
    assert paired_difference(b_N, a_N, np.arange(100)) == pytest.approx((-0.12, -high, -low))
    same = paired_difference(a_N, a_N, np.arange(100))
    assert same[0] == 0 and 0 < same[2] == -same[1] < 0.05


@pytest.mark.parametrize(("correlation", "gain"), [(0.02, 0.0), (0.4, 0.05)])
def test_paired_differences_hold_the_truth(correlation: float, gain: float) -> None:
    group_N = np.repeat(np.arange(80), 5)
    truth, held, held_alone = (0.04 + gain) - 0.04 * (1 - 0.04 - gain), 0, 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        only_a_N = draw_alike(rng, 0.04 + gain, group_N, correlation)
        only_b_N = draw_alike(rng, 0.04, group_N, correlation) & ~only_a_N
        both_N = rng.random(400) < 0.8
        a_N, b_N = (both_N | only_a_N) & ~only_b_N, (both_N | only_b_N) & ~only_a_N
        _, low, high = paired_difference(a_N, b_N, group_N)
        held += low <= truth <= high
        _, low, high = paired_difference(a_N, b_N, np.arange(400))
        held_alone += low <= truth <= high
    assert held / 400 >= 0.92
    assert correlation < 0.1 or held_alone < held - 20  # taking photos for independent promises too much


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
