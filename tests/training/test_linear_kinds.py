"""Heads that ask yes-or-no questions: binary, ordinal, several labels per photo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from photograft.config.train import Balance
from photograft.errors import TrainingError
from photograft.metrics import links
from photograft.metrics.softmax import softmax
from photograft.training.balance import class_weights
from photograft.training.linear import HeadFit, LinearHead, estimate_megabytes, fit_at, fit_head, mean_head
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray


def draw(n: int, d: int, *, seed: int = 0) -> tuple[FloatArray, DoubleArray, IntArray]:
    """Features of very different scales, a score of each photo that they tell something about, and five folds."""
    rng = np.random.default_rng(seed)
    standard_ND = rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d))
    score_N = 2 * standard_ND @ rng.normal(size=d) / np.sqrt(d) + rng.logistic(size=n)
    features_ND = standard_ND * np.exp(rng.normal(0, 1.5, d)) + rng.normal(0, 5, d)
    return features_ND.astype(np.float32), score_N, rng.permutation(np.arange(n) % 5).astype(np.int64)


def ordered(score_N: DoubleArray) -> IntArray:
    """Four classes in their order, the highest the rarest."""
    return np.searchsorted(np.quantile(score_N, [0.4, 0.7, 0.9]), score_N).astype(np.int64)


def several(features_ND: FloatArray, *, seed: int = 1) -> BoolArray:
    """Six labels, from common to rare."""
    rng = np.random.default_rng(seed)
    standard_ND = (features_ND - features_ND.mean(0)) / features_ND.std(0)
    score_NK = 2 * standard_ND @ rng.normal(size=(features_ND.shape[1], 6)) / np.sqrt(features_ND.shape[1])
    score_NK = score_NK + rng.logistic(size=score_NK.shape)
    return np.asarray(score_NK > np.quantile(score_NK, 1 - np.geomspace(0.5, 0.05, 6), axis=0).diagonal())


def reference(
    features_ND: FloatArray, yes_N: Any, *, strength: float, asked_N: Any, weight_N: Any
) -> tuple[DoubleArray, float]:
    """Logits of scikit-learn's logistic regression, and its objective: mean loss + strength / 4 |w|^2."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    standard_ND = (features_ND - features_ND.mean(0)) / features_ND.std(0)
    peer = linear_model.LogisticRegression(C=2 / (strength * weight_N[asked_N].sum()), tol=1e-8, max_iter=5000)
    peer.fit(standard_ND[asked_N], yes_N[asked_N], sample_weight=weight_N[asked_N])
    logit_N = peer.decision_function(standard_ND)
    return logit_N, objective(logit_N, peer.coef_[0], yes_N, weight_N * asked_N, strength)


def objective(logit_N: Any, weight_D: Any, yes_N: Any, weight_N: Any, strength: float) -> float:
    loss_N = np.logaddexp(0, np.where(yes_N, -logit_N, logit_N))
    return float(np.average(loss_N, weights=weight_N) + strength / 4 * (weight_D**2).sum())


