"""The second half of `train`: compose and calibrate, ship the bundle, predict, evaluate, report."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, as_document, to_yaml
from photograft.data.files import open_files
from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.folds import FoldScores, fold_scores
from photograft.evaluation.label_errors import rank_labels, suspect_labels
from photograft.evaluation.slices import evaluate_slices
from photograft.inference.classifier import Classifier
from photograft.reporting.composite import BalanceFacts, EnsembleFacts
from photograft.reporting.confusion_png import confusion_png
from photograft.reporting.document import build_report
from photograft.reporting.doubts import DOUBTS, Doubt, doubts_csv, gather_doubts
from photograft.reporting.doubts_section import doubts_document
from photograft.reporting.figures import confusion_svg
from photograft.reporting.records import issues_csv, manifest_csv, splits_csv
from photograft.reporting.robustness_section import robustness_csv
from photograft.reporting.tables import confusion_tables, predictions_csv
from photograft.reporting.training import Training
from photograft.reporting.training_records import records_jsonl
from photograft.tracking.openings import count_opening
from photograft.tracking.run_folder import RunFolder
from photograft.values import Evaluation, IntArray, Predictions
from photograft.workflow.clock import Clock
from photograft.workflow.composition import (
    Composition,
    choose_composition,
    cross_compose,
    judge,
    judge_linear,
)
from photograft.workflow.decisions import Decisions, decide, decisions_section
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.facts import (
    NAMES,
    balance_effects,
    compare_with_linear,
    ensemble_facts,
    gain_text,
    model_facts,
    repeats_of,
)
from photograft.workflow.members import MAIN, Learnt, Member, member_folder, refit_of
from photograft.workflow.narrator import Narrator
from photograft.workflow.render import render_report
from photograft.workflow.robustness import run_robustness
from photograft.workflow.ship import BundleInProgress, ship_bundle
from photograft.workflow.source import read_as_scanned


@dataclass(frozen=True)
class Trained:
    """What the first half of `train` leaves: settings, photos, and the members with how they were judged."""

    asked: str
    config: Config
    reasons: dict[str, str]
    learnt: Learnt
    members: tuple[Member, ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> IntArray:
        """The photos that all members judged without having seen them."""
        return min((member.rows for member in self.members), key=len)

    @property
    def what(self) -> str:
        """Which photos these are: "oof", or "val" where fine-tuning held them out."""
        return "oof" if len(self.rows) == len(self.learnt.rows) else "val"

    @property
    def exact_features(self) -> bool:
        """Whether the features of all members came from the very path that the bundle predicts by."""
        return all(member.exact_features for member in self.members)


@dataclass(frozen=True)
class _Results:
    """What the members say: `shipped` makes probabilities of their logits, `judged` are the honest ones."""

    shipped: Composition
    judged: Predictions
    test_rows: IntArray
    test: Predictions
    evaluations: dict[str, Evaluation]
    folds: tuple[FoldScores, ...]
    doubts: list[Doubt]
    decisions: Decisions | None = None


def finish_run(
    run: RunFolder, trained: Trained, clock: Clock, narrator: Narrator
) -> tuple[dict[str, Evaluation], tuple[FoldScores, ...], list[str]]:
    """Write everything of the run; gives the evaluations by name, headline first, scores of the folds, and warnings.

    "test" are the test photos without a duplicate or a photo of their group in training, "test with leaks" all of them
    where that differs, "oof" the cross-validated ones. Folds have scores where the headline is out of fold.
    """
    warnings = list(trained.warnings)
    learnt, config = trained.learnt, trained.config
    _write_inputs(run, trained)
    with clock.stage("calibrate"):
        positive = positive_class(trained)
        by_all = judge(trained.members, honest=False, rows=trained.rows)
        shipped = choose_composition(by_all, learnt, config, positive=positive)
        by_honest = judge(trained.members, honest=True, rows=trained.rows)
        judged = cross_compose(by_honest, learnt, config)
        judged = replace(judged, threshold_K=shipped.threshold_K)
        linear = cross_compose(judge_linear(trained.members, learnt.rows), learnt, config)
        doubts = suspect_labels(linear)
    trained = replace(trained, learnt=replace(learnt, issues=(*learnt.issues, *doubts)))
    run.write("issues.csv", issues_csv(trained.learnt.issues))
    with ship_bundle(run, trained, shipped) as bundle:
        # Closed, the test part is as good as not there: nothing of it is predicted, scored or counted.
        test_rows = learnt.splits.rows("test") if config.split.open_test else np.empty(0, dtype=np.int64)
        with Classifier(bundle.read()) as classifier, clock.stage("predict"):
            test = _predict_rows(trained, bundle, classifier, test_rows)
            ensemble = ensemble_facts(trained, shipped, judged, by_honest, classifier, bundle.owners)
        openings = _count_opening(run, trained, test_rows, warnings)
        with clock.stage("evaluate"):
            evaluations = _evaluate(trained, judged, test_rows, test, positive, warnings)
            headline = next(iter(evaluations.values()))
            folded = headline.what == NAMES["oof"]
            folds = fold_scores(judged, learnt.splits.fold_N[trained.rows]) if folded else ()
            # Test photos were judged by another model than those of folds, which has its own thresholds.
            ranked = gather_doubts(rank_labels(linear), rank_labels(test), part_of=_parts(trained))
            results = _Results(shipped, judged, test_rows, test, evaluations, folds, ranked)
            trained = compare_with_linear(trained, judged, linear, test_rows, test)
            balance = balance_effects(trained, shipped, judged, by_honest)
        fitted_on = _refit(trained, bundle, warnings)
        with clock.stage("decide"):
            decisions = decide(trained, bundle, judged=judged, test=test, test_rows=test_rows)
            results = replace(results, decisions=decisions)
        with clock.stage("bundle"):
            statement = learnt.splits.statement
            bundle.finish(
                tested={"what": headline.what, **headline.scores, "leak_statement": statement, "fitted_on": fitted_on}
            )
    with clock.stage("report"):
        _write_results(run, trained, results)
    sections = _sections(run, trained, results, clock, narrator)
    with clock.stage("report"):
        _write_report(run, trained, results, openings, ensemble, balance, sections, clock, warnings)
        run.seal()
        render_report(run)
    if ensemble is not None and ensemble.gain is not None:
        narrator.say(gain_text(ensemble.gain))
    narrator.say(f"Report: {run.path / 'report.html'}")
    return evaluations, folds, warnings


def _count_opening(run: RunFolder, trained: Trained, test_rows: IntArray, warnings: list[str]) -> int:
    """How often this test part was opened, this run included; 0 without one."""
    if not len(test_rows):
        return 0
    photos = trained.learnt.photos
    openings = count_opening(run.path.parent, (photos[i].sha256 for i in test_rows), run=run.path.name)
    if openings > 1:
        warnings.append(
            f"This test part has now been opened {openings} times: "
            "choosing between runs by its score makes it too optimistic."
        )
    return openings


def _refit(trained: Trained, bundle: BundleInProgress, warnings: list[str]) -> list[str]:
    """Ship the models that `train.refit` asks for; gives the parts that the shipped ones were fitted on."""
    refit, learnt = refit_of(trained.config), trained.learnt
    if refit == "none":
        return ["train"]
    rows = learnt.splits.rows("train", "val", "test")
    if refit != "all" or len(rows) == len(learnt.rows):
        return ["train", "val"]
    bundle.replace([m.on_all or replace(m.model, heads=m.linear_on(learnt, rows)) for m in trained.members])
    warnings.append(
        "train.refit is all: the shipped model also saw the test photos; the scores are of the model before."
    )
    return ["train", "val", "test"]


def _predict_rows(trained: Trained, bundle: BundleInProgress, classifier: Classifier, rows: IntArray) -> Predictions:
    """Predictions of the given photos by the bundle's own path."""
    learnt = trained.learnt
    photos = learnt.photos
    member_NK = learnt.member_NK[rows] if learnt.targets.several else None
    if trained.exact_features:
        paths = [photos[i].name for i in rows]
        return classifier.table(paths, bundle.embeddings, learnt.label_N[rows], member_NK, rows=rows)
    max_file_mb = trained.config.data.max_file_mb
    with open_files(learnt.manifest.root) as files:
        order = np.argsort([files.position(photos[i].path) for i in rows], kind="stable")  # an archive's, in one pass
        inputs = (read_as_scanned(photos[i], files, max_file_mb=max_file_mb) for i in rows[order])
        members = None if member_NK is None else member_NK[order]
        predictions = classifier.predict_table(inputs, learnt.label_N[rows[order]], members)
    return predictions.take(np.argsort(order)).renamed(tuple(photos[i].name for i in rows))


