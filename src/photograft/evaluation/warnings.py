"""Sentences on what scores leave out, and on what they rest."""

from __future__ import annotations

from photograft.metrics.intervals import effective_n
from photograft.values import IntArray

_WORTH_A_WARNING = 0.97


def warn_left_out(rejected: int, unlabelled: int) -> list[str]:
    """Say how many photos have no score."""
    warnings = []
    if rejected:
        warnings.append(f"{count_photos(rejected)} could not be used and {_is(rejected)} left out of every score.")
    if unlabelled:
        warnings.append(f"{count_photos(unlabelled)} without a known label {_is(unlabelled)} left out of every score.")
    return warnings


def warn_groups(n: int, n_independent: float, duplicate_N: IntArray | None) -> list[str]:
    """Say where `n` photos are worth clearly fewer independent ones."""
    # A handful of duplicates changes no digit of the interval, and a warning that says nothing hides those that do.
    if n_independent > _WORTH_A_WARNING * n:
        return []
    only_duplicates = duplicate_N is None or n_independent >= effective_n(duplicate_N)
    why = "are duplicates of each other" if only_duplicates else "belong to one group, and fare alike"
    return [
        f"Some photos {why}: the {n} photos are worth about {n_independent:.0f} independent ones, and the interval of "
        "the accuracy rests on that number."
    ]


def count_photos(n: int) -> str:
    """Return "1 photo" or "7 photos"."""
    return "1 photo" if n == 1 else f"{n} photos"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"
