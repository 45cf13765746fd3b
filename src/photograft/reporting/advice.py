"""What to do next: a short list from plain rules, the most useful first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from photograft.reporting.composite_advice import WEAK_RECALL, advise_on_factors, advise_on_values
from photograft.reporting.composite_texts import texts_about
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


def advise(report: Mapping[str, Any]) -> list[str]:
    """Return at most six sentences, each a thing to do; one reassuring sentence where no rule applies.

    Rules on the data come before rules on the score, because a wrong label or a leak makes every number doubtful.
    """
    texts = texts_about(report["evaluations"][0] if report["evaluations"] else None, report["language"])
    found = [*_about_data(report, texts), *_about_scores(report, texts), *_about_effort(report, texts)]
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
    small = sorted((row["photos"], row["name"]) for row in report["classes"] if 0 < row["photos"] < SMALL_CLASS)
    if small:
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
    weak = sorted(
        (row["recall"], row["name"])
        for row in evaluation["per_class"]
        if row["recall"] is not None and row["recall"] < WEAK_RECALL
    )
    if "factors" in evaluation:
        yield from advise_on_values(report)
    elif len(weak) > 1:
        yield texts.say("next.weak", n=len(weak), names=join_names([name for _, name in weak], texts, most=3))
    error = calibration_error(evaluation)
    if error > BADLY_CALIBRATED and scores["n"] >= ENOUGH_TO_CALIBRATE and worse_than_chance(evaluation):
        yield texts.say("next.calibration", gap=texts.number(100 * error, 0))


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


def _about_effort(report: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    if report["photos"]["rejected"]:
        yield texts.say("next.rejected", n=report["photos"]["rejected"])
    if report["quality"] == "fast":
        yield texts.say("next.quality")


def _photos_for_interval(accuracy: float, n: int) -> int:
    """Return about how many photos give an interval of ±`TARGET_POINTS`, rounded up to two digits."""
    # A perfect score on few photos says little about the spread: shrink towards one half (Agresti and Coull 1998).
    share = (accuracy * n + 2) / (n + 4)
    exact = share * (1 - share) * (1.96 / (TARGET_POINTS / 100)) ** 2
    step = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return int(math.ceil(exact / step) * step)
