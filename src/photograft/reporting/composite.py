"""What the report is told about factors, folds, members and small classes, and their sections of report.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from photograft.evaluation.adjustment import BalanceEffect
from photograft.evaluation.folds import FoldScores, mean_and_spread
from photograft.metrics.confusion import confusion_matrix, score_classes
from photograft.values import ClassScores, Evaluation, Predictions

_OF_LABELS = ("average_precision", "threshold")


@dataclass(frozen=True)
class MemberFacts:
    """One of the models that predict together.

    `targets` are what it predicts, and `weights` how much it counts for each, the members of a target together 1.
    `accuracy`, `macro_f1` and `log_loss` are those of the member alone, on the photos of the headline: of all targets
    together, or of its own where it predicts one; None where they were not taken. `ms_per_photo` is its time.
    """

    name: str
    backbone: str
    graft: str
    px: int
    views: int
    targets: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    accuracy: float | None = None
    macro_f1: float | None = None
    log_loss: float | None = None
    ms_per_photo: float | None = None


@dataclass(frozen=True)
class Gain:
    """All members against the `best` single one that predicts everything, on the same `n` photos.

    `what` names the photos like `Evaluation.what`. `low` and `high` are the 95 % interval of the difference of the
    accuracies, all minus single (`photograft.metrics.intervals.paired_difference`). Times are per photo.
    """

    best: str
    what: str
    n: int
    accuracy: float
    single_accuracy: float
    low: float
    high: float
    log_loss: float
    single_log_loss: float
    ms_per_photo: float | None = None
    single_ms_per_photo: float | None = None


@dataclass(frozen=True)
class EnsembleFacts:
    """The members, and what they gain together; None where no member predicts everything (a model per factor)."""

    members: Sequence[MemberFacts]
    gain: Gain | None = None


@dataclass(frozen=True)
class SmallClass:
    """A class of the smaller half: its judged photos, and the share of them that was found without and with help."""

    name: str
    support: int
    recall_before: float
    recall_after: float


@dataclass(frozen=True)
class BalanceFacts:
    """What was done for small classes, and what it did to the same `n` photos; `what` names them.

    `balance` is the setting of the weights, "" where there were none ("age: balanced" where only a factor has them),
    `power` that of the logit adjustment, 0 for none. `small` are the classes of the smaller half, the smallest first.
    """

    what: str
    n: int
    balance: str
    power: float
    effect: BalanceEffect
    small: Sequence[SmallClass]


def balance_facts(
    before: Predictions, after: Predictions, effect: BalanceEffect, *, what: str, balance: str, power: float
) -> BalanceFacts:
    """Gather `BalanceFacts` of predictions of the same photos, without and with what was done for small classes.

    Photos without a prediction or a known label do not count; `effect` must be that of the same photos.
    """
    row_N = np.flatnonzero(before.ok_N & after.ok_N & (before.label_N >= 0))
    scores = [
        score_classes(
            confusion_matrix(each.label_N[row_N], each.best_N[row_N], n_classes=len(each.classes)), each.classes
        )
        for each in (before, after)
    ]
    small = [
        SmallClass(old.name, old.support, old.recall or 0.0, new.recall or 0.0)
        for old, new in ((scores[0][k], scores[1][k]) for k in effect.small_classes)
    ]
    return BalanceFacts(what, len(row_N), balance, power, effect, small)


def class_row(scores: ClassScores) -> dict[str, Any]:
    """The scores of a class as every JSON output has them: with what several labels need where there are such."""
    row = asdict(scores)
    return row if scores.threshold is not None else {k: row[k] for k in row if k not in _OF_LABELS}


def factor_document(name: str, factor: Evaluation, joint: Evaluation) -> dict[str, Any]:
    """A factor as report.json has it; `share_of_mistakes` are the photos with a wrong class that have it wrong too."""
    wrong = {mistake.path for mistake in factor.mistakes}
    with_joint = sum(mistake.path in wrong for mistake in joint.mistakes)
    return {
        "name": name,
        "classes": factor.classes,
        "scores": factor.scores,
        "per_class": [class_row(scores) for scores in factor.per_class],
        "confusion": factor.confusion_KK,
        "confused_pairs": [{"label": a, "predicted": b, "n": n} for a, b, n in factor.confused_pairs],
        "share_of_mistakes": with_joint / len(joint.mistakes) if joint.mistakes else None,
    }


def folds_document(folds: Sequence[FoldScores], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``folds``; nothing without folds. `settings` say what the shipped model was made of."""
    if not folds:
        return {}
    columns = {name: [getattr(fold, name) for fold in folds] for name in ("accuracy", "macro_f1")}
    factors = {name: [fold.factors[name] for fold in folds] for name in folds[0].factors}
    train = settings.get("train", {})
    return {
        "folds": {
            "rows": [asdict(fold) for fold in folds],
            **{name: _spread(values) for name, values in columns.items()},
            "factors": {name: _spread(values) for name, values in factors.items()},
            "shipped": "all" if train.get("on_all") else train.get("refit", "train_val"),
        }
    }


def ensemble_document(ensemble: EnsembleFacts | None) -> dict[str, Any]:
    """The section ``ensemble``; nothing for a single model."""
    if ensemble is None:
        return {}
    members = [{**asdict(member), "weights": dict(member.weights)} for member in ensemble.members]
    return {"ensemble": {"members": members, "gain": ensemble.gain and asdict(ensemble.gain)}}


def balance_document(balance: BalanceFacts | None) -> dict[str, Any]:
    """The section ``balance``; nothing where nothing was done for small classes."""
    if balance is None:
        return {}
    effect = {name: value for name, value in asdict(balance.effect).items() if name != "small_classes"}
    told = {name: getattr(balance, name) for name in ("what", "n", "balance", "power")}
    return {"balance": {**told, **effect, "small": [asdict(row) for row in balance.small]}}


def _spread(values: Sequence[float]) -> dict[str, float]:
    mean, spread = mean_and_spread(values)
    return {"mean": mean, "spread": spread}
