"""How strange a photo is to a model, from its embedding. Shape letters: N photos, D numbers, R directions, K kinds."""

from __future__ import annotations

import numpy as np

from photograft.models.decisions import Familiar
from photograft.values import DoubleArray, FloatArray


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
