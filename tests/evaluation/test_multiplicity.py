"""Several tests at once."""

from __future__ import annotations

import pytest

from photograft.evaluation.multiplicity import holm


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
    ],
)
def test_agrees_with_numbers_done_by_hand(given: list[float], corrected: list[float]) -> None:
    assert holm(given) == pytest.approx(corrected)
