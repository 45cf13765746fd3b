"""Example runs for the tests of the report: made-up probabilities, scored by the real evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.slices import evaluate_slices
from photograft.reporting.document import build_report
from photograft.values import Evaluation, Issue, Manifest, Photo, Predictions, Slice, Splits


def make_predictions(classes: Sequence[str], n: int, *, seed: int = 0, empty: int | None = None) -> Predictions:
    """Predictions that are mostly right; no photo belongs to class number `empty`."""
    rng = np.random.default_rng(seed)
    label_N = np.arange(n) % len(classes)
    if empty is not None:
        label_N[label_N == empty] = (empty + 1) % len(classes)
    logits_NK = rng.normal(size=(n, len(classes)))
    logits_NK[np.arange(n), label_N] += 2.5
    p_NK = np.exp(logits_NK)
    p_NK /= p_NK.sum(axis=1, keepdims=True)
    paths = tuple(f"{classes[label]}/photo {i}.jpg" for i, label in enumerate(label_N))
    return Predictions(paths, tuple(classes), p_NK, label_N.astype(np.int64), ("ok",) * n, ("",) * n)


def make_evaluation(classes: Sequence[str], n: int, *, what: str = "test", empty: int | None = None) -> Evaluation:
    return evaluate(make_predictions(classes, n, empty=empty), what=what)


def make_slices(classes: Sequence[str], n: int) -> tuple[Slice, ...]:
    """Slices by camera, of which the old one is clearly worse, and by a hostile column."""
    predictions = make_predictions(classes, n)
    wrong_N = predictions.best_N != predictions.label_N
    cameras = ["낡은 카메라" if wrong or i % 7 == 0 else "new <b>" for i, wrong in enumerate(wrong_N)]
    values = {"camera": cameras, "<script>place": [f"place {i % 23}" for i in range(n)]}
    return evaluate_slices(predictions, values)


def make_report(
    classes: Sequence[str],
    n: int = 200,
    *,
    what: str = "test",
    empty: int | None = None,
    issues: Sequence[Issue] = (),
    rejected: Sequence[Photo] = (),
    leaked: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """The document of a run whose only photos are those judged."""
    predictions = make_predictions(classes, n, empty=empty)
    photos = [
        Photo(path, label=classes[label]) for path, label in zip(predictions.paths, predictions.label_N, strict=True)
    ]
    if empty is not None:
        photos.append(Photo(f"{classes[empty]}/x.jpg", label=classes[empty], verdict="empty", reason="0 bytes"))
    splits = Splits(
        part_N=np.full(n, "test" if what == "test" else "train"),
        fold_N=np.full(n, -1, dtype=np.int64),
        group_N=np.arange(n),
        leaked_N=np.arange(n) < leaked,
        n_folds=5,
        statement="No known duplicate stands on both sides of the split; 37 groups of duplicates were kept together.",
        duplicate_N=np.arange(n),
        repeats_RN=np.empty((0, n), dtype=np.int64),
    )
    arguments: dict[str, Any] = {
        "run": "2026-01-02-example",
        "created": "2026-01-02T03:04:05+09:00",
        "evaluations": [make_evaluation(classes, n, what=what, empty=empty)],
        "manifest": Manifest(Path("photos"), (*photos, *rejected)),
        "splits": splits,
        "issues": issues,
        "test_openings": 1 if what == "test" else 0,
        "temperature": 1.3,
        "model": {"backbone": "efficientnet-lite0", "licence": "Apache-2.0", "px": 320, "views": ["plain", "flipped"]},
        "settings": {"split": {"seed": 0, "test": 0.15}},
        "reasons": {"split.test": "auto: 1,500 photos, at least 1,500"},
        "versions": {"photograft": "0.1.0"},
        "seconds": {"scan": 1.25},
    }
    return build_report(**(arguments | changes))
