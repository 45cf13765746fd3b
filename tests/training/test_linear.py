from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.errors import TrainingError
from photograft.features.matrix import Scratch, stack_rows
from photograft.metrics.softmax import softmax
from photograft.training.linear import HeadFit, estimate_megabytes, fit_at, fit_head
from photograft.training.strengths import STRENGTHS
from photograft.values import FloatArray, IntArray

# On a busy machine threads mostly wait for each other.
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}

PEAK = """
import sys
import numpy as np
from pathlib import Path
from photograft.features.matrix import Scratch, stack_rows
from photograft.training.linear import estimate_megabytes, fit_head

def peak_mb():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1.024e-3

n, d = 12_000, 1000
rng, fold_N = np.random.default_rng(0), np.arange(n) % 5
label_N, before = rng.integers(0, 3, n), peak_mb()
blocks = (rng.standard_normal((1000, d), np.float32) for _ in range(n // 1000))
scratch = Scratch(Path(sys.argv[1]))
fit_head(stack_rows(blocks, n, scratch=scratch), label_N, fold_N, n_classes=3, strength=1.0, scratch=scratch)
print(peak_mb() - before, estimate_megabytes(n, d, 3, 5))
"""


SECONDS = """
import time
import numpy as np
from photograft.training.linear import estimate_seconds, fit_head

rng, times = np.random.default_rng(0), []
label_N = rng.integers(0, 20, 600)
features_ND = (rng.standard_normal((600, 300)) + label_N[:, None] / 50).astype(np.float32)
for _ in range(3):
    started = time.perf_counter()
    fit_head(features_ND, label_N, np.arange(600) % 5, n_classes=20)
    times.append(time.perf_counter() - started)
print(min(times), min(estimate_seconds(600, 300, 20, 5) for _ in range(3)), estimate_seconds(60_000, 300, 200, 5))
"""


def draw(n: int, d: int, k: int, *, seed: int = 0, distance: float = 1.0) -> tuple[FloatArray, IntArray, IntArray]:
    """Features with correlated columns of very different scales, labels that overlap, and five folds."""
    rng = np.random.default_rng(seed)
    label_N = np.concatenate([np.arange(k), rng.choice(k, n - k, p=np.arange(1, k + 1) / (k * (k + 1) / 2))])
    centres_KD = rng.normal(0, distance, (k, d)) / np.sqrt(d / 8)
    features = (centres_KD[label_N] + rng.normal(size=(n, d))) @ (
        np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d)
    )
    features = features * np.exp(rng.normal(0, 1.5, d)) + rng.normal(0, 5, d)
    return features.astype(np.float32), label_N.astype(np.int64), rng.permutation(np.arange(n) % 5).astype(np.int64)


def objective(logits_NK: Any, weight_DK: Any, label_N: IntArray, weight_N: Any, strength: float) -> float:
    loss_N = -np.log(softmax(logits_NK)[np.arange(len(label_N)), label_N])
    return float((weight_N * loss_N).sum() / weight_N.sum() + strength / 2 * (weight_DK**2).sum())


