"""How the logits of all members become probabilities: weights, temperatures, adjustment and thresholds, all of them
chosen on photos that the members had not seen. Shape letters: N photos, M outputs of a head, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from photograft.config import Config
from photograft.evaluation.adjustment import choose_power
from photograft.evaluation.calibration import calibrate
from photograft.evaluation.ensemble import weigh_members
from photograft.evaluation.thresholds import choose_thresholds
from photograft.inference.compose import Composed, compose_targets, tabulate, weigh
from photograft.metrics.links import Truth
from photograft.models.bundle_rows import AdjustRow, FactorRow, JointRow, MemberRow, TargetRow
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray, Predictions, Splits, Target
from photograft.workflow.members import Learnt, Member, restrict

_UNWEIGHED = "?"


@dataclass(frozen=True)
class Judged:
    """Logits of photos by states of the members that had not seen them: an array (N, M) per target and member of it."""

    rows: IntArray
    logits: dict[str, tuple[FloatArray, ...]]

    def take(self, chosen_N: BoolArray) -> Judged:
        """Those of some of the photos."""
        logits = {name: tuple(each[chosen_N] for each in arrays) for name, arrays in self.logits.items()}
        return Judged(self.rows[chosen_N], logits)


@dataclass(frozen=True)
class Composition:
    """What is chosen: rows of the bundle whose members have no heads yet, and the weights of these members in order."""

    rows: tuple[TargetRow, ...]
    joint: JointRow | None
    weights: dict[str, tuple[float, ...]]
    kinds: dict[str, HeadKind]

    @property
    def power(self) -> float:
        """Of the logit adjustment; 0 where there is none."""
        adjusted = self.rows[0].prior_adjust
        return 0.0 if adjusted is None else adjusted.power

    @property
    def threshold_K(self) -> DoubleArray | None:
        """From which probability on each of several labels is given."""
        thresholds = self.rows[0].thresholds
        return None if thresholds is None else np.array(thresholds)

    def without_adjustment(self) -> Composition:
        """The same, with probabilities as they were before they were divided by the classes' shares."""
        return replace(self, rows=tuple(row.model_copy(update={"prior_adjust": None}) for row in self.rows))

    def apply(self, judged: Judged) -> Composed:
        """Probabilities of the photos."""
        logits = {name: weigh(arrays, self.weights[name]) for name, arrays in judged.logits.items()}
        return compose_targets(logits, self.rows, self.joint, kinds=self.kinds)


def of_variant(judged: Judged, members: Sequence[Member], variant: str) -> Judged:
    """What the members of one variant say, without the others of the ensemble."""
    logits = {}
    for name, arrays in judged.logits.items():
        owners = [member.variant for member in members for target in member.targets if target.name == name]
        logits[name] = tuple(each for each, owner in zip(arrays, owners, strict=True) if owner == variant)
    return Judged(judged.rows, logits)


def judge(members: Sequence[Member], *, honest: bool, rows: IntArray) -> Judged:
    """What all members say of the photos `rows`, which each of them judged."""
    logits: dict[str, list[FloatArray]] = {}
    for member in members:
        arrays = member.honest_logits if honest else member.logits
        for target, logits_NM in zip(member.targets, arrays, strict=True):
            logits.setdefault(target.name, []).append(restrict(logits_NM, member.rows, rows))
    return Judged(rows, {name: tuple(arrays) for name, arrays in logits.items()})


def judge_linear(members: Sequence[Member], rows: IntArray) -> Judged:
    """What the members' linear heads say of the photos `rows`, which were folded."""
    logits: dict[str, list[FloatArray]] = {}
    for member in members:
        for target, fit in zip(member.targets, member.fits, strict=True):
            logits.setdefault(target.name, []).append(fit.honest_logits_NK)
    return Judged(rows, {name: tuple(arrays) for name, arrays in logits.items()})


def choose_composition(
    judged: Judged, learnt: Learnt, config: Config, *, positive: str | None = None, held: IntArray | None = None
) -> Composition:
    """Weights, temperatures, adjustment and thresholds that fit these photos best.

    `held` are photos that nothing may be known of: classes' shares are those of the others.
    """
    targets = learnt.targets
    weights, rows = {}, []
    for target in targets.learned:
        truth = learnt.truth(target, judged.rows)
        arrays = judged.logits[target.name]
        equal = config.ensemble.weights == "equal"
        weights[target.name] = weigh_members(arrays, truth, kind=target.kind, equal=equal)
        logits_NM = weigh(arrays, weights[target.name])
        temperature = calibrate(logits_NM, truth, target.kind)
        rows.append(_row(target, temperature, learnt, positive))
    joint = None
    if len(rows) > 1:
        joint = JointRow(targets=tuple(row.name for row in rows), calibration={"temperature": 1.0})
    plain = Composition(tuple(rows), joint, weights, {target.name: target.kind for target in targets.learned})
    if targets.several:
        composed = plain.apply(judged)
        thresholds = choose_thresholds(composed.probabilities_NK, learnt.member_NK[judged.rows])
        row = rows[0].model_copy(update={"thresholds": tuple(float(t) for t in thresholds)})
        return replace(plain, rows=(row,))
    known = learnt.rows if held is None else np.setdiff1d(learnt.rows, held)
    return _adjusted(plain, judged, learnt, config.train.logit_adjustment, known)


