"""Limits that keep what they promise, and what they cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.evaluation.decisions import (
    binomial_cdf,
    choose_min_probability,
    count_answers,
    coverage_curve,
    decide_unsure,
    fewest_photos,
)
from photograft.values import BoolArray, DoubleArray, Predictions


def choose(probability_N: DoubleArray, right_N: BoolArray, precision: float = 0.95) -> float | None:
    return choose_min_probability(probability_N, right_N, precision=precision, group_N=np.arange(len(right_N)))


def draw(
    rng: np.random.Generator, n: int, accuracy: float, overconfident: float = 1.0
) -> tuple[DoubleArray, DoubleArray]:
    """Probabilities as a model states them, and the chance that each photo is right."""
    chance_N = 1 - rng.beta(0.4, 0.4 * accuracy / (1 - accuracy), n)
    return chance_N**overconfident, chance_N


def table(probability_N: DoubleArray, right_N: BoolArray) -> Predictions:
    n = len(right_N)
    probabilities_NK = np.stack([probability_N, *[(1 - probability_N) / 2] * 2], axis=1)
    label_N = np.where(right_N, 0, 1).astype(np.int64)
    return Predictions(tuple(map(str, range(n))), ("a", "b", "c"), probabilities_NK, label_N, ("ok",) * n, ("",) * n)


@settings(max_examples=12, deadline=None)
@given(
    n=st.sampled_from([60, 150, 400, 1000]),
    accuracy=st.floats(0.6, 0.97),
    precision=st.sampled_from([0.8, 0.9, 0.95]),
    overconfident=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_the_precision_is_missed_in_one_of_ten_draws_at_most(
    n: int, accuracy: float, precision: float, overconfident: float
) -> None:
    rng = np.random.default_rng(0)
    missed, draws = 0, 120
    for _ in range(draws):
        probability_N, chance_N = draw(rng, n, accuracy, overconfident)
        limit = choose(probability_N, rng.random(n) < chance_N, precision)
        missed += limit is not None and chance_N[probability_N >= limit].mean() < precision
    assert missed <= 0.1 * draws + 2 * math.sqrt(draws * 0.1 * 0.9)


def test_the_lowest_limit_that_looks_right_misses_it_every_second_time() -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        probability_N, chance_N = draw(rng, 400, 0.88)
        order_N = np.argsort(-probability_N)
        share_N = np.cumsum((rng.random(400) < chance_N)[order_N]) / np.arange(1, 401)
        m = int(np.flatnonzero(share_N >= 0.95)[-1]) + 1
        missed += chance_N[order_N][:m].mean() < 0.95
    assert 0.35 < missed / 200 < 0.65


@given(st.integers(0, 2**32 - 1), st.integers(45, 300), st.sampled_from([1, 2, 20]))
@settings(max_examples=30, deadline=None)
def test_answered_photos_reach_the_precision_and_order_does_not_matter(seed: int, n: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    probability_N, chance_N = draw(rng, n, 0.93)
    probability_N = np.round(probability_N, digits)  # with ties
    right_N = rng.random(n) < chance_N
    limit = choose(probability_N, right_N)
    shuffled_N = rng.permutation(n)
    assert choose(probability_N[shuffled_N], right_N[shuffled_N]) == limit
    if limit is not None:
        assert 0 <= limit < 1 and right_N[probability_N >= limit].mean() >= 0.95
        assert not np.any(probability_N == limit) or limit == 0  # halfway between photos


def test_a_model_that_is_good_enough_answers_everything() -> None:
    rng = np.random.default_rng(0)
    probability_N = rng.uniform(0.4, 1, 500)
    assert choose(probability_N, np.arange(500) % 100 != 0) == 0.0


def test_too_few_photos_show_nothing() -> None:
    assert fewest_photos(0.95) == 45 and fewest_photos(0.9) == 22
    for n, wanted in ((44, None), (45, 0.0)):
        assert choose(np.linspace(0.5, 1, n), np.ones(n, bool)) == wanted


def test_photos_of_one_group_do_not_count_as_many() -> None:
    n = 200
    group_N = np.arange(n) // 10
    chosen = choose_min_probability(np.linspace(0.5, 1, n), np.ones(n, bool), precision=0.95, group_N=group_N)
    assert chosen is None


def test_a_model_that_is_wrong_where_it_is_sure_gets_no_limit() -> None:
    rng = np.random.default_rng(1)
    assert choose(rng.random(1000), rng.random(1000) < 0.8) is None


@pytest.mark.parametrize(("k", "n", "p"), [(0, 45, 0.05), (3, 20, 0.3), (20, 20, 0.3), (7, 7, 0.5)])
def test_the_binomial_is_exact(k: int, n: int, p: float) -> None:
    expected = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert binomial_cdf(k, n, p) == pytest.approx(expected, rel=1e-12)


def test_the_estimate_is_of_photos_that_the_limit_was_not_chosen_on() -> None:
    rng = np.random.default_rng(3)
    reached = []
    for _ in range(20):
        probability_N, chance_N = draw(rng, 600, 0.88)
        judged = table(probability_N, rng.random(600) < chance_N)
        decided = decide_unsure(
            judged, precision=0.95, group_N=np.arange(600), duplicate_N=np.arange(600), what="out-of-fold"
        )
        assert decided.min_probability is not None and decided.answers is not None
        assert (decided.n, decided.n_effective, decided.answers.what) == (600, 600, "out-of-fold")
        true = chance_N[probability_N >= decided.min_probability].mean()
        reached.append((decided.answers.right / decided.answers.answered, true))
    estimate, true = np.mean(reached, axis=0)
    assert abs(estimate - true) < 0.01


def test_answers_are_counted_by_a_limit_of_other_photos() -> None:
    predictions = table(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True]))
    answers = count_answers(predictions, 0.7, what="test")
    assert (answers.n, answers.answered, answers.right) == (4, 3, 2)
    assert coverage_curve(np.array([0.9, 0.8]), np.array([True, False])) == ((0.5, 1.0, 0.9), (1.0, 0.5, 0.8))


def test_without_a_known_label_nothing_is_decided() -> None:
    predictions = table(np.array([0.9]), np.array([True]))
    unknown = Predictions(
        predictions.paths, predictions.classes, predictions.probabilities_NK, np.array([-1]), ("ok",), ("",)
    )
    decided = decide_unsure(unknown, precision=0.95, group_N=np.arange(1), duplicate_N=np.arange(1), what="test")
    assert decided.min_probability is None and decided.answers is None and decided.n == 0 and decided.curve == ()
