"""study.json: what the variants of a recipe or system came to, side by side; and the same for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from photograft.config.recipe import Recipe
from photograft.evaluation.paired import Comparison
from photograft.reporting.clean import clean_value
from photograft.reporting.columns import count_columns, cut_columns
from photograft.reporting.training import records_from, training_sections
from photograft.reporting.training_curves import judged_curves

FORMAT = 1
_SCORES = ("n", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss")
_WIDEST = 44  # columns of a name or a source figure in the terminal


def build_study(
    *,
    study: str,
    data: str,
    created: str,
    assignments: Sequence[str],
    planned: int,
    variants: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    language: str = "en",
) -> dict[str, Any]:
    """Gather a study into the document that `render_study` draws and that is written as ``study.json``.

    Args:
        study: Name of the recipe or system.
        data: The photos.
        created: ISO 8601 time.
        assignments: Settings that were changed for all variants; then expected figures do not apply.
        planned: How many variants there are to be.
        variants: What `variant_row` gives, one per variant that was tried.
        comparisons: What `comparison_row` gives.
        language: Of the page's texts.
    """
    about = {"format": FORMAT, "study": study, "data": data, "created": created, "language": language}
    plan = {"changed": list(assignments), "planned": planned}
    document: dict[str, Any] = clean_value({**about, **plan, "variants": variants, "comparisons": comparisons})
    return document


def variant_row(
    recipe: Recipe,
    *,
    title: str,
    missing: str = "",
    run: str | None = None,
    report: Mapping[str, Any] | None = None,
    pretraining: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """One variant: its recipe's head, and what its run came to.

    Args:
        recipe: What was run.
        title: What the variant is called.
        missing: How to get the pretrained weights that were not there; empty where none were missing.
        run: Name of the run's folder in that of the study.
        report: The report.json of a training run.
        pretraining: The report.json of a pretraining run.
        error: Why there is no run.
    """
    head = {
        "variant": title, "recipe": recipe.name, "verb": recipe.verb, "reproduces": recipe.reproduces,
        "source": recipe.source or None, "expected": recipe.expected or None, "twin": recipe.twin or None,
        "random_weights": bool(missing), "missing_weights": missing or None, "run": run, "error": error,
        "pretraining": None if pretraining is None else _pretraining(pretraining),
    }  # fmt: skip
    results = _nothing() if report is None else _results(report)
    if pretraining is not None:
        results |= {"minutes": round(pretraining["seconds"] / 60, 2)}
    return {**head, **results}


def comparison_row(a: str, b: str, compared: Comparison | str) -> dict[str, Any]:
    """Two variants compared, or in words why they are not."""
    if isinstance(compared, str):
        return {"a": a, "b": b, "refused": compared}
    sentence = compared.sentence if compared.same_classes else f"{compared.sentence} (they know different classes)"
    return {**asdict(compared), "sentence": sentence}


def study_lines(document: Mapping[str, Any]) -> list[str]:
    """The study for the terminal: a table, then the comparisons in words."""
    heads = ("variant", "accuracy", "95 %", "macro-F1", "n", "trained", "minutes", "source (their data)")
    rows = [heads, *(_cells(row) for row in document["variants"])]
    widths = [max(count_columns(row[i]) for row in rows) for i in range(len(heads))]
    left = (0, len(heads) - 1)
    lines = [
        "  ".join(_padded(cell, width, left=i in left) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    lines = [line.rstrip() for line in lines]
    lines += [""] if document["comparisons"] else []
    lines += [row.get("sentence") or f"not compared: {row['refused']}" for row in document["comparisons"]]
    failed = [row for row in document["variants"] if row["error"]]
    lines += [""] if failed else []
    lines += [f"{row['variant']} failed: {row['error']}" for row in failed]
    changed = ", ".join(document["changed"])
    return [*lines, *(["", f"Settings were changed ({changed}): expected figures do not apply."] if changed else [])]


def _nothing() -> dict[str, Any]:
    names = ("what", *_SCORES, "classes", "photos", "parameters", "trainable", "minutes", "split")
    return {**dict.fromkeys(names), "curves": []}


def _results(report: Mapping[str, Any]) -> dict[str, Any]:
    headline = report["evaluations"][0]
    sections = training_sections(report)
    summaries = [section["summary"] for section in sections.values()]
    return {
        "what": headline["what"],
        **{name: headline["scores"].get(name) for name in _SCORES},
        "classes": len(headline["classes"]),
        "photos": report["photos"]["used"],
        "parameters": sum(summary["parameters"] for summary in summaries) or None,
        "trainable": sum(summary["trainable"] for summary in summaries) or None,
        "minutes": round(sum(report["seconds"].values()) / 60, 2),
        "split": report["split"]["statement"],
        "curves": [curve for name, section in sections.items() for curve in _curves(name, section)],
    }


def _pretraining(report: Mapping[str, Any]) -> dict[str, Any]:
    model = report["errors"]["model"]
    return {
        "epochs": report["epochs"],
        "photos": report["photos"]["train"],
        "held_out": report["photos"]["held_out"],
        **{name: model[name] for name in ("mse", "mse_low", "mse_high", "psnr_db")},
        "mean_colour_mse": report["errors"]["mean_colour"]["mse"],
    }


def _curves(member: str, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Validation loss and accuracy by epoch of the fit that was judged, or of the mean of folds."""
    curves = judged_curves(records_from(section))[-1:]
    return [{"member": member, "epoch": c.epoch, "loss": c.val, "accuracy": c.accuracy} for c in curves]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    name, source = cut_columns(row["variant"], _WIDEST), cut_columns(row["source"] or "", _WIDEST)
    if row["error"]:
        return (name, "failed", "", "", "", "", "", source)
    minutes = "" if row["minutes"] is None else f"{row['minutes']:.1f}"
    if row["accuracy"] is None:
        return (name, "", "", "", "", "", minutes, source)
    trained = f"{row['trainable']:,}" if row["trainable"] else "linear head"
    limits = f"{row['accuracy_low']:.3f} to {row['accuracy_high']:.3f}"
    return (
        name, f"{row['accuracy']:.3f}", limits, f"{row['macro_f1']:.3f}", f"{row['n']:,}", trained, minutes, source,
    )  # fmt: skip


def _padded(cell: str, width: int, *, left: bool) -> str:
    space = " " * (width - count_columns(cell))
    return cell + space if left else space + cell
