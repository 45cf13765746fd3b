"""When a photo is unsure or unfamiliar. Shape letters: N photos, D numbers, R directions, K kinds of photos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from photograft.errors import ConfigError
from photograft.models.bundle import Bundle
from photograft.models.decisions import Familiar
from photograft.values import BoolArray, DoubleArray, FloatArray


def lowest_probability(bundle: Bundle, wanted: float | None) -> float:
    """The probability below which a photo is unsure: the wanted one, else the bundle's, else 0.

    Raises:
        ConfigError: It is no probability, or the model gives several labels, which have thresholds of their own.
    """
    if wanted is None:
        unsure = bundle.info.decisions.unsure
        return 0.0 if unsure is None else unsure.min_probability
    if bundle.several:
        raise ConfigError(
            "This model gives any number of labels, each from a threshold of its own on; it takes no min_probability."
        )
    if not 0 <= wanted <= 1:
        raise ConfigError(f"--min-probability (min_probability) is {wanted:g}; it must be from 0 to 1.")
    return wanted


def unfamiliar(embeddings: Mapping[str, FloatArray], bundle: Bundle) -> BoolArray:
    """Whether each photo is unlike the training photos, shape (N,), by embeddings (N, D) per network."""
    row = bundle.info.decisions.unfamiliar
    if row is None or bundle.familiar is None:
        return np.zeros(len(next(iter(embeddings.values()))), dtype=bool)
    return strangeness(embeddings[row.network], bundle.familiar) > row.limit


def strangeness(embedding_ND: FloatArray, familiar: Familiar) -> DoubleArray:
    """How unlike the training photos each photo is, shape (N,): higher is stranger.

    Three things are added (`parts_of_strangeness`): how much of the embedding lies where the training photos do not
    vary, how far it is from the nearest kind of them, and how little it speaks for any kind, each in the size of a
    logit.
    """
    outside_N, near_N, energy_N = parts_of_strangeness(embedding_ND, familiar)
    outside_weight, near_weight = familiar.weights_2.astype(np.float64)
    return np.asarray(outside_weight * outside_N + near_weight * near_N - energy_N)


def parts_of_strangeness(embedding_ND: FloatArray, familiar: Familiar) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Length outside of the basis, Mahalanobis distance to the nearest kind within it, and energy, each of shape (N,).

    Energy is log(sum(exp(logits))) of a linear discriminant whose logits have the mean 0. The first and the last are
    virtual-logit matching (Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit Matching"); without the
    distance (Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"), a photo far
    beyond a kind would look most familiar.
    """
    features_ND = (np.asarray(embedding_ND, np.float32) - familiar.centre_D) / familiar.scale_D
    inside_NR = features_ND @ familiar.directions_RD.T
    square_N = np.einsum("nd,nd->n", features_ND, features_ND) - np.einsum("nr,nr->n", inside_NR, inside_NR)
    white_NR = (inside_NR @ familiar.whiten_RR).astype(np.float64)
    mean_KR = familiar.mean_KR.astype(np.float64)
    logits_NK = white_NR @ mean_KR.T - 0.5 * np.einsum("kr,kr->k", mean_KR, mean_KR)
    highest_N = logits_NK.max(axis=1)
    nearest_N = np.einsum("nr,nr->n", white_NR, white_NR) - 2 * highest_N
    # Not np.logaddexp.reduce, which takes five times as long: seconds with many kinds.
    energy_N = highest_N - logits_NK.mean(axis=1) + np.log(np.exp(logits_NK - highest_N[:, None]).sum(axis=1))
    return np.sqrt(np.maximum(square_N.astype(np.float64), 0.0)), np.sqrt(np.maximum(nearest_N, 0.0)), energy_N
