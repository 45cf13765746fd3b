"""What to do next: a short list from plain rules, the most useful first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from photograft.reporting.composite_advice import WEAK_RECALL, advise_on_factors, advise_on_values
from photograft.reporting.composite_texts import texts_about
from photograft.reporting.doubts_section import judge_doubts
from photograft.reporting.robustness_section import costliest
from photograft.reporting.robustness_texts import robustness_texts_in
from photograft.reporting.sentences import (
    ENOUGH_TO_CALIBRATE,
    FEW,
    OPENED_OFTEN,
    calibration_error,
    is_clearly_worse,
    join_names,
    worse_than_chance,
)
from photograft.reporting.texts import Texts

MOST = 6  # a longer list is not acted on
SMALL_CLASS = 50
WIDE_POINTS = 4.0  # half the width of the interval, in percentage points
TARGET_POINTS = 2.0
BADLY_CALIBRATED = 0.05
MANY_CLASSES = 4  # from more than these, where most are meant, they are counted and not named
MANY_REJECTED = 0.05  # fewer are told beside the photos alone
KNOWS = 0.8  # a model that names fewer of the known ones rightly has other worries than strangers
HARDLY_STRANGE = 0.9
"""Share of pairs in which the stranger looks stranger, below which nobody should rely on it."""


def advise(report: Mapping[str, Any]) -> list[str]:
    """Return at most six sentences, each a thing to do; one reassuring sentence where no rule applies.

    Rules on the data come before rules on the score, because a wrong label or a leak makes every number doubtful.
    """
    texts = texts_about(report["evaluations"][0] if report["evaluations"] else None, report["language"])
    found = [*_about_data(report, texts), *_about_scores(report, texts), *_about_files(report, texts)]
    return found[:MOST] or [texts.say("next.nothing")]


def _about_data(report: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    conflicts = sum(issue["n"] for issue in report["issues"] if "conflict" in issue["kind"])
    if conflicts:
        yield texts.say("next.conflict", n=conflicts)
    if report["split"]["leaked"]:
        yield texts.say("next.leaked", n=report["split"]["leaked"])
    empty = [row["name"] for row in report["classes"] if not row["photos"]]
    if empty:
        yield texts.say("next.empty", names=join_names(empty, texts))
    doubts = report.get("label_doubts")
    if doubts and (verdict := judge_doubts(doubts)) in ("some", "weak"):
        yield texts.say("next.labels" if verdict == "some" else "next.labels.weak", n=doubts["doubted"])
    if report["quality"] == "fast":
        yield texts.say("next.quality")
    small = sorted((row["photos"], row["name"]) for row in report["classes"] if 0 < row["photos"] < SMALL_CLASS)
    if _are_most(len(small), report["classes"]):
        key = "next.small.all" if len(small) == len(report["classes"]) else "next.small.most"
        yield texts.say(key, n=len(small), of=len(report["classes"]), limit=SMALL_CLASS)
    elif small:
        yield texts.say("next.small", names=join_names([name for _, name in small], texts), n=len(small))


def _about_scores(report: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    if not report["evaluations"] or not report["evaluations"][0]["scores"]["n"]:
        return
    evaluation = report["evaluations"][0]
    scores = evaluation["scores"]
    if report["test_openings"] >= OPENED_OFTEN and evaluation["what"] == "test":
        yield texts.say("next.opened", n=report["test_openings"])
    half_width = 50 * (scores["accuracy_high"] - scores["accuracy_low"])
    if half_width > WIDE_POINTS:
        wanted = _photos_for_interval(scores["accuracy"], scores["n"])
        yield texts.say(
            "next.interval", width=texts.number(half_width, 0), wanted=wanted, target=f"{TARGET_POINTS:.0f}"
        )
    yield from _about_slice(evaluation, texts)
    yield from _about_pair(evaluation, texts)
    yield from advise_on_factors(report)
    yield from _about_worse_photos(report, texts)
    yield from advise_on_values(report) if "factors" in evaluation else _about_weak(report, evaluation, texts)
    yield from _about_strangers(report, evaluation, texts)
    error = calibration_error(evaluation)
    if error > BADLY_CALIBRATED and scores["n"] >= ENOUGH_TO_CALIBRATE and worse_than_chance(evaluation):
        yield texts.say("next.calibration", gap=texts.number(100 * error, 0))


def _about_worse_photos(report: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    worst = costliest(report.get("robustness", {}))
    if worst is not None:
        name = robustness_texts_in(report["language"]).say(f"kind.{worst['kind']}.within")
        points = {"points": worst["drop"], "low": worst["low"], "high": worst["high"]}
        said = {key: texts.number(100 * share, 0) for key, share in points.items()}
        yield texts.say("next.worse", name=name, **said)


def _about_strangers(report: Mapping[str, Any], evaluation: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    if evaluation["scores"]["accuracy"] < KNOWS:
        return
    told = ((report.get("decisions") or {}).get("unfamiliar") or {}).get("auroc")
    if told is not None and told < HARDLY_STRANGE:
        yield texts.say("next.strangers", share=texts.number(100 * told, 0))


def _about_weak(report: Mapping[str, Any], evaluation: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    judged = [row for row in evaluation["per_class"] if row["recall"] is not None]
    weak = sorted((row["recall"], row["name"]) for row in judged if row["recall"] < WEAK_RECALL)
    if _are_most(len(weak), judged):
        if not _are_most(sum(row["photos"] < SMALL_CLASS for row in report["classes"]), report["classes"]):
            yield texts.say("next.weak.most", n=len(weak), of=len(judged))
    elif len(weak) > 1:
        yield texts.say("next.weak", n=len(weak), names=join_names([name for _, name in weak], texts, most=3))


def _are_most(n: int, classes: Sequence[Any]) -> bool:
    """Whether they are more than half of many classes: naming some of them would be arbitrary."""
    return n > MANY_CLASSES and 2 * n > len(classes)


def _about_slice(evaluation: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    accuracy = evaluation["scores"]["accuracy"]
    # Among many small slices one is low by chance; with few photos nothing would be learnt from chasing it.
    enough = [part for part in evaluation.get("slices", ()) if part["n"] >= FEW]
    worse = [part for part in enough if is_clearly_worse(part, evaluation)]
    if not worse:
        return
    # The one that costs most: photos named wrongly beyond what the overall accuracy would give.
    part = max(worse, key=lambda part: part["n"] * (accuracy - part["accuracy"]))
    shares = {"share": part["accuracy"], "low": part["accuracy_low"], "high": part["accuracy_high"], "all": accuracy}
    values = {name: texts.percent(share) for name, share in shares.items()}
    yield texts.say("next.slice", column=part["column"], value=part["value"], n=part["n"], **values)


def _about_pair(evaluation: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    if len(evaluation["classes"]) < 3:
        return  # with two classes every mistake is between these two
    both: Counter[tuple[str, str]] = Counter()
    for pair in evaluation["confused_pairs"]:
        a, b = sorted((pair["label"], pair["predicted"]))
        both[a, b] += pair["n"]
    if not both:
        return
    (a, b), n = both.most_common(1)[0]
    mistakes = len(evaluation["mistakes"])
    if n >= 3 and n >= 0.1 * mistakes:
        yield texts.say("next.pair", a=a, b=b, n=n, all=mistakes)


def _about_files(report: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    rejected = report["photos"]["rejected"]
    if rejected > MANY_REJECTED * report["photos"]["found"]:
        yield texts.say("next.rejected", n=rejected)


def _photos_for_interval(accuracy: float, n: int) -> int:
    """Return about how many photos give an interval of ±`TARGET_POINTS`, rounded up to two digits."""
    # A perfect score on few photos says little about the spread: shrink towards one half (Agresti and Coull 1998).
    share = (accuracy * n + 2) / (n + 4)
    exact = share * (1 - share) * (1.96 / (TARGET_POINTS / 100)) ** 2
    step = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return int(math.ceil(exact / step) * step)
