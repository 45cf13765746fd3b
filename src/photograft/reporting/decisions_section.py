"""When the model says that it is unsure or a photo unfamiliar: a section of report.json and of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from photograft.evaluation.decisions import Answers, Unsure, fewest_photos
from photograft.evaluation.unfamiliar import Unfamiliar
from photograft.reporting.decisions_texts import decisions_texts_in
from photograft.reporting.sentences import FEW
from photograft.reporting.svg import RIGHT, draw_svg, draw_text
from photograft.reporting.texts import Texts

Document = Mapping[str, Any]

_SAFE = 300
"""Independent photos below which the limit is clearly on the safe side."""


def decisions_document(
    unsure: Unsure | None,
    answers: Answers | None,
    unfamiliar: Unfamiliar | None,
    *,
    curve: tuple[tuple[float, float, float], ...],
    flagged: float | None,
    familiar: tuple[int, int] | None,
) -> dict[str, Any]:
    """Return the section of report.json.

    Args:
        unsure: how the limit was chosen; None where none was asked for.
        answers: what it does to photos that it was not chosen on.
        unfamiliar: what tells strangers; None where nothing does.
        curve: of the same photos, or of those that the limit was chosen on.
        flagged: share of known photos that may be called unfamiliar.
        familiar: test photos that were called unfamiliar, and of how many.
    """
    section: dict[str, Any] = {"unsure": None, "unfamiliar": None}
    if unsure is not None:
        section["unsure"] = {
            "precision": unsure.precision,
            "min_probability": unsure.min_probability,
            "n": unsure.n,
            "n_effective": unsure.n_effective,
            "answers": None
            if answers is None
            else {"what": answers.what, "n": answers.n, "answered": answers.answered, "right": answers.right},
            "curve": [{"answered": share, "right": right, "probability": p} for share, right, p in curve],
        }
    if unfamiliar is not None:
        section["unfamiliar"] = {
            "limit": unfamiliar.limit,
            "n": unfamiliar.n,
            "flagged": flagged,
            "auroc": _mean([each.auroc for each in unfamiliar.held_out]),
            "classes": [{"name": each.name, "n": each.n, "auroc": each.auroc} for each in unfamiliar.held_out],
            "test": None if familiar is None else {"flagged": familiar[0], "n": familiar[1]},
        }
    return section


def show_decisions(report: Document) -> dict[str, Any] | None:
    """Return what the section shows; None where there is nothing to say."""
    section = report.get("decisions")
    if section is None or (section["unsure"] is None and section["unfamiliar"] is None):
        return None
    texts = decisions_texts_in(report["language"])
    unsure, unfamiliar = section["unsure"], section["unfamiliar"]
    figure = None
    if unsure is not None and unsure["n"] >= FEW and len(unsure["curve"]) > 1:
        figure = Markup(coverage_svg(unsure, texts))
    return {
        "texts": texts,
        "sentence": None if unsure is None else say_answers(unsure, report["language"]),
        "basis": "" if unsure is None else _say_limit(unsure, texts, drawn=figure is not None),
        "figure": figure,
        "strangers": "" if unfamiliar is None else say_strangers(unfamiliar, report["language"]),
    }


def say_answers(unsure: Document, language: str = "en") -> str:
    """Say how many photos are answered, and how many answers are right."""
    texts, answers = decisions_texts_in(language), unsure["answers"]
    wanted = f"{100 * unsure['precision']:.3g}"
    if unsure["min_probability"] is None or answers is None:
        return texts.say("unreachable", n=unsure["n"], wanted=wanted)
    n, answered, right = answers["n"], answers["answered"], answers["right"]
    if not answered:
        return texts.say("answers.none", n=n)
    if n < FEW:
        return texts.say("answers.few", n=n, answered=answered, right=right)
    correct = texts.number(100 * right / answered, 0 if answered < 200 else 1)
    if unsure["min_probability"] == 0:
        return texts.say("answers.all", right=correct, n=n, wanted=wanted)
    if answered == n:
        return texts.say("answers.each", right=correct, n=n)
    shown = texts.number(100 * answered / n, 0)
    return texts.say(
        "answers.test" if answers["what"] == "test" else "answers.other", answered=shown, right=correct, n=n
    )


def say_strangers(unfamiliar: Document, language: str = "en") -> str:
    """Say what is called unfamiliar, and how well the photos of a class are told by what the others look like."""
    texts, test = decisions_texts_in(language), unfamiliar["test"]
    if test is not None and test["n"] >= FEW:
        said = texts.say("strangers.test", flagged=test["flagged"], n=test["n"])
    else:
        said = texts.say("strangers.limit", flagged=f"{100 * unfamiliar['flagged']:.3g}")
    if not unfamiliar["classes"]:
        return f"{said} {texts.say('strangers.none')}"
    return f"{said} {texts.say('strangers', share=texts.number(100 * unfamiliar['auroc'], 0))}"


def coverage_svg(unsure: Document, texts: Texts) -> str:
    """Draw the share of right answers against the share of answered photos, with the limit as a dot."""
    side, height, left, top = 360.0, 200.0, 62.0, 14.0
    points = [(point["answered"], point["right"]) for point in unsure["curve"]]
    lowest = min(min(right for _, right in points), unsure["precision"])
    floor = min(0.9, max(0.0, int(lowest * 10 - 1e-9) / 10))

    def place(answered: float, right: float) -> tuple[float, float]:
        return left + answered * side, top + (1 - right) / (1 - floor) * height

    parts = []
    for tick in range(5):
        share, right = tick / 4, floor + (1 - floor) * tick / 4
        x, y = place(share, right)
        parts.append(f'<path d="M{left:.1f} {y:.1f}h{side:.1f}" stroke="currentColor" stroke-opacity="0.12"/>')
        parts.append(draw_text(x, top + height + 20, f"{share:.0%}", size=12, anchor="middle"))
        parts.append(draw_text(left - 8, y + 4, f"{100 * right:.3g}%", size=12, anchor="end"))
    wanted = place(0, unsure["precision"])[1]
    parts.append(
        f'<path d="M{left:.1f} {wanted:.1f}h{side:.1f}" stroke="currentColor" stroke-opacity="0.6" '
        'stroke-dasharray="5 5"/>'
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(
        f'<polyline points="{line}" fill="none" class="pg-right-line" stroke="{RIGHT}" stroke-width="2.5" '
        'stroke-linejoin="round"/>'
    )
    answers = unsure["answers"]
    if unsure["min_probability"] is not None and answers is not None and answers["answered"]:
        here = answers["answered"] / answers["n"], answers["right"] / answers["answered"]
        x, y = place(here[0], max(here[1], floor))
        said = texts.say("figure.here", answered=texts.percent(here[0], 0), right=texts.percent(here[1]))
        parts.append(
            f'<g><title>{said}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="pg-right" fill="{RIGHT}"/></g>'
        )
        below = y + 24 < top + height
        anchor = "end" if here[0] > 0.6 else "start"
        parts.append(draw_text(x, y + (22 if below else -12), said, size=12, anchor=anchor))
    parts.append(
        draw_text(left + side / 2, top + height + 42, texts.say("figure.answered"), size=12, anchor="middle", soft=True)
    )
    parts.append(
        draw_text(14, top + height / 2, texts.say("figure.correct"), size=12, anchor="middle", soft=True, turn=-90)
    )
    return draw_svg(left + side + 24, top + height + 52, parts, texts.say("figure.coverage"))


def _say_limit(unsure: Document, texts: Texts, *, drawn: bool) -> str:
    """How to read the figure, and what small numbers mean for the limit."""
    wanted, worth = f"{100 * unsure['precision']:.3g}", unsure["n_effective"]
    if unsure["min_probability"] is None:
        fewest = fewest_photos(unsure["precision"])
        few = worth < 2 * fewest
        return texts.say("unreachable.few", fewest=fewest, worth=worth) if few else texts.say("unreachable.wrong")
    if not drawn or unsure["min_probability"] == 0:
        return ""
    answers = unsure["answers"]
    above = answers is not None and answers["right"] > unsure["precision"] * answers["answered"]
    key = "curve" if not above else "curve.few" if worth < _SAFE else "curve.above"
    return texts.say(key, limit=f"{unsure['min_probability']:.2f}", wanted=wanted)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