def _evaluate(
    trained: Trained,
    judged: Predictions,
    test_rows: IntArray,
    test: Predictions,
    positive: str | None,
    warnings: list[str],
) -> dict[str, Evaluation]:
    splits, seed = trained.learnt.splits, trained.config.train.seed

    def score(predictions: Predictions, rows: IntArray, what: str) -> Evaluation:
        group_N, duplicate_N = splits.group_N[rows], splits.duplicate_N[rows]
        evaluation = evaluate(
            predictions, what=what, group_N=group_N, duplicate_N=duplicate_N, positive=positive, seed=seed
        )
        slices = evaluate_slices(predictions, _slice_values(trained, rows), group_N=group_N, duplicate_N=duplicate_N)
        return replace(evaluation, slices=slices)

    evaluations = {}
    clean = ~splits.leaked_N[test_rows]
    if clean.any():
        evaluations["test"] = score(test.take(np.flatnonzero(clean)), test_rows[clean], "test")
    evaluations[trained.what] = score(judged, trained.rows, NAMES[trained.what])
    if not clean.all():
        grouped = any(photo.group for photo in trained.learnt.photos)
        relative = "a duplicate or a photo of its group" if grouped else "a duplicate"
        what = "test with leaks"
        evaluations[what] = score(test, test_rows, what)
        with_leaks = f"With them the accuracy is {evaluations[what].scores['accuracy']:.3f}."
        if clean.any():
            left_out = f"{int((~clean).sum())} of {len(clean)} test photos have {relative} in training"
            warnings.append(f"{left_out} and are left out of the score. {with_leaks}")
        else:
            warnings.append(
                f"Every test photo has {relative} in training, so the test part says nothing: "
                f"the score is the cross-validated one. {with_leaks}"
            )
    if not all(member.exact_features or member.training is not None for member in trained.members):
        warnings.append("Out-of-fold scores rest on mixed-precision features of the GPU; test scores on the bundle.")
    warnings += next(iter(evaluations.values())).warnings
    return evaluations


