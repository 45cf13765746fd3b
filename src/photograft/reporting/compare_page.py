"""Runs beside each other as one self-contained file, to be sent to somebody who has none of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from photograft.reporting.compare_texts import compare_texts_in
from photograft.reporting.diff_lines import show_value
from photograft.reporting.html import Pictures, render_template
from photograft.reporting.study_curves import lines_of, study_curves_svg
from photograft.reporting.study_page import show_pair
from photograft.reporting.texts import Texts

Document = Mapping[str, Any]
_FEW_CLASSES = 12
"""Up to so many are shown at once; of more, those that changed most, with all of them folded away."""
_OPENED_OFTEN = 4
_MOST_NAMED = 6


def render_compare(document: Document, *, thumbnails: Mapping[str, bytes] | None = None) -> str:
    """Draw the document of `build_compare` as a page.

    Args:
        document: As built, or as `runs compare --json` printed it.
        thumbnails: Small JPEG pictures of photos that one run alone names rightly, by their content.
    """
    texts, pictures = compare_texts_in(document["language"]), Pictures()
    held = {content: address for content, jpeg in (thumbnails or {}).items() if (address := pictures.address(jpeg))}
    runs, comparisons = document["runs"], document["comparisons"]
    pairs = [_pair(pair, document, texts, held) for pair in comparisons]
    ends = _ends(runs)
    return render_template(
        "compare.html.j2",
        texts=texts,
        document=document,
        names=", ".join(run["name"] for run in runs),
        verdict=_verdict(document, texts),
        notes=_notes(document, texts),
        runs=[_run(run, document, texts, ends) for run in runs],
        scale=texts.say("compare.scale", low=ends[0], high=ends[1]),
        pairs=pairs,
        settings=[
            {"name": row["name"], "cells": ["–" if value == "auto" else show_value(value) for value in row["values"]]}
            for row in document["settings"]
        ],
        pictured=bool(held),
        # Texts are escaped where the curves are drawn.
        curves=Markup(study_curves_svg(lines_of(runs, name="name"), texts)),
    )


def _verdict(document: Document, texts: Texts) -> str:
    comparisons = document["comparisons"]
    if len(comparisons) > 1:
        counts = {name: sum(pair["verdict"] == name for pair in comparisons) for name in ("better", "worse")}
        same = len(comparisons) - sum(counts.values())
        if not any(counts.values()):
            return texts.say("compare.verdict.none", reference=document["reference"])
        return texts.say("compare.verdict.several", reference=document["reference"], **counts, same=same)
    (pair,) = comparisons
    if pair["verdict"] == "same":
        return texts.say("compare.verdict.same", a=pair["a"], b=pair["b"])
    better, worse = (pair["a"], pair["b"]) if pair["verdict"] == "better" else (pair["b"], pair["a"])
    return texts.say("compare.verdict", better=better, worse=worse)


def _notes(document: Document, texts: Texts) -> list[str]:
    notes = []
    for pair in document["comparisons"]:
        if pair["partly"]:
            counts = {key: pair["overlap"][key] for key in ("n_a", "n_b")}
            shares = {f"share_{one}": texts.percent(pair[f"accuracy_{one}"]) for one in "ab"}
            notes.append(texts.say("compare.partly", a=pair["a"], b=pair["b"], n=pair["n"], **counts, **shares))
            if pair["overlap"]["relabelled"]:
                notes.append(texts.say("compare.relabelled", n=pair["overlap"]["relabelled"]))
    opened = max(run["test_openings"] for run in document["runs"])
    if opened >= _OPENED_OFTEN:
        notes.append(texts.say("compare.opened", n=opened))
    return notes


def _ends(runs: Sequence[Document]) -> tuple[int, int]:
    """The ends of the scale that all accuracies are shown on, in percent: whole tens around their intervals."""
    low, high = 100 * min(run["accuracy_low"] for run in runs), 100 * max(run["accuracy_high"] for run in runs)
    return 10 * math.floor(low / 10), max(10 * math.ceil(high / 10), 10)


def _run(run: Document, document: Document, texts: Texts, ends: tuple[int, int]) -> dict[str, Any]:
    low, middle, high = (
        100 * (100 * run[key] - ends[0]) / (ends[1] - ends[0]) for key in ("accuracy_low", "accuracy", "accuracy_high")
    )
    made = {"backbone": run["backbone"], "px": run["px"], "classes": run["classes"]}
    return {
        "name": run["name"],
        "told": texts.say("compare.made", what=texts.name("what", run["what"]), **made),
        "reference": run["name"] == document["reference"],
        "accuracy": texts.percent(run["accuracy"]),
        "interval": f"{texts.number(100 * run['accuracy_low'])} – {texts.percent(run['accuracy_high'])}",
        "place": {"dot": f"{middle:.2f}%", "low": f"{low:.2f}%", "width": f"{high - low:.2f}%"},
        "f1": "–" if run["macro_f1"] is None else f"{run['macro_f1']:.3f}",
        "n": f"{run['n']:,}",
        "photos": f"{run['photos']:,}",
        "trained": f"{run['trainable']:,}" if run["trainable"] else texts.say("study.head"),
        "minutes": f"{run['minutes']:.1f}",
    }


def _pair(pair: Document, document: Document, texts: Texts, held: Mapping[str, str]) -> dict[str, Any]:
    shown = show_pair(pair, texts)
    n = len(document["comparisons"])
    if pair["verdict"] == "unsure":
        unsure = texts.say("compare.unsure", n=n, p=f"{pair['p_corrected']:.2g}")
        shown |= {"sentence": f"{shown['sentence']} {unsure}", "apart": False}
    changed = sorted(pair["classes"], key=lambda row: -abs(row["f1_difference"]))
    most = changed if len(changed) <= _FEW_CLASSES else changed[:_FEW_CLASSES]
    widest = max((abs(row[key]) for row in changed for key in ("f1_low", "f1_high")), default=0) or 1
    return shown | {
        "a": pair["a"],
        "b": pair["b"],
        "k": len(changed),
        "named": _named_classes(changed, texts),
        "classes": [_class(row, widest, texts) for row in most],
        "all": [_class(row, widest, texts) for row in pair["classes"]] if len(most) < len(changed) else [],
        "photos": [
            {
                "title": texts.say("compare.photos.only", name=name, n=total),
                "some": texts.say("compare.photos.first", shown=len(photos), n=total) if len(photos) < total else "",
                "shown": [{**photo, "picture": held.get(photo["content"], "")} for photo in photos],
            }
            for name, total, photos in (
                (pair["a"], pair["only_a"], pair["only_a_photos"]),
                (pair["b"], pair["only_b"], pair["only_b_photos"]),
            )
            if total
        ],
    }


def _named_classes(rows: Sequence[Document], texts: Texts) -> list[str]:
    """Which classes gained and which lost by more than chance, in a sentence each."""
    told = []
    for key, up in (("gained", True), ("lost", False)):
        names = [row["name"] for row in rows if row["clear"] and (row["f1_difference"] > 0) == up]
        if names:
            more = len(names) - _MOST_NAMED
            rest = [texts.say("compare.classes.more", n=more)] if more > 0 else []
            told.append(texts.say(f"compare.classes.{key}", names=", ".join([*names[:_MOST_NAMED], *rest])))
    return told or [texts.say("compare.classes.none")]


def _class(row: Document, widest: float, texts: Texts) -> dict[str, Any]:
    def place(value: float) -> float:
        return 50 + 50 * value / widest

    return {
        "name": row["name"],
        "mark": "" if not row["clear"] else "gained" if row["f1_difference"] > 0 else "lost",
        "n": f"{row['n']:,}",
        "before": "–" if row["recall_b"] is None else texts.percent(row["recall_b"]),
        "after": "–" if row["recall_a"] is None else texts.percent(row["recall_a"]),
        "change": _points(row["f1_difference"], sign="+"),
        "interval": texts.say("compare.between", low=_points(row["f1_low"]), high=_points(row["f1_high"])),
        "dot": f"{place(row['f1_difference']):.2f}%",
        "low": f"{place(row['f1_low']):.2f}%",
        "width": f"{50 * (row['f1_high'] - row['f1_low']) / widest:.2f}%",
    }


def _points(difference: float, *, sign: str = "") -> str:
    text = f"{100 * difference:{sign}.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")
