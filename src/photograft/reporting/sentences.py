"""The result in plain sentences: what a reader takes away who reads nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from photograft.reporting.composite_section import say_weak_factor
from photograft.reporting.composite_texts import composite_texts_in, has_labels, texts_about
from photograft.reporting.texts import Texts, texts_in
from photograft.reporting.training import training_sections
from photograft.reporting.translate import translate

Document = Mapping[str, Any]

FEW = 30  # below this many photos a percentage pretends more than is known
OPENED_OFTEN = 4
WELL_CALIBRATED = 0.03  # ECE of a few hundred photos is about 0.02 by chance alone
ENOUGH_TO_CALIBRATE = 100
_NAMED = 3  # classes named in the summary


def describe_result(report: Document) -> list[str]:
    """Return the two (with very few photos, factors or several labels three) sentences that open the report."""
    language = report["language"]
    if not report["evaluations"] or not report["evaluations"][0]["scores"]["n"]:
        return [texts_in(language).say("result.none")]
    evaluation = report["evaluations"][0]
    texts = texts_about(evaluation, language)
    if has_labels(evaluation):
        return [*_headline(evaluation, texts), *_about_labels(evaluation, texts)]
    weak = say_weak_factor(evaluation, language) if "factors" in evaluation else None
    return [*_headline(evaluation, texts), _weakest(evaluation, texts), *([weak] if weak else [])]


def describe_basis(report: Document) -> list[tuple[str, str]]:
    """Return what the headline rests on, as (term, sentence) pairs."""
    texts = texts_in(report["language"])
    if not report["evaluations"] or not report["evaluations"][0]["scores"]["n"]:
        return []
    evaluation, *others = report["evaluations"]
    basis = [
        (texts.say("rests.photos"), _judged(report, evaluation, texts)),
        (texts.say("rests.interval"), _interval(evaluation, texts)),
        *([] if has_labels(evaluation) else [(texts.say("rests.guess"), _guess(evaluation, texts))]),
        (texts.say("rests.split"), _split(report, texts)),
    ]
    openings = report["test_openings"]
    if openings and any(e["what"] == "test" for e in report["evaluations"]):
        key = "rests.opened.many" if openings >= OPENED_OFTEN else "rests.opened.text"
        basis.append((texts.say("rests.opened"), texts.say(key, n=openings)))
    basis.append((texts.say("rests.calibration"), _calibration(report, texts)))
    if report.get("repeats"):
        basis.append((texts.say("rests.repeats"), _repeats(report["repeats"], texts)))
    second = texts.say("rests.second")
    return basis + [(second, _second(evaluation, other, texts)) for other in others if other["scores"]["n"]]


def describe_reliability(evaluation: Document, language: str) -> str:
    """Return one sentence on whether the stated probabilities can be believed."""
    texts = texts_about(evaluation, language)
    bins = [part for part in evaluation["reliability"] if part["n"]]
    n = sum(part["n"] for part in bins)
    if not n:
        return texts.say("reliability.none")
    if n < ENOUGH_TO_CALIBRATE:
        return texts.say("reliability.few", n=n)
    stated = sum(part["n"] * part["confidence"] for part in bins) / n
    true = sum(part["n"] * part["accuracy"] for part in bins) / n
    error = calibration_error(evaluation)
    values = {"stated": texts.percent(stated), "true": texts.percent(true)}
    if error < WELL_CALIBRATED:
        return texts.say("reliability.good", gap=texts.number(100 * error))
    if not worse_than_chance(evaluation):
        return texts.say("reliability.chance", n=n, gap=texts.number(100 * error))
    if abs(stated - true) < error / 2:
        return texts.say("reliability.mixed", gap=texts.number(100 * error))
    key = "reliability.over" if stated > true else "reliability.under"
    return texts.say(key, gap=texts.number(100 * abs(stated - true)), **values)


def calibration_error(evaluation: Document) -> float:
    """Return the expected calibration error: as evaluated, else from the bins shown."""
    given = evaluation["scores"].get("ece")
    if given is not None:
        return float(given)
    bins = [part for part in evaluation["reliability"] if part["n"]]
    n = sum(part["n"] for part in bins)
    return sum(part["n"] * abs(part["confidence"] - part["accuracy"]) for part in bins) / n if n else 0.0


def worse_than_chance(evaluation: Document) -> bool:
    """Return whether the calibration error is clearly larger than perfect probabilities would show by chance.

    In a bin of n photos with mean confidence c, the share that is right strays from c by sqrt(2 c (1 - c) / (pi n)) on
    average (mean absolute deviation of a normal distribution).
    """
    bins = [(int(part["n"]), float(part["confidence"])) for part in evaluation["reliability"] if part["n"]]
    n = sum(count for count, _ in bins)
    stray = sum(count * math.sqrt(2 * c * (1 - c) / (math.pi * count)) for count, c in bins)
    return n > 0 and calibration_error(evaluation) > 1.5 * stray / n


def is_clearly_worse(part: Document, evaluation: Document) -> bool:
    """Return whether the whole interval of a slice lies below the accuracy of all photos."""
    return bool(part["accuracy_high"] < evaluation["scores"]["accuracy"])


def what_was_judged(what: str, texts: Texts) -> str:
    """Return the display name of the photos of an evaluation, capitalised."""
    name = texts.name("what", what)
    return name[:1].upper() + name[1:]


def correct_count(evaluation: Document) -> int:
    """Return how many photos were named correctly."""
    return round(float(evaluation["scores"]["accuracy"]) * int(evaluation["scores"]["n"]))


def join_names(names: Sequence[str], texts: Texts, *, most: int = 4) -> str:
    """Return "“a”, “b” and “c”", cut after `most` names."""
    quoted = [texts.say("list.quoted", name=name) for name in names]
    if len(quoted) > most:
        return texts.say("list.more", names=", ".join(quoted[:most]), n=len(quoted) - most)
    if len(quoted) < 2:
        return "".join(quoted)
    return texts.say("list.and", names=", ".join(quoted[:-1]), last=quoted[-1])


def _headline(evaluation: Document, texts: Texts) -> list[str]:
    scores, what = evaluation["scores"], evaluation["what"]
    n = scores["n"]
    kind = {"test": "test", "out-of-fold": "folds"}.get(what, "other")
    share = texts.number(100 * scores["accuracy"], 0)
    if share == "99" and scores["accuracy"] > 0.99:  # at the top a whole number hides half of what is left
        share = texts.number(100 * scores["accuracy"], 1)
    low, high = texts.number(100 * scores["accuracy_low"]), texts.number(100 * scores["accuracy_high"])
    values = {"n": n, "share": share, "correct": correct_count(evaluation), "what": texts.name("what", what)}
    if n >= FEW:
        return [texts.say(f"result.{kind}", low=low, high=high, **values)]
    low, high = texts.number(100 * scores["accuracy_low"], 0), texts.number(100 * scores["accuracy_high"], 0)
    return [texts.say(f"result.{kind}.few", **values), texts.say("result.few", low=low, high=high)]


def _weakest(evaluation: Document, texts: Texts) -> str:
    """Name the class that also leads the class table (lowest F1), by whichever of recall and precision is the lower.

    Where several were never found, none of them is the weakest.
    """
    judged = [(i, row) for i, row in enumerate(evaluation["per_class"]) if row["support"]]
    never = [row["name"] for _, row in judged if not row["correct"]]
    if len(never) > _NAMED:
        return texts.say("weakest.never.many", n=len(never), of=len(judged))
    if len(never) > 1:
        return texts.say("weakest.never", names=join_names(never, texts))
    index, worst = min(judged, key=lambda item: (item[1]["f1"] or 0.0, -item[1]["support"]))
    missed, mistaken = worst["support"] - worst["correct"], worst["predicted"] - worst["correct"]
    if not missed and not mistaken:
        return texts.say("weakest.none")
    confusion, classes = evaluation["confusion"], evaluation["classes"]
    by_recall = missed >= mistaken
    counts = confusion[index] if by_recall else [row[index] for row in confusion]
    other = max((i for i in range(len(classes)) if i != index), key=lambda i: counts[i])
    return texts.say(
        "weakest.recall" if by_recall else "weakest.precision",
        name=worst["name"],
        other=classes[other],
        correct=f"{worst['correct']:,}",
        of=f"{worst['support' if by_recall else 'predicted']:,}",
    )


def _about_labels(evaluation: Document, texts: Texts) -> list[str]:
    """The scores that look at one label at a time, and the label that leads the table (lowest F1)."""
    composite, scores = composite_texts_in(texts.language), evaluation["scores"]
    values = {key: "–" if scores[key] is None else f"{scores[key]:.3f}" for key in ("map", "micro_f1", "macro_f1")}
    said = [composite.say("labels.scores", **values)]
    judged = [row for row in evaluation["per_class"] if row["support"]]
    if not judged:
        return said
    worst = min(judged, key=lambda row: (row["f1"] or 0.0, -row["support"]))
    wrong = worst["predicted"] - worst["correct"]
    if worst["correct"] == worst["support"] and not wrong:
        return [*said, texts.say("weakest.none")]
    counts = {"correct": f"{worst['correct']:,}", "of": f"{worst['support']:,}", "wrong": f"{wrong:,}"}
    return [*said, composite.say("labels.weakest", name=worst["name"], **counts)]


def _judged(report: Document, evaluation: Document, texts: Texts) -> str:
    values = {"n": evaluation["scores"]["n"], "used": report["photos"]["used"], "folds": report["split"]["folds"]}
    if evaluation["what"] == "test":
        return texts.say("rests.photos.test", **values)
    if evaluation["what"] == "out-of-fold":
        return texts.say("rests.photos.folds", **values)
    return texts.say("rests.photos.other", what=texts.name("what", evaluation["what"]), **values)


def _interval(evaluation: Document, texts: Texts) -> str:
    scores = evaluation["scores"]
    low, high = texts.percent(scores["accuracy_low"]), texts.percent(scores["accuracy_high"])
    return texts.say("rests.interval.text", low=low, high=high)


def _guess(evaluation: Document, texts: Texts) -> str:
    most = max(row["support"] for row in evaluation["per_class"])
    largest = [row["name"] for row in evaluation["per_class"] if row["support"] == most]
    share = texts.percent(most / evaluation["scores"]["n"])
    return texts.say("rests.guess.text" if len(largest) == 1 else "rests.guess.equal", name=largest[0], share=share)


def _split(report: Document, texts: Texts) -> str:
    parts, sentences = report["split"]["parts"], []
    if parts["test"]:
        sentences.append(texts.say("rests.split.parts", **parts))
    statement = translate(report["split"]["statement"].strip(), texts.language)
    if statement:
        sentences.append(statement[:1].upper() + statement[1:] + ("" if statement.endswith(".") else "."))
    if report["split"]["leaked"]:
        sentences.append(texts.say("rests.split.leaked", n=report["split"]["leaked"]))
    return " ".join(sentences)


def _calibration(report: Document, texts: Texts) -> str:
    temperature = report["temperature"]
    if temperature is None:
        return texts.say("rests.calibration.none")
    # A head alone is always cross-validated; a fine-tuned network is where there is no validation part to judge it by.
    fits = [record["fit"] for section in training_sections(report).values() for record in section["records"]]
    by_folds = not fits or any(fit.startswith("fold ") for fit in fits)
    basis = texts.say("rests.calibration.folds" if by_folds else "rests.calibration.val")
    if isinstance(temperature, Mapping):
        each = ", ".join(f"{name} {value:.2f}" for name, value in temperature.items())
        return composite_texts_in(texts.language).say("rests.calibration.factors", temperatures=each, basis=basis)
    key = "softer" if temperature > 1.05 else "sharper" if temperature < 0.95 else "same"
    return texts.say(f"rests.calibration.{key}", temperature=temperature, basis=basis)


def _repeats(accuracies: Sequence[float], texts: Texts) -> str:
    mean, low, high = sum(accuracies) / len(accuracies), min(accuracies), max(accuracies)
    shares = {"mean": texts.percent(mean), "low": texts.percent(low), "high": texts.percent(high)}
    return texts.say("rests.repeats.text", n=len(accuracies), **shares)


def _second(evaluation: Document, other: Document, texts: Texts) -> str:
    ours, theirs = evaluation["scores"], other["scores"]
    overlap = theirs["accuracy_low"] <= ours["accuracy_high"] and ours["accuracy_low"] <= theirs["accuracy_high"]
    return texts.say(
        "rests.second.agrees" if overlap else "rests.second.differs",
        what=what_was_judged(other["what"], texts),
        n=theirs["n"],
        share=texts.percent(theirs["accuracy"]),
        low=texts.percent(theirs["accuracy_low"]),
        high=texts.percent(theirs["accuracy_high"]),
    )
