"""tune.html: a search as one self-contained page: what the winner is worth, what was tried, how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from photograft.reporting.html import render_template
from photograft.reporting.texts import Texts
from photograft.reporting.translate import translate
from photograft.reporting.tune_document import lower_is_better, value_in_words, values_in_words
from photograft.reporting.tune_figures import cut_off, history_svg, metric_name, slices_svg
from photograft.reporting.tune_texts import tune_texts_in

_SLICES, _SHOWN = 3, 15
_STATES = ("complete", "pruned", "failed", "running")


def render_tune(document: Mapping[str, Any]) -> str:
    """Draw the document of `build_tune`, as built or as read back from ``tune.json``."""
    texts = tune_texts_in(document["language"])
    rows = [_row(trial, document, texts) for trial in _in_order(document)]
    far = cut_off(document)
    cut_key = "tune.history.cut.high" if lower_is_better(document) else "tune.history.cut"
    return render_template(
        "tune.html.j2",
        texts=texts,
        document=document,
        title=_title(document, texts),
        summary=_summary(document, texts),
        notes=_notes(document, texts),
        settings=[_setting(each, document, texts) for each in document["space"]],
        history=Markup(history_svg(document, texts)),  # whose texts are escaped where it is drawn
        cut=texts.say(cut_key, n=far) if far else "",
        slices=Markup(slices_svg(document, _most_important(document), texts)),
        rows=rows[:_SHOWN],
        more=rows[_SHOWN:],
        metric=metric_name(document, texts),
    )


def _title(document: Mapping[str, Any], texts: Texts) -> str:
    verdict = document["verdict"]
    key = verdict if verdict in ("none", "base", "same", "beats") else "other"
    return texts.say(f"tune.title.{key}", best=document["best"], n=_count(document, "complete"))


def _summary(document: Mapping[str, Any], texts: Texts) -> list[str]:
    trials = document["trials"]
    counts = ", ".join(
        texts.say(f"tune.state.{state}", n=_count(document, state)) for state in _STATES if _count(document, state)
    )
    said = [texts.say("tune.trials", n=len(trials), data=document["data"], counts=counts)]
    if document["best"] is None:
        return said
    best = next(trial for trial in trials if trial["number"] == document["best"])
    test = (document["winner"] or {}).get("test")
    if test:
        limits = {"low": texts.percent(test["accuracy_low"]), "high": texts.percent(test["accuracy_high"])}
        said.insert(0, texts.say("tune.test", n=test["n"], share=texts.percent(test["accuracy"]), **limits))
    said.append(_compared(document, texts))
    photos = texts.say("tune.photos.val" if document["plan"]["part"] == "val" else "tune.photos.oof")
    chosen = {"best": best["number"], "metric": texts.say(f"tune.metric.{document['plan']['metric']}")}
    score = _score(best["score"], document, texts)
    said.append(texts.say("tune.chosen", score=score, photos=photos, n=_count(document, "complete"), **chosen))
    return said


def _compared(document: Mapping[str, Any], texts: Texts) -> str:
    pair, verdict = document["comparison"], document["verdict"]
    if verdict in ("base", "no base"):
        return texts.say({"base": "tune.base_best", "no base": "tune.no_base"}[verdict])
    if verdict == "not compared":
        return texts.say("tune.not_compared", why=translate(pair["refused"], texts.language) if pair else "–")
    points = {key: f"{100 * pair[name]:.1f}" for key, name in (("by", "difference"), ("low", "low"), ("high", "high"))}
    return texts.say(f"tune.{verdict}", n=pair["n"], tries=pair["tries"], p=f"{pair['p_of_best']:.2g}", **points)


def _notes(document: Mapping[str, Any], texts: Texts) -> list[str]:
    winner, notes = document["winner"], []
    if winner is None:
        done = sum(trial["state"] in ("complete", "pruned", "failed") for trial in document["trials"])
        planned = document["plan"]["trials"]
        key = "tune.unjudged" if document["best"] is not None and done >= planned else "tune.unfinished"
        return [texts.say(key, done=done, planned=planned)]
    if winner["test"] is None:
        notes.append(texts.say("tune.no_test"))
    elif winner["openings"] == 1:
        notes.append(texts.say("tune.opened"))
    else:
        notes.append(texts.say("tune.opened.often", n=winner["openings"]))
    return notes


def _setting(setting: Mapping[str, Any], document: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    best = next((trial for trial in document["trials"] if trial["number"] == document["best"]), None)
    name, share = setting["name"], document["importance"].get(setting["name"])
    if best is None or (name not in best["values"] and not best["base"]):
        winner = texts.say("tune.as_base") if best is not None else "–"
    else:
        winner = value_in_words(best["values"].get(name, setting["base"]))
    if setting["choices"] is not None:
        tried = ", ".join(value_in_words(value) for value in setting["choices"])
    else:
        limits = {"low": value_in_words(setting["low"]), "high": value_in_words(setting["high"])}
        tried = texts.say("tune.log" if setting["log"] else "tune.to", **limits)
    conditions = [
        texts.say("tune.only_if", condition=f"{key}: {', '.join(map(value_in_words, values))}")
        for key, values in setting["only_if"].items()
    ]
    return {
        "name": name,
        "base": value_in_words(setting["base"]),
        "winner": winner,
        "tried": "; ".join([tried, *conditions]),
        "share": None if share is None else f"{100 * share:.0f}\u00a0%",
        "width": None if share is None else f"{100 * share:.1f}%",
    }


def _row(trial: Mapping[str, Any], document: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    words = values_in_words(trial["values"])
    if trial["base"]:
        words = texts.say("tune.is_base")
    told = ""
    if trial["state"] == "failed":
        told = texts.say("tune.failed", error=trial["error"] or "–")
    elif trial["state"] == "pruned":
        epoch, score = trial["curve"][-1] if trial["curve"] else ("–", None)
        told = texts.say("tune.pruned", epoch=epoch, score=_score(score, document, texts))
    elif trial["state"] != "complete":
        told = texts.say("tune.running")
    return {
        "number": trial["number"],
        "words": words,
        "score": _score(trial["score"], document, texts),
        "told": told,
        "failed": trial["state"] == "failed",
        "seconds": f"{trial['seconds']:,.1f}",
        "run": trial["run"] or "",
    }


def _score(score: float | None, document: Mapping[str, Any], texts: Texts) -> str:
    if score is None:
        return "–"
    return f"{score:.4f}" if lower_is_better(document) else texts.percent(score)


def _in_order(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The best trials first, behind them those without a score as they came."""
    sign = 1 if lower_is_better(document) else -1
    trials: Sequence[Mapping[str, Any]] = document["trials"]
    done = sorted((t for t in trials if t["score"] is not None), key=lambda trial: sign * trial["score"])
    return [*done, *(trial for trial in trials if trial["score"] is None)]


def _most_important(document: Mapping[str, Any]) -> list[str]:
    """The settings to draw: the most important ones, or, as long as nobody knows, the first that were varied."""
    known = [name for name, share in document["importance"].items() if share > 0]
    done = [trial["values"] for trial in document["trials"] if trial["score"] is not None and not trial["base"]]
    varied = [
        each["name"] for each in document["space"] if len({str(values.get(each["name"])) for values in done}) > 1
    ]  # fmt: skip
    return ([name for name in known if name in varied] or varied)[:_SLICES]


def _count(document: Mapping[str, Any], state: str) -> int:
    return sum(trial["state"] == state for trial in document["trials"])
