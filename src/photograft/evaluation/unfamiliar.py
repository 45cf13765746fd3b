"""What tells photos of other things from those that a model was trained for, and how well it does.

Shape letters: N photos, D numbers of an embedding, R directions, K kinds of photos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photograft.inference.decisions import parts_of_strangeness, strangeness
from photograft.metrics.ranking import auroc
from photograft.models.decisions import Basis, Familiar, directions_of, pack_levels
from photograft.values import DoubleArray, FloatArray, IntArray

_FEWEST = 20
"""Photos below which nothing is said: the strangest of them would be the limit, whatever it is."""

_RANK, _MOST_NUMBERS = 72, 400_000
_SMALL_NUMBERS = 40_000
"""Numbers of a basis that are kept in 16 bits: more than these, in 4 (docs/decisions/0032)."""

_STEPS = (0.36, 0.6, 1.0, 1.7)
"""Steps of numbers of 4 bits, in standard deviations."""

_FOLDS = 10
_MOST_HELD_OUT = 40
_SHRINK = 0.1
_TINY_STD = 1e-3
_NOISE = 0.05


@dataclass(frozen=True)
class HeldOut:
    """A class that was held out: the chance that a photo of it is stranger than one of the others."""

    name: str
    n: int
    auroc: float


@dataclass(frozen=True)
class Unfamiliar:
    """What tells strangers, and from which strangeness on a photo is one; `n` are the photos that it was fitted on.

    `held_out` are the classes that were held out in turn, `folded_N` the strangeness of every photo by statistics that
    had not seen it.
    """

    familiar: Familiar
    limit: float
    n: int
    held_out: tuple[HeldOut, ...]
    folded_N: DoubleArray


def decide_unfamiliar(
    embedding_ND: FloatArray,
    class_N: IntArray,
    *,
    group_N: IntArray,
    names: tuple[str, ...],
    flagged: float,
) -> Unfamiliar | None:
    """Fit the statistic, choose its limit across folds, and hold out every class in turn; None for too few photos.

    The limit is passed by a share `flagged` of the photos at most, each judged by a statistic of the other folds.
    For each class, of 40 at most, the statistic is fitted on the others without a fold of them, and tells the held-out
    class from the photos of that fold.

    Args:
        embedding_ND: of training photos, by the network that is shipped.
        class_N: kind of each photo, an index of `names`.
        group_N: photos of one group are in one fold.
        names: of the kinds.
        flagged: share of known photos that may be flagged.
    """
    if len(class_N) < _FEWEST:
        return None
    number_N = np.unique(group_N, return_inverse=True)[1]
    fold_N = np.random.default_rng(0).permutation(int(number_N.max()) + 1)[number_N] % _FOLDS
    start_DR = _directions(_standardise(embedding_ND)[0], rounds=4)
    folded_N = np.empty(len(class_N))
    for fold in range(_FOLDS):
        held_N = fold_N == fold
        if held_N.all():
            return None
        if held_N.any():
            rest = fit_familiar(embedding_ND[~held_N], class_N[~held_N], start_DR=start_DR)
            folded_N[held_N] = strangeness(embedding_ND[held_N], rest)
    held_out = []
    for k in _spread(np.unique(class_N).tolist()):
        own_N, judged_N = class_N == k, (class_N != k) & (fold_N == k % _FOLDS)
        rest_N = ~own_N & ~judged_N
        if rest_N.sum() < _FEWEST or not judged_N.any():
            continue
        rest = fit_familiar(embedding_ND[rest_N], class_N[rest_N], start_DR=start_DR)
        both_N = own_N | judged_N
        area = auroc(strangeness(embedding_ND[both_N], rest), own_N[both_N])
        if area is not None:
            held_out.append(HeldOut(names[k], int(own_N.sum()), area))
    return Unfamiliar(
        fit_familiar(embedding_ND, class_N, start_DR=start_DR),
        choose_limit(folded_N, flagged),
        len(class_N),
        tuple(held_out),
        folded_N,
    )


def _spread(kinds: list[int]) -> list[int]:
    """Some of many, evenly."""
    step = -(-len(kinds) // _MOST_HELD_OUT)
    return kinds[::step]


def choose_limit(strangeness_N: DoubleArray, flagged: float) -> float:
    """What a share `flagged` of new photos like these will exceed at most: the conformal quantile, or the highest."""
    n = len(strangeness_N)
    rank = min(int(np.ceil((n + 1) * (1 - flagged))), n)
    return float(np.sort(strangeness_N)[rank - 1])


def fit_familiar(embedding_ND: FloatArray, class_N: IntArray, *, start_DR: FloatArray | None = None) -> Familiar:
    """Fit the statistic of `photograft.inference.decisions` to photos of known kinds.

    The covariance within the kinds is shrunk by a tenth. What lies outside of the basis, and the distance to the
    nearest kind, come on average to as much as the energy. `start_DR` are directions to begin with, from more
    photos.
    """
    features_ND, centre_D, scale_D = _standardise(embedding_ND)
    basis = _rounded(_directions(features_ND, start_DR=start_DR).T)
    inside_NR = (features_ND @ directions_of(basis, len(centre_D)).T).astype(np.float64)
    number_N = np.unique(class_N, return_inverse=True)[1]
    n_kinds, r = int(number_N.max()) + 1, len(basis)
    mean_KR = np.stack([inside_NR[number_N == k].mean(axis=0) for k in range(n_kinds)])
    within_NR = inside_NR - mean_KR[number_N]
    covariance_RR = within_NR.T @ within_NR / max(len(inside_NR) - n_kinds, 1)
    size = float(np.mean(inside_NR.var(axis=0)))
    covariance_RR = (1 - _SHRINK) * covariance_RR + max(_SHRINK * size, 1e-9) * np.eye(r)
    variance_R, turn_RR = np.linalg.eigh(covariance_RR)
    whiten_RR = turn_RR / np.sqrt(variance_R)
    plain = Familiar(
        centre_D,
        scale_D,
        basis,
        whiten_RR.astype(np.float32),
        (mean_KR @ whiten_RR).astype(np.float32),
        np.ones(2, np.float32),
    )
    outside_N, near_N, energy_N = parts_of_strangeness(embedding_ND, plain)
    length = float(np.mean(np.linalg.norm(features_ND, axis=1)))
    # Below a share of the whole, what lies outside is noise, and would be made large.
    lengths = [max(float(outside_N.mean()), _NOISE * length), max(float(near_N.mean()), 1e-6)]
    height = float(energy_N.mean()) if n_kinds > 1 else 1.0
    return replace(plain, weights_2=np.array([height / max(each, 1e-6) for each in lengths], np.float32))


def _standardise(embedding_ND: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Features with mean 0 and standard deviation 1, and what was subtracted and divided by.

    Without this the few largest features decide alone. A number that never varied would be divided by 0; if it
    varies in a new photo, that is strange, but no reason to look at nothing else.
    """
    centre_D, std_D = embedding_ND.mean(axis=0), embedding_ND.std(axis=0)
    scale_D = np.maximum(std_D, _TINY_STD * max(float(np.median(std_D)), 1e-6)).astype(np.float32)
    return (embedding_ND - centre_D) / scale_D, centre_D, scale_D