@pytest.mark.parametrize(("n", "d"), [(400, 40), (150, 200)])
@pytest.mark.parametrize("strength", [1.0, 0.03])
@pytest.mark.parametrize("kind", ["binary", "ordinal", "sigmoid"])
@pytest.mark.parametrize("balance", ["none", "sqrt"])
def test_every_output_is_the_logistic_regression_that_scikit_learn_finds(
    n: int, d: int, strength: float, kind: HeadKind, balance: Balance
) -> None:
    features_ND, score_N, fold_N = draw(n, d)
    weight_N, truth, n_classes = np.ones(n), ordered(score_N), 4
    yes_NM, asked_NM = truth[:, None] > np.arange(3), truth[:, None] >= np.arange(3)
    if kind == "binary":
        truth, yes_NM, asked_NM, n_classes = (truth > 1).astype(np.int64), yes_NM[:, 1:2], asked_NM[:, :1], 2
    if kind == "sigmoid":
        truth = yes_NM = several(features_ND)
        asked_NM, n_classes = np.ones_like(yes_NM), 6
    elif balance == "sqrt":
        weight_N = class_weights(np.bincount(truth), "sqrt")[truth]

    found = fit_head(features_ND, truth, fold_N, n_classes=n_classes, kind=kind, strength=strength, balance=balance)

    logits_NM = found.head.logits(features_ND)
    assert logits_NM.shape == found.oof_logits_NK.shape == yes_NM.shape
    for m in range(yes_NM.shape[1]):
        theirs_N, best = reference(
            features_ND, yes_NM[:, m], strength=strength, asked_N=asked_NM[:, m], weight_N=weight_N
        )
        standard_D = found.head.weight_DK[:, m] * features_ND.std(0)
        ours = objective(logits_NM[:, m], standard_D, yes_NM[:, m], weight_N * asked_NM[:, m], strength)
        assert -1e-5 < ours - best < 1e-3
        chances = [links.probabilities("binary", each_N[:, None]) for each_N in (logits_NM[:, m], theirs_N)]
        assert np.abs(chances[0] - chances[1])[asked_NM[:, m]].max() < 0.03


def test_binary_is_the_softmax_of_two_classes() -> None:
    features_ND, score_N, fold_N = draw(300, 40)
    label_N = (score_N > 0.5).astype(np.int64)
    fits = [fit_head(features_ND, label_N, fold_N, n_classes=2, kind=kind) for kind in ("softmax", "binary")]
    assert fits[0].strength == fits[1].strength
    assert fits[0].cv_loss == pytest.approx(fits[1].cv_loss, rel=2e-3)
    one, other = (
        links.probabilities(kind, fit.honest_logits_NK) for kind, fit in zip(("softmax", "binary"), fits, strict=True)
    )
    assert np.abs(one - other).max() < 0.01


@pytest.mark.parametrize("kind", ["binary", "ordinal", "sigmoid"])
def test_the_strength_is_that_of_the_lowest_out_of_fold_loss(kind: HeadKind) -> None:
    features_ND, truth, n_classes, fold_N = task(kind)
    found = fit_head(features_ND, truth, fold_N, n_classes=n_classes, kind=kind)
    assert found.cv_loss[found.strength] == min(found.cv_loss.values())
    probability_NK = links.probabilities(kind, found.oof_logits_NK)
    assert links.losses(kind, probability_NK, truth).mean() == pytest.approx(found.cv_loss[found.strength])


@pytest.mark.parametrize("kind", ["softmax", "binary", "ordinal", "sigmoid"])
def test_heads_of_the_folds_give_the_out_of_fold_logits(kind: HeadKind) -> None:
    features_ND, truth, n_classes, fold_N = task(kind)
    found = fit_head(features_ND, truth, fold_N, n_classes=n_classes, kind=kind, strength=0.1)
    assert len(found.fold_heads) == 5
    for fold, head in enumerate(found.fold_heads):
        held = fold_N == fold
        ours, theirs = head.logits(features_ND[held]), found.oof_logits_NK[held]
        if kind == "softmax":  # up to a shift of all classes
            ours, theirs = softmax(ours), softmax(theirs)
        assert np.allclose(ours, theirs, atol=1e-3)
    merged = mean_head(found.fold_heads).logits(features_ND)
    assert np.allclose(merged, np.mean([head.logits(features_ND) for head in found.fold_heads], axis=0), atol=1e-3)


def test_the_mean_of_heads() -> None:
    heads = [LinearHead(np.full((3, 2), v, np.float32), np.array([v, 0], np.float32)) for v in (1, 2, 6)]
    found = mean_head(heads)
    assert np.array_equal(found.weight_DK, np.full((3, 2), 3)) and np.array_equal(found.bias_K, [3, 0])
    assert found.weight_DK.dtype == found.bias_K.dtype == np.float32


