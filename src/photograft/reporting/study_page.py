"""study.html: the variants of a recipe or system side by side, as one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from photograft.reporting.html import Pictures, render_template
from photograft.reporting.study_curves import lines_of, study_curves_svg
from photograft.reporting.study_texts import study_texts_in
from photograft.reporting.texts import Texts
from photograft.reporting.translate import translate


def render_study(document: Mapping[str, Any], *, sheets: Mapping[str, bytes] | None = None) -> str:
    """Draw the document of `build_study` as a page.

    Args:
        document: As built, or as read back from ``study.json``.
        sheets: Reconstructions of pretraining runs as JPEG files, by the name of the variant.
    """
    texts, pictures = study_texts_in(document["language"]), Pictures()
    shown = {name: address for name, sheet in (sheets or {}).items() if (address := pictures.address(sheet))}
    rows = document["variants"]
    return render_template(
        "study.html.j2",
        texts=texts,
        document=document,
        summary=_summary(document, texts),
        notes=_notes(document, texts),
        rows=[_row(row, document, texts) for row in rows],
        pairs=[show_pair(pair, texts) for pair in document["comparisons"]],
        # Texts are escaped where the curves are drawn.
        curves=Markup(study_curves_svg(lines_of(rows, name="variant"), texts)),
        pretraining=[
            (row["variant"], shown.get(row["variant"], ""), _pretrained(row["pretraining"], texts))
            for row in rows
            if row["pretraining"]
        ],
    )


def _summary(document: Mapping[str, Any], texts: Texts) -> list[str]:
    scored = [row for row in document["variants"] if row["accuracy"] is not None]
    if not scored:
        return [texts.say("study.summary.none")]
    n, photos = len(scored), max(row["photos"] for row in scored)
    classes = max(row["classes"] for row in scored)
    full = [row for row in scored if row["classes"] == classes]  # fewer classes are an easier question
    best = max(full, key=lambda row: row["accuracy"])
    key = "study.best" if len(full) == n else "study.best.full"
    limits = {"low": texts.percent(best["accuracy_low"]), "high": texts.percent(best["accuracy_high"])}
    share = texts.percent(best["accuracy"])
    return [
        texts.say("study.summary", n=n, photos=photos, data=document["data"]),
        texts.say(key, variant=best["variant"], share=share, n=best["n"], classes=classes, **limits),
    ]


def _notes(document: Mapping[str, Any], texts: Texts) -> list[str]:
    rows: Sequence[Mapping[str, Any]] = document["variants"]
    notes = []
    if len(rows) < document["planned"]:
        notes.append(texts.say("study.unfinished", done=len(rows), planned=document["planned"]))
    failed = sum(bool(row["error"]) for row in rows)
    if failed:
        notes.append(texts.say("study.failures", failed=failed, planned=document["planned"]))
    if document["changed"]:
        notes.append(texts.say("study.changed", changed=", ".join(document["changed"])))
    random = {row["recipe"]: row for row in rows if row["random_weights"]}
    if random:
        notes.append(texts.say("study.random", variants=", ".join(random)))
        hints = {name: translate(row["missing_weights"].rstrip("."), texts.language) for name, row in random.items()}
        notes += dict.fromkeys(texts.say("study.get", recipe=name, how=how) for name, how in hints.items())
        twins = dict.fromkeys(row["twin"] for row in random.values() if row["twin"])
        notes += [texts.say("study.twin", twin=", ".join(twins))] if twins else []
    return notes


def _row(row: Mapping[str, Any], document: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    told = [texts.say("study.classes", n=row["classes"])] if row["classes"] else []
    if row["source"]:
        told.append(texts.say("study.source", figure=row["source"]))
    if row["expected"] and not document["changed"] and not row["random_weights"]:
        told.append(texts.say("study.expected", figure=row["expected"]))
    minutes = "–" if row["minutes"] is None else f"{row['minutes']:.1f}"
    shown = {"name": row["variant"], "reproduces": row["reproduces"], "told": told, "minutes": minutes,
             "random": row["random_weights"], "error": row["error"], "scored": row["accuracy"] is not None}  # fmt: skip
    if not shown["scored"]:
        return shown
    low, high = 100 * row["accuracy_low"], 100 * row["accuracy_high"]
    parameters = f"{row['parameters']:,}" if row["parameters"] else ""
    return {
        **shown,
        "accuracy": texts.percent(row["accuracy"]),
        "interval": f"{texts.number(low)} – {texts.percent(row['accuracy_high'])}",
        "place": {"dot": f"{100 * row['accuracy']:.2f}%", "low": f"{low:.2f}%", "width": f"{high - low:.2f}%"},
        "f1": f"{row['macro_f1']:.3f}",
        "n": f"{row['n']:,}",
        "photos": f"{row['photos']:,}",
        "trained": f"{row['trainable']:,}" if row["trainable"] else texts.say("study.head"),
        "of": texts.say("study.of", parameters=parameters) if parameters else "",
    }


def show_pair(pair: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """A comparison in words, what more there is to say, and whether it is clear."""
    if "refused" in pair:
        why = texts.say("pair.refused", a=pair["a"], b=pair["b"], why=translate(pair["refused"], texts.language))
        return {"sentence": why, "more": "", "apart": False}
    clear = not pair["low"] <= 0 <= pair["high"]
    if clear and pair["difference"] < 0:
        pair = _turned(pair)
    a, b, difference, low, high = (pair[key] for key in ("a", "b", "difference", "low", "high"))
    numbers = {"by": _points(difference), "low": _points(low), "high": _points(high), "n": pair["n"]}
    names = {"better": a, "worse": b} if clear else {"a": a, "b": b}
    f1 = {"f1": "macro_f1_difference", "f1_low": "macro_f1_low", "f1_high": "macro_f1_high"}
    counts = {"only_a": pair["only_a"], "only_b": pair["only_b"], "p": f"{pair['p']:.2g}"}
    more = texts.say("pair.more", **counts, **{key: _points(pair[name]) for key, name in f1.items()})
    classes = "" if pair["same_classes"] else f" {texts.say('pair.classes')}"
    key = "pair.beats" if clear else "pair.same"
    return {"sentence": texts.say(key, **names, **numbers) + classes, "more": more, "apart": clear}


def _turned(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The same comparison of b with a."""
    signed = ("difference", "low", "high", "macro_f1_difference", "macro_f1_low", "macro_f1_high")
    turned = {**pair, **{name: -pair[name] for name in signed}}
    for one, other in (("a", "b"), ("only_a", "only_b"), ("low", "high"), ("macro_f1_low", "macro_f1_high")):
        turned[one], turned[other] = turned[other], turned[one]
    return turned


def _pretrained(facts: Mapping[str, Any], texts: Texts) -> str:
    errors = {name: f"{facts[name]:.4f}" for name in ("mse", "mse_low", "mse_high", "mean_colour_mse")}
    counts = {name: facts[name] for name in ("epochs", "photos", "held_out")}
    return texts.say("study.sheet.facts", psnr=f"{facts['psnr_db']:.1f}", **counts, **errors)


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}".replace("-0.0", "0.0")
