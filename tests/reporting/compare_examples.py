"""A comparison of runs as `build_compare` gives it: any number of classes, curves, and names that deceive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config
from photograft.config.written import as_document
from photograft.evaluation.paired import Judged, compare
from photograft.evaluation.paired_classes import compare_classes
from photograft.evaluation.same_photos import find_overlap
from photograft.reporting.compare_document import build_compare
from photograft.reporting.finished_run import FinishedRun
from photograft.reporting.run_pair import OddPhoto, RunPair
from photograft.reporting.training import summary_document
from photograft.values import Manifest, Photo

from .training_examples import make_training

CREATED = "2026-11-22T10:00:00+00:00"


def make_compare(classes: Sequence[str], names: Sequence[str], *, n: int = 8, **options: Any) -> dict[str, Any]:
    """Runs on `n` photos of each class, each run better than the one before; the first is the reference."""
    runs = [_run(name, classes, n, px=64 + 32 * i, epochs=3 * (i % 2)) for i, name in enumerate(names)]
    judged = [_judged(run.name, classes, n, share=min(0.99, 0.4 + 0.25 * i)) for i, run in enumerate(runs)]
    pairs = [
        RunPair(
            comparison=compare(each, judged[0]),
            classes=compare_classes(each, judged[0]),
            overlap=find_overlap(each, judged[0]),
            partly=bool(options.get("shared")),
            only_a=_odd(classes),
            only_b=_odd(classes)[:3],
        )
        for each in judged[1:]
    ]
    return build_compare(runs, pairs, reference=runs[0], created=CREATED, **options)


def _odd(classes: Sequence[str]) -> tuple[OddPhoto, ...]:
    return tuple(OddPhoto(f"sha{i}#0", classes[i % len(classes)], classes[-1], 1 - i / 20) for i in range(12))


def _judged(name: str, classes: Sequence[str], n: int, *, share: float) -> Judged:
    labels = [label for label in classes for _ in range(n)]
    rng = np.random.default_rng(round(100 * share))
    predicted = [label if rng.random() < share else classes[int(rng.integers(len(classes)))] for label in labels]
    keys = tuple(f"sha{i}" for i in range(len(labels)))
    return Judged(name, tuple(classes), keys, tuple(labels), tuple(predicted), np.arange(len(labels)))


def _run(name: str, classes: Sequence[str], n: int, *, px: int, epochs: int) -> FinishedRun:
    scores = {"n": n * len(classes), "accuracy": 0.6, "accuracy_low": 0.52, "accuracy_high": 0.68, "macro_f1": 0.59}
    settings = as_document(Config())
    settings["input"] = settings["input"] | {"px": px}
    records = [
        {"fit": "train", "epoch": float(e), "step": e, "train_loss": 1 / e, "val_loss": 1.2 / e, "val_accuracy": 0.6,
         "lr": 1e-3, "best": e == epochs, "seconds": 1.0}
        for e in range(1, epochs + 1)
    ]  # fmt: skip
    training = {"training": {"summary": summary_document(make_training().summary), "records": records}}
    report = {
        "created": CREATED, "evaluations": [{"what": "test", "classes": list(classes), "scores": scores}],
        "photos": {"used": 5 * n * len(classes)}, "seconds": {"scan": 30.0, "train": 216.0}, "test_openings": 5,
        "model": {"backbone": "efficientnet-lite0", "px": px}, "settings": settings,
        **(training if epochs else {}),
    }  # fmt: skip
    run = FinishedRun(Path("runs") / name, name, report, {"versions": {"photograft": "0.1.0"}, "git": {}})
    photos = tuple(Photo(f"{classes[i % len(classes)]}/{i}.jpg", classes[0], sha256=f"sha{i}") for i in range(12))
    run.__dict__["manifest"] = Manifest(Path("photos"), photos)
    return run