@pytest.mark.parametrize("balance", ["none", "balanced"])
@pytest.mark.parametrize(("n", "d", "k"), [(300, 40, 5), (120, 200, 4), (150, 20, 2), (60, 200, 2)])
@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_finds_the_optimum_that_scikit_learn_finds(n: int, d: int, k: int, strength: float, balance: str) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    features_ND, label_N, fold_N = draw(n, d, k)
    weight_N = n / (k * np.bincount(label_N)[label_N]) if balance == "balanced" else np.ones(n)
    mean_D = features_ND.mean(axis=0)
    scale_D = features_ND.std(axis=0)  # the scale uses no labels, so balancing does not change it
    standard_ND = (features_ND - mean_D) / scale_D
    peer = linear_model.LogisticRegression(C=1 / (strength * n), tol=1e-8, max_iter=5000)
    peer.fit(standard_ND, label_N, sample_weight=weight_N)

    found = fit_head(features_ND, label_N, fold_N, n_classes=k, strength=strength, balance=balance)

    ours_NK = found.head.logits(features_ND).astype(np.float64)
    theirs_NK = peer.decision_function(standard_ND)
    theirs_weight = peer.coef_
    if k == 2:  # scikit-learn has one vector for two classes, the softmax two opposite halves: half the norm
        peer.C = 2 / (strength * n)
        peer.fit(standard_ND, label_N, sample_weight=weight_N)
        half_N = peer.decision_function(standard_ND) / 2
        theirs_NK, theirs_weight = np.stack([-half_N, half_N], 1), np.concatenate([-peer.coef_, peer.coef_]) / 2
    ours_weight = found.head.weight_DK * scale_D[:, None]
    best = objective(theirs_NK, theirs_weight, label_N, weight_N, strength)
    assert objective(ours_NK, ours_weight, label_N, weight_N, strength) - best < 1e-3
    assert np.abs(softmax(ours_NK) - softmax(theirs_NK)).max() < 0.02


def test_a_head_at_a_known_strength_is_the_one_that_cross_validation_ends_with() -> None:
    features_ND, label_N, fold_N = draw(300, 40, 5)
    for balance in ("none", "balanced"):
        found = fit_head(features_ND, label_N, fold_N, n_classes=5, balance=balance)
        alone = fit_at(features_ND, label_N, n_classes=5, strength=found.strength, balance=balance)
        difference = softmax(alone.logits(features_ND)) - softmax(found.head.logits(features_ND))
        assert np.abs(difference).max() < 0.02
    with pytest.raises(TrainingError, match="two classes"):
        fit_at(features_ND, np.zeros(300, np.int64), n_classes=5, strength=0.1)


def test_balanced_out_of_fold_predictions_do_not_depend_on_the_labels_of_their_fold() -> None:
    features_ND, label_N, fold_N = draw(300, 30, 3)
    changed_N = np.where(fold_N == 2, 0, label_N)  # also changes how many photos each class has
    one, other = (
        fit_head(features_ND, y, fold_N, n_classes=3, strength=0.1, balance="balanced") for y in (label_N, changed_N)
    )
    held = fold_N == 2
    # The labels choose the axes that the solver walks along, so equal up to its tolerance.
    assert np.abs(softmax(one.honest_logits_NK[held]) - softmax(other.honest_logits_NK[held])).max() < 0.01


def test_with_many_classes_the_search_skips_strengths_that_cannot_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for distance, k in ((2.0, 4), (0.3, 3)):
        features_ND, label_N, fold_N = draw(300, 30, k, distance=distance)
        every = fit_head(features_ND, label_N, fold_N, n_classes=k)
        with monkeypatch.context() as patch:
            patch.setattr("photograft.training.linear._HEAVY_WORK", 0.0)
            fewer = fit_head(features_ND, label_N, fold_N, n_classes=k)
        assert fewer.strength == every.strength and len(fewer.cv_loss) < len(every.cv_loss)
        assert np.abs(softmax(fewer.head.logits(features_ND)) - softmax(every.head.logits(features_ND))).max() < 0.02


def test_the_estimate_grows_with_the_work_and_is_of_the_right_size() -> None:
    output = subprocess.check_output([sys.executable, "-c", SECONDS], text=True, env=ONE_THREAD)
    taken, estimate, larger = (float(word) for word in output.split())
    assert taken / 20 < estimate < taken * 20
    assert larger > 10 * estimate


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc (Linux)")
def test_the_memory_is_what_the_estimate_says(tmp_path: Path) -> None:
    output = subprocess.check_output([sys.executable, "-c", PEAK, str(tmp_path)], text=True, env=ONE_THREAD)
    measured, estimated = (float(word) for word in output.split())
    assert estimated * 0.6 < measured < estimated * 1.3
    # A matrix that is too large for memory adds no more than its blocks, however many photos there are.
    assert estimate_megabytes(50_000, 2128, 5, 5) < 320 and estimate_megabytes(200_000, 2128, 5, 5) < 350


