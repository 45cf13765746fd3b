"""How much each of several models counts that predict the same together, chosen on photos that none of them has seen.

Shape letters: N photos, M outputs of a head, E members, R rows of a softmax with C columns, S steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.evaluation.calibration import calibrate
from photograft.metrics import links
from photograft.metrics.temperature import TEMPERATURE_LIMITS
from photograft.values import DoubleArray, FloatArray, HeadKind

_STEPS = np.linspace(1, 0, 11)
"""From equal shares to the best ones; finer steps would fit the noise of some hundred photos."""
_ENOUGH = 200_000
"""Logits that shares are chosen on: more photos of many classes take long, and choose the same shares."""


def weigh_members(
    logits: Sequence[FloatArray], truth: links.Truth, *, kind: HeadKind, equal: bool = False
) -> tuple[float, ...]:
    """Factors, none below 0, of each member's logits (N, M) for one target; the members' logits times them are summed.

    They have the lowest log loss on these photos, which no member may have seen, and are then moved as far toward equal
    shares, each member at a temperature of its own, as the loss stays within one standard error of the lowest: some
    hundred photos cannot tell more, and equal shares are the best guess before any photo was seen. `equal` takes equal
    shares at once. The sum is as sure as these photos allow. `truth` is that of `photograft.metrics.links`. One member
    counts 1; of one photo and of none equal shares come.
    """
    n_members = len(logits)
    if n_members == 1 or len(truth) < 2:
        return (1 / n_members,) * n_members
    own_E = np.array([1 / calibrate(logits_NM, truth, kind) for logits_NM in logits])
    scaled = [np.float32(own) * logits_NM for own, logits_NM in zip(own_E, logits, strict=True)]
    share_E = np.full(n_members, 1 / n_members) if equal else _shares(scaled, truth, kind)
    # A sum is softer than its parts.
    weight_E = own_E * share_E / calibrate(np.tensordot(share_E, scaled, axes=1), truth, kind)
    return tuple(weight_E.tolist())


def _shares(scaled: list[FloatArray], truth: links.Truth, kind: HeadKind) -> DoubleArray:
    """Shares that sum to 1, shape (E,), of members that are at their own temperatures."""
    every = -(-scaled[0].size // _ENOUGH)
    scaled, truth = [logits_NM[::every] for logits_NM in scaled], truth[::every]
    best_E = _best_weights(scaled, truth, kind)
    equal_E = np.full(len(scaled), 1 / len(scaled))
    share_SE = [step * equal_E + (1 - step) * best_E for step in _STEPS]
    loss_SN = np.stack([_losses(np.tensordot(share_E, scaled, axes=1), truth, kind) for share_E in share_SE])
    worse_SN = loss_SN - loss_SN[loss_SN.mean(axis=1).argmin()]
    error_S = worse_SN.std(axis=1) / np.sqrt(len(truth))
    # Members that predict the same differ by rounding alone.
    return np.asarray(share_SE[int(np.argmax(worse_SN.mean(axis=1) <= error_S + 1e-9))])


def _losses(logits_NM: DoubleArray, truth: links.Truth, kind: HeadKind) -> DoubleArray:
    """Negative log likelihood of each photo at the temperature that fits best."""
    temperature = calibrate(logits_NM, truth, kind)
    return links.losses(kind, links.probabilities(kind, logits_NM, temperature=temperature), truth)


def _best_weights(scaled: list[FloatArray], truth: links.Truth, kind: HeadKind) -> DoubleArray:
    """The shares with the lowest log loss, which is convex in the weights: Newton steps to the lowest allowed point."""
    rows = [links.as_softmax(kind, logits_NM, truth) for logits_NM in scaled]
    label_R = rows[0][1]
    # Relative to the true class, the log loss of a row is log(sum(exp(weights @ ahead))).
    ahead_ERC = np.stack([logits_RC - logits_RC[np.arange(len(label_R)), label_R][:, None] for logits_RC, _ in rows])
    weight_E = np.full(len(scaled), 1 / len(scaled))
    loss, slope_E, curvature_EE = _bend(ahead_ERC, weight_E)
    for _ in range(100):
        change_E = _lowest_point(weight_E, slope_E, curvature_EE) - weight_E
        gain = -float(slope_E @ change_E)
        if gain <= 1e-9:
            break
        step = 1.0
        while (there := _bend(ahead_ERC, weight_E + step * change_E))[0] > loss - 1e-4 * step * gain and step > 1e-6:
            step /= 2
        weight_E = weight_E + step * change_E
        loss, slope_E, curvature_EE = there
    total = weight_E.sum()
    return np.asarray(weight_E / total if total > 0 else np.full(len(scaled), 1 / len(scaled)))


def _bend(ahead_ERC: DoubleArray, weight_E: DoubleArray) -> tuple[float, DoubleArray, DoubleArray]:
    """The mean log loss, and its first (E,) and second derivatives (E, E) in the weights."""
    n_members, n_rows, _ = ahead_ERC.shape
    logit_RC = np.tensordot(weight_E, ahead_ERC, axes=1)
    highest_R1 = logit_RC.max(axis=1, keepdims=True)
    power_RC = np.exp(logit_RC - highest_R1)
    sum_R1 = power_RC.sum(axis=1, keepdims=True)
    weighed_ERC = ahead_ERC * (power_RC / sum_R1)
    mean_ER = weighed_ERC.sum(axis=2)
    square_EE = weighed_ERC.reshape(n_members, -1) @ ahead_ERC.reshape(n_members, -1).T
    loss = float((np.log(sum_R1) + highest_R1).mean())
    return loss, mean_ER.mean(axis=1), np.asarray((square_EE - mean_ER @ mean_ER.T) / n_rows)


def _lowest_point(weight_E: DoubleArray, slope_E: DoubleArray, curvature_EE: DoubleArray) -> DoubleArray:
    """Where the parabola around `weight_E` is lowest among weights of 0 to 20, one coordinate after the other.

    Without a limit, members that have every photo right would grow without end.
    """
    point_E, slope_E = weight_E.copy(), slope_E.copy()
    curvature_EE = curvature_EE + 1e-9 * max(float(np.trace(curvature_EE)), 1e-9) * np.eye(len(weight_E))
    for _ in range(1000):
        moved = 0.0
        for e in range(len(point_E)):
            wanted = float(np.clip(point_E[e] - slope_E[e] / curvature_EE[e, e], 0, 1 / TEMPERATURE_LIMITS[0]))
            step = wanted - float(point_E[e])
            point_E[e] = wanted
            slope_E += step * curvature_EE[e]
            moved = max(moved, abs(step))
        if moved < 1e-8:
            break
    return point_E
