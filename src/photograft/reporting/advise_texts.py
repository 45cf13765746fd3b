"""What `advise` found, as text for the terminal, and the words of its recommendation."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_MOST = 0.7
"""Share of the photos from which on a sample is as good as all of them."""


def advise_text(document: dict[str, Any]) -> str:
    """The measurements, the case, what was tried, and the one recommendation."""
    return "\n".join([*_measurements(document), "", *_case(document), "", *_trials(document), "", *_advice(document)])


def recommendation_reason(policy: str, document: dict[str, Any]) -> str:
    """Why this policy, in a few words."""
    comparisons = {each["against"]: each for each in document["comparisons"]}
    best = document["comparisons"][0]["policy"]
    if policy != best:
        return f"not distinguishable from {best} ({_gain(comparisons[policy])}), and cheaper"
    parts = [f"{_gain(each)} over {name}" for name, each in comparisons.items() if each["low"] > 0]
    if len(parts) < len(comparisons):
        parts.append("the cheapest of those that cannot be told apart")
    return f"best on this sample: {', '.join(parts)}"


def recommendation_note(document: dict[str, Any]) -> str:
    """A word of care where a big set was tried by a small sample of it; else empty."""
    tried, listed = document["sample"]["photos"], document["photos"]["listed"]
    if tried >= _MOST * listed:
        return ""
    return f"{tried:,} of {listed:,} photos were tried: the more there are, the more fine-tuning gains (--minutes N)"


def recommendation_command(photos: Path, policy: str, options: Sequence[str]) -> str:
    """The command that trains by this policy, ready for a shell."""
    return shlex.join(["photograft", "train", str(photos), *options, "--set", f"model.graft={policy}"])


def _measurements(document: dict[str, Any]) -> list[str]:
    photos, found, more = document["photos"], document["separability"], document["more_photos"]
    scenario = document["scenario"]
    read = f", {photos['measured']:,} of them measured" if photos["measured"] < photos["listed"] else ""
    size, likeness = scenario["name"].split(", ")
    near = {"photos per class": "", "kappa": ""} | dict.fromkeys(scenario["near"], "; near the limit")
    fewest, most = _whole(photos["fewest"]), _whole(photos["most"])
    each = most if fewest == most else f"{fewest} to {most}"
    lines = [
        f"{photos['listed']:,} photos{read}, {photos['classes']} classes of {each} different photos; "
        f"{document['backbone']} at {document['px']} px",
        f"Size        {size}: {_whole(photos['per_class'])} photos per class "
        f"(big from {scenario['big_from']}{near['photos per class']})",
        f"Likeness    {likeness}: a head on frozen features has kappa {found['kappa']:.2f} "
        f"({found['kappa_low']:.2f} to {found['kappa_high']:.2f}; similar from {scenario['similar_from']:g}"
        f"{near['kappa']}), accuracy {found['accuracy']:.3f}",
    ]
    if more is not None:
        verdict = "more photos still help" if more["helps"] else "more photos are not seen to help"
        lines.append(
            f"More data   {verdict}: twice as many gave {_points(more['gain'])} points "
            f"({_points(more['low'])} to {_points(more['high'])})"
        )
    return lines


def _case(document: dict[str, Any]) -> list[str]:
    scenario = document["scenario"]
    lines = [f"Case: {scenario['name']} (rules of thumb; the trials below decide). The source systems would:"]
    lines += [f"  {each['system']:<10}{each['does']}" for each in scenario["systems"]]
    return [*lines, f"  {'scratch':<10}{scenario['scratch']}"]


def _trials(document: dict[str, Any]) -> list[str]:
    sample = document["sample"]
    how = "judged by folds" if sample["by"] == "folds" else f"judged by {sample['judged']:,} held out"
    over = "; longer than --minutes, as fewer would tell nothing" if sample["over_time"] else ""
    lines = [f"{'Tried on ' + format(sample['photos'], ',') + ' photos, ' + how + over}"]
    lines.append(f"  {'policy':<10}{'accuracy':<25}{'took':>9}{'all photos':>14}{'memory':>10}")
    for each in document["policies"]:
        interval = f"{each['accuracy']:.3f} ({each['accuracy_low']:.3f} to {each['accuracy_high']:.3f})"
        cost = f"{_time(each['seconds']):>9}{_time(each['full_seconds']):>14}{each['full_peak_mb'] / 1000:>7.1f} GB"
        lines.append(f"  {each['policy']:<10}{interval:<25}{cost}")
    for each in document["comparisons"]:
        told = "" if each["low"] > 0 else ": not distinguishable"
        lines.append(f"  {each['policy']} - {each['against']}: {_gain(each)}{told}")
    return lines


def _advice(document: dict[str, Any]) -> list[str]:
    found = document["recommendation"]
    note = [f"  {found['note']}"] if found["note"] else []
    return [f"Recommended: {found['policy']}, {found['reason']}", *note, f"  {found['command']}"]


def _gain(each: dict[str, Any]) -> str:
    return f"{_points(each['difference'])} points ({_points(each['low'])} to {_points(each['high'])})"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