def test_out_of_fold_logits_do_not_depend_on_the_labels_of_their_fold() -> None:
    features_ND, label_N, fold_N = draw(200, 30, 3)
    changed_N = np.where(fold_N == 2, (label_N + 1) % 3, label_N)
    one, other = (fit_head(features_ND, y, fold_N, n_classes=3, strength=0.1) for y in (label_N, changed_N))
    held = fold_N == 2
    assert np.array_equal(one.oof_logits_NK[held], other.oof_logits_NK[held])
    assert np.array_equal(one.honest_logits_NK[held], other.honest_logits_NK[held])
    assert np.abs(one.oof_logits_NK[~held] - other.oof_logits_NK[~held]).max() > 0.01


def test_out_of_fold_logits_are_those_of_a_head_fitted_without_the_fold() -> None:
    features_ND, label_N, fold_N = draw(200, 30, 3)
    found = fit_head(features_ND, label_N, fold_N, n_classes=3, strength=0.1)
    for fold in range(5):
        held = fold_N == fold
        alone = fit_head(features_ND, label_N, fold_N, n_classes=3, strength=0.1, fit_rows=~held)
        difference = softmax(alone.head.logits(features_ND[held])) - softmax(found.oof_logits_NK[held])
        assert np.abs(difference).max() < 0.01


def test_a_folds_own_photos_do_not_choose_its_strength() -> None:
    """Labels of one fold are noise that only the strongest penalty survives; the other folds would choose a weaker."""
    features_ND, label_N, fold_N = draw(400, 30, 3, distance=2.0)
    rng = np.random.default_rng(1)
    label_N = np.where(fold_N == 0, rng.integers(0, 3, len(label_N)), label_N)
    found = fit_head(features_ND, label_N, fold_N, n_classes=3)
    tried = {s: fit_head(features_ND, label_N, fold_N, n_classes=3, strength=s) for s in found.cv_loss}
    held = fold_N == 0

    def losses(rows: Any) -> dict[float, float]:
        picked = {s: softmax(f.oof_logits_NK)[np.arange(400), label_N][rows] for s, f in tried.items()}
        return {s: float(-np.log(p).mean()) for s, p in picked.items()}

    without, own = losses(~held), losses(held)
    chosen = min(tried, key=lambda s: without[s])
    assert chosen < min(tried, key=lambda s: own[s])  # else this set shows nothing
    assert np.abs(softmax(found.honest_logits_NK[held]) - softmax(tried[chosen].oof_logits_NK[held])).max() < 0.02


def test_fit_rows_leave_the_other_rows_out_of_the_head() -> None:
    features_ND, label_N, fold_N = draw(200, 30, 3)
    rows = np.arange(200) < 150
    changed_N = np.where(rows, label_N, (label_N + 1) % 3)
    heads = [
        fit_head(features_ND, y, fold_N, n_classes=3, strength=0.1, fit_rows=rows).head for y in (label_N, changed_N)
    ]
    difference = softmax(heads[0].logits(features_ND)) - softmax(heads[1].logits(features_ND))
    assert np.abs(difference).max() < 0.01
    whole = fit_head(features_ND, changed_N, fold_N, n_classes=3, strength=0.1).head
    assert np.abs(softmax(whole.logits(features_ND)) - softmax(heads[1].logits(features_ND))).max() > 0.05


def test_the_chosen_strength_has_the_lowest_loss_of_all_tried() -> None:
    features_ND, label_N, fold_N = draw(300, 30, 4)
    found = fit_head(features_ND, label_N, fold_N, n_classes=4)
    assert found.cv_loss[found.strength] == min(found.cv_loss.values())
    assert set(STRENGTHS) <= set(found.cv_loss)
    assert list(found.cv_loss) == sorted(found.cv_loss, reverse=True)


