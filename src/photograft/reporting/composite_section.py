"""The page's sections on factors, small classes, folds and members, as texts and pictures to place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from photograft.reporting.composite_texts import composite_texts_in, has_labels
from photograft.reporting.confusion_section import show_confusion
from photograft.reporting.texts import Texts

Document = Mapping[str, Any]


def show_factors(evaluation: Document | None, language: str) -> dict[str, Any] | None:
    """Return what the section on factors shows; None where there are none."""
    if evaluation is None or "factors" not in evaluation:
        return None
    texts = composite_texts_in(language)
    rows = []
    for factor in evaluation["factors"]:
        scores, share = factor["scores"], factor["share_of_mistakes"]
        low, high = texts.number(100 * scores["accuracy_low"], 0), texts.percent(scores["accuracy_high"], 0)
        rows.append(
            {
                "name": factor["name"],
                "n": len(factor["classes"]),
                "accuracy": texts.percent(scores["accuracy"]),
                "interval": f"{low} – {high}",
                "macro_f1": f"{scores['macro_f1']:.3f}",
                "mistakes": "–" if share is None else texts.percent(share, 0),
                "dot": f"{100 * scores['accuracy']:.2f}%",
                "low": f"{100 * scores['accuracy_low']:.2f}%",
                "width": f"{100 * (scores['accuracy_high'] - scores['accuracy_low']):.2f}%",
                "classes": factor["per_class"],
                "confusion": show_confusion(factor, texts),
            }
        )
    return {"texts": texts, "rows": rows}


def say_weak_factor(evaluation: Document, language: str) -> str | None:
    """Say which factor is the weak one, and how much of the error comes with it; None where there is no error.

    It is clearly so where its interval lies below that of every other factor.
    """
    factors = evaluation["factors"]
    if not evaluation["mistakes"]:
        return None
    weak, *others = sorted(factors, key=lambda factor: factor["scores"]["accuracy"])
    clear = all(weak["scores"]["accuracy_high"] < other["scores"]["accuracy_low"] for other in others)
    texts = composite_texts_in(language)
    shares = {"share": weak["scores"]["accuracy"], "wrong": weak["share_of_mistakes"]}
    said = {name: texts.percent(share, 0) for name, share in shares.items()}
    return texts.say("factors.weak" if clear else "factors.unsure", name=weak["name"], **said)


def show_folds(report: Document) -> dict[str, Any] | None:
    """Return what the section on folds shows; None where there are none."""
    section = report.get("folds")
    if section is None:
        return None
    texts = composite_texts_in(report["language"])
    labels = bool(report["evaluations"]) and has_labels(report["evaluations"][0])
    factors = list(section["factors"])
    spreads = [section["accuracy"], section["macro_f1"], *section["factors"].values()]
    rows = [
        [
            f"{row['n']:,}",
            texts.percent(row["accuracy"]),
            f"{row['macro_f1']:.3f}",
            *(texts.percent(row["factors"][name]) for name in factors),
        ]
        for row in section["rows"]
    ]
    mean, spread = [""], [""]
    for i, each in enumerate(spreads):  # the macro-F1 is no share of photos
        mean.append(_plain(each["mean"]) if i == 1 else texts.percent(each["mean"]))
        spread.append(_plain(each["spread"]) if i == 1 else _points(each["spread"]))
    names = [texts.say("folds.exact" if labels else "folds.accuracy"), texts.say("folds.macro_f1"), *factors]
    return {
        "texts": texts,
        "heads": [texts.say("folds.photos"), *names],
        "rows": [(str(row["fold"]), cells) for row, cells in zip(section["rows"], rows, strict=True)],
        "totals": [(texts.say("folds.mean"), mean), (texts.say("folds.spread"), spread)],
        "lead": _say_folds(report, texts),
        "shipped": texts.say(f"folds.shipped.{section['shipped']}"),
    }


def show_members(report: Document) -> dict[str, Any] | None:
    """Return what the section on members shows; None for a single model."""
    section = report.get("ensemble")
    if section is None:
        return None
    texts = composite_texts_in(report["language"])
    members, gain = section["members"], section["gain"]
    columns = {
        "targets": [", ".join(member["targets"]) for member in members],
        "weights": [_say_weights(member["weights"]) for member in members],
        "accuracy": [_optional(member["accuracy"], texts.percent) for member in members],
        "macro_f1": [_optional(member["macro_f1"], _plain) for member in members],
        "log_loss.alone": [_optional(member["log_loss"], _plain) for member in members],
        "ms": [_optional(member["ms_per_photo"], lambda ms: f"{ms:.1f}") for member in members],
    }
    targets = [tuple(member["targets"]) for member in members]
    if len(set(targets)) == 1 or targets == [(member["name"],) for member in members]:
        del columns["targets"]
    if all(weight == 1 for member in members for weight in member["weights"].values()):
        del columns["weights"]  # each is alone with what it predicts
    shown = {name: cells for name, cells in columns.items() if set(cells) != {"–"}}
    facts = [{name: member[name] for name in ("backbone", "graft", "px")} for member in members]
    what = [texts.say("members.what", n=m["views"], **fact) for m, fact in zip(members, facts, strict=True)]
    return {
        "texts": texts,
        "sentences": say_gain(gain, report["language"]) if gain else [texts.say("members.own")],
        "heads": [(texts.say(f"members.{name}"), name not in ("targets", "weights")) for name in shown],
        "rows": [(m["name"], what[i], [cells[i] for cells in shown.values()]) for i, m in enumerate(members)],
    }


def show_balance(report: Document) -> dict[str, Any] | None:
    """Return what the section on small classes shows; None where nothing was done for them."""
    section = report.get("balance")
    if section is None:
        return None
    texts = composite_texts_in(report["language"])
    rows = [
        (
            row["name"],
            [f"{row['support']:,}", *(texts.percent(row[f"recall_{when}"], 0) for when in ("before", "after"))],
        )
        for row in section["small"]
    ]
    heads = [texts.say(name) for name in ("classes.support", "balance.before", "balance.after")]
    tried = section["balance"] or section["power"]
    return {
        "texts": texts,
        "sentence": say_balance(section, report["language"]) if tried else texts.say("balance.none"),
        "heads": heads,
        "rows": rows if tried else [],
    }


def say_balance(balance: Document, language: str = "en") -> str:
    """Say what was done for small classes, what it gained and what it cost."""
    texts = composite_texts_in(language)
    how = [texts.say("balance.weights", balance=balance["balance"])] if balance["balance"] else []
    how += [texts.say("balance.power", power=f"{balance['power']:.1f}")] if balance["power"] else []
    f1_low, f1_high = balance["macro_f1_change_low"], balance["macro_f1_change_high"]
    low, high = balance["accuracy_change_low"], balance["accuracy_change_high"]
    text = texts.say(
        "balance.text",
        how=how[0] if len(how) == 1 else texts.say("balance.both", first=how[0], second=how[1]),
        before=texts.percent(balance["small_recall_before"], 0),
        after=texts.percent(balance["small_recall_after"], 0),
        n=balance["n"],
        what=texts.name("what", balance["what"]),
        f1_before=_plain(balance["macro_f1_before"]),
        f1_after=_plain(balance["macro_f1_after"]),
        f1_low=f"{f1_low:+.3f}",
        f1_high=f"{f1_high:+.3f}",
        accuracy_before=texts.percent(balance["accuracy_before"]),
        accuracy_after=texts.percent(balance["accuracy_after"]),
        accuracy_low=f"{100 * low:+.1f}",
        accuracy_high=f"{100 * high:+.1f}",
    )
    verdict = "better" if f1_low > 0 else "worse" if f1_high < 0 else "unsure"
    said = [text, texts.say(f"balance.{verdict}"), *([texts.say("balance.costs")] if high < 0 else [])]
    return " ".join(said)


def say_gain(gain: Document, language: str = "en") -> list[str]:
    """Say what the members gain over the best of them alone, and what they cost."""
    texts = composite_texts_in(language)
    if gain["ms_per_photo"] and gain["ms_per_photo"] == gain["single_ms_per_photo"]:
        return [texts.say("members.gain.none", best=gain["best"])]
    difference = gain["accuracy"] - gain["single_accuracy"]
    verdict = "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "unsure"
    low, high = (gain["low"], gain["high"]) if verdict != "worse" else (-gain["high"], -gain["low"])
    signed = f"{100 * difference:+.1f}" if verdict == "unsure" else f"{100 * abs(difference):.1f}"
    cost, times = "", (gain["ms_per_photo"], gain["single_ms_per_photo"])
    if all(times):
        together, alone = times
        shown = {"together": f"{together:.0f}", "alone": f"{alone:.0f}"}
        cost = texts.say("members.cost", times=f"{together / alone:.1f}", **shown)
    first = texts.say(
        f"members.gain.{verdict}",
        accuracy=texts.percent(gain["accuracy"]),
        single=texts.percent(gain["single_accuracy"]),
        best=gain["best"],
        difference=signed,
        low=f"{100 * low:.1f}",
        high=f"{100 * high:.1f}",
        n=gain["n"],
        what=texts.name("what", gain["what"]),
        cost=cost,
    )
    losses = {"together": _plain(gain["log_loss"]), "alone": _plain(gain["single_log_loss"])}
    return [first, texts.say("members.log_loss", **losses)]


def _say_folds(report: Document, texts: Texts) -> str:
    """Mean and spread of the folds, and the spread that chance gives: the interval of all photos is that of one fold.

    The interval is 2 x 1.96 standard errors wide, and that of one of F equal folds is the square root of F times wider.
    It knows of photos of one group, which fare alike.
    """
    section = report["folds"]
    spread = section["accuracy"]
    said = texts.say("folds.lead", mean=texts.percent(spread["mean"]), spread=_points(spread["spread"]))
    judged = next((each["scores"] for each in report["evaluations"] if each["what"] == "out-of-fold"), None)
    if judged is None:
        return said
    error = (judged["accuracy_high"] - judged["accuracy_low"]) / (2 * 1.96)
    return f"{said} {texts.say('folds.chance', chance=_points(error * len(section['rows']) ** 0.5))}"


def _say_weights(weights: Mapping[str, float]) -> str:
    if len(set(weights.values())) == 1:
        return f"{next(iter(weights.values())):.2f}"
    return ", ".join(f"{name}\u00a0{weight:.2f}" for name, weight in weights.items()) or "–"


def _optional(value: float | None, say: Callable[[float], str]) -> str:
    return "–" if value is None else say(value)


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
