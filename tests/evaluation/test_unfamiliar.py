"""Strangers are told, known photos are left alone, and what is claimed of it is measured on photos held out."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.evaluation.unfamiliar import choose_limit, decide_unfamiliar, fit_familiar
from photograft.inference.decisions import parts_of_strangeness, strangeness
from photograft.metrics.ranking import auroc
from photograft.models.decisions import Familiar, directions_of, familiar_file
from photograft.values import FloatArray, IntArray

NAMES = ("가", "b", "c")
D = 60


def draw(
    rng: np.random.Generator, n: int, *, strange: bool = False, classes: int = 3, noise: float = 0.3
) -> tuple[FloatArray, IntArray]:
    """Photos of classes that differ within a few directions; strangers differ in others too."""
    mixing = np.random.default_rng(7).normal(size=(8, D))
    class_N = np.arange(n) % classes
    centre_KR = 3 * np.random.default_rng(8).normal(size=(classes, 8))
    inside_NR = centre_KR[class_N] + rng.normal(size=(n, 8))
    noise_ND = rng.normal(size=(n, D)) * (4 * noise if strange else noise)
    return (inside_NR @ mixing + noise_ND).astype(np.float32), class_N.astype(np.int64)


def test_strangers_are_told_and_about_as_many_known_photos_are_flagged_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    embedding_ND, class_N = draw(rng, 600)
    found = decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(600), names=NAMES, flagged=0.05)
    assert found is not None and found.n == 600 and len(found.folded_N) == 600
    known_N = strangeness(draw(rng, 1000)[0], found.familiar)
    strange_N = strangeness(draw(rng, 300, strange=True)[0], found.familiar)
    assert 0.01 < (known_N > found.limit).mean() < 0.08
    assert (strange_N > found.limit).mean() > 0.95


def test_every_class_is_held_out_in_turn() -> None:
    rng = np.random.default_rng(0)
    embedding_ND, class_N = draw(rng, 300)
    found = decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(300), names=NAMES, flagged=0.05)
    assert found is not None and [each.name for each in found.held_out] == list(NAMES)
    assert all(each.n == 100 for each in found.held_out)
    assert np.mean([each.auroc for each in found.held_out]) > 0.9
    # A class that is told from nothing: its photos are drawn like those of another.
    same_N = np.where(class_N == 2, rng.integers(0, 2, 300), class_N)
    mixed_ND = np.where(
        (class_N == 2)[:, None], embedding_ND[rng.permutation(np.flatnonzero(class_N < 2))[:300][same_N]], embedding_ND
    )
    found = decide_unfamiliar(mixed_ND, class_N, group_N=np.arange(300), names=NAMES, flagged=0.05)
    assert found is not None and found.held_out[2].auroc < 0.8


def test_the_statistic_is_what_its_definition_says() -> None:
    embedding_ND, class_N = draw(np.random.default_rng(0), 90, noise=2.0)
    familiar = fit_familiar(embedding_ND, class_N)
    z_ND = (embedding_ND - embedding_ND.mean(axis=0)) / embedding_ND.std(axis=0)
    basis_RD = familiar.directions_RD.astype(np.float64)
    assert basis_RD.shape == (22, D) and np.allclose(basis_RD @ basis_RD.T, np.eye(22), atol=2e-3)
    best = np.linalg.svd(z_ND, compute_uv=False)[:22]
    assert ((z_ND @ basis_RD.T) ** 2).sum() > 0.95 * (best**2).sum()
    inside_NR = z_ND @ basis_RD.T
    within_NR = np.concatenate([inside_NR[class_N == k] - inside_NR[class_N == k].mean(axis=0) for k in range(3)])
    covariance_RR = 0.9 * within_NR.T @ within_NR / 87 + 0.1 * inside_NR.var(axis=0).mean() * np.eye(22)
    inverse_RR = np.linalg.inv(covariance_RR)
    away = [inside_NR - inside_NR[class_N == k].mean(axis=0) for k in range(3)]
    square_NK = np.stack([np.einsum("nr,rs,ns->n", a, inverse_RR, a) for a in away], axis=1)
    logits_NK = -0.5 * (square_NK - square_NK.mean(axis=1, keepdims=True))
    outside_N, near_N, energy_N = parts_of_strangeness(embedding_ND, familiar)
    assert np.allclose(outside_N, np.linalg.norm(z_ND - inside_NR @ basis_RD, axis=1), rtol=0.01)
    assert np.allclose(near_N, np.sqrt(square_NK.min(axis=1)), rtol=0.01)
    assert np.allclose(energy_N, np.logaddexp.reduce(logits_NK, axis=1), rtol=0.01)
    assert np.allclose(familiar.weights_2, energy_N.mean() / np.array([outside_N.mean(), near_N.mean()]), rtol=0.01)
    whole_N = familiar.weights_2[0] * outside_N + familiar.weights_2[1] * near_N - energy_N
    assert np.allclose(strangeness(embedding_ND, familiar), whole_N)


def test_a_photo_far_beyond_a_kind_is_strange_however_much_speaks_for_the_kind() -> None:
    embedding_ND, class_N = draw(np.random.default_rng(0), 300)
    familiar = fit_familiar(embedding_ND, class_N)
    centre_D = embedding_ND.mean(axis=0)
    beyond_ND = centre_D + 6 * (embedding_ND - centre_D)
    assert strangeness(beyond_ND, familiar).min() > np.quantile(strangeness(embedding_ND, familiar), 0.95)


def test_the_same_photos_give_the_same_file() -> None:
    embedding_ND, class_N = draw(np.random.default_rng(0), 60)
    one, other = (
        decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(60), names=NAMES, flagged=0.05) for _ in range(2)
    )
    assert one is not None and other is not None
    assert familiar_file(one.familiar) == familiar_file(other.familiar) and one.limit == other.limit


def test_the_file_leaves_room_for_the_head_in_a_small_pack() -> None:
    rng = np.random.default_rng(0)
    embedding_ND = rng.normal(size=(520, 2128)).astype(np.float32)
    assert len(familiar_file(fit_familiar(embedding_ND, np.arange(520) % 5))) < 120_000
    assert len(familiar_file(fit_familiar(embedding_ND, np.arange(520) % 120))) < 160_000


def long(embedding_ND: FloatArray, d: int) -> FloatArray:
    """The same photos in more numbers, so that the basis is kept in 4 bits."""
    spread_DD = np.random.default_rng(3).normal(size=(embedding_ND.shape[1], d)) / np.sqrt(d)
    own_ND = np.random.default_rng(len(embedding_ND)).normal(0, 0.05, (len(embedding_ND), d))
    return (embedding_ND @ spread_DD + own_ND).astype(np.float32)


def in_half_precision(embedding_ND: FloatArray, class_N: IntArray, monkeypatch: pytest.MonkeyPatch) -> Familiar:
    with monkeypatch.context() as patch:
        patch.setattr("photograft.evaluation.unfamiliar._SMALL_NUMBERS", 10**9)
        return fit_familiar(embedding_ND, class_N)


def test_directions_of_four_bits_tell_strangers_as_those_of_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first_ND, class_N = draw(rng, 400, noise=1.0)
    embedding_ND, known_ND = long(first_ND, 1001), long(draw(rng, 200, noise=1.0)[0], 1001)
    strange_ND = long(draw(rng, 201, strange=True, noise=0.33)[0], 1001)
    few, half = fit_familiar(embedding_ND, class_N), in_half_precision(embedding_ND, class_N, monkeypatch)
    assert few.method == "distance-energy-4bit" and few.basis.shape == (72, 501) and few.basis.dtype == np.uint8
    assert half.method == "distance-energy" and half.basis.shape == (72, 1001) and half.basis.dtype == np.float16
    assert np.einsum("rd,rd->r", few.directions_RD, half.directions_RD).min() > 0.9
    assert np.allclose(np.linalg.norm(few.directions_RD, axis=1), 1, atol=1e-6)
    both_ND, is_strange = np.concatenate([known_ND, strange_ND]), np.arange(401) >= 200
    by_few, by_half = (auroc(strangeness(both_ND, each), is_strange) or 0 for each in (few, half))
    assert 0.6 < by_half < 0.999 and abs(by_few - by_half) < 0.02


def test_a_direction_of_few_large_numbers_is_kept_as_well() -> None:
    """Steps for normally distributed numbers would cut the large ones off."""
    rng = np.random.default_rng(0)
    embedding_ND = rng.normal(size=(400, 1000)).astype(np.float32)
    embedding_ND[:, 1:40] = embedding_ND[:, :1]
    basis = fit_familiar(embedding_ND, np.arange(400) % 4).basis
    assert basis.dtype == np.uint8
    first_D = np.abs(directions_of(basis, 1000)[0])
    assert (first_D[:40] > 0.1).all() and first_D[40:].max() < 0.08


def test_photos_of_one_group_are_judged_together() -> None:
    """Copies in two folds would look familiar, and the limit would be too low."""
    rng = np.random.default_rng(0)
    embedding_ND, class_N = draw(rng, 60)
    copies_ND, kinds_N = np.repeat(embedding_ND, 5, axis=0), np.repeat(class_N, 5)
    found = decide_unfamiliar(copies_ND, kinds_N, group_N=np.arange(300) // 5, names=NAMES, flagged=0.05)
    assert found is not None
    assert np.allclose(found.folded_N.reshape(60, 5), found.folded_N.reshape(60, 5)[:, :1], rtol=1e-2)


@pytest.mark.parametrize("n", [0, 1, 19])
def test_few_photos_say_nothing(n: int) -> None:
    embedding_ND, class_N = draw(np.random.default_rng(0), n)
    assert decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(n), names=NAMES, flagged=0.05) is None


def test_one_group_of_all_photos_says_nothing() -> None:
    embedding_ND, class_N = draw(np.random.default_rng(0), 40)
    assert decide_unfamiliar(embedding_ND, class_N, group_N=np.zeros(40, int), names=NAMES, flagged=0.05) is None


def test_two_classes_are_told_by_what_lies_outside_of_the_other() -> None:
    rng = np.random.default_rng(0)
    embedding_ND, class_N = draw(rng, 100, classes=2)
    found = decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(100), names=NAMES, flagged=0.05)
    assert found is not None and len(found.held_out) == 2 and np.isfinite(found.limit)


def test_features_that_never_vary_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    embedding_ND, class_N = draw(rng, 100)
    embedding_ND[:, 5] = 1.0
    familiar = fit_familiar(embedding_ND, class_N)
    known_ND, strange_ND = draw(rng, 50)[0], draw(rng, 50, strange=True)[0]
    known_ND[:, 5] = strange_ND[:, 5] = 1.0
    scores_N = strangeness(np.concatenate([known_ND, strange_ND]), familiar)
    assert np.isfinite(scores_N).all() and (auroc(scores_N, np.arange(100) >= 50) or 0) > 0.95
    assert np.isfinite(strangeness(np.full((3, D), 1e6, np.float32), familiar)).all()


def test_the_limit_is_the_conformal_quantile() -> None:
    scores_N = np.random.default_rng(0).permutation(100).astype(float)
    assert choose_limit(scores_N, 0.05) == 95.0  # 96 of 101 places
    assert choose_limit(scores_N[:10], 0.05) == scores_N[:10].max()


def test_of_very_many_classes_forty_are_held_out() -> None:
    rng = np.random.default_rng(0)
    class_N = np.arange(360) % 90
    embedding_ND = rng.normal(size=(360, 20)).astype(np.float32)
    names = tuple(map(str, range(90)))
    found = decide_unfamiliar(embedding_ND, class_N, group_N=np.arange(360), names=names, flagged=0.05)
    assert found is not None and 25 <= len(found.held_out) <= 40
