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
        raise ConfigError(f"min_probability is {wanted:g}; it must be from 0 to 1.")
    return wanted


def unfamiliar(embeddings: Mapping[str, FloatArray], bundle: Bundle) -> BoolArray:
    """Whether each photo is unlike the training photos, shape (N,), by embeddings (N, D) per network."""
    row = bundle.info.decisions.unfamiliar
    if row is None or bundle.familiar is None:
        return np.zeros(len(next(iter(embeddings.values()))), dtype=bool)
    return strangeness(embeddings[row.network], bundle.familiar) > row.limit


def strangeness(embedding_ND: FloatArray, familiar: Familiar) -> DoubleArray:
    """How unlike the training photos each photo is, shape (N,): higher is stranger.

    Virtual-logit matching (Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit Matching"): the length of
    the part of the standardised embedding that the training photos do not vary in, brought to the size of a logit,
    against what the logits of all kinds of training photos come to, log(sum(exp(logits))). The first tells photos of
    other things altogether, the second those between the classes.
    """
    features_ND = (np.asarray(embedding_ND, np.float32) - familiar.centre_D) / familiar.scale_D
    inside_NR = features_ND @ familiar.basis_RD.astype(np.float32).T
    square_N = np.einsum("nd,nd->n", features_ND, features_ND) - np.einsum("nr,nr->n", inside_NR, inside_NR)
    logits_NK = (inside_NR @ familiar.weight_RK + familiar.bias_K).astype(np.float64)
    highest_N = logits_NK.max(axis=1)
    energy_N = highest_N + np.log(np.exp(logits_NK - highest_N[:, None]).sum(axis=1))
    return np.asarray(familiar.rest_weight * np.sqrt(np.maximum(square_N, 0.0, dtype=np.float64)) - energy_N)