def test_the_search_goes_on_where_the_best_is_at_its_end() -> None:
    rng = np.random.default_rng(0)
    features_ND = rng.normal(size=(80, 60)).astype(np.float32)
    label_N = rng.integers(0, 2, 80)  # nothing to learn: the strongest penalty is best
    found = fit_head(features_ND, label_N, np.arange(80) % 5, n_classes=2)
    assert found.strength > max(STRENGTHS)


def test_the_same_result_bit_for_bit() -> None:
    program = (
        "import hashlib, numpy as np; from photograft.training.linear import fit_head\n"
        "rng = np.random.default_rng(0)\n"
        "x, y = rng.normal(size=(300, 100)).astype('float32'), rng.integers(0, 3, 300)\n"
        "f = fit_head(x, y, np.arange(300) % 5, n_classes=3)\n"
        "print(hashlib.sha256(f.head.weight_DK.tobytes() + f.honest_logits_NK.tobytes()).hexdigest())"
    )
    here = [subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(2)]
    assert here[0] == here[1]


def test_photos_told_apart_perfectly_end_the_search() -> None:
    rng = np.random.default_rng(0)
    label_N = np.arange(90) % 3
    features_ND = (10 * np.eye(3)[label_N] + 0.01 * rng.normal(size=(90, 3))).astype(np.float32)
    found = fit_head(features_ND, label_N, np.arange(90) // 18, n_classes=3)
    assert (np.argmax(found.honest_logits_NK, axis=1) == label_N).all()
    assert np.isfinite(found.head.weight_DK).all() and found.strength >= 1e-4


def test_constant_features_change_nothing() -> None:
    features_ND, label_N, fold_N = draw(200, 20, 3)
    constants = np.tile(np.array([0.0, 3.5, -1e6], np.float32), (200, 1))
    one = fit_head(features_ND, label_N, fold_N, n_classes=3, strength=0.1)
    with_constants = np.concatenate([features_ND, constants], axis=1)
    other = fit_head(with_constants, label_N, fold_N, n_classes=3, strength=0.1)
    assert np.isfinite(other.head.weight_DK).all()
    moved_ND = with_constants + np.concatenate([np.zeros(20), [1, 1, 1]]).astype(np.float32)
    for features in (with_constants, moved_ND):
        assert np.abs(softmax(one.head.logits(features_ND)) - softmax(other.head.logits(features))).max() < 0.01


def test_only_constant_features_give_the_class_shares() -> None:
    label_N = np.array([0] * 30 + [1] * 10)
    found = fit_head(np.full((40, 5), 2.0, np.float32), label_N, np.arange(40) % 5, n_classes=2, strength=0.1)
    assert softmax(found.head.logits(np.full((1, 5), 2.0, np.float32)))[0] == pytest.approx([0.75, 0.25], abs=0.01)


def test_one_class_and_features_that_are_not_numbers_are_refused() -> None:
    features_ND, label_N, fold_N = draw(60, 10, 2)
    with pytest.raises(TrainingError, match="two classes"):
        fit_head(features_ND, np.zeros(60, np.int64), fold_N, n_classes=2)
    features_ND[3, 4] = np.nan
    with pytest.raises(TrainingError, match="finite"):
        fit_head(features_ND, label_N, fold_N, n_classes=2)
    with pytest.raises(ValueError, match="same length"):
        fit_head(features_ND[:5], label_N, fold_N, n_classes=2)


def test_balancing_lifts_the_small_class() -> None:
    rng = np.random.default_rng(0)
    label_N = np.array([0] * 180 + [1] * 20)
    features_ND = (rng.normal(size=(200, 5)) + label_N[:, None] * 0.7).astype(np.float32)
    fits: dict[str, HeadFit] = {
        b: fit_head(features_ND, label_N, np.arange(200) % 5, n_classes=2, balance=b) for b in ("none", "balanced")
    }
    found = {b: int(np.argmax(f.head.logits(features_ND[180:]), axis=1).sum()) for b, f in fits.items()}
    assert found["balanced"] > found["none"] + 3


@pytest.mark.parametrize(("n", "d"), [(400, 60), (80, 200)])
@pytest.mark.parametrize("balance", ["none", "balanced"])
def test_rows_of_features_in_a_file_give_what_a_copy_in_memory_gives(
    tmp_path: Path, n: int, d: int, balance: str
) -> None:
    features_ND, label_N, fold_N = draw(n, d, 4)
    rows = np.random.default_rng(1).permutation(n)[: n * 3 // 4]
    again_RN = np.stack([np.roll(fold_N[rows], 1), np.roll(fold_N[rows], 7)])
    label_N, fold_N = label_N[rows], fold_N[rows]
    wanted = fit_head(features_ND[rows], label_N, fold_N, n_classes=4, balance=balance, repeats_RN=again_RN)

    scratch = Scratch(tmp_path, limit_bytes=0)
    kept_ND = stack_rows([features_ND], n, scratch=scratch)
    found = fit_head(
        kept_ND, label_N, fold_N, n_classes=4, balance=balance, rows=rows, repeats_RN=again_RN, scratch=scratch
    )

    assert found.strength == wanted.strength and found.cv_loss == pytest.approx(wanted.cv_loss, rel=1e-5)
    assert np.allclose(found.honest_logits_NK, wanted.honest_logits_NK, atol=1e-3)
    assert np.allclose(found.head.logits(kept_ND), wanted.head.logits(features_ND), atol=1e-3)
    assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(found.repeats, wanted.repeats, strict=True))
    options = {"n_classes": 4, "strength": 0.1, "balance": balance}
    one = fit_at(kept_ND, label_N, **options, rows=rows, scratch=scratch)  # type: ignore[arg-type]
    other = fit_at(features_ND[rows], label_N, **options)  # type: ignore[arg-type]
    assert np.allclose(one.logits(features_ND), other.logits(features_ND), atol=1e-3)


def test_many_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    features_ND, label_N, fold_N = draw(400, 30, 3)
    options = {"n_classes": 3, "repeats_RN": np.roll(fold_N, 3)[None]}
    wanted = fit_head(features_ND, label_N, fold_N, **options)  # type: ignore[arg-type]
    monkeypatch.setattr("photograft.features.matrix._BLOCK_BYTES", 30 * 4 * 33)
    found = fit_head(features_ND, label_N, fold_N, **options)  # type: ignore[arg-type]
    assert found.strength == wanted.strength and found.cv_loss == pytest.approx(wanted.cv_loss, rel=1e-4)
    logits = [(f.oof_logits_NK, f.honest_logits_NK, f.repeats[0], f.head.logits(features_ND)) for f in (found, wanted)]
    for one, other in zip(*logits, strict=True):
        assert np.abs(softmax(one) - softmax(other)).max() < 1e-3


def test_repeats_are_cross_validated_by_their_own_folds() -> None:
    features_ND, label_N, fold_N = draw(200, 30, 3)
    again_RN = np.stack([np.roll(fold_N, 1), fold_N])
    found = fit_head(features_ND, label_N, fold_N, n_classes=3, strength=0.1, repeats_RN=again_RN)
    alone = fit_head(features_ND, label_N, again_RN[0], n_classes=3, strength=0.1)
    assert np.array_equal(found.repeats[0], alone.oof_logits_NK)
    assert np.array_equal(found.repeats[1], found.oof_logits_NK)
    held = again_RN[0] == 2
    changed_N = np.where(held, (label_N + 1) % 3, label_N)
    other = fit_head(features_ND, changed_N, fold_N, n_classes=3, strength=0.1, repeats_RN=again_RN)
    assert np.array_equal(found.repeats[0][held], other.repeats[0][held])
    assert np.abs(found.repeats[0][~held] - other.repeats[0][~held]).max() > 0.01
    assert fit_head(features_ND, label_N, fold_N, n_classes=3, strength=0.1).repeats == ()
