"""What to do next where classes are made of factors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from photograft.reporting.composite_texts import composite_texts_in
from photograft.reporting.sentences import join_names

SMALL_COMBINATION = 50  # photos
FAR_BELOW = 0.15  # recall of the smaller half of the classes below that of the larger half
WEAK_RECALL = 0.8
FEW_SMALL = 30  # photos of the smaller half: with fewer its recall is chance


def advise_on_factors(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield at most two sentences: heads where every combination is a class of its own, and balance where it lacks.

    Balance is named for the factor whose small values are found least, and only where none was set.
    """
    evaluation = report["evaluations"][0]
    if "factors" not in evaluation:
        return
    texts, model = composite_texts_in(report["language"]), report["settings"].get("model", {})
    flat = model.get("labels", "flat") == "flat"
    small = sum(0 < row["photos"] < SMALL_COMBINATION for row in report["classes"])
    if flat and small:
        yield texts.say("next.heads", n=small)
    judged = [(None, evaluation["per_class"])]
    if not flat:
        judged = [(factor["name"], factor["per_class"]) for factor in evaluation["factors"]]
    gaps = [
        (large - small, name, small, large)
        for name, classes in judged
        if _is_plain(report["settings"], name) and (halves := recall_by_size(classes))
        for small, large in [halves]
    ]
    gap, name, lower, upper = max(gaps, key=lambda each: each[0], default=(0.0, None, 0.0, 0.0))
    if gap > FAR_BELOW:
        values = {"small": texts.percent(lower, 0), "large": texts.percent(upper, 0)}
        yield (
            texts.say("next.balance", **values)
            if name is None
            else texts.say("next.balance.factor", name=name, **values)
        )


def advise_on_values(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield at most one sentence: the values of factors that are found least; combinations fail by them."""
    weak = sorted(
        (row["recall"], f"{factor['name']}: {row['name']}")
        for factor in report["evaluations"][0]["factors"]
        for row in factor["per_class"]
        if row["support"] >= FEW_SMALL and row["recall"] < WEAK_RECALL
    )
    if weak:
        texts = composite_texts_in(report["language"])
        yield texts.say("next.weak.values", n=len(weak), names=join_names([name for _, name in weak], texts, most=3))


def recall_by_size(classes: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Mean recall of the smaller and of the larger half of the classes; None with too few photos to tell.

    Of an odd number of classes the one in the middle belongs to the larger half.
    """
    judged = sorted((row for row in classes if row["support"]), key=lambda row: row["support"])
    half = len(judged) // 2
    smaller, larger = judged[:half], judged[half:]
    if not half or sum(row["support"] for row in smaller) < FEW_SMALL:
        return None
    small, large = (sum(row["recall"] for row in rows) / len(rows) for rows in (smaller, larger))
    return small, large


def _is_plain(settings: Mapping[str, Any], factor: str | None) -> bool:
    """Whether small classes get no help yet."""
    train = settings.get("train", {})
    own = settings.get("model", {}).get("factors", {}).get(factor, {}).get("balance") if factor else None
    return (own or train.get("balance", "none")) == "none" and not train.get("logit_adjustment")