def cross_compose(judged: Judged, learnt: Learnt, config: Config, *, adjusted: bool = True) -> Predictions:
    """Honest predictions: what each fold's photos are given was chosen on the photos of the other folds."""
    fold_N = judging_folds(learnt.splits, judged.rows)
    folds = np.unique(fold_N)
    chosen = [choose_composition(judged, learnt, config)]
    if len(folds) > 1:
        masks = [fold_N == fold for fold in folds]
        chosen = [choose_composition(judged.take(~own), learnt, config, held=judged.rows[own]) for own in masks]
    if not adjusted:
        chosen = [composition.without_adjustment() for composition in chosen]
    parts: dict[str, DoubleArray] = {}
    decided_NK = np.zeros((len(fold_N), len(learnt.targets.classes)), bool) if learnt.targets.several else None
    composed: Composed | None = None
    for fold, composition in zip(folds, chosen, strict=True):
        held = fold_N == fold
        composed = composition.apply(judged.take(held))
        found = {"": composed.probabilities_NK, **composed.factors}
        for name, probabilities_BK in found.items():
            whole = parts.setdefault(name, np.empty((len(fold_N), probabilities_BK.shape[1])))
            whole[held] = probabilities_BK
        if decided_NK is not None:
            decided_NK[held] = composed.probabilities_NK >= np.array(composition.rows[0].thresholds)
    assert composed is not None
    whole_NK = parts.pop("")
    merged = Composed(composed.classes, whole_NK, {}, parts)
    predictions = table(merged, chosen[0], learnt, judged.rows)
    return replace(predictions, decided_NK=decided_NK)


def table(composed: Composed, composition: Composition, learnt: Learnt, rows: IntArray) -> Predictions:
    """Predictions of some of the usable photos, with what is true of them."""
    photos = learnt.photos
    several = learnt.targets.several
    return tabulate(
        composed,
        composition.rows,
        composition.joint,
        paths=tuple(photos[i].name for i in rows),
        label_N=None if several else learnt.label_N[rows],
        member_NK=learnt.member_NK[rows] if several else None,
    )


def judging_folds(splits: Splits, rows: IntArray) -> IntArray:
    """Folds of the photos in `rows`, in which those of one are judged by what the others chose.

    Validation photos may all be in one fold, where a table of parts says so: then their groups are divided in two.
    """
    fold_N = splits.fold_N[rows]
    if len(np.unique(fold_N)) > 1:
        return fold_N
    return np.asarray(np.unique(splits.group_N[rows], return_inverse=True)[1] % 2, dtype=np.int64)


def _row(target: Target, temperature: float, learnt: Learnt, positive: str | None) -> TargetRow:
    """The target's row of the bundle; its members get their heads when they are shipped."""
    factors = learnt.targets.factors if len(learnt.targets.learned) == 1 else ()
    return TargetRow(
        name=target.name,
        classes=target.classes,
        order=target.kind == "ordinal",
        positive=positive if positive in target.classes else None,
        members=(MemberRow(head=_UNWEIGHED),),
        calibration={"temperature": temperature},
        factors=tuple(FactorRow(name=factor.name, classes=factor.classes) for factor in factors),
    )


def _adjusted(plain: Composition, judged: Judged, learnt: Learnt, asked: float | str, known: IntArray) -> Composition:
    """With the logit adjustment that is asked for, its power found where that is left open."""
    if asked == 0:
        return plain
    learned = learnt.targets.learned
    shares = [_shares(target, learnt.truth(target, known)) for target in learned]
    if asked == "auto":
        composed = plain.apply(judged)
        label_N = learnt.label_N[judged.rows]
        parts = [composed.by_target[target.name] for target in learned]
        power = choose_power(parts, label_N, shares)
    else:
        power = float(asked)
    rows = tuple(
        row.model_copy(update={"prior_adjust": AdjustRow(power=power, shares=tuple(float(s) for s in share_K))})
        for row, share_K in zip(plain.rows, shares, strict=True)
    )
    return replace(plain, rows=rows) if power else plain


def _shares(target: Target, truth: Truth) -> DoubleArray:
    count_K = np.bincount(np.asarray(truth, dtype=np.int64), minlength=len(target.classes))
    return np.asarray(count_K / count_K.sum())
