"""Several tests at once: with twenty of them, one is expected to stand out by chance alone."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05
"""What a corrected p has to be below for a difference to count as more than chance."""


def holm(p_M: Sequence[float]) -> list[float]:
    """The M p values corrected, so that naming those below a level names even one by chance no oftener than that level.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [1.0] * len(p_M)
    so_far = 0.0
    for rank, i in enumerate(sorted(range(len(p_M)), key=lambda i: p_M[i])):
        so_far = max(so_far, min(1.0, (len(p_M) - rank) * p_M[i]))
        corrected[i] = so_far
    return corrected
