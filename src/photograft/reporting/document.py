"""report.json: everything that the page shows, as plain JSON types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from photograft.evaluation.folds import FoldScores
from photograft.reporting.advice import advise
from photograft.reporting.clean import clean_value
from photograft.reporting.composite import (
    BalanceFacts,
    EnsembleFacts,
    balance_document,
    class_row,
    ensemble_document,
    factor_document,
    folds_document,
)
from photograft.reporting.doubts_section import doubt_paths
from photograft.reporting.sentences import describe_result
from photograft.reporting.training import Trainings, training_document, training_facts
from photograft.values import PARTS, Evaluation, Issue, Manifest, Slice, Splits

FORMAT = 1
_NAMED = 20  # files or cases named per list; issues.csv and manifest.csv hold them all


def build_report(
    *,
    run: str,
    created: str,
    evaluations: Sequence[Evaluation],
    manifest: Manifest,
    splits: Splits,
    issues: Sequence[Issue] = (),
    test_openings: int = 0,
    temperature: float | Mapping[str, float] | None = None,
    quality: str = "good",
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
    reasons: Mapping[str, str],
    versions: Mapping[str, str],
    seconds: Mapping[str, float],
    warnings: Sequence[str] = (),
    repeats: Sequence[float] = (),
    training: Trainings = None,
    folds: Sequence[FoldScores] = (),
    ensemble: EnsembleFacts | None = None,
    balance: BalanceFacts | None = None,
    sections: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    worst: int = 24,
    language: str = "en",
) -> dict[str, Any]:
    """Gather one run into the document that `render_html` draws and that is written as ``report.json``.

    Args:
        run: name of the run.
        created: ISO 8601 time of its end.
        evaluations: headline first; `Evaluation.what` is "test", "out-of-fold" or another name of the photos judged.
        manifest: every file that was found, rejected ones too.
        splits: parts and folds; rows in the order of ``manifest.usable``.
        issues: what was found about the data.
        test_openings: how often this very test part has been opened, this run included; 0 without a test part.
        temperature: of the calibration, by factor where each has its own; None where nothing was calibrated.
        quality: "fast", "good" or "best".
        model: facts in display order, e.g. backbone, licence, px, embedding, views, strength, graft, refit.
        settings: sections of settings as used, {"split": {"seed": 0}}.
        reasons: why a setting has its value, by dotted name, {"split.test": "fewer than 1,500 photos"}.
        versions: of the programs used.
        seconds: per stage, in order.
        warnings: sentences that the reader must see.
        repeats: out-of-fold accuracy of each draw of the folds, the headline's first; empty where there is one draw.
        training: how the network was fine-tuned, or members by name; None where heads alone were trained.
        folds: scores of each fold; empty where the page is not to show them.
        ensemble: the models that predict together; None where there is one.
        balance: what was done for small classes; None where nothing was.
        sections: further sections by their keys, such as "robustness", as the functions that make them give them.
        worst: how many of the worst mistakes the page shows.
        language: of the page's texts.
    """
    about = {"format": FORMAT, "run": run, "created": created, "language": language, "quality": quality, "worst": worst}
    scored = {"evaluations": [_evaluation(evaluation) for evaluation in evaluations], **_data(manifest, splits)}
    judged = {"test_openings": test_openings, "issues": _issues(issues), "temperature": temperature}
    told = {"warnings": list(warnings), "repeats": list(repeats), "model": {**model, **training_facts(training)}}
    made = {"settings": settings, "reasons": reasons, "versions": versions, "seconds": seconds}
    composite = folds_document(folds, settings) | ensemble_document(ensemble) | balance_document(balance)
    return _summarise(about | scored | judged | told | made | training_document(training) | composite | {**sections})


def thumbnail_paths(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the photos that the page shows as thumbnails: doubtful labels, then the worst mistakes."""
    mistakes = report["evaluations"][0]["mistakes"][: report["worst"]] if report["evaluations"] else ()
    return tuple(dict.fromkeys([*doubt_paths(report), *(mistake["path"] for mistake in mistakes)]))


def _summarise(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document in JSON's own types, with what it comes to in English words."""
    plain: dict[str, Any] = clean_value(document)
    english = plain | {"language": "en"}  # a page says them in its own language, made from the same numbers
    return plain | {"summary": describe_result(english), "next_steps": advise(english)}


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "what": evaluation.what,
        "classes": evaluation.classes,
        "scores": evaluation.scores,
        "per_class": [class_row(scores) for scores in evaluation.per_class],
        "confusion": evaluation.confusion_KK,
        "confused_pairs": [{"label": a, "predicted": b, "n": n} for a, b, n in evaluation.confused_pairs],
        "reliability": [asdict(part) for part in evaluation.reliability],
        "mistakes": [asdict(mistake) for mistake in evaluation.mistakes],
        "warnings": evaluation.warnings,
    }
    if evaluation.slices:
        document["slices"] = slice_rows(evaluation.slices)
    if evaluation.factors:
        document["factors"] = [factor_document(name, factor, evaluation) for name, factor in evaluation.factors]
    return document


def slice_rows(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    """Return slices as every JSON output has them."""
    return [
        {
            "column": part.column,
            "value": part.value,
            "n": part.n,
            "accuracy": part.accuracy,
            "accuracy_low": part.low,
            "accuracy_high": part.high,
        }
        for part in slices
    ]


def _data(manifest: Manifest, splits: Splits) -> dict[str, Any]:
    return {"photos": _photos(manifest), "classes": _classes(manifest, splits), "split": _split(splits)}


def _photos(manifest: Manifest) -> dict[str, Any]:
    rejected = manifest.rejected
    return {
        "found": len(manifest.photos),
        "used": len(manifest.usable.photos),
        "rejected": len(rejected),
        "excluded": sum(bool(photo.excluded) for photo in manifest.photos),
        "verdicts": manifest.count_verdicts(),
        "rejected_files": [{"path": p.path, "verdict": p.verdict, "reason": p.reason} for p in rejected[:_NAMED]],
        "notes": manifest.notes,
    }


def _split(splits: Splits) -> dict[str, Any]:
    return {
        "statement": splits.statement,
        "folds": splits.n_folds,
        "leaked": int(splits.leaked_N.sum()),
        "parts": {part: int((splits.part_N == part).sum()) for part in PARTS},
    }


def _classes(manifest: Manifest, splits: Splits) -> list[dict[str, Any]]:
    counts = Counter(
        (label, str(part))
        for photo, part in zip(manifest.usable.photos, splits.part_N, strict=True)
        for label in photo.all_labels
    )
    totals = Counter(label for photo in manifest.usable.photos for label in photo.all_labels)
    return [
        {"name": name, "photos": totals[name], "parts": {part: counts[name, part] for part in PARTS}}
        for name in manifest.classes
    ]


def _issues(issues: Sequence[Issue]) -> list[dict[str, Any]]:
    """Gather issues by kind, conflicting labels first: how many, what to do, and the first cases."""
    kinds: dict[str, list[Issue]] = {}
    for issue in sorted(issues, key=lambda issue: "conflict" not in issue.kind):
        kinds.setdefault(issue.kind, []).append(issue)
    return [
        {
            "kind": kind,
            "n": len(cases),
            "remedies": list(dict.fromkeys(case.remedy for case in cases if case.remedy)),
            "cases": [
                {"message": case.message, "n_paths": len(case.paths), "paths": case.paths[:_NAMED]}
                for case in cases[:_NAMED]
            ],
        }
        for kind, cases in kinds.items()
    ]