@pytest.mark.parametrize("kind", ["ordinal", "sigmoid"])
def test_out_of_fold_logits_do_not_depend_on_the_truth_of_their_fold(kind: HeadKind) -> None:
    features_ND, truth, n_classes, fold_N = task(kind)
    held = fold_N == 2
    changed = truth.copy()
    changed[held] = ~truth[held] if kind == "sigmoid" else (truth[held] + 1) % n_classes
    one, other = (
        fit_head(features_ND, each, fold_N, n_classes=n_classes, kind=kind, strength=0.1) for each in (truth, changed)
    )
    # Questions that end at other steps stand in other rows of the products: equal up to rounding.
    assert np.allclose(one.oof_logits_NK[held], other.oof_logits_NK[held], atol=1e-4)
    assert np.abs(one.oof_logits_NK[~held] - other.oof_logits_NK[~held]).max() > 0.01


def test_labels_that_all_or_no_photos_have_get_a_bias_alone() -> None:
    features_ND, _, fold_N = draw(200, 20)
    member_NK = several(features_ND)
    member_NK[:, 1], member_NK[:, 2] = True, False
    member_NK[:, 3] = fold_N == 4  # no photo has it outside of fold 4
    found = fit_head(features_ND, member_NK, fold_N, n_classes=6, kind="sigmoid")
    chance_NK = links.probabilities("sigmoid", found.honest_logits_NK)
    assert (chance_NK[:, 1] > 0.99).all() and (chance_NK[:, 2] < 0.01).all()
    assert (chance_NK[fold_N == 4, 3] < 0.01).all()
    assert not found.head.weight_DK[:, 1:3].any()
    assert found.head.bias_K[1] == pytest.approx(np.log(200.5 / 0.5), rel=1e-5)
    alone = fit_head(features_ND, several(features_ND)[:, :1], fold_N, n_classes=1, kind="sigmoid", strength=0.1)
    together = fit_head(features_ND, member_NK, fold_N, n_classes=6, kind="sigmoid", strength=0.1)
    assert np.allclose(alone.oof_logits_NK[:, 0], together.oof_logits_NK[:, 0], atol=1e-3)


def test_classes_that_are_missing_from_folds_leave_finite_ordinal_heads() -> None:
    features_ND, score_N, fold_N = draw(200, 20)
    label_N = ordered(score_N)
    label_N[label_N == 3] = 0
    label_N[fold_N == 1] = 3  # the highest class is in one fold alone, where there is no other
    for balance in ("none", "balanced"):
        found = fit_head(features_ND, label_N, fold_N, n_classes=5, kind="ordinal", balance=balance)
        assert found.head.weight_DK.shape == (20, 4)  # class 4 has no photo at all
        for logits in (found.head.logits(features_ND), found.oof_logits_NK, found.honest_logits_NK):
            assert np.isfinite(logits).all()
        assert (links.probabilities("ordinal", found.head.logits(features_ND))[:, 4] < 0.05).all()
    two_N = np.where(label_N > 1, 4, 1)  # neither the lowest class nor those in between
    found = fit_head(features_ND, two_N, fold_N, n_classes=5, kind="ordinal")
    chance_NK = links.probabilities("ordinal", found.oof_logits_NK)
    assert np.isfinite(chance_NK).all() and (chance_NK[:, [0, 2, 3]].sum(axis=1) < 0.2).all()


@pytest.mark.parametrize("kind", ["ordinal", "sigmoid"])
def test_questions_that_take_turns_give_what_all_at_once_give(kind: HeadKind, monkeypatch: pytest.MonkeyPatch) -> None:
    features_ND, truth, n_classes, fold_N = task(kind)
    wanted = fit_head(features_ND, truth, fold_N, n_classes=n_classes, kind=kind)
    monkeypatch.setattr("photograft.training.descent.AT_ONCE", 4 * len(truth))
    found = fit_head(features_ND, truth, fold_N, n_classes=n_classes, kind=kind)
    assert found.strength == wanted.strength
    assert np.allclose(found.honest_logits_NK, wanted.honest_logits_NK, atol=1e-3)


