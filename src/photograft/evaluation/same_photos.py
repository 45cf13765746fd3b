"""Which photos two models both judged: only on the same photos, with the same labels, are two scores comparable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.evaluation.paired import Judged


@dataclass(frozen=True)
class Overlap:
    """How many photos two models judged, how many of them are the same, and of these have another label."""

    n_a: int
    n_b: int
    shared: int
    relabelled: int

    @property
    def identical(self) -> bool:
        """Whether both judged the same photos under the same labels."""
        return self.n_a == self.n_b == self.shared and not self.relabelled


def find_overlap(a: Judged, b: Judged) -> Overlap:
    """Count the photos that both judged, by content."""
    label_of = dict(zip(b.keys, b.labels, strict=True))
    both = [(label, label_of[key]) for key, label in zip(a.keys, a.labels, strict=True) if key in label_of]
    return Overlap(len(a.keys), len(b.keys), len(both), sum(one != other for one, other in both))


def keep_shared(a: Judged, b: Judged) -> tuple[Judged, Judged]:
    """Both on the photos alone that they share under the same label."""
    same = set(zip(a.keys, a.labels, strict=True)) & set(zip(b.keys, b.labels, strict=True))
    return _keep(a, same), _keep(b, same)


def _keep(judged: Judged, same: set[tuple[str, str]]) -> Judged:
    rows = [i for i, photo in enumerate(zip(judged.keys, judged.labels, strict=True)) if photo in same]
    return Judged(
        name=judged.name,
        classes=judged.classes,
        keys=tuple(judged.keys[i] for i in rows),
        labels=tuple(judged.labels[i] for i in rows),
        predicted=tuple(judged.predicted[i] for i in rows),
        group_N=judged.group_N[np.array(rows, dtype=np.int64)],
        sure=tuple(judged.sure[i] for i in rows) if judged.sure else (),
    )
