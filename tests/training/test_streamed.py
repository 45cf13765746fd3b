"""The head from blocks of features against the one from all of them in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.training.test_linear import draw
from tests.training.test_linear_kinds import draw as draw_scores
from tests.training.test_linear_kinds import ordered, several

from photograft.config.train import Balance
from photograft.errors import TrainingError
from photograft.features.matrix import Scratch
from photograft.metrics import links
from photograft.metrics.links import Truth
from photograft.training.linear import HeadFit, LinearHead, fit_head
from photograft.training.objective import Objective
from photograft.training.streamed import MatrixBlocks, fit_streamed
from photograft.values import DoubleArray, FloatArray, HeadKind, IntArray

KINDS: tuple[HeadKind, ...] = ("softmax", "binary", "ordinal", "sigmoid")

BOUNDED_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from photograft.features.matrix import Scratch, stack_rows
from photograft.training.streamed import MatrixBlocks, fit_streamed
folder, n = Path(sys.argv[1]), int(sys.argv[2])
label_N, rng = np.arange(n) % 3, np.random.default_rng(0)
blocks = (rng.standard_normal((1000, 64), dtype=np.float32) + label_N[i : i + 1000, None] for i in range(0, n, 1000))
features_ND = stack_rows(blocks, n, scratch=Scratch(folder, limit_bytes=0))
fit_streamed(MatrixBlocks(features_ND), label_N, np.arange(n) // 7 % 5, n_classes=3, strength=0.1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `fit_head` go on to its minimum, from which it is up to some 1e-5 of loss away."""
    monkeypatch.setattr("photograft.training.linear._TOLERANCE", 1e-4)


