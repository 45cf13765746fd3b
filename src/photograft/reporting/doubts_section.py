"""The labels that somebody should look at, as a section of report.json and of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from photograft.reporting.doubts import Doubt
from photograft.reporting.doubts_texts import doubts_texts_in
from photograft.reporting.html import Pictures

SHOWN = 12
_NAMED = 40
"""Photos in report.json: what the page shows, and those among them that it shows as mistakes already."""

_JUDGES_NOT = 0.5
"""Share of photos that are named otherwise than labelled above which the model cannot judge a label."""
_TOO_MANY = 0.2
"""Share of doubted labels that no set of photos with careful labels has: the doubts are the model's mistakes.

On textile photos of which about 5 % had flipped labels, four of five doubts were wrong where 27 % were named otherwise.
"""

_TIE = 0.5  # above this score another class is more probable
_OFTEN = 0.15
"""Share of photos that are named otherwise than labelled from which on most of the doubted labels may be right.

With 5 % of labels flipped, 13 % were on flowers, where two of three doubted labels were flipped ones; on textile
photos, which the model tells apart badly, 27 %, and one of five.
"""


def doubts_document(doubts: Sequence[Doubt], *, several: bool) -> dict[str, Any]:
    """Return the section of report.json.

    Args:
        doubts: the judged photos, most doubtful first.
        several: a photo may have several labels, so that `Doubt.label` is a list.
    """

    def names(label: str) -> list[str]:
        return list(json.loads(label)) if several else [label]

    # Whoever corrects test photos by the model's opinion makes the score too good, so the page does not ask for it.
    learned = [doubt for doubt in doubts if doubt.part != "test"]
    doubted = [doubt for doubt in learned if doubt.doubted]
    return {
        "n": len(learned),
        "doubted": len(doubted),
        "missed": sum(doubt.score > _TIE for doubt in learned),
        "in_test": sum(doubt.doubted for doubt in doubts) - len(doubted),
        "first": [
            {"path": d.path, "labels": names(d.label), "suggested": names(d.suggested), "score": round(d.score, 6)}
            for d in doubted[:_NAMED]
        ],
    }


def judge_doubts(section: Mapping[str, Any]) -> str:
    """Return what the doubts are worth: "none" where there are none, "some", "weak", or "useless"."""
    n, doubted, missed = section["n"], section["doubted"], section["missed"]
    if not doubted:
        return "none"
    if missed > _JUDGES_NOT * n or doubted > _TOO_MANY * n:
        return "useless"
    return "weak" if missed > _OFTEN * n else "some"


def doubt_paths(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the photos that the section shows, most doubtful first; none in a report without it."""
    section = report.get("label_doubts")
    return () if section is None else tuple(item["path"] for item in _shown(report, section))


def doubted_mistakes(report: Mapping[str, Any]) -> frozenset[str]:
    """Paths of the photos shown as mistakes whose label is doubted as well; none where the doubts are worth nothing."""
    section = report.get("label_doubts")
    if section is None or judge_doubts(section) == "useless":
        return frozenset()
    return _mistakes(report) & {item["path"] for item in section["first"]}


def show_doubts(
    report: Mapping[str, Any], thumbnails: Mapping[str, bytes], pictures: Pictures
) -> dict[str, Any] | None:
    """Return what the section shows; None in a report without it."""
    section = report.get("label_doubts")
    if section is None:
        return None
    texts = doubts_texts_in(report["language"])
    n, doubted, key = section["n"], section["doubted"], judge_doubts(section)
    shown, elsewhere = _shown(report, section), len(doubted_mistakes(report))
    said = {
        "of": n,
        "share": texts.percent(doubted / max(n, 1)),
        "missed": texts.percent(section["missed"] / max(n, 1), 0),
    }
    return {
        "texts": texts,
        "heading": texts.say("doubts" if key in ("some", "weak") else "doubts.open"),
        "sentence": texts.say(f"doubts.{key}", n=doubted, **said),
        "in_test": texts.say("doubts.test", n=section["in_test"]) if section["in_test"] and key != "useless" else "",
        "elsewhere": texts.say("doubts.elsewhere.all" if elsewhere == doubted else "doubts.elsewhere", n=elsewhere)
        if elsewhere
        else "",
        "lead": texts.say("doubts.others" if elsewhere else "doubts.first", n=len(shown))
        if shown and doubted > len(shown)
        else "",
        "useful": key in ("some", "weak"),
        "rows": [
            {
                "path": item["path"],
                "label": ", ".join(item["labels"]) or texts.say("doubts.without"),
                "suggested": ", ".join(item["suggested"]) or texts.say("doubts.without"),
                "picture": pictures.address(thumbnails.get(item["path"], b"")),
            }
            for item in shown
        ],
    }


def _shown(report: Mapping[str, Any], section: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The first doubted photos, without those that the page shows as mistakes: nobody looks at a photo twice."""
    if judge_doubts(section) == "useless":
        return []
    mistakes = _mistakes(report)
    return [item for item in section["first"] if item["path"] not in mistakes][:SHOWN]


def _mistakes(report: Mapping[str, Any]) -> frozenset[str]:
    every = report["evaluations"][0]["mistakes"][: report["worst"]] if report["evaluations"] else ()
    return frozenset(mistake["path"] for mistake in every)
