"""report.html: one self-contained file that is read without a script and without the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from photograft.reporting.advice import advise
from photograft.reporting.check_texts import check_texts_in
from photograft.reporting.composite_section import show_balance, show_factors, show_folds, show_members
from photograft.reporting.composite_texts import composite_texts_in, has_labels, texts_about
from photograft.reporting.confusion_section import MANY_CLASSES, show_confusion
from photograft.reporting.decisions_section import show_decisions
from photograft.reporting.doubts_section import doubted_mistakes, show_doubts
from photograft.reporting.figures import reliability_svg
from photograft.reporting.html import Pictures, render_template, show_plain
from photograft.reporting.mistakes_section import MistakeWhy, show_why
from photograft.reporting.robustness_section import show_robustness
from photograft.reporting.sentences import (
    FEW,
    correct_count,
    describe_basis,
    describe_reliability,
    describe_result,
    is_clearly_worse,
)
from photograft.reporting.sentences import what_was_judged as name_of_photos
from photograft.reporting.texts import Texts
from photograft.reporting.training_section import show_training
from photograft.reporting.translate import translate

OPEN_TILES = 8
"""Photos of a gallery that are shown openly; the others are behind a click, and on paper."""


def render_html(
    report: Mapping[str, Any],
    *,
    thumbnails: Mapping[str, bytes],
    sheets: Mapping[str, bytes] | None = None,
    worse: Mapping[str, bytes] | None = None,
    whys: Mapping[str, MistakeWhy] | None = None,
) -> str:
    """Draw the document of `build_report` as a page.

    Args:
        report: the document, also as read back from ``report.json``.
        thumbnails: JPEG bytes by path of a photo (see `thumbnail_paths`); without any, mistakes are listed as text.
        sheets: contact sheets of changed copies as JPEG files, by the keys of `training_sections`.
        whys: what is shown under a mistake, by its path.
        worse: one photo made worse, as JPEG files by the names of `robustness_section.EXAMPLES`.
    """
    headline = report["evaluations"][0] if report["evaluations"] else None
    texts, pictures = texts_about(headline, report["language"]), Pictures()
    if headline is not None and not headline["scores"]["n"]:
        headline = None
    # Before the mistakes take all the room.
    shown_sheets = {name: pictures.address(sheet) for name, sheet in (sheets or {}).items()}
    shown_worse = {name: pictures.address(picture) for name, picture in (worse or {}).items()}
    classes = _class_rows(report, headline)
    return render_template(
        "report.html.j2",
        texts=texts,
        report=report,
        headline=headline,
        hero=_hero(headline, texts),
        summary=describe_result(report),
        basis=describe_basis(report),
        next_steps=advise(report),
        warnings=[translate(warning, texts.language) for warning in _warnings(report)],
        classes=classes,
        counted=any(row["scores"] is None or row["photos"] != row["scores"]["support"] for row in classes),
        labels=composite_texts_in(report["language"]) if headline and has_labels(headline) else None,
        factors=show_factors(headline, report["language"]),
        balance=show_balance(report),
        folds=show_folds(report),
        members=show_members(report),
        slices=_slices(headline, texts) if headline else {},
        many=len(report["classes"]) > MANY_CLASSES,
        confusion=show_confusion(headline, texts) if headline and headline["confusion"] else None,
        reliability=_reliability(headline, texts) if headline else None,
        training=show_training(report, sheets=shown_sheets),
        decisions=show_decisions(report),
        robustness=show_robustness(report, pictures=shown_worse),
        doubts=show_doubts(report, thumbnails, pictures),
        open_tiles=OPEN_TILES,
        notes=[_sentence(translate(note, texts.language)) for note in report["photos"]["notes"]],
        mistakes=_mistakes(report, thumbnails, whys or {}, pictures),
        issues=[_issue(issue, texts) for issue in report["issues"] if issue["kind"] not in _own_sections(report)],
        scores=_scores(report, texts),
    )


def _hero(headline: Mapping[str, Any] | None, texts: Texts) -> dict[str, Any] | None:
    if headline is None:
        return None
    scores = headline["scores"]
    share = texts.percent(scores["accuracy"])
    if scores["n"] < FEW:  # "100 %" would promise what 18 photos cannot show
        share = texts.say("right.few", correct=correct_count(headline), n=scores["n"])
    return {"share": share, **_place(scores)}


def _place(scores: Mapping[str, Any]) -> dict[str, str]:
    """Where an accuracy and its interval lie on a line from 0 to 100 %, as CSS."""
    low, high = 100 * scores["accuracy_low"], 100 * scores["accuracy_high"]
    return {"dot": f"{100 * scores['accuracy']:.2f}%", "low": f"{low:.2f}%", "width": f"{high - low:.2f}%"}


def _own_sections(report: Mapping[str, Any]) -> set[str]:
    """Kinds of issues that a section of their own, or a step of what to do next, tells."""
    return {"small_class", *(["suspect_label"] if "label_doubts" in report else [])}


def _warnings(report: Mapping[str, Any]) -> list[str]:
    told = [*report["warnings"], *(text for evaluation in report["evaluations"] for text in evaluation["warnings"])]
    return list(dict.fromkeys(told))


def _class_rows(report: Mapping[str, Any], headline: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    scores = {row["name"]: row for row in headline["per_class"]} if headline else {}
    rows = [{**row, "scores": scores.get(row["name"])} for row in report["classes"]]

    def weakest_first(row: dict[str, Any]) -> tuple[bool, float, str]:
        judged = row["scores"] is not None and row["scores"]["support"] > 0
        return not judged, (row["scores"]["f1"] or 0.0) if judged else 0.0, row["name"]

    return sorted(rows, key=weakest_first)


def _slices(headline: Mapping[str, Any], texts: Texts) -> dict[str, list[dict[str, Any]]]:
    columns: dict[str, list[dict[str, Any]]] = {}
    for part in headline.get("slices", ()):
        interval = f"{texts.number(100 * part['accuracy_low'], 0)} – {texts.percent(part['accuracy_high'], 0)}"
        row = {**part, **_place(part), "interval": interval, "worse": is_clearly_worse(part, headline)}
        columns.setdefault(part["column"], []).append(row)
    return columns


def _reliability(headline: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    return {
        "sentence": describe_reliability(headline, texts.language),
        "figure": Markup(reliability_svg(headline["reliability"], texts=texts)),
    }


def _mistakes(
    report: Mapping[str, Any], thumbnails: Mapping[str, bytes], whys: Mapping[str, MistakeWhy], pictures: Pictures
) -> dict[str, Any]:
    every = report["evaluations"][0]["mistakes"] if report["evaluations"] else []
    doubted = doubted_mistakes(report)
    shown = [
        {
            **mistake,
            "picture": pictures.address(thumbnails.get(mistake["path"], b"")),
            "doubted": mistake["path"] in doubted,
        }
        for mistake in every[: report["worst"]]
    ]
    with_why = show_why(shown, whys, pictures, language=report["language"])
    return {"n": len(every), "shown": with_why, "pictures": any(item["picture"] for item in shown)}


def _sentence(note: str) -> str:
    """A note as a sentence; a name in front, such as that of a file, stays as it is."""
    first = note.split(" ", 1)[0].rstrip(":")
    return (note[:1].upper() + note[1:] if first.isalpha() else note) + ("" if note.endswith((".", "!")) else ".")


def _issue(issue: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    key = f"issue.{issue['kind']}"
    if key in texts.table:
        heading = texts.say(key, n=issue["n"])
    else:
        kind = check_texts_in(texts.language).name("title", issue["kind"])
        n_paths = sum(case["n_paths"] for case in issue["cases"])
        heading = texts.say("issue.other", kind=kind, n=max(n_paths, issue["n"])) if n_paths else kind
    lines = []
    for case in issue["cases"]:
        message = translate(case["message"], texts.language)
        named = [path for path in case["paths"] if path not in case["message"]]
        more = case["n_paths"] - len(case["paths"])
        tail = [*named, *([texts.say("data.more", n=more)] if named and more else [])]
        lines.append(f"{message} ({', '.join(tail)})" if len(named) == len(case["paths"]) > 0 else message)
    unlisted = issue["n"] - len(lines)
    return {
        "heading": heading,
        "remedies": [translate(remedy, texts.language) for remedy in issue["remedies"]],
        "first": lines[:3],
        "rest": lines[3:],
        "n_rest": issue["n"] - len(lines[:3]),
        "unlisted": unlisted,
    }


def _scores(report: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    evaluations: Sequence[Mapping[str, Any]] = report["evaluations"]
    keys = dict.fromkeys(key for e in evaluations for key, value in e["scores"].items() if not isinstance(value, dict))
    rows = [(texts.name("score", key), [_score(key, e["scores"].get(key), texts) for e in evaluations]) for key in keys]
    return {"heads": [name_of_photos(e["what"], texts) for e in evaluations], "rows": rows}


def _score(key: str, value: Any, texts: Texts) -> str:
    if isinstance(value, bool | int):
        return f"{value:,}"
    if isinstance(value, float):
        return texts.percent(value) if "accuracy" in key or key == "top5" else f"{value:.3f}"
    return show_plain(value)
