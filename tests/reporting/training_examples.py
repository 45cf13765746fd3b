"""Made-up fine-tuning for the tests of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from photograft.config.augment import AugmentConfig
from photograft.reporting.training import BoundaryFacts, LinearComparison, Training
from photograft.values import Layer, Record, Summary

TRAIN_LOSS = (0.45, 0.21, 0.09, 0.035, 0.012, 0.006, 0.003, 0.002)
VAL_LOSS = (0.19, 0.183, 0.176, 0.18, 0.184, 0.185, 0.186, 0.187)
ACCURACY = (0.934, 0.938, 0.943, 0.945, 0.946, 0.947, 0.948, 0.948)


def make_records(
    train: Sequence[float] = TRAIN_LOSS,
    val: Sequence[float | None] = VAL_LOSS,
    accuracy: Sequence[float] = ACCURACY,
    *,
    fit: str = "train",
    lr: float = 4e-4,
) -> list[Record]:
    """One record per epoch; accuracy is cut or held at its last value where it is shorter than the losses."""
    held = [*accuracy, *[accuracy[-1]] * len(train)]
    records, best = [], float("inf")
    for i, (train_loss, val_loss) in enumerate(zip(train, val, strict=True)):
        is_best = val_loss is not None and val_loss < best
        best = val_loss if val_loss is not None and is_best else best
        right = None if val_loss is None else held[i]
        records.append(Record(fit, i + 1.0, 30 * (i + 1), lr, train_loss, val_loss, right, 26.0 * (i + 1), is_best))
    return records


def make_refit() -> list[Record]:
    return make_records([1.1 * loss for loss in TRAIN_LOSS[:3]], [None] * 3, fit="refit")


def make_summary() -> Summary:
    """A small network that is cut in its middle; counts differ from layer to layer."""
    layers = [
        Layer("conv_stem", "Conv2d", (32, 112, 112), 864, 0, True),
        Layer("bn1", "BatchNormAct2d", (32, 112, 112), 64, 64, True),
        Layer("blocks.4.0.conv_pw", "Conv2d", (672, 14, 14), 75_264, 0, True),
        Layer("blocks.5.0.conv_pw", "Conv2d", (672, 14, 14), 150_528, 0, False, 4e-4),
        Layer("blocks.5.0.bn1", "BatchNormAct2d", (672, 14, 14), 1_344, 1_344, False, 4e-4),
        Layer("head", "Linear", (5,), 10_645, 0, False, 1e-3),
    ]
    return Summary("blocks:2", "blocks.5", "frozen", tuple(layers))


def make_members() -> dict[str, Training]:
    """Two members, whose fits are named after them: one judged on validation photos, one by two folds."""
    held = [replace(record, fit=f"나이, {record.fit}") for record in (*make_records(), *make_refit())]
    folds = [record for i in (1, 2) for record in make_records(fit=f"<b>gender</b>, fold {i}")]
    return {"나이": make_training(records=held), "<b>gender</b>": make_training(records=folds)}


def make_training(**changes: Any) -> Training:
    arguments: dict[str, Any] = {
        "summary": make_summary(),
        "records": [*make_records(), *make_refit()],
        "epoch": 3.0,
        "seconds": 268.4,
        "augment": AugmentConfig(),
        "boundary": BoundaryFacts(photos=3670, views=6, size_bytes=1_120_000_000, seconds=71.0),
        "linear": LinearComparison(what="test", n=551, tuned=0.949, linear=0.936, low=-0.001, high=0.027),
    }
    return Training(**arguments | changes)
