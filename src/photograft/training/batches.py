"""Which photos make which step of fine-tuning: a function of numbers alone, so that any step can be taken again.

Shape letter: N photos of a fit.
"""

from __future__ import annotations

import hashlib

import numpy as np

from photograft.values import IntArray


def seed_of(*parts: object) -> int:
    """A seed of 63 bits that any of its parts changes: the seed of the settings, the fit's name, epoch, step."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def epoch_order(n_photos: int, *, seed: int, name: str, epoch: int, class_N: IntArray | None = None) -> IntArray:
    """Positions 0 to N - 1 in the order in which an epoch (counted from 0) sees them, shape (N,).

    Each comes once; where `class_N` tells the classes each of these comes equally often (to within one photo), its
    photos in turns, so that a small class is repeated and of a large one another share is seen in every epoch.
    """
    random = np.random.default_rng(seed_of(seed, name, epoch, "order"))
    if class_N is None:
        return random.permutation(n_photos).astype(np.int64)
    classes = random.permutation(np.unique(class_N))
    counts = [len(part) for part in np.array_split(np.arange(n_photos), len(classes))]
    drawn = [_in_turns(np.flatnonzero(class_N == c), n, random) for c, n in zip(classes, counts, strict=True)]
    return random.permutation(np.concatenate(drawn)).astype(np.int64)


def n_epoch_steps(n_photos: int, *, batch_size: int, accumulate: int, smallest: int = 1) -> int:
    """Optimizer steps of one epoch."""
    return min(-(-n_photos // (batch_size * accumulate)), max(n_photos // smallest, 1))


def epoch_steps(order_N: IntArray, *, batch_size: int, accumulate: int, smallest: int = 1) -> list[list[IntArray]]:
    """An epoch cut into steps, each a list of batches: every photo is in one batch.

    Batches are of nearly equal size, at most `batch_size`: a short last batch would move the weights as far as a whole
    one, on the word of a few photos. None has fewer than `smallest` photos (BatchNorm that moves needs two), for which
    a batch may be one photo larger.
    """
    n_steps = n_epoch_steps(len(order_N), batch_size=batch_size, accumulate=accumulate, smallest=smallest)
    steps = np.array_split(order_N, n_steps)
    counts = [min(-(-len(step) // batch_size), max(len(step) // smallest, 1)) for step in steps]
    return [np.array_split(step, count) for step, count in zip(steps, counts, strict=True)]


def _in_turns(position_N: IntArray, n: int, random: np.random.Generator) -> IntArray:
    rounds = [random.permutation(position_N) for _ in range(-(-n // len(position_N)))]
    return np.concatenate([*rounds, position_N[:0]])[:n]
