"""tune.json: what a search tried, what came of each trial, and what the winner is worth; and the same for the terminal.

The score that a winner was chosen by is the best of many, and so too good. Therefore the winner is said to beat the
base settings only where the paired interval leaves 0 out, and McNemar's p times the number of other settings that
finished is still below 0.05 (Bonferroni): so many tries would otherwise find one that looks better.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.config.document import write_value
from photograft.reporting.clean import clean_value
from photograft.reporting.columns import count_columns, cut_columns

FORMAT = 1
LIKELY_CHANCE = 0.05
_SHOWN = 8
_WIDEST = 76  # columns of the settings of a trial in the terminal


def build_tune(
    *,
    study: str,
    data: str,
    created: str,
    written: str,
    plan: Mapping[str, Any],
    space: Sequence[Mapping[str, Any]],
    trials: Sequence[Mapping[str, Any]],
    best: int | None,
    importance: Mapping[str, float],
    comparison: Mapping[str, Any] | None,
    winner: Mapping[str, Any] | None,
    command: str | None,
    language: str = "en",
) -> dict[str, Any]:
    """Gather a search into the document that `render_tune` draws and that is written as ``tune.json``.

    Args:
        study: Name of the search.
        data: The photos.
        created: When it was begun, ISO 8601.
        written: When this was written.
        plan: What was asked for: trials, minutes, sampler, metric, pruner, seed, part, and size of the test part.
        space: Per setting its values.
        trials: Per trial its number, state, values, score, run, seconds, error and curve.
        best: Number of the best trial.
        importance: Share of each setting.
        comparison: The best trial against the base, as `comparison_row` gives it.
        winner: Run and test scores of the winner, once it was trained.
        command: What trains with the winning settings.
        language: Of the page's texts.
    """
    tries = sum(trial["state"] == "complete" and not trial["base"] for trial in trials)
    about = {"format": FORMAT, "study": study, "data": data, "created": created, "written": written}
    found = {"best": best, "verdict": _verdict(best, trials, comparison, tries)}
    document: dict[str, Any] = clean_value(
        {
            **about,
            "language": language,
            "plan": plan,
            "space": space,
            "trials": trials,
            **found,
            "importance": dict(sorted(importance.items(), key=lambda each: -each[1])),
            "comparison": _with_tries(comparison, tries),
            "winner": winner,
            "command": command,
        }
    )
    return document


def lower_is_better(document: Mapping[str, Any]) -> bool:
    """Whether a low score is a good one."""
    return bool(document["plan"]["metric"] == "log_loss")


def values_in_words(values: Mapping[str, Any]) -> str:
    """The values of a trial on one line."""
    return ", ".join(f"{name}={value_in_words(value)}" for name, value in values.items())


def value_in_words(value: Any) -> str:
    """A value as it is read; of long numbers three digits."""
    return f"{value:.3g}" if isinstance(value, float) else write_value(value)


def trial_line(document: Mapping[str, Any], number: int) -> str:
    """What came of a trial, in a line, with the best so far."""
    trial = next(each for each in document["trials"] if each["number"] == number)
    name = f"Trial {number} of {document['plan']['trials']}"
    words = values_in_words(trial["values"]) if not trial["base"] else "base settings"
    if trial["state"] == "failed":
        return f"{name} failed: {trial['error']} ({words})"
    if trial["state"] == "pruned":
        return f"{name} was given up after epoch {trial['curve'][-1][0]}: {words}"
    best = f", the best so far is {_best(document)['score']:.4f}" if document["best"] != number else ", the best so far"
    return f"{name}: {document['plan']['metric']} {trial['score']:.4f}{best}; {trial['seconds']:.1f} s; {words}"


def tune_lines(document: Mapping[str, Any], *, folder: Path) -> list[str]:
    """The search for the terminal: the best trials, then what the winner is worth, then how to train with it."""
    lines = ["", *_table(document), "", *_counts(document)]
    if document["importance"]:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in document["importance"].items())
        lines.append(f"What decided whether a trial was among the best: {shares}.")
    lines += ["", *_worth(document)]
    if document["winner"] is None:
        return [*lines, f"The search is not at its end: photograft tune --resume {shlex.quote(str(folder))}"]
    return [*lines, "", f"Report  {folder / 'tune.html'}", f"Next    {document['command']}"]


def _verdict(
    best: int | None, trials: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any] | None, tries: int
) -> str:
    base = next((trial for trial in trials if trial["base"]), None)
    if best is None:
        return "none"
    if base is None or base["score"] is None:
        return "no base"
    if best == base["number"]:
        return "base"
    if comparison is None or "refused" in comparison:
        return "not compared"
    clear = comparison["low"] > 0 and _allowing(comparison, tries) < LIKELY_CHANCE
    return "beats" if clear else "same"


def _with_tries(comparison: Mapping[str, Any] | None, tries: int) -> Mapping[str, Any] | None:
    if comparison is None or "refused" in comparison:
        return comparison
    return {**comparison, "tries": tries, "p_of_best": _allowing(comparison, tries)}


def _allowing(comparison: Mapping[str, Any], tries: int) -> float:
    return float(min(1.0, comparison["p"] * max(tries, 1)))


def _best(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(each for each in document["trials"] if each["number"] == document["best"])
    return found


def _table(document: Mapping[str, Any]) -> list[str]:
    done = [trial for trial in document["trials"] if trial["score"] is not None]
    done.sort(key=lambda trial: trial["score"] if lower_is_better(document) else -trial["score"])
    shown = done[:_SHOWN] + [trial for trial in done[_SHOWN:] if trial["base"]]
    rows = [("trial", document["plan"]["metric"], "seconds", "settings")]
    for trial in shown:
        words = "base settings" if trial["base"] else cut_columns(values_in_words(trial["values"]), _WIDEST)
        rows.append((str(trial["number"]), f"{trial['score']:.4f}", f"{trial['seconds']:.1f}", words))
    widths = [max(count_columns(row[i]) for row in rows) for i in range(3)]
    return ["  ".join((*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows]


def _counts(document: Mapping[str, Any]) -> list[str]:
    states = [trial["state"] for trial in document["trials"]]
    words = {"complete": "finished", "pruned": "given up early", "failed": "failed", "running": "running"}
    counts = ", ".join(f"{states.count(state)} {word}" for state, word in words.items() if state in states)
    failed = {trial["error"]: trial for trial in document["trials"] if trial["state"] == "failed"}
    lines = [f"{document['plan']['trials']} trials asked for: {counts or 'none begun'}."]
    return lines + [f"Trial {trial['number']} failed: {error}" for error, trial in list(failed.items())[:3]]


def _worth(document: Mapping[str, Any]) -> list[str]:
    if document["best"] is None:
        return ["No trial has given a model."]
    best, metric = _best(document), document["plan"]["metric"]
    done = sum(trial["state"] == "complete" for trial in document["trials"])
    lines = [
        f"The best of {done} is trial {best['number']}, {metric} {best['score']:.4f}. It was chosen by this score, "
        "which is therefore too good to be quoted."
    ]
    lines.append(_compared(document))
    winner = document["winner"]
    if winner is not None and winner["test"] is not None:
        test = winner["test"]
        limits = f"{test['accuracy_low']:.3f} to {test['accuracy_high']:.3f}"
        opened = "once" if winner["openings"] == 1 else f"{winner['openings']} times by now"
        lines.append(
            f"Test part, opened {opened}: accuracy {test['accuracy']:.3f} ({limits}), macro-F1 {test['macro_f1']:.3f}, "
            f"n = {test['n']:,}. This is the number to quote."
        )
    elif winner is not None:
        lines.append("There is no test part, so nothing says how good it is on photos that did not choose it.")
    return lines


def _compared(document: Mapping[str, Any]) -> str:
    pair, verdict = document["comparison"], document["verdict"]
    if verdict == "base":
        return "These are the base settings: keep them."
    if verdict == "no base":
        return "The trial with the base settings failed, so nothing is compared with them."
    if verdict == "not compared":
        return f"It was not compared with the base settings: {pair['refused'] if pair else 'no photos in common'}"
    difference, low, high = (f"{100 * pair[key]:.1f}" for key in ("difference", "low", "high"))
    by = f"{difference} points ({low} to {high}), n = {pair['n']:,}"
    p = f"p {pair['p_of_best']:.2g} after allowing for {pair['tries']} tries"
    if verdict == "beats":
        return f"It beats the base settings by {by}; {p}."
    return f"It is not distinguishable from the base settings (accuracy differs by {by}; {p}): keep the base settings."
