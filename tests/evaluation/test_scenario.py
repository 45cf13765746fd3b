from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from photograft.errors import DataError
from photograft.evaluation.paired import Judged
from photograft.evaluation.scenario import BIG_FROM, SIMILAR_FROM, SYSTEMS, Trial, choose_policy, find_scenario


@pytest.mark.parametrize(
    ("per_class", "kappa", "name", "policies"),
    [
        (20, 0.95, "small, similar", ("head", "blocks:2")),
        (BIG_FROM - 1, SIMILAR_FROM, "small, similar", ("head", "blocks:2")),
        (20, 0.3, "small, different", ("head", "blocks:4")),
        (BIG_FROM, 0.9, "big, similar", ("head", "blocks:2")),
        (5000, SIMILAR_FROM - 0.01, "big, different", ("blocks:4", "all")),
        (5000, -0.1, "big, different", ("blocks:4", "all")),
    ],
)
def test_cases_and_what_is_tried(per_class: float, kappa: float, name: str, policies: tuple[str, str]) -> None:
    found = find_scenario(per_class=per_class, kappa=kappa, kappa_low=kappa, kappa_high=kappa)
    assert (found.name, found.policies) == (name, policies)
    assert [system for system, _ in found.rules] == list(SYSTEMS)
    assert all(what for _, what in found.rules) and found.scratch.startswith("not tried")


def test_systems_disagree_on_many_similar_photos() -> None:
    rules = dict(find_scenario(per_class=600, kappa=0.9, kappa_low=0.88, kappa_high=0.92).rules)
    assert rules["densenet"] == "fine-tune" and rules["mask"] == "freeze the body, train the head"


@pytest.mark.parametrize(
    ("per_class", "low", "high", "near"),
    [(587, 0.88, 0.93, ("photos per class",)), (50, 0.7, 0.85, ("kappa",)), (50, 0.9, 0.95, ())],
)
def test_measurements_near_their_limit_are_named(
    per_class: float, low: float, high: float, near: Sequence[str]
) -> None:
    assert find_scenario(per_class=per_class, kappa=(low + high) / 2, kappa_low=low, kappa_high=high).near == near


def trial(policy: str, n_right: int, seconds: float, *, n: int = 400) -> Trial:
    """A policy that has the first photos right."""
    keys, labels = tuple(map(str, range(n))), ("a", "b") * (n // 2)
    other = {"a": "b", "b": "a"}
    predicted = tuple(label if i < n_right else other[label] for i, label in enumerate(labels))
    return Trial(Judged(policy, ("a", "b"), keys, labels, predicted, np.full(n, -1)), seconds)


def test_the_better_one_wins_where_it_is_clearly_better() -> None:
    chosen, (comparison,) = choose_policy([trial("head", 320, 5), trial("all", 380, 500)])
    assert chosen == "all" and (comparison.a, comparison.b) == ("all", "head")
    assert comparison.low > 0 and comparison.difference == pytest.approx(0.15)


def test_the_cheaper_one_wins_where_chance_could_be_the_reason() -> None:
    chosen, (comparison,) = choose_policy([trial("all", 381, 500), trial("head", 380, 5)])
    assert chosen == "head" and comparison.low <= 0


def test_a_third_one_may_be_cheap_and_beaten() -> None:
    trials = [trial("all", 381, 500), trial("head", 300, 5), trial("blocks:2", 380, 60)]
    chosen, comparisons = choose_policy(trials)
    assert chosen == "blocks:2" and [each.b for each in comparisons] == ["head", "blocks:2"]


def test_of_equal_ones_the_cheaper_counts_as_the_best() -> None:
    assert choose_policy([trial("all", 380, 500), trial("head", 380, 5)])[0] == "head"


def test_few_photos_are_refused() -> None:
    with pytest.raises(DataError, match="fewer than 20"):
        choose_policy([trial("head", 5, 5, n=10), trial("all", 6, 9, n=10)])
