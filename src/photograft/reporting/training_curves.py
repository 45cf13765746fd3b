"""Records arranged as curves: which fit is judged, how noisy it is, where it is lowest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from photograft.values import Record


@dataclass(frozen=True)
class Curve:
    """What one fit, or the mean of several, gave at each evaluation on validation photos.

    All sequences have one entry per evaluation: epoch, training loss, validation loss, validation accuracy. `lr` is
    the highest learning rate, `fit` the name of the fit, "fold" for the mean of folds. `best` is where the fit itself
    found its best state; for the mean of folds, where the validation loss is lowest.
    """

    fit: str
    lr: float
    epoch: tuple[float, ...]
    train: tuple[float, ...]
    val: tuple[float, ...]
    accuracy: tuple[float, ...]
    best: int

    @property
    def lowest(self) -> int:
        """Where the validation loss is lowest, the first such place."""
        return min(range(len(self.val)), key=self.val.__getitem__)

    @property
    def noise(self) -> float:
        """How far a validation loss strays from the line between its neighbours, as a standard deviation.

        A difference x[i] - (x[i-1] + x[i+1]) / 2 of independent noise has 1.5 times its variance; the median of its
        size, over 0.6745, is its deviation and is not moved by one spike. A bend of the curve counts as noise
        too, which only makes remarks rarer.
        """
        v = self.val
        strays = [abs(v[i] - (v[i - 1] + v[i + 1]) / 2) for i in range(1, len(v) - 1)]
        return median(strays) / (0.6745 * math.sqrt(1.5)) if strays else 0.0

    @property
    def clear_step(self) -> float:
        """The smallest difference of two stretches of the curve that is more than noise.

        Twice the noise, and more with few evaluations, by which the noise itself is known badly: of curves of 4 to 40
        evaluations that are noise alone, 1 in 30 steps further.
        """
        return 2 * (1 + 4 / max(len(self.val) - 2, 1)) * self.noise

    @property
    def roughness(self) -> float:
        """The noise as a share of the loss; infinite where the loss was no number."""
        if not all(map(math.isfinite, (*self.train, *self.val))):
            return math.inf
        return self.noise / max(median(self.val), 1e-9) if self.val else 0.0


def group_fits(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each fit, in the order in which fits and records come."""
    fits: dict[str, list[Record]] = {}
    for record in records:
        fits.setdefault(record.fit, []).append(record)
    return fits


def judged_curves(records: Sequence[Record]) -> list[Curve]:
    """One curve for each fit that was judged on validation photos; folds are averaged to one.

    The mean of folds is calmer than any of them, and it is what the number of epochs is chosen by. It ends where the
    shortest fold ends.
    """
    fits = {name: [r for r in rows if r.val_loss is not None] for name, rows in group_fits(records).items()}
    folds = [rows for name, rows in fits.items() if name.startswith("fold ") and rows]
    single = [_curve(name, [rows]) for name, rows in fits.items() if rows and not name.startswith("fold ")]
    return [*single, *([_curve("fold", folds)] if folds else [])]


def _curve(fit: str, fits: Sequence[Sequence[Record]]) -> Curve:
    shared = set.intersection(*({record.epoch for record in rows} for rows in fits))
    by_epoch = [[r for rows in fits for r in rows if r.epoch == epoch] for epoch in sorted(shared)]
    train = tuple(fmean(r.train_loss for r in same) for same in by_epoch)
    val = tuple(fmean(math.nan if r.val_loss is None else r.val_loss for r in same) for same in by_epoch)
    accuracy = tuple(fmean(r.val_accuracy or 0.0 for r in same) for same in by_epoch)
    marked = [i for i, same in enumerate(by_epoch) if same[0].best] if len(fits) == 1 else []
    best = marked[-1] if marked else min(range(len(val)), key=val.__getitem__, default=0)
    lr = max(record.lr for rows in fits for record in rows)
    return Curve(fit, lr, tuple(sorted(shared)), train, val, accuracy, best)
