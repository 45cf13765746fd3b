"""Under a mistake on the page: where the evidence for the wrong answer is, and the training photos most like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from photograft.reporting.clean import clean_text
from photograft.reporting.explain_texts import explain_texts_in
from photograft.reporting.html import Pictures


@dataclass(frozen=True)
class Alike:
    """A training photo that is like a mistake: its name, its label or labels, and a small JPEG file, maybe empty."""

    name: str
    label: str
    jpeg: bytes


@dataclass(frozen=True)
class MistakeWhy:
    """What is shown under a mistake: the heat map of what spoke for `answer` as a JPEG file, and the nearest photos."""

    answer: str
    heat: bytes
    alike: tuple[Alike, ...] = ()


def show_why(
    shown: Sequence[Mapping[str, Any]], whys: Mapping[str, MistakeWhy], pictures: Pictures, *, language: str
) -> list[dict[str, Any]]:
    """The mistakes with what is shown under them (`why`, None where nothing is), and its texts."""
    texts = explain_texts_in(language)
    rows = []
    for mistake in shown:
        why = whys.get(mistake["path"])
        rows.append({**mistake, "why": None})
        if why is None or not (heat := pictures.address(why.heat)):
            continue
        answer = clean_text(why.answer)
        rows[-1]["why"] = {
            "summary": texts.say("mistakes.why"),
            "heat": heat,
            "caption": texts.say("mistakes.heat", predicted=answer),
            "near": texts.say("mistakes.near"),
            "alike": [
                {
                    "name": clean_text(each.name),
                    "label": clean_text(each.label),
                    "right": clean_text(each.label) == mistake["label"],
                    "picture": pictures.address(each.jpeg),
                }
                for each in why.alike
            ],
        }
    return rows
