"""Made-up runs over factors, and with several labels per photo, for the tests of scores and of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from photograft.evaluation.adjustment import balance_effect
from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.folds import fold_scores
from photograft.metrics import links
from photograft.reporting.composite import BalanceFacts, EnsembleFacts, Gain, MemberFacts, balance_facts
from photograft.values import Manifest, Photo, Predictions

from .examples import make_report

FACTORS: dict[str, tuple[str, ...]] = {
    "마스크": ("incorrect", "none", "wear"),
    "gender": ("female", "male"),
    "나이": ("<30", "30-60", ">=60"),
}
SEPARATION = {"마스크": 8.0, "gender": 4.0, "나이": 1.5}
LABELS = ("boat", "sea", "하늘", "<b>dog</b>")


def predict_factors(n: int, *, factors: Mapping[str, tuple[str, ...]] | None = None, seed: int = 0) -> Predictions:
    """Predictions of every factor, and of all combinations; the last value of a factor is the rarest."""
    rng, factors = np.random.default_rng(seed), factors or FACTORS
    parts, labels = [], []
    for name, values in factors.items():
        share = np.arange(len(values), 0, -1.0)
        label_N = rng.choice(len(values), size=n, p=share / share.sum())
        logits_NK = rng.normal(size=(n, len(values)))
        logits_NK[np.arange(n), label_N] += SEPARATION.get(name, 2.0)
        parts.append(np.exp(logits_NK) / np.exp(logits_NK).sum(axis=1, keepdims=True))
        labels.append(label_N.astype(np.int64))
    classes = tuple(" | ".join(values) for values in product(*factors.values()))
    paths, ok = tuple(f"얼굴/{i}.jpg" for i in range(n)), ("ok",) * n
    each = tuple(
        (name, Predictions(paths, values, part, label_N, ok, ("",) * n))
        for (name, values), part, label_N in zip(factors.items(), parts, labels, strict=True)
    )
    joint_N = np.ravel_multi_index(labels, [len(values) for values in factors.values()]).astype(np.int64)
    return Predictions(paths, classes, links.product(parts), joint_N, ok, ("",) * n, factors=each)


def predict_labels(n: int, *, labels: Sequence[str] = LABELS, seed: int = 0) -> Predictions:
    """Predictions of several labels; the later, the rarer."""
    rng = np.random.default_rng(seed)
    member_NK = rng.random((n, len(labels))) < 0.5 / np.arange(1, len(labels) + 1)
    p_NK = 1 / (1 + np.exp(-rng.normal(np.where(member_NK, 1.5, -1.5), 1.2)))
    threshold_K = np.linspace(0.5, 0.3, len(labels))
    paths, unknown = tuple(f"사진 {i}.jpg" for i in range(n)), np.full(n, -1, dtype=np.int64)
    return Predictions(paths, tuple(labels), p_NK, unknown, ("ok",) * n, ("",) * n, member_NK, threshold_K)


def make_factor_report(n: int = 600, **changes: Any) -> dict[str, Any]:
    """The document of a run over factors with folds and members."""
    predictions = predict_factors(n)
    photos = [
        Photo(path, label=predictions.classes[label])
        for path, label in zip(predictions.paths, predictions.label_N, strict=True)
    ]
    arguments: dict[str, Any] = {
        "evaluations": [evaluate(predictions, what="out-of-fold")],
        "manifest": Manifest(Path("faces"), tuple(photos)),
        "folds": fold_scores(predictions, np.arange(n) % 5),
        "ensemble": make_ensemble(),
        "balance": make_balance(predictions),
        "temperature": {"마스크": 1.1, "gender": 0.93, "나이": 1.3},
        "settings": {"model": {"labels": "heads"}, "train": {"refit": "folds", "balance": "none"}},
        **changes,
    }
    return make_report(tuple(predictions.classes), n, what="out-of-fold", **arguments)


def make_labels_report(n: int = 400, *, labels: Sequence[str] = LABELS, **changes: Any) -> dict[str, Any]:
    """The document of a run with several labels per photo."""
    predictions = predict_labels(n, labels=labels)
    assert predictions.member_NK is not None
    photos = [
        Photo(path, labels=tuple(np.array(labels)[has_K].tolist()))
        for path, has_K in zip(predictions.paths, predictions.member_NK, strict=True)
    ]
    arguments: dict[str, Any] = {
        "evaluations": [evaluate(predictions, what="test")],
        "manifest": Manifest(Path("photos"), tuple(photos)),
        **changes,
    }
    return make_report(tuple(labels), n, **arguments)


def make_balance(before: Predictions, *, power: float = 1.0) -> BalanceFacts:
    """As if probabilities were divided by the classes' shares of these photos."""
    share_K = np.bincount(before.label_N, minlength=len(before.classes)) / len(before.label_N)
    after_NK = links.adjust(before.probabilities_NK, share_K, power=power)
    effect = balance_effect(before.probabilities_NK, after_NK, before.label_N, np.arange(len(after_NK)))
    after = replace(before, probabilities_NK=after_NK)
    return balance_facts(before, after, effect, what="out-of-fold", balance="", power=power)


def make_ensemble(*, low: float = 0.003, high: float = 0.025) -> EnsembleFacts:
    targets = tuple(FACTORS)
    return EnsembleFacts(
        (
            MemberFacts(
                "first", "efficientnet-lite0", "head", 320, 2, targets, dict.fromkeys(targets, 0.6),
                accuracy=0.601, macro_f1=0.551, log_loss=1.02, ms_per_photo=20.0,
            ),
            MemberFacts(
                "vit", "timm:vit_small_patch14_dinov2.lvd142m", "blocks:2", 224, 1, targets,
                {"마스크": 0.2, "gender": 0.4, "나이": 0.55},
                accuracy=0.58, macro_f1=0.52, log_loss=1.1, ms_per_photo=32.0,
            ),
        ),
        Gain("first", "out-of-fold", 600, 0.615, 0.601, low, high, 0.97, 1.02, 52.0, 20.0),
    )  # fmt: skip