def _parts(trained: Trained) -> dict[str, str]:
    """The part that each usable photo is in, by its name."""
    learnt = trained.learnt
    return {photo.name: str(part) for photo, part in zip(learnt.photos, learnt.splits.part_N, strict=True)}


def _slice_values(trained: Trained, rows: IntArray) -> dict[str, list[str]]:
    """The values of each column that the report is split by, one per photo."""
    values = [dict(trained.learnt.photos[i].values) for i in rows]
    return {column: [each.get(column, "") for each in values] for column in trained.config.report.slices}


def positive_class(trained: Trained) -> str | None:
    """The class that AUROC is about, chosen once for all parts: the setting, else the smaller of two classes."""
    classes = trained.learnt.targets.classes
    if trained.config.report.positive is not None or len(classes) != 2 or trained.learnt.targets.several:
        return trained.config.report.positive
    counts = np.bincount(trained.learnt.label_N, minlength=2)
    return classes[0] if counts[0] < counts[1] else classes[1]


def _write_inputs(run: RunFolder, trained: Trained) -> None:
    learnt = trained.learnt
    run.write("config.yaml", trained.asked)
    run.write("config.resolved.yaml", to_yaml(trained.config, reasons=trained.reasons))
    run.write("manifest.csv", manifest_csv(learnt.manifest))
    run.write("splits.csv", splits_csv(learnt.manifest, learnt.splits))
    write_members(run, trained.members)
    if trained.config.data.edits is not None:
        run.write("edits.csv", trained.config.data.edits.read_bytes())


def write_members(run: RunFolder, members: tuple[Member, ...]) -> None:
    """The settings of each member that is one of several, in a folder of its own."""
    for member in members:
        if member.name != MAIN:
            folder = member_folder(run, member.name)
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.write("config.resolved.yaml", to_yaml(member.config, reasons=member.reasons))


def _write_results(run: RunFolder, trained: Trained, results: _Results) -> None:
    headline = next(iter(results.evaluations.values()))
    if len(headline.confusion_KK):
        run.write("confusion.svg", confusion_svg(headline.classes, headline.confusion_KK))
        run.write("confusion.png", confusion_png(headline.classes, headline.confusion_KK))
    for name, content in confusion_tables(headline).items():
        run.write(name, content)
    rows = np.concatenate([trained.rows, results.test_rows])
    splits = trained.learnt.splits
    both = results.judged.joined(results.test)
    run.write("predictions.csv", predictions_csv(both, part_N=splits.part_N[rows], fold_N=splits.fold_N[rows]))
    run.write(DOUBTS, doubts_csv(results.doubts))
    run.write("records.jsonl", _records(trained))


