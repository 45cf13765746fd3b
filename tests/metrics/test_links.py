"""Kinds of heads: what their logits mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photograft.metrics import links
from photograft.metrics.softmax import softmax
from photograft.values import HeadKind

KINDS: tuple[HeadKind, ...] = ("softmax", "binary", "ordinal", "sigmoid")


def draw(kind: HeadKind, *, n: int = 50, k: int = 4) -> tuple[Any, Any]:
    """Logits of a head with k classes (binary: 2), and a truth."""
    rng = np.random.default_rng(0)
    k = 2 if kind == "binary" else k
    n_outputs = k - 1 if kind in ("binary", "ordinal") else k
    truth = rng.random((n, k)) < 0.4 if kind == "sigmoid" else rng.integers(0, k, n)
    return rng.normal(size=(n, n_outputs)) * 3, truth


@given(st.sampled_from(("softmax", "binary", "ordinal")), st.floats(0.01, 1000), st.floats(0.05, 20))
def test_one_class_per_photo_has_probabilities_that_sum_to_one(
    kind: HeadKind, scale: float, temperature: float
) -> None:
    probability_NK = links.probabilities(kind, scale * draw(kind)[0], temperature=temperature)
    assert probability_NK.shape == (50, 2 if kind == "binary" else 4) and probability_NK.dtype == np.float64
    assert (probability_NK >= 0).all() and np.allclose(probability_NK.sum(axis=1), 1, atol=1e-12)


def test_binary_is_the_softmax_of_zero_and_the_logit() -> None:
    logits_N1, _ = draw("binary")
    wanted_NK = softmax(np.concatenate([np.zeros_like(logits_N1), logits_N1], axis=1), temperature=1.7)
    assert np.allclose(links.probabilities("binary", logits_N1, temperature=1.7), wanted_NK)


def test_ordinal_probabilities_are_products_of_the_answers() -> None:
    above = {"low": 0.8, "middle": 0.25}  # log odds of lying above low, and above middle
    logits_NM = np.log([[p / (1 - p) for p in above.values()]])
    assert np.allclose(links.probabilities("ordinal", logits_NM), [[0.2, 0.8 * 0.75, 0.8 * 0.25]])


def test_sigmoid_labels_are_independent() -> None:
    logits_NK, _ = draw("sigmoid")
    changed_NK = logits_NK.copy()
    changed_NK[:, 1] = 0
    one_NK, other_NK = (links.probabilities("sigmoid", each) for each in (logits_NK, changed_NK))
    assert (other_NK[:, 1] == 0.5).all() and np.array_equal(one_NK[:, [0, 2, 3]], other_NK[:, [0, 2, 3]])
    assert np.allclose(one_NK, 1 / (1 + np.exp(-logits_NK)))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_not_numbers_stay_so_and_large_logits_do_not_overflow(kind: HeadKind) -> None:
    logits_NM, truth = draw(kind)
    logits_NM[0], logits_NM[1] = np.nan, 1e4
    probability_NK = links.probabilities(kind, logits_NM)
    assert np.isnan(probability_NK[0]).all() and np.isfinite(probability_NK[1:]).all()
    assert np.isfinite(links.losses(kind, links.probabilities(kind, -1e6 * draw(kind)[0]), truth)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_the_likelihood_and_the_same_as_of_the_softmax_rows(kind: HeadKind) -> None:
    logits_NM, truth = draw(kind)
    loss_N = links.losses(kind, links.probabilities(kind, logits_NM), truth)
    logits_RC, label_R = links.as_softmax(kind, logits_NM, truth)
    loss_R = -np.log(softmax(logits_RC)[np.arange(len(label_R)), label_R])
    scale = truth.shape[1] if kind == "sigmoid" else 1
    assert loss_N.shape == (50,) and loss_N.sum() * scale == pytest.approx(loss_R.sum())


def test_losses_are_those_of_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics").log_loss
    for kind in ("softmax", "binary", "ordinal"):
        logits_NM, truth = draw(kind)
        probability_NK = links.probabilities(kind, logits_NM)
        wanted = reference(truth, probability_NK, labels=range(probability_NK.shape[1]))
        assert links.losses(kind, probability_NK, truth).mean() == pytest.approx(wanted)
    logits_NM, truth = draw("sigmoid")
    probability_NK = links.probabilities("sigmoid", logits_NM)
    wanted = np.mean([reference(truth[:, k], probability_NK[:, k]) for k in range(4)])
    assert links.losses("sigmoid", probability_NK, truth).mean() == pytest.approx(wanted)


def test_ordinal_asks_only_photos_that_lie_at_the_class_or_above() -> None:
    logits_NM = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    logits_RC, label_R = links.as_softmax("ordinal", logits_NM, np.array([0, 1, 2]))
    assert logits_RC.tolist() == [[0, 1], [0, 3], [0, 4], [0, 5], [0, 6]]
    assert label_R.tolist() == [0, 1, 0, 1, 1]


def test_adjusting_divides_by_the_shares() -> None:
    probability_NK = np.array([[0.6, 0.3, 0.1]])
    share_K = np.array([0.6, 0.3, 0.1])
    assert np.allclose(links.adjust(probability_NK, share_K, power=1), 1 / 3)
    assert np.allclose(links.adjust(probability_NK, share_K, power=2), np.array([1 / 6, 1 / 3, 1]) / 1.5)
    assert np.allclose(links.adjust(probability_NK, share_K, power=0.5).sum(axis=1), 1)
    assert links.adjust(probability_NK, share_K, power=0) is probability_NK
    # A class without a training photo counts as the rarest one that has some.
    assert np.allclose(links.adjust(probability_NK, np.array([0.6, 0.4, 0]), power=1)[0], [0.5, 0.375, 0.125])


def test_adjusting_minimises_the_balanced_error() -> None:
    """Where probabilities are true, power 1 gives the best mean recall (A. Menon et al., 2021)."""
    rng = np.random.default_rng(0)
    share_K = np.array([0.7, 0.25, 0.05])
    label_N = rng.choice(3, 20_000, p=share_K)
    score_NK = rng.normal(size=(20_000, 3)) + 1.5 * np.eye(3)[label_N]
    probability_NK = softmax(1.5 * score_NK + np.log(share_K))

    def recall(power: float) -> float:
        best_N = links.adjust(probability_NK, share_K, power=power).argmax(axis=1)
        return float(np.mean([(best_N == k)[label_N == k].mean() for k in range(3)]))

    assert recall(1) > max(recall(0) + 0.1, recall(0.5) + 0.01, recall(1.5) + 0.002)


def test_products_count_with_the_last_factor_fastest() -> None:
    one_NK, two_NK = np.array([[0.9, 0.1]]), np.array([[0.5, 0.3, 0.2]])
    joint_NK = links.product([one_NK, two_NK])
    assert np.allclose(joint_NK, [[0.45, 0.27, 0.18, 0.05, 0.03, 0.02]])
    assert links.product([one_NK]) is one_NK
    three_NK = links.product([one_NK, two_NK, one_NK])
    assert three_NK[0, np.ravel_multi_index((1, 2, 0), (2, 3, 2))] == pytest.approx(0.1 * 0.2 * 0.9)


def test_marginals_undo_the_product() -> None:
    rng = np.random.default_rng(0)
    parts = [softmax(rng.normal(size=(20, k))) for k in (2, 3, 4)]
    joint_NK = links.product(parts)
    value = np.unravel_index(np.arange(24), (2, 3, 4))
    for part_NF, value_K in zip(parts, value, strict=True):
        assert np.allclose(links.marginals(joint_NK, value_K, part_NF.shape[1]), part_NF)
    # Of classes of which not every combination occurs, a value without one has probability 0.
    assert np.allclose(links.marginals(np.array([[0.4, 0.6]]), np.array([2, 2]), 3), [[0, 0, 1]])
