"""Remarks in words about the curves of fine-tuning, each from a plain rule that noise alone does not fulfil."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np

from photograft.reporting.training_curves import Curve, group_fits, judged_curves
from photograft.reporting.training_texts import training_texts_in
from photograft.values import Record

Remark = tuple[str, dict[str, Any]]
"""Key of a text in `training_texts`, and the values that it is filled in with."""

SHORTEST = 4  # evaluations: with fewer a trend cannot be told from noise
SMALL_RISE = 0.05  # of the validation loss: less changes no answer
SMALL_FALL = 0.02  # over the last quarter: a plateau still falls by a per cent
DIVERGED = 2.0  # times the lowest training loss
DIVERGED_NATS = 0.1  # above the first training loss: so a tiny loss that doubles is no alarm
EARLY = 0.75  # of all epochs: a best state before it means that a quarter of the time bought nothing
UNSTEADY = 0.1  # noise as a share of the validation loss
UNSTEADY_NATS = 0.01  # so that tiny losses, which always look rough, are left alone
STEADIER = 1.5  # times as rough
ROUGH = 0.03  # below this share every curve is smooth to the eye
OTHER_RATE = 2.0  # learning rates closer than this are the same for comparing


def remark(records: Sequence[Record], *, lr: float | None = None) -> list[Remark]:
    """Say what is remarkable about the curves; nothing where nothing is.

    The fit that is judged on validation photos speaks for all, or the mean of the folds. Records of another learning
    rate may be given under a fit name of their own ("train at 0.001"), behind those of the run itself. `lr` is the
    learning rate of the run at its highest, which records need not have met; without it, the highest recorded.

    Rules, in the order of the remarks:
        diverged: A loss was no number, or the training loss ended at twice its lowest and well above its first. Said
            of any fit, and alone, since a ruined curve has no other meaning.
        overfits: The validation loss at the end lies above that around its lowest point, by 5 % and by more than noise
            gives (`Curve.clear_step`), two evaluations or more after it, while the training loss went on falling. Where
            accuracy did not fall, that is said instead: only the probabilities got too bold.
        early: The best state came before three quarters of the epochs, and it does not overfit. Where accuracy was
            higher later on, that is said, and not that fewer epochs would do.
        improving: The last quarter of the evaluations, two at least, lies below as many before it, by 2 % and by more
            than noise gives, and holds the lowest.
        unsteady: The noise is a tenth of the loss, and at least half of the evaluations are turning points.
        steadier: Of two learning rates one gave a curve 1.5 times as rough, and visibly rough.
    """
    records = _at_peak(records, lr)
    curves = judged_curves(records)
    diverged = list(_diverged(records))
    if diverged:
        return [*diverged[:1], *_steadier(curves)]
    if not curves:
        return []
    curve = curves[0]
    found = [*_overfits(curve), *_improving(curve), *_unsteady(curve), *_steadier(curves)]
    return found if any(key.startswith("remark.overfits") for key, _ in found) else [*_early(curve), *found]


def say_remarks(records: Sequence[Record], language: str = "en", *, lr: float | None = None) -> list[str]:
    """Return the remarks as sentences in "en" or "ko"."""
    texts = training_texts_in(language)
    return [texts.say(key, **values) for key, values in remark(records, lr=lr)]


def plain_rate(lr: float) -> str:
    """Return a learning rate as people write it: 0.0004, not 4e-04."""
    return np.format_float_positional(lr, precision=3, unique=True, fractional=False, trim="-")


def _at_peak(records: Sequence[Record], lr: float | None) -> Sequence[Record]:
    if lr is None:
        return records
    own = {record.fit for record in records if record.fit in ("train", "refit") or record.fit.startswith("fold ")}
    return [replace(record, lr=lr) if record.fit in own else record for record in records]


def _diverged(records: Sequence[Record]) -> Iterator[Remark]:
    for fit, rows in group_fits(records).items():
        train = [row.train_loss for row in rows]
        broken = [i for i, row in enumerate(rows) if not _is_finite(row)]
        if not broken and (train[-1] < DIVERGED * min(train) or train[-1] < train[0] + DIVERGED_NATS):
            continue
        first = broken[0] if broken else 1 + min(range(len(train)), key=train.__getitem__)
        lr = max(row.lr for row in rows)
        values = {"fit": fit, "epoch": _epoch(rows[first].epoch), "lr": plain_rate(lr), "tenth": plain_rate(lr / 10)}
        yield "remark.diverged", values


def _is_finite(record: Record) -> bool:
    return math.isfinite(record.train_loss) and (record.val_loss is None or math.isfinite(record.val_loss))


def _overfits(curve: Curve) -> Iterator[Remark]:
    n, low = len(curve.val), curve.lowest
    if n < SHORTEST or n - 1 - low < 2:
        return
    # The lowest of noisy values is low by luck: its neighbours say where the curve was.
    last = max(2, (n - 1 - low) // 2)
    bottom, end = fmean(curve.val[max(low - 1, 0) : low + 2]), fmean(curve.val[-last:])
    rises = end - bottom > max(SMALL_RISE * bottom, curve.clear_step)
    if rises and curve.train[-1] < curve.train[low]:
        bold = fmean(curve.accuracy[-last:]) >= curve.accuracy[low]
        values = {"epoch": _epoch(curve.epoch[low + 1]), "low": f"{curve.val[low]:.3g}", "end": f"{end:.3g}"}
        yield "remark.overfits.bold" if bold else "remark.overfits", values


def _improving(curve: Curve) -> Iterator[Remark]:
    n = len(curve.val)
    if n < SHORTEST:
        return
    last = max(2, n // 4)
    before, end = fmean(curve.val[-2 * last : -last]), fmean(curve.val[-last:])
    if before - end > max(SMALL_FALL * before, curve.clear_step) and curve.lowest >= n - last:
        yield "remark.improving", {"before": f"{before:.3g}", "end": f"{end:.3g}"}


def _early(curve: Curve) -> Iterator[Remark]:
    best, last = curve.epoch[curve.best], curve.epoch[-1]
    if len(curve.val) < SHORTEST or best >= EARLY * last:
        return
    values = {"epoch": _epoch(best), "last": _epoch(last)}
    highest = max(range(curve.best, len(curve.accuracy)), key=curve.accuracy.__getitem__)
    if curve.accuracy[highest] > curve.accuracy[curve.best]:
        yield "remark.early.accuracy", {**values, "other": _epoch(curve.epoch[highest])}
    else:
        yield "remark.early", values


def _unsteady(curve: Curve) -> Iterator[Remark]:
    steps = [b - a for a, b in pairwise(curve.val)]
    turns = sum(a * b < 0 for a, b in pairwise(steps))
    rough = curve.roughness > UNSTEADY and curve.noise > UNSTEADY_NATS
    if len(curve.val) > SHORTEST and rough and 2 * turns >= len(steps) - 1:
        yield "remark.unsteady", {"noise": f"{curve.noise:.2g}", "lr": plain_rate(curve.lr)}


def _steadier(curves: Sequence[Curve]) -> Iterator[Remark]:
    for other in curves[1:]:
        steady, rough = sorted((curves[0], other), key=lambda curve: curve.roughness)
        apart = max(steady.lr, rough.lr) >= OTHER_RATE * min(steady.lr, rough.lr)
        long = min(len(steady.val), len(rough.val)) >= SHORTEST or math.isinf(rough.roughness)
        rougher = rough.roughness > ROUGH and rough.roughness >= STEADIER * steady.roughness
        if apart and long and rougher and math.isfinite(steady.roughness):
            yield "remark.steadier", {"steady": plain_rate(steady.lr), "rough": plain_rate(rough.lr)}


def _epoch(epoch: float) -> str:
    return f"{epoch:.4g}"
