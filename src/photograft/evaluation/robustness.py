"""How much accuracy is lost where photos are made worse, cut into patches, drawn as outlines or not turned upright.

Every change is compared with the same photos unchanged, so that photos count as pairs: see `paired_difference`.

Shape letters: N photos, V variants of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.data.corruptions import KINDS, STRENGTHS, Key, Kind, corrupt, outline, shuffle_patches
from photograft.metrics.intervals import paired_difference
from photograft.values import BoolArray, IntArray, PixelArray

FEWEST = 20
"""Photos below which nothing is said: one of them is five points of accuracy."""

UNCHANGED, SHUFFLED, OUTLINED, UNREAD = "unchanged", "shuffled", "outlined", "unread"

VARIANTS: tuple[str, ...] = (
    UNCHANGED,
    *(f"{kind} {strength}" for kind in KINDS for strength in STRENGTHS),
    SHUFFLED,
    OUTLINED,
    UNREAD,
)
"""What a photo is looked at as: itself, under every corruption, in patches, as outlines, and turned by 90, 180 or 270
degrees as if its EXIF orientation were not read."""


@dataclass(frozen=True)
class Effect:
    """The accuracy under a change, and what it costs against the same photos unchanged, with its 95 % interval."""

    accuracy: float
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class Robustness:
    """What `n` photos say; all shares lie in 0..1.

    `corruptions` are by kind and strength. `texture` is the accuracy in patches minus that of outlines, with its
    interval: above 0 where colour and texture carry more than shape.
    """

    n: int
    accuracy: float
    corruptions: dict[tuple[Kind, int], Effect]
    shuffled: Effect
    outlined: Effect
    texture: tuple[float, float, float]
    unread: Effect


def vary(pixels_HWC: PixelArray, key: Key) -> Iterator[PixelArray]:
    """The photo as each of `VARIANTS`."""
    yield pixels_HWC
    for kind in KINDS:
        for strength in STRENGTHS:
            yield corrupt(pixels_HWC, kind, strength, key=key)
    yield shuffle_patches(pixels_HWC, key=key)
    yield outline(pixels_HWC)
    yield np.rot90(pixels_HWC, 1 + sum(key) % 3)


def judge_robustness(right_NV: BoolArray, group_N: IntArray) -> Robustness:
    """What follows from which photo is right as which of `VARIANTS`.

    Args:
        right_NV: One row per photo, at least one; columns as `VARIANTS`.
        group_N: Group number per photo; a negative number means a photo of its own.
    """
    column = {name: right_NV[:, v] for v, name in enumerate(VARIANTS)}

    def effect(name: str) -> Effect:
        drop, low, high = paired_difference(column[UNCHANGED], column[name], group_N)
        return Effect(float(column[name].mean()), drop, low, high)

    return Robustness(
        n=len(right_NV),
        accuracy=float(column[UNCHANGED].mean()),
        corruptions={(kind, strength): effect(f"{kind} {strength}") for kind in KINDS for strength in STRENGTHS},
        shuffled=effect(SHUFFLED),
        outlined=effect(OUTLINED),
        texture=paired_difference(column[SHUFFLED], column[OUTLINED], group_N),
        unread=effect(UNREAD),
    )


def draw_evenly(class_N: Sequence[str], *, seed: int) -> list[int]:
    """All photos in an order whose every beginning holds the classes as evenly as there are photos.

    >>> [["a", "a", "a", "b"][i] for i in draw_evenly(["a", "a", "a", "b"], seed=1)]
    ['a', 'b', 'a', 'a']
    """
    rng = np.random.default_rng(seed)
    turn_N = np.zeros(len(class_N), dtype=np.int64)
    taken: defaultdict[str, int] = defaultdict(int)
    shuffled_N = rng.permutation(len(class_N))
    for row in shuffled_N:
        turn_N[row] = taken[class_N[row]]
        taken[class_N[row]] += 1
    # Within a turn in an order of chance, so that no class is always left out.
    return sorted(shuffled_N.tolist(), key=lambda row: int(turn_N[row]))


def photos_within(seconds: float, cost_s: float, n: int) -> int:
    """How many of `n` photos fit into the time, at the cost of one: all, or a round number of them.

    Round, so that a machine that is a little slower today looks at the same photos.

    >>> [photos_within(30, cost, 736) for cost in (0.01, 0.4, 0.5, 10)]
    [736, 70, 60, 3]
    """
    fit = int(seconds / cost_s) if cost_s > 0 else n
    if fit >= n:
        return n
    step = next((step for least, step in ((500, 100), (200, 50), (100, 25), (40, 10), (20, 5)) if fit >= least), 1)
    return fit // step * step
