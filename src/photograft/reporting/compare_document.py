"""Several runs beside each other, as plain values: the document of `runs compare`, and the same for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from photograft.evaluation.multiplicity import LEVEL, holm
from photograft.reporting.clean import clean_text, clean_value
from photograft.reporting.columns import count_columns, cut_columns
from photograft.reporting.diff_document import is_unused, run_document
from photograft.reporting.diff_lines import class_sentences, count_photos, show_value
from photograft.reporting.finished_run import FinishedRun
from photograft.reporting.run_pair import OddPhoto, RunPair, pair_document
from photograft.reporting.training import records_from, training_sections
from photograft.reporting.training_curves import judged_curves

FORMAT = 1
_WIDEST = 44  # columns of a name in the terminal
_MOST_SETTINGS = 12
_UNLIKE = ("cache.", "report.")
"""Settings by which no model is made."""


def build_compare(
    runs: Sequence[FinishedRun],
    pairs: Sequence[RunPair],
    *,
    reference: FinishedRun,
    created: str,
    shared: bool = False,
    language: str = "en",
) -> dict[str, Any]:
    """Gather runs into the document that `render_compare` draws.

    Args:
        runs: All of them, in the order they are shown.
        pairs: Every other run against the reference, in the same order.
        reference: The run that the others are compared with.
        created: ISO 8601 time.
        shared: Whether comparing on a part of the photos was asked for.
        language: Of the page's texts.
    """
    names = {row: photo.name for run in reversed(runs) for row, photo in _contents(run).items()}
    corrected = holm([pair.comparison.p for pair in pairs])
    document = {
        "format": FORMAT,
        "created": created,
        "language": language,
        "reference": reference.name,
        "shared": shared,
        "runs": [_run(run) for run in runs],
        "comparisons": [
            {
                **pair_document(pair),
                "p_corrected": p,
                "verdict": _verdict(pair, p, several=len(pairs) > 1),
                "only_a_photos": [_photo(odd, names) for odd in pair.only_a],
                "only_b_photos": [_photo(odd, names) for odd in pair.only_b],
            }
            for pair, p in zip(pairs, corrected, strict=True)
        ],
        "settings": differing_settings(runs),
    }
    plain: dict[str, Any] = clean_value(document)
    return plain


def compare_lines(document: Mapping[str, Any]) -> list[str]:
    """The document for the terminal: a table of the runs, what is better, and what differs."""
    lines = [*_table(document["runs"]), ""]
    for pair in document["comparisons"]:
        lines += _pair_lines(pair, n_pairs=len(document["comparisons"]))
    names = [run["name"] for run in document["runs"]]
    settings = document["settings"]
    lines += [f"Settings that differ ({', '.join(names)}):"] if settings else ["All settings are the same."]
    for row in settings[:_MOST_SETTINGS]:
        lines.append(f"  {row['name']}: {', '.join(show_value(value) for value in row['values'])}")
    more = len(settings) - _MOST_SETTINGS
    return [*lines, *([f"  ... and {more} more; --json shows all"] if more > 0 else [])]


def differing_settings(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Settings of which not all runs have the same value, save those by which no model is made.

    Those that only some runs have a use for come last.
    """
    names = dict.fromkeys(name for run in runs for name in run.settings if not name.startswith(_UNLIKE))
    rows = ({"name": name, "values": [run.settings.get(name) for run in runs]} for name in names)
    differ = [row for row in rows if any(value != row["values"][0] for value in row["values"])]
    return sorted(differ, key=lambda row: is_unused(row["values"]))


def odd_contents(pairs: Sequence[RunPair]) -> list[str]:
    """Which photos the page shows: those that one run alone has right, by content."""
    return list(dict.fromkeys(odd.content for pair in pairs for odd in (*pair.only_a, *pair.only_b)))


def _contents(run: FinishedRun) -> dict[str, Any]:
    return {f"{photo.sha256}#{photo.object}": photo for photo in run.manifest.usable.photos}