def _sections(
    run: RunFolder, trained: Trained, results: _Results, clock: Clock, narrator: Narrator
) -> dict[str, dict[str, Any]]:
    """Further sections of the report, by their keys."""
    headline = next(iter(results.evaluations.values()))
    assert results.decisions is not None
    return {
        **_try_worse_photos(run, trained, headline, clock, narrator),
        "decisions": decisions_section(results.decisions, flagged=trained.config.predict.unfamiliar),
        "label_doubts": doubts_document(results.doubts, several=trained.learnt.targets.several),
    }


def _try_worse_photos(
    run: RunFolder, trained: Trained, headline: Evaluation, clock: Clock, narrator: Narrator
) -> dict[str, dict[str, Any]]:
    """The section on what worse photos cost the shipped model, where settings and photos allow to try it."""
    limit_s, root = trained.config.report.robustness_s, trained.learnt.manifest.root
    if limit_s == "auto" or limit_s == 0 or not headline.scores["n"]:
        return {}
    with clock.stage("robustness"):
        section = run_robustness(run, trained.config, root=root, what=headline.what, limit_s=limit_s, narrator=narrator)
    if "left_out" not in section:
        run.write("robustness.csv", robustness_csv(section))
    return {"robustness": section}


def _records(trained: Trained) -> str:
    """Out-of-fold losses of the linear heads by strength, then the records of fine-tuning."""
    lines: list[str] = []
    only = sum(len(member.targets) for member in trained.members) == 1
    for member in trained.members:
        for target, fit in zip(member.targets, member.fits, strict=True):
            named = {} if only else {"member": member.name, "target": target.name}
            lines += [
                json.dumps({**named, "strength": strength, "oof_log_loss": loss}, ensure_ascii=False) + "\n"
                for strength, loss in fit.cv_loss.items()
            ]
    tuned = [member.training.records for member in trained.members if member.training is not None]
    return "".join(lines) + "".join(map(records_jsonl, tuned))


def _trainings(trained: Trained) -> Training | dict[str, Training]:
    """How the only network was fine-tuned, or every member that was, by name."""
    tuned = {member.name: member.training for member in trained.members if member.training is not None}
    return tuned[MAIN] if list(tuned) == [MAIN] else tuned


def _write_report(
    run: RunFolder,
    trained: Trained,
    results: _Results,
    openings: int,
    ensemble: EnsembleFacts | None,
    balance: BalanceFacts | None,
    sections: dict[str, dict[str, Any]],
    clock: Clock,
    warnings: list[str],
) -> None:
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    made_with = versions()
    learnt, shipped = trained.learnt, results.shipped
    temperatures = {row.name: row.temperature for row in shipped.rows}
    report = build_report(
        run=run.path.name,
        created=created,
        evaluations=list(results.evaluations.values()),
        manifest=learnt.manifest,
        splits=learnt.splits,
        # The page lists rejected files by itself.
        issues=[issue for issue in learnt.issues if issue.kind != "rejected"],
        test_openings=openings,
        temperature=temperatures if len(temperatures) > 1 else next(iter(temperatures.values())),
        quality=trained.config.quality,
        model=model_facts(trained),
        settings=as_document(trained.config),
        reasons=trained.reasons,
        versions=made_with,
        seconds=dict(clock.seconds),
        warnings=warnings,
        worst=trained.config.report.worst,
        language=trained.config.report.language,
        repeats=repeats_of(trained),
        training=_trainings(trained),
        folds=results.folds,
        ensemble=ensemble,
        balance=balance,
        sections=sections,
    )
    run.write_json("report.json", report)
    run.write_json(
        "run.json",
        {
            "format": 1,
            "photos": str(learnt.manifest.root.absolute()).encode("utf-8", "backslashreplace").decode(),
            "command": command_line(),
            "created": created,
            "data_sha256": data_sha256(learnt.manifest),
            "git": git_state(Path.cwd()),
            "versions": made_with,
            "seconds": clock.seconds,
        },
    )
