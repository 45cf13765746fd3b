"""From the logits of heads to the probabilities of classes and factors: the one place that says how.

Per target the heads' logits are multiplied by their weights and added, become probabilities at the temperature, and are
adjusted to the classes' shares. Several targets are independent factors of one class: their probabilities are
multiplied, taken to the power of 1 / temperature, and brought to sum 1.

Shape letters: N photos, M outputs of a head, K classes, F values of a factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from photograft.data.rows import FACTOR_SEPARATOR
from photograft.metrics import links
from photograft.models.bundle_rows import BundleInfo, JointRow, TargetRow, class_names
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray, Predictions

Logits = FloatArray | DoubleArray


@dataclass(frozen=True)
class Factor:
    """A part of the classes: its own classes, and which of them each class of the whole has, shape (K,)."""

    name: str
    classes: tuple[str, ...]
    value_K: IntArray


@dataclass(frozen=True)
class Composed:
    """Probabilities of N photos; rows of photos without logits (NaN) are NaN.

    `probabilities_NK` are those of `classes`, `by_target` those of every target by its name. `factors` are those of the
    targets where there are several, the sums over the classes that share a value where the one target is made of
    factors, and empty otherwise.
    """

    classes: tuple[str, ...]
    probabilities_NK: DoubleArray
    by_target: dict[str, DoubleArray]
    factors: dict[str, DoubleArray]


def compose(logits_by_head: Mapping[str, Logits], info: BundleInfo) -> Composed:
    """Probabilities from the logits (N, M) of every head, by its id, each the mean over its network's views."""
    logits = {
        row.name: weigh([logits_by_head[m.head] for m in row.members], [m.weight for m in row.members])
        for row in info.targets
    }
    return compose_targets(logits, info.targets, info.joint, kinds=info.kinds)


def weigh(logits_NM: Sequence[Logits], weights: Sequence[float]) -> DoubleArray:
    """The weighted sum of several heads' logits."""
    parts = (weight * np.asarray(each_NM, np.float64) for each_NM, weight in zip(logits_NM, weights, strict=True))
    return np.asarray(sum(parts))


def compose_targets(
    logits_by_target: Mapping[str, Logits],
    rows: Sequence[TargetRow],
    joint: JointRow | None,
    *,
    kinds: Mapping[str, HeadKind],
) -> Composed:
    """Probabilities from the logits (N, M) of every target, by its name, as are the `kinds` of their heads.

    `joint` is None for a single target. The members of `rows` do not matter: their logits have been added.
    """
    by_target = {row.name: _probabilities(logits_by_target[row.name], row, kinds[row.name]) for row in rows}
    classes = class_names(rows, joint)
    if joint is None:
        whole_NK = by_target[rows[0].name]
        parts = {
            factor.name: links.marginals(whole_NK, factor.value_K, len(factor.classes))
            for factor in factors_of(rows, joint)
        }
        return Composed(classes, whole_NK, by_target, parts)
    product_NK = links.product([by_target[row.name] for row in rows])
    return Composed(classes, _soften(product_NK, joint.temperature), by_target, by_target)


def factors_of(rows: Sequence[TargetRow], joint: JointRow | None) -> tuple[Factor, ...]:
    """What the classes are made of: the targets where there are several, else the factors of the one, if any."""
    if joint is None:
        values = [name.split(FACTOR_SEPARATOR) for name in rows[0].classes]
        return tuple(
            Factor(factor.name, factor.classes, np.array([factor.classes.index(each[i]) for each in values]))
            for i, factor in enumerate(rows[0].factors)
        )
    sizes = [len(row.classes) for row in rows]
    value_FK = np.indices(sizes).reshape(len(sizes), -1)
    return tuple(Factor(row.name, row.classes, value_K) for row, value_K in zip(rows, value_FK, strict=True))


def tabulate(
    composed: Composed,
    rows: Sequence[TargetRow],
    joint: JointRow | None,
    *,
    paths: Sequence[str],
    label_N: IntArray | None = None,
    member_NK: BoolArray | None = None,
    reasons: Sequence[str] | None = None,
) -> Predictions:
    """Predictions of the photos at `paths`, with those of every factor.

    `label_N` are the true class indices, -1 or None where unknown; those of the factors follow from them. `member_NK`
    says which of several labels each photo has. A photo whose entry in `reasons` is not empty was rejected.
    """
    n = len(composed.probabilities_NK)
    label_N = np.full(n, -1, np.int64) if label_N is None else label_N
    reasons = ("",) * n if reasons is None else tuple(reasons)
    statuses = tuple("rejected" if reason else "ok" for reason in reasons)

    def table(classes: tuple[str, ...], probabilities_NK: DoubleArray, label_N: IntArray) -> Predictions:
        return Predictions(tuple(paths), classes, probabilities_NK, label_N, statuses, reasons)

    whole = table(composed.classes, composed.probabilities_NK, label_N)
    parts = tuple(
        (
            factor.name,
            table(
                factor.classes,
                composed.factors[factor.name],
                np.where(label_N >= 0, factor.value_K[label_N], -1).astype(np.int64),
            ),
        )
        for factor in factors_of(rows, joint)
    )
    thresholds = rows[0].thresholds
    threshold_K = None if thresholds is None else np.array(thresholds, np.float64)
    return replace(whole, factors=parts, member_NK=member_NK, threshold_K=threshold_K)


def _probabilities(logits_NM: Logits, row: TargetRow, kind: HeadKind) -> DoubleArray:
    probabilities_NK = links.probabilities(kind, logits_NM, temperature=row.temperature)
    if row.prior_adjust is None:
        return probabilities_NK
    return links.adjust(probabilities_NK, np.array(row.prior_adjust.shares), power=row.prior_adjust.power)


def _soften(probabilities_NK: DoubleArray, temperature: float) -> DoubleArray:
    """Probabilities to the power of 1 / temperature, each row to sum 1 again."""
    if temperature == 1:
        return probabilities_NK
    # Of the largest of a row, so that a low temperature cannot make all of them 0.
    share_NK = probabilities_NK / probabilities_NK.max(axis=1, keepdims=True)
    power_NK = share_NK ** (1 / temperature)
    return np.asarray(power_NK / power_NK.sum(axis=1, keepdims=True))
