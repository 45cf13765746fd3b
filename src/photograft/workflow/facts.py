"""What the report says of a run's members: what they are, what they gain together, what helped small classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np

from photograft.evaluation.adjustment import balance_effect
from photograft.inference.classifier import Classifier
from photograft.inference.cost import measure_ms
from photograft.metrics.confusion import confusion_matrix, macro_f1
from photograft.metrics.intervals import paired_difference
from photograft.metrics.links import losses
from photograft.reporting.composite import BalanceFacts, EnsembleFacts, Gain, MemberFacts, balance_facts
from photograft.reporting.composite_section import say_gain
from photograft.reporting.training import LinearComparison
from photograft.training.linear import fit_head
from photograft.values import BoolArray, IntArray, Predictions
from photograft.workflow.composition import (
    Composition,
    Judged,
    choose_composition,
    cross_compose,
    judge_linear,
    of_variant,
    table,
)
from photograft.workflow.members import MAIN, Member, balance_of, refit_of, strengths_text

if TYPE_CHECKING:
    from photograft.workflow.finish import Trained

NAMES = {"oof": "out-of-fold", "val": "validation"}


def model_facts(trained: Trained) -> dict[str, Any]:
    """The table of facts about the model, in the order they are shown."""
    main, config = trained.members[0], trained.config
    every = trained.members
    strengths = "; ".join(strengths_text(member.targets, member.fits) for member in every)
    one = len(every) == 1 and len(main.targets) == 1
    return {
        "backbone": _each(every, lambda member: member.backbone.name),
        "licence": _each(every, lambda member: member.backbone.licence),
        "graft": _each(every, lambda member: member.config.model.graft),
        "px": main.px if one else _each(every, lambda member: str(member.px)),
        "crop": config.input.crop,
        "embedding": _embedding(main),
        "views": len(main.views),
        "strength": main.fits[0].strength if one else strengths,
        "refit": refit_of(config),
    }


def repeats_of(trained: Trained) -> list[float]:
    """Out-of-fold accuracy of every draw of the folds, where there are several and one head says everything."""
    main = trained.members[0]
    if len(trained.members) > 1 or len(main.fits) > 1 or not main.fits[0].repeats or main.targets[0].kind != "softmax":
        return []
    label_N = trained.learnt.label_N[trained.learnt.rows]
    draws = (main.fits[0].oof_logits_NK, *main.fits[0].repeats)
    return [float((logits_NK.argmax(axis=1) == label_N).mean()) for logits_NK in draws]


def compare_with_linear(
    trained: Trained, judged: Predictions, linear: Predictions, test_rows: IntArray, test: Predictions
) -> Trained:
    """Whether fine-tuning was worth it: against the linear heads, on the photos of the headline.

    `linear` are the linear heads' honest predictions of all folded photos. Said of every member that was fine-tuned.
    """
    if not any(member.training is not None for member in trained.members):
        return trained
    learnt = trained.learnt
    clean = ~learnt.splits.leaked_N[test_rows] & test.ok_N
    if clean.any() and not learnt.targets.several:
        what, rows, tuned = "test", test_rows[clean], test.take(np.flatnonzero(clean))
        linear = _linear_on(trained, rows)
    else:
        what, rows, tuned = NAMES[trained.what], trained.rows, judged
        linear = linear.take(np.searchsorted(learnt.rows, rows))
    tuned_N, linear_N = right(tuned), right(linear)
    _, low, high = paired_difference(tuned_N, linear_N, learnt.splits.group_N[rows])
    compared = LinearComparison(what, len(rows), float(tuned_N.mean()), float(linear_N.mean()), low, high)
    members = tuple(
        m if m.training is None else replace(m, training=replace(m.training, linear=compared)) for m in trained.members
    )
    return replace(trained, members=members)


def ensemble_facts(
    trained: Trained,
    shipped: Composition,
    judged: Predictions,
    honest: Judged,
    classifier: Classifier,
    owners: Mapping[str, str],
) -> EnsembleFacts | None:
    """The members, and what they gain together over the best variant alone; None for a single model.

    `owners` are the ids of the members' networks in the bundle. A member of weight 0 is not there, and takes no time.
    """
    if len(trained.members) == 1:
        return None
    variants = list(dict.fromkeys(member.variant for member in trained.members))
    alone = (
        {
            variant: cross_compose(of_variant(honest, trained.members, variant), trained.learnt, trained.config)
            for variant in variants
        }
        if len(variants) > 1
        else {MAIN: judged}
    )
    ms = measure_ms(classifier)
    members = [
        _facts_of(member, shipped, alone[member.variant], ms.get(owners.get(member.name, ""), 0.0), trained.members)
        for member in trained.members
    ]
    if len(variants) == 1:
        return EnsembleFacts(members)
    loss = {variant: log_loss(each) for variant, each in alone.items()}
    best = min(loss, key=lambda variant: loss[variant])
    ours_N, theirs_N = right(judged), right(alone[best])
    _, low, high = paired_difference(ours_N, theirs_N, trained.learnt.splits.group_N[trained.rows])
    of_best = {owners[m.name] for m in trained.members if m.variant == best and m.name in owners}
    gain = Gain(
        best=best,
        what=NAMES[trained.what],
        n=len(ours_N),
        accuracy=float(ours_N.mean()),
        single_accuracy=float(theirs_N.mean()),
        low=low,
        high=high,
        log_loss=log_loss(judged),
        single_log_loss=loss[best],
        ms_per_photo=fsum(ms.values()),
        single_ms_per_photo=fsum(ms[network] for network in of_best),
    )
    return EnsembleFacts(members, gain)


def balance_effects(trained: Trained, shipped: Composition, judged: Predictions, honest: Judged) -> BalanceFacts | None:
    """What class weights and logit adjustment did to small classes; None where there are none.

    Without them is: the linear heads fitted once more without weights, where no member was fine-tuned, else the same
    logits without the adjustment.
    """
    learnt, config = trained.learnt, trained.config
    weighed = {
        "" if len(learnt.targets.learned) == 1 else target.name: balance_of(member.config, target)
        for member in trained.members
        for target in member.targets
        if balance_of(member.config, target) != "none"
    }
    tuned = any(member.training is not None for member in trained.members)
    if learnt.targets.several or (not config.train.logit_adjustment and (not weighed or tuned)):
        return None
    if weighed and not tuned:
        honest = _without_weights(trained)
    before = cross_compose(honest, learnt, config, adjusted=False)
    group_N = learnt.splits.group_N[trained.rows]
    effect = balance_effect(before.probabilities_NK, judged.probabilities_NK, judged.label_N, group_N)
    same = len(set(weighed.values())) == 1 and len(weighed) == len(learnt.targets.learned)
    named = ", ".join(f"{name}: {balance}" for name, balance in weighed.items())
    balance = "" if not weighed or tuned else next(iter(weighed.values())) if same else named
    return balance_facts(before, judged, effect, what=NAMES[trained.what], balance=balance, power=shipped.power)


def gain_text(gain: Gain) -> str:
    """What an ensemble gains and costs, in words."""
    return " ".join(say_gain(asdict(gain)))


def right(predictions: Predictions) -> BoolArray:
    """Which photos are right: in their class, or in all of their labels."""
    if predictions.member_NK is not None:
        return np.asarray((predictions.given_NK == predictions.member_NK).all(axis=1))
    return np.asarray(predictions.best_N == predictions.label_N)


def log_loss(predictions: Predictions) -> float:
    """Mean negative log likelihood of the truth."""
    if predictions.member_NK is not None:
        return float(losses("sigmoid", predictions.probabilities_NK, predictions.member_NK).mean())
    return float(losses("softmax", predictions.probabilities_NK, predictions.label_N).mean())


def _without_weights(trained: Trained) -> Judged:
    """Out-of-fold logits of linear heads that weigh all photos alike."""
    learnt = trained.learnt
    logits: dict[str, list[Any]] = {}
    for member in trained.members:
        for target in member.targets:
            fit = fit_head(
                member.table.embedding_ND,
                learnt.truth(target, learnt.rows),
                learnt.splits.fold_N[learnt.rows],
                n_classes=len(target.classes),
                kind=target.kind,
                rows=learnt.rows,
                scratch=learnt.scratch,
            )
            logits.setdefault(target.name, []).append(fit.honest_logits_NK)
    return Judged(learnt.rows, {name: tuple(arrays) for name, arrays in logits.items()})


def _facts_of(
    member: Member, shipped: Composition, alone: Predictions, ms: float, members: Sequence[Member]
) -> MemberFacts:
    own = alone
    if len(member.targets) == 1 and alone.factors:
        own = dict(alone.factors).get(member.targets[0].name, alone)
    weights = {}
    for target in member.targets:
        owners = [each.name for each in members if any(t.name == target.name for t in each.targets)]
        shares = dict(zip(owners, shipped.weights[target.name], strict=True))
        weights[target.name] = shares[member.name] / sum(shares.values())
    confusion_KK = None
    if own.member_NK is None:
        confusion_KK = confusion_matrix(own.label_N, own.best_N, n_classes=len(own.classes))
    return MemberFacts(
        name=member.name,
        backbone=member.backbone.name,
        graft=member.config.model.graft,
        px=member.px,
        views=len(member.views),
        targets=tuple(target.name for target in member.targets),
        weights=weights,
        accuracy=float(right(own).mean()),
        macro_f1=None if confusion_KK is None else macro_f1(confusion_KK),
        log_loss=log_loss(own),
        ms_per_photo=ms,
    )


def _linear_on(trained: Trained, rows: IntArray) -> Predictions:
    """The linear heads' predictions of photos that they were not fitted on."""
    learnt = trained.learnt
    composition = choose_composition(judge_linear(trained.members, learnt.rows), learnt, trained.config)
    logits: dict[str, list[Any]] = {}
    for member in trained.members:
        for target, fit in zip(member.targets, member.fits, strict=True):
            logits.setdefault(target.name, []).append(fit.head.logits(member.table.embedding_ND[rows]))
    judged = Judged(rows, {name: tuple(arrays) for name, arrays in logits.items()})
    return table(composition.apply(judged), composition, learnt, rows)


def _each(members: Sequence[Member], fact: Any) -> str:
    """What differs between members, member by member; what does not, once."""
    facts = {member.name: fact(member) for member in members}
    if len(set(facts.values())) == 1:
        return str(next(iter(facts.values())))
    return ", ".join(f"{name}: {value}" for name, value in facts.items())


def _embedding(member: Member) -> str:
    kept = f"{member.config.model.embedding}, {member.table.embedding_ND.shape[1]:,} numbers"
    if member.training is None:
        return kept
    tuned = f"tuned, {member.model.outputs.last:,} numbers"
    return tuned if member.training.share is None else f"{kept}, and {tuned}"