class Uneven:
    """Blocks of very different sizes, one of them of a single row; counts how often all were read."""

    def __init__(self, features_ND: FloatArray) -> None:
        self.features_ND, self.n_passes = features_ND, 0
        self.n_rows, self.n_columns = features_ND.shape

    def blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        self.n_passes += 1
        bounds = [0, 1, self.n_rows // 3, self.n_rows // 3 + 5, self.n_rows]
        for start, stop in pairwise(bounds):
            yield slice(start, stop), self.features_ND[start:stop].copy()


def task(kind: HeadKind, n: int, d: int) -> tuple[FloatArray, Truth, int, IntArray]:
    if kind == "softmax":
        features_ND, label_N, fold_N = draw(n, d, 5)
        return features_ND, label_N, 5, fold_N
    features_ND, score_N, fold_N = draw_scores(n, d)
    if kind == "sigmoid":
        return features_ND, several(features_ND), 6, fold_N
    label_N = ordered(score_N)
    return (
        (features_ND, (label_N > 1).astype(np.int64), 2, fold_N)
        if kind == "binary"
        else (features_ND, label_N, 4, fold_N)
    )


def loss(head: LinearHead, features_ND: FloatArray, objective: Objective, strength: float) -> DoubleArray:
    """The objective that a head of all rows was fitted to, of each of its problems."""
    scale_D = features_ND.astype(np.float64).std(0)
    square_K = ((head.weight_DK * scale_D[:, None]) ** 2).sum(0, dtype=np.float64)
    logits_NK = features_ND.astype(np.float64) @ head.weight_DK + head.bias_K
    weight_N = objective.photo_weights(np.ones(len(features_ND), bool)).astype(np.float64)
    if objective.kind == "softmax":
        return np.average(objective.losses(logits_NK), weights=weight_N) + strength / 2 * square_K.sum(keepdims=True)
    label_QN, asked_QN = objective._asked()
    loss_QN = np.logaddexp(0, np.where(label_QN, -logits_NK.T, logits_NK.T))
    weight_QN = weight_N * (np.ones(label_QN.shape) if asked_QN is None else asked_QN)
    return np.asarray((loss_QN * weight_QN).sum(1) / weight_QN.sum(1) + strength / 4 * square_K)


def assert_same(
    ours: HeadFit, theirs: HeadFit, features_ND: FloatArray, objective: Objective, fold_N: IntArray
) -> None:
    """Of the objective never more than 1e-5 worse; choices the same; out-of-fold chances close, fold by fold."""
    assert ours.strength == theirs.strength and list(ours.cv_loss) == list(theirs.cv_loss)
    worse = loss(ours.head, features_ND, objective, ours.strength) - loss(
        theirs.head, features_ND, objective, theirs.strength
    )
    assert worse.min() > -1e-3 and worse.max() < 1e-5
    assert ours.cv_loss == pytest.approx(theirs.cv_loss, rel=5e-3, abs=1e-3)
    for one_NK, other_NK in (
        (ours.oof_logits_NK, theirs.oof_logits_NK),
        (ours.honest_logits_NK, theirs.honest_logits_NK),
        *zip(ours.repeats, theirs.repeats, strict=True),
    ):
        assert one_NK.dtype == np.float32 and one_NK.shape == other_NK.shape
        one, other = (links.probabilities(objective.kind, each) for each in (one_NK, other_NK))
        assert np.abs(one - other).max() < 0.05 and np.abs(one - other).mean() < 5e-3
    for f, (one_head, other_head) in enumerate(zip(ours.fold_heads, theirs.fold_heads, strict=True)):
        held = fold_N == f
        chance = links.probabilities(objective.kind, one_head.logits(features_ND[held]))
        assert np.allclose(chance, links.probabilities(objective.kind, ours.oof_logits_NK[held]), atol=1e-3)
        assert np.abs(chance - links.probabilities(objective.kind, other_head.logits(features_ND[held]))).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("balance", ["none", "balanced"])
@pytest.mark.parametrize(("n", "d"), [(700, 12), (300, 40), (80, 120)])
def test_finds_what_all_features_in_memory_give(kind: HeadKind, balance: Balance, n: int, d: int) -> None:
    features_ND, truth, n_classes, fold_N = task(kind, n, d)
    for strength in (1.0, 0.03):
        arguments = {"n_classes": n_classes, "kind": kind, "balance": balance, "strength": strength}
        theirs = fit_head(features_ND, truth, fold_N, **arguments)
        ours = fit_streamed(Uneven(features_ND), truth, fold_N, **arguments)
        assert_same(ours, theirs, features_ND, Objective(truth, n_classes, kind, balance), fold_N)


@pytest.mark.parametrize("kind", KINDS)
def test_chooses_the_same_strength_and_follows_every_other_choice(kind: HeadKind) -> None:
    features_ND, truth, n_classes, fold_N = task(kind, 400, 10)
    repeats_RN = np.stack([np.random.default_rng(r).permutation(fold_N) for r in range(2)])
    fit_rows = fold_N != 3
    arguments = {
        "n_classes": n_classes,
        "kind": kind,
        "balance": "sqrt",
        "fit_rows": fit_rows,
        "repeats_RN": repeats_RN,
    }
    theirs = fit_head(features_ND, truth, fold_N, **arguments)
    ours = fit_streamed(Uneven(features_ND), truth, fold_N, **arguments)
    of_rows = Objective(truth[fit_rows], n_classes, kind, "sqrt")
    scaled_ND = features_ND / features_ND.std(0) * features_ND[fit_rows].std(0)  # `loss` takes its scale from the rows
    assert ours.strength == theirs.strength and set(ours.cv_loss) == set(theirs.cv_loss)
    rest = (features_ND[fit_rows], of_rows, ours.strength)
    assert np.allclose(loss(ours.head, *rest), loss(theirs.head, *rest), atol=5e-4) and len(scaled_ND)
    assert len(ours.repeats) == 2


def test_rare_classes_constant_features_and_classes_without_a_row() -> None:
    features_ND, label_N, fold_N = draw(900, 12, 4)
    rare = np.flatnonzero(label_N == 2)
    keep = np.setdiff1d(np.arange(900), rare[3:])
    features_ND, label_N, fold_N = features_ND[keep], label_N[keep], fold_N[keep]
    features_ND[:, 5], features_ND[:, 7] = 3.25, features_ND[:, 6] * 2 + 1
    for balance in ("none", "balanced", "effective"):
        arguments = {"n_classes": 6, "balance": balance, "strength": 0.01}
        theirs = fit_head(features_ND, label_N, fold_N, **arguments)
        ours = fit_streamed(Uneven(features_ND), label_N, fold_N, **arguments)
        assert not ours.head.weight_DK[5].any()
        assert_same(ours, theirs, features_ND, Objective(label_N, 6, "softmax", balance), fold_N)


def test_classes_that_nothing_mixes_up_stop_at_the_same_strength() -> None:
    features_ND, label_N, fold_N = draw(500, 15, 3, distance=30.0)
    theirs = fit_head(features_ND, label_N, fold_N, n_classes=3)
    ours = fit_streamed(Uneven(features_ND), label_N, fold_N, n_classes=3)
    assert_same(ours, theirs, features_ND, Objective(label_N, 3), fold_N)


def test_labels_that_all_or_no_rows_have_get_a_bias_alone() -> None:
    features_ND, _, fold_N = draw_scores(600, 10)
    member_NK = several(features_ND)
    member_NK[:, 1], member_NK[:, 2], member_NK[:, 3] = True, False, fold_N == 4
    ours = fit_streamed(Uneven(features_ND), member_NK, fold_N, n_classes=6, kind="sigmoid", strength=0.1)
    theirs = fit_head(features_ND, member_NK, fold_N, n_classes=6, kind="sigmoid", strength=0.1)
    assert not ours.head.weight_DK[:, 1:3].any() and np.allclose(ours.head.bias_K[1:3], theirs.head.bias_K[1:3])
    assert_same(ours, theirs, features_ND, Objective(member_NK, 6, "sigmoid"), fold_N)


def test_many_outputs_take_turns_and_skip_strengths_that_cannot_win(monkeypatch: pytest.MonkeyPatch) -> None:
    features_ND, label_N, fold_N = draw(400, 10, 4)
    wanted = fit_streamed(MatrixBlocks(features_ND), label_N, fold_N, n_classes=4)
    monkeypatch.setattr("photograft.training.fold_solver.COLUMNS", 8)
    monkeypatch.setattr("photograft.training.streamed.COLUMNS", 8)
    found = fit_streamed(MatrixBlocks(features_ND), label_N, fold_N, n_classes=4)
    assert found.strength == wanted.strength and set(found.cv_loss) < set(wanted.cv_loss)
    assert np.allclose(
        links.probabilities("softmax", found.oof_logits_NK),
        links.probabilities("softmax", wanted.oof_logits_NK),
        atol=0.01,
    )


def test_a_sample_that_is_a_part_of_the_rows_takes_few_passes_to_the_same_minimum() -> None:
    features_ND, label_N, fold_N = draw(6000, 30, 5)
    blocks = Uneven(features_ND)
    ours = fit_streamed(blocks, label_N, fold_N, n_classes=5)
    theirs = fit_head(features_ND, label_N, fold_N, n_classes=5)
    assert_same(ours, theirs, features_ND, Objective(label_N, 5), fold_N)
    assert blocks.n_passes < 45


def test_out_of_fold_logits_do_not_depend_on_the_truth_of_their_fold() -> None:
    features_ND, label_N, fold_N = draw(600, 10, 3)
    held = fold_N == 2
    changed_N = np.where(held, (label_N + 1) % 3, label_N)
    one, other = (
        fit_streamed(MatrixBlocks(features_ND), y, fold_N, n_classes=3, strength=0.1) for y in (label_N, changed_N)
    )
    chances = [links.probabilities("softmax", fit.oof_logits_NK) for fit in (one, other)]
    assert np.abs(chances[0] - chances[1])[held].max() < 0.01
    assert np.abs(chances[0] - chances[1])[~held].max() > 0.1


def test_rows_of_a_matrix_are_as_good_as_a_matrix_of_them() -> None:
    features_ND, label_N, fold_N = draw(300, 10, 3)
    rows = np.random.default_rng(0).permutation(300)[:200]
    ours = fit_streamed(MatrixBlocks(features_ND, rows), label_N[rows], fold_N[rows], n_classes=3, strength=0.1)
    theirs = fit_streamed(MatrixBlocks(features_ND[rows]), label_N[rows], fold_N[rows], n_classes=3, strength=0.1)
    assert np.array_equal(ours.head.weight_DK, theirs.head.weight_DK)


def test_large_logits_go_to_a_file(tmp_path: Path) -> None:
    features_ND, label_N, fold_N = draw(200, 10, 3)
    kept, filed = (
        fit_streamed(MatrixBlocks(features_ND), label_N, fold_N, n_classes=3, strength=0.1, scratch=scratch)
        for scratch in (None, Scratch(tmp_path, limit_bytes=0))
    )
    assert np.array_equal(kept.oof_logits_NK, filed.oof_logits_NK)
    assert kept.oof_logits_NK.flags.writeable and not filed.oof_logits_NK.flags.writeable


def test_names_what_cannot_be_learned_from() -> None:
    features_ND, label_N, fold_N = draw(60, 10, 2)
    with pytest.raises(TrainingError, match="two classes"):
        fit_streamed(MatrixBlocks(features_ND), np.zeros(60, np.int64), fold_N, n_classes=2)
    with pytest.raises(ValueError, match="same length"):
        fit_streamed(MatrixBlocks(features_ND), label_N[:-1], fold_N, n_classes=2)
    features_ND[13, 2] = np.nan
    with pytest.raises(TrainingError, match="not finite"):
        fit_streamed(MatrixBlocks(features_ND), label_N, fold_N, n_classes=2)


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of POSIX")
def test_memory_does_not_grow_with_the_features(tmp_path: Path) -> None:
    small, large = (
        float(subprocess.check_output([sys.executable, "-c", BOUNDED_MEMORY, str(tmp_path), str(n)], text=True))
        for n in (150_000, 400_000)
    )
    # 64 MB more features; labels, folds and logits of a row take some 100 bytes.
    assert large - small < 250_000 * 150 / 1e6 + 10
