"""Which of the four cases of transfer learning a set of photos is, what to try there, and which trial to follow.

The cases are large or small, and similar or different to what the network was pretrained on, as the source systems had
them. Where one case ends and the next begins is a rule of thumb; both limits stand here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photograft.evaluation.paired import Comparison, Judged, compare

BIG_FROM = 500
"""Photos per class (the median class) from which a set counts as big.

Below, the blocks behind a usual graft point have hundreds of parameters for every photo, and fine-tuning mostly learns
them by heart; from some hundred photos per class on it gains on most sets. Nothing happens at 500 itself: the trials
decide, the limit only says which ones are run.
"""

SIMILAR_FROM = 0.8
"""Agreement beyond chance (kappa) of a linear head from which the photos count as similar to those of the pretraining.

Where a linear head on frozen features is nearly always right, the network sees what the classes differ in, whatever it
was trained on. 0.81 is where Landis and Koch, "The measurement of observer agreement for categorical data" (1977), let
almost perfect agreement begin. A lower one has two possible reasons that it cannot tell apart: features that do not
fit, or labels that are hard for anybody.
"""

SYSTEMS = ("densenet", "mask", "flowers")
"""The source systems that had a rule, or a habit, for choosing what to train."""

_POLICIES = {
    (False, True): ("head", "blocks:2"),
    (False, False): ("head", "blocks:4"),
    (True, True): ("head", "blocks:2"),  # just where the source systems disagree: freeze, or fine-tune
    (True, False): ("blocks:4", "all"),
}
_RULES = {
    ("densenet", False, True): "train the head only",
    ("densenet", False, False): "train the head only; early layers may serve it better than late ones",
    ("densenet", True, True): "fine-tune",
    ("densenet", True, False): "train close to from scratch, with the pretrained weights as the start",
    ("mask", False, True): "freeze the body, train the head",
    ("mask", False, False): "has no rule; train everything, which is better than nothing",
    ("mask", True, True): "freeze the body, train the head",
    ("mask", True, False): "train body and head",
}
_HABIT = "retrain from the middle of the network on, with changed copies of the photos, in every case"
_NEAR_PHOTOS = 1.25
"""Within this factor of `BIG_FROM` a set is called near the limit."""


@dataclass(frozen=True)
class Scenario:
    """One of the four cases, with the measurements it rests on; `near` says which of them lie near their limit."""

    big: bool
    similar: bool
    per_class: float
    kappa: float
    near: tuple[str, ...]

    @property
    def name(self) -> str:
        """In two words."""
        return f"{'big' if self.big else 'small'}, {'similar' if self.similar else 'different'}"

    @property
    def policies(self) -> tuple[str, str]:
        """The two graft points that are worth trying here, the cheaper one first."""
        return _POLICIES[self.big, self.similar]

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """What each source system would do here: (system, what)."""
        return tuple((name, _RULES.get((name, self.big, self.similar), _HABIT)) for name in SYSTEMS)

    @property
    def scratch(self) -> str:
        """Why random weights are not among the trials."""
        if self.big and not self.similar:
            return "not tried: it takes some thousand photos per class, and pretrained weights are the better start"
        return "not tried: it needs far more photos than there are, or gives up features that fit already"


def find_scenario(*, per_class: float, kappa: float, kappa_low: float, kappa_high: float) -> Scenario:
    """The case of a set with so many photos in its median class, and such agreement of a linear head beyond chance."""
    near = []
    if BIG_FROM / _NEAR_PHOTOS <= per_class < BIG_FROM * _NEAR_PHOTOS:
        near.append("photos per class")
    if kappa_low < SIMILAR_FROM <= kappa_high:
        near.append("kappa")
    return Scenario(per_class >= BIG_FROM, kappa >= SIMILAR_FROM, per_class, kappa, tuple(near))


@dataclass(frozen=True)
class Trial:
    """A policy on the sample: what it said of photos that it had not seen, and what it would cost on all photos."""

    judged: Judged
    full_seconds: float

    @property
    def accuracy(self) -> float:
        """Share of correct photos."""
        right = sum(map(str.__eq__, self.judged.labels, self.judged.predicted))
        return right / len(self.judged.labels)


def choose_policy(trials: Sequence[Trial]) -> tuple[str, tuple[Comparison, ...]]:
    """The name of the policy to follow, and how the best one of the sample compares with each other one.

    The cheapest policy wins of those from which the best one cannot be told apart.

    Raises:
        DataError: they judged too few photos.
    """
    by_cost = sorted(trials, key=lambda trial: trial.full_seconds)
    best = max(by_cost, key=lambda trial: trial.accuracy)  # of equal ones the cheapest
    comparisons = tuple(compare(best.judged, other.judged) for other in by_cost if other is not best)
    beaten = {each.b for each in comparisons if each.low > 0}
    return next(trial.judged.name for trial in by_cost if trial.judged.name not in beaten), comparisons