def _run(run: FinishedRun) -> dict[str, Any]:
    sections = training_sections(run.report)
    summaries = [section["summary"] for section in sections.values()]
    git = run.record.get("git") or {}
    return {
        **run_document(run),
        "photos": run.report["photos"]["used"],
        "px": run.report["model"].get("px"),
        "backbone": run.report["model"].get("backbone"),
        "parameters": sum(summary["parameters"] for summary in summaries) or None,
        "trainable": sum(summary["trainable"] for summary in summaries) or None,
        "minutes": round(sum(run.report["seconds"].values()) / 60, 2),
        "test_openings": run.report.get("test_openings", 0),
        "version": run.record["versions"].get("photograft"),
        "commit": git.get("commit", "")[:12] or None,
        "folder": run.path.name,
        "curves": [curve for name, section in sections.items() for curve in _curves(name, section)],
    }


def _curves(member: str, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Validation loss and accuracy by epoch of the fit that was judged, or of the mean of folds."""
    curves = judged_curves(records_from(section))[-1:]
    return [{"member": member, "epoch": c.epoch, "loss": c.val, "accuracy": c.accuracy} for c in curves]


def _verdict(pair: RunPair, p: float, *, several: bool) -> str:
    """Whether a is "better" or "worse" than b, the "same", or "unsure" where several comparisons explain it."""
    found = pair.comparison
    if found.low <= 0 <= found.high:
        return "same"
    if several and p >= LEVEL:
        return "unsure"
    return "better" if found.difference > 0 else "worse"


def _photo(odd: OddPhoto, names: Mapping[str, str]) -> dict[str, Any]:
    return {"content": odd.content, "path": clean_text(names.get(odd.content, "")), "label": odd.label,
            "wrong": odd.wrong, "sure": odd.sure}  # fmt: skip


def _table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("run", "accuracy", "95 %", "macro-F1", "n", "judged on", "photos", "minutes")]
    for run in runs:
        interval = f"{run['accuracy_low']:.3f} to {run['accuracy_high']:.3f}"
        scores = (f"{run['accuracy']:.3f}", interval, f"{run['macro_f1']:.3f}", f"{run['n']:,}", run["what"])
        rows.append((cut_columns(run["name"], _WIDEST), *scores, f"{run['photos']:,}", f"{run['minutes']:.1f}"))
    widths = [max(count_columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        space = [" " * (width - count_columns(cell)) for cell, width in zip(row, widths, strict=True)]
        lines.append(
            "  ".join([row[0] + space[0], *(gap + cell for gap, cell in zip(space[1:], row[1:], strict=True))])
        )
    return lines


def _pair_lines(pair: Mapping[str, Any], *, n_pairs: int) -> list[str]:
    lines = [f"{pair['sentence']}{' on shared photos alone' if pair['partly'] else ''}"]
    if pair["verdict"] == "unsure":
        p = f"p {pair['p_corrected']:.2g} by Holm's correction"
        lines.append(f"  but among {n_pairs} comparisons one such difference may be chance ({p})")
    if pair["partly"]:
        overlap = pair["overlap"]
        judged = f"{pair['a']} judged {overlap['n_a']:,} photos and {pair['b']} {overlap['n_b']:,}"
        lines.append(f"  {judged}; compared are the {pair['n']:,} that both judged without having seen them:")
        lines.append(
            f"  {pair['a']} names {pair['accuracy_a']:.3f} of them rightly, {pair['b']} {pair['accuracy_b']:.3f}"
        )
    if not pair["same_classes"]:
        lines.append("  they know different classes")
    alone = [count_photos(pair[key]) for key in ("only_a", "only_b")]
    counts = f"right by {pair['a']} alone: {alone[0]}; by {pair['b']} alone: {alone[1]}"
    lines.append(f"  {counts} (McNemar p {pair['p']:.2g})")
    classes = class_sentences(pair, gains=f"{pair['a']} gains", loses=f"{pair['a']} loses")
    return [*lines, *(f"  {sentence}" for sentence in classes), ""]
