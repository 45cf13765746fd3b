"""The labels that somebody should look at, as a section of report.json and of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from photograft.reporting.doubts import Doubt
from photograft.reporting.doubts_texts import doubts_texts_in
from photograft.reporting.html import Pictures

SHOWN = 12

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
            for d in doubted[:SHOWN]
        ],
    }


def doubt_paths(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the photos that the section shows, most doubtful first; none in a report without it."""
    return tuple(item["path"] for item in report.get("label_doubts", {}).get("first", ()))


def show_doubts(
    report: Mapping[str, Any], thumbnails: Mapping[str, bytes], pictures: Pictures
) -> dict[str, Any] | None:
    """Return what the section shows; None in a report without it."""
    section = report.get("label_doubts")
    if section is None:
        return None
    texts = doubts_texts_in(report["language"])
    n, doubted = section["n"], section["doubted"]
    key = "none" if not doubted else "weak" if section["missed"] > _OFTEN * n else "some"
    said = {
        "of": n,
        "share": texts.percent(doubted / max(n, 1)),
        "missed": texts.percent(section["missed"] / max(n, 1), 0),
    }
    return {
        "texts": texts,
        "sentence": texts.say(f"doubts.{key}", n=doubted, **said),
        "in_test": texts.say("doubts.test", n=section["in_test"]) if section["in_test"] else "",
        "lead": texts.say("doubts.first", n=len(section["first"])) if doubted > len(section["first"]) else "",
        "doubted": doubted,
        "rows": [
            {
                "path": item["path"],
                "label": ", ".join(item["labels"]) or texts.say("doubts.without"),
                "suggested": ", ".join(item["suggested"]) or texts.say("doubts.without"),
                "picture": pictures.address(thumbnails.get(item["path"], b"")),
            }
            for item in section["first"]
        ],
    }