def _directions(features_ND: FloatArray, *, start_DR: FloatArray | None = None, rounds: int = 2) -> FloatArray:
    """Orthonormal directions (D, R) in which the photos differ most.

    Subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4): a hundred times faster than a decomposition
    of all directions. R is 72, less for few photos, so that they do not fill the space, and for long embeddings.
    """
    n, d = features_ND.shape
    rank = max(1, min(_RANK, n // 4, d // 2, _MOST_NUMBERS // d))
    if start_DR is None:
        start_DR = np.random.default_rng(0).normal(size=(d, rank)).astype(np.float32)
    directions_DR = start_DR[:, :rank]
    for _ in range(rounds):
        directions_DR = np.linalg.qr(features_ND.T @ (features_ND @ directions_DR))[0]
    return np.asarray(directions_DR, dtype=np.float32)


def _rounded(direction_RD: FloatArray) -> Basis:
    """Directions as they are kept: in 16 bits, or a large basis in 4 bits a number.

    What is fitted after this is fitted to the rounded directions, so that their errors move no limit. Steps of 0.36
    standard deviations lose least of normally distributed numbers (Max 1960, "Quantizing for minimum distortion");
    where a few numbers are large, wider ones lose less. The best for each direction is taken.
    """
    if direction_RD.size <= _SMALL_NUMBERS:
        return np.ascontiguousarray(direction_RD).astype(np.float16)
    size_R = np.sqrt(np.mean(direction_RD**2, axis=1))
    best_RD, best_R = np.zeros_like(direction_RD), np.full(len(size_R), -np.inf)
    for step in _STEPS:
        level_RD = np.clip(np.rint(direction_RD / (step * size_R)[:, None]), -7, 7)
        cosine_R = np.einsum("rd,rd->r", level_RD, direction_RD) / np.maximum(np.linalg.norm(level_RD, axis=1), 1)
        better_R = cosine_R > best_R
        best_RD[better_R], best_R[better_R] = level_RD[better_R], cosine_R[better_R]
    return pack_levels(best_RD.astype(np.int8))