def test_many_labels_take_memory_for_those_that_are_solved_at_once() -> None:
    few, many = (estimate_megabytes(20_000, 2128, n, 5, kind="sigmoid") for n in (40, 400))
    assert many < 2.5 * few and many < 0.6 * estimate_megabytes(20_000, 2128, 400, 5)


@pytest.mark.parametrize("balance", ["balanced", "sqrt", "effective", "sampled"])
def test_balance_lifts_small_classes(balance: Balance) -> None:
    rng = np.random.default_rng(0)
    label_N = np.repeat([0, 1, 2], [300, 80, 20])
    features_ND = (rng.normal(size=(400, 5)) + 0.5 * label_N[:, None] * np.array([1, -1, 0, 0, 1])).astype(np.float32)
    for kind in ("softmax", "ordinal"):
        plain, weighed = (
            fit(features_ND, label_N, kind=kind, balance=each)  # type: ignore[arg-type]
            for each in ("none", balance)
        )
        assert right(weighed, features_ND, label_N, kind) > right(plain, features_ND, label_N, kind) + 2


def test_sampled_is_balanced_and_effective_lies_between_by_beta() -> None:
    features_ND, score_N, _ = draw(300, 20)
    label_N = ordered(score_N)
    heads = {
        (balance, beta): fit_at(features_ND, label_N, n_classes=4, strength=0.1, balance=balance, beta=beta)  # type: ignore[arg-type]
        for balance, beta in (
            ("none", 0.9),
            ("balanced", 0.9),
            ("sampled", 0.9),
            ("effective", 0.0),
            ("effective", 0.9),
        )
    }
    probability = {key: softmax(head.logits(features_ND)) for key, head in heads.items()}
    assert np.array_equal(probability["balanced", 0.9], probability["sampled", 0.9])
    assert np.allclose(probability["none", 0.9], probability["effective", 0.0], atol=1e-3)
    rare = {key: float(each[:, 3].mean()) for key, each in probability.items()}
    assert rare["none", 0.9] < rare["effective", 0.9] < rare["balanced", 0.9]


def test_nothing_to_learn_is_refused() -> None:
    features_ND, _, fold_N = draw(60, 5)
    member_NK = np.tile([True, False], (60, 1))
    with pytest.raises(TrainingError, match="a label that some photos have"):
        fit_head(features_ND, member_NK, fold_N, n_classes=2, kind="sigmoid")
    with pytest.raises(TrainingError, match="two classes"):
        fit_head(features_ND, np.ones(60, np.int64), fold_N, n_classes=3, kind="ordinal")


def task(kind: HeadKind) -> tuple[FloatArray, Any, int, IntArray]:
    features_ND, score_N, fold_N = draw(240, 30)
    if kind == "sigmoid":
        return features_ND, several(features_ND), 6, fold_N
    if kind == "binary":
        return features_ND, (score_N > 0.5).astype(np.int64), 2, fold_N
    return features_ND, ordered(score_N), 4, fold_N


def fit(features_ND: FloatArray, label_N: IntArray, *, kind: HeadKind, balance: Balance) -> HeadFit:
    return fit_head(
        features_ND, label_N, np.arange(400) % 5, n_classes=3, kind=kind, strength=0.1, balance=balance, beta=0.99
    )


def right(found: HeadFit, features_ND: FloatArray, label_N: IntArray, kind: HeadKind) -> int:
    """Photos of the two smaller classes that are right."""
    best_N = links.probabilities(kind, found.head.logits(features_ND)).argmax(axis=1)
    return int((best_N == label_N)[label_N > 0].sum())
