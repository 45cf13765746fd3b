"""The second half of `train`: calibrate, ship the bundle, predict, evaluate, report."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, to_yaml
from photograft.contract import Contract
from photograft.evaluation.calibration import fit_temperature
from photograft.evaluation.evaluate import evaluate
from photograft.inference.classifier import Classifier
from photograft.metrics.softmax import softmax
from photograft.models.catalogue import Backbone
from photograft.reporting.confusion_png import confusion_png
from photograft.reporting.document import build_report
from photograft.reporting.figures import confusion_svg
from photograft.reporting.records import issues_csv, manifest_csv, splits_csv
from photograft.reporting.tables import confusion_csv, predictions_csv
from photograft.tracking.openings import count_opening
from photograft.tracking.run_folder import RunFolder
from photograft.training.linear import HeadFit, fit_head
from photograft.values import DoubleArray, Evaluation, FeatureTable, IntArray, Issue, Manifest, Predictions, Splits
from photograft.workflow.clock import Clock
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.narrator import Narrator
from photograft.workflow.render import render_report
from photograft.workflow.ship import ship_bundle

_MISTAKES_TO_SHARPEN = 10


@dataclass(frozen=True)
class Trained:
    """What the first half of `train` leaves: settings, photos, features and the cross-validated head.

    `rows` are the photos that were folded (train and validation), as row numbers of the usable manifest.
    `exact_features` says that `table` came from the very path that the bundle predicts by.
    """

    asked: str
    config: Config
    reasons: dict[str, str]
    backbone: Backbone
    contract: Contract
    network: Path
    views: tuple[str, ...]
    exact_features: bool
    manifest: Manifest
    issues: tuple[Issue, ...]
    splits: Splits
    table: FeatureTable
    rows: IntArray
    fit: HeadFit
    warnings: tuple[str, ...]

    @property
    def label_N(self) -> IntArray:
        """Class index of every usable photo."""
        return self.manifest.usable.label_indices(self.manifest.usable.classes)


def finish_run(
    run: RunFolder, trained: Trained, clock: Clock, narrator: Narrator
) -> tuple[dict[str, Evaluation], list[str]]:
    """Write everything of the run; gives the evaluations by name ("test", "oof", "test without leaks") and warnings."""
    warnings = list(trained.warnings)
    _write_inputs(run, trained)
    with clock.stage("calibrate"):
        temperature, oof_NK = _calibrate(trained)
    with ship_bundle(run, trained, trained.fit.head, temperature) as bundle:
        with Classifier(bundle.read()) as classifier, clock.stage("predict"):
            test_rows = trained.splits.rows("test")
            test_NK = _predict_rows(trained, classifier, test_rows)
        openings = 0
        if len(test_rows):
            photos = trained.manifest.usable.photos
            openings = count_opening(run.path.parent, (photos[i].sha256 for i in test_rows), run=run.path.name)
            if openings > 1:
                warnings.append(
                    f"This test part has now been opened {openings} times: "
                    "choosing between runs by its score makes it too optimistic."
                )
        with clock.stage("evaluate"):
            evaluations = _evaluate(trained, oof_NK, test_rows, test_NK, warnings)
        if trained.config.train.refit == "all" and len(test_rows):
            bundle.replace_head(_refit_on_all(trained).head)
            warnings.append(
                "train.refit is all: the shipped head also saw the test photos; the scores are of the head before."
            )
        headline = evaluations.get("test") or evaluations["oof"]
        with clock.stage("bundle"):
            tested = {"what": headline.what, **headline.scores, "leak_statement": trained.splits.statement}
            bundle.finish(tested=tested)
    with clock.stage("report"):
        _write_results(run, trained, evaluations, oof_NK, test_rows, test_NK)
        _write_report(run, trained, evaluations, temperature, openings, clock, warnings)
        render_report(run)
    narrator.say(f"Report: {run.path / 'report.html'}")
    return evaluations, warnings


def _calibrate(trained: Trained) -> tuple[float, DoubleArray]:
    """The shipped temperature, and honest out-of-fold probabilities: each fold's temperature comes from the others."""
    label_N = trained.label_N[trained.rows]
    fold_N = trained.splits.fold_N[trained.rows]
    temperature = _temperature(trained.fit.oof_logits_NK, label_N)
    logits_NK = trained.fit.honest_logits_NK
    oof_NK = np.empty(logits_NK.shape)
    for fold in range(trained.splits.n_folds):
        held = fold_N == fold
        oof_NK[held] = softmax(logits_NK[held], temperature=_temperature(logits_NK[~held], label_N[~held]))
    return temperature, oof_NK


def _temperature(logits_NK: Any, label_N: IntArray) -> float:
    temperature = fit_temperature(logits_NK, label_N)
    # With hardly a mistake to learn from, the fit would make every probability 1.
    if (np.argmax(logits_NK, axis=1) != label_N).sum() < _MISTAKES_TO_SHARPEN:
        return max(temperature, 1.0)
    return temperature


def _predict_rows(trained: Trained, classifier: Classifier, rows: IntArray) -> DoubleArray:
    """Probabilities of the given photos by the bundle's own path."""
    if trained.exact_features:
        return classifier.probabilities(trained.table.embedding_ND[rows])
    paths = [trained.manifest.root / trained.manifest.usable.photos[i].path for i in rows]
    return classifier.predict_table(paths, trained.label_N[rows]).probabilities_NK


def _evaluate(
    trained: Trained, oof_NK: DoubleArray, test_rows: IntArray, test_NK: DoubleArray, warnings: list[str]
) -> dict[str, Evaluation]:
    splits, seed = trained.splits, trained.config.train.seed
    positive = _positive(trained)
    evaluations = {}
    if len(test_rows):
        test = _predictions(trained, test_rows, test_NK)
        evaluations["test"] = evaluate(
            test, what="test", group_N=splits.group_N[test_rows], positive=positive, seed=seed
        )
        leaked = splits.leaked_N[test_rows]
        if leaked.any() and not leaked.all():
            clean_rows = test_rows[~leaked]
            clean = _predictions(trained, clean_rows, test_NK[~leaked])
            what = "test without leaks"
            evaluations[what] = evaluate(
                clean, what=what, group_N=splits.group_N[clean_rows], positive=positive, seed=seed
            )
            warnings.append(
                f"{int(leaked.sum())} test photos have a duplicate in train or validation. "
                "Without them the accuracy is "
                f"{evaluations[what].scores['accuracy']:.3f} instead of {evaluations['test'].scores['accuracy']:.3f}."
            )
    oof = _predictions(trained, trained.rows, oof_NK)
    evaluations["oof"] = evaluate(
        oof, what="out-of-fold", group_N=splits.group_N[trained.rows], positive=positive, seed=seed
    )
    headline = evaluations.get("test") or evaluations["oof"]
    warnings += headline.warnings
    return evaluations


def _positive(trained: Trained) -> str | None:
    """The class that AUROC is about, chosen once for all parts: the setting, else the smaller of two classes."""
    classes = trained.manifest.usable.classes
    if trained.config.report.positive is not None or len(classes) != 2:
        return trained.config.report.positive
    counts = np.bincount(trained.label_N, minlength=2)
    return classes[0] if counts[0] < counts[1] else classes[1]


def _predictions(trained: Trained, rows: IntArray, probabilities_NK: DoubleArray) -> Predictions:
    paths = tuple(trained.manifest.usable.photos[i].path for i in rows)
    n = len(rows)
    return Predictions(
        paths, trained.manifest.usable.classes, probabilities_NK, trained.label_N[rows], ("ok",) * n, ("",) * n
    )


def _refit_on_all(trained: Trained) -> HeadFit:
    """The head on every photo, test part included, at the strength that was chosen without it."""
    splits = trained.splits
    rows = splits.rows("train", "val", "test")
    # The test photos join the folds in turn; the folds' own results are not used here.
    fold_N = np.where(splits.fold_N[rows] < 0, np.arange(len(rows)) % splits.n_folds, splits.fold_N[rows])
    return fit_head(
        trained.table.embedding_ND[rows],
        trained.label_N[rows],
        fold_N.astype(np.int64),
        n_classes=len(trained.manifest.usable.classes),
        strength=trained.fit.strength,
        balance=trained.config.train.balance,
    )


def _write_inputs(run: RunFolder, trained: Trained) -> None:
    run.write("config.yaml", trained.asked)
    run.write("config.resolved.yaml", to_yaml(trained.config, reasons=trained.reasons))
    run.write("manifest.csv", manifest_csv(trained.manifest))
    run.write("issues.csv", issues_csv(trained.issues))
    run.write("splits.csv", splits_csv(trained.manifest, trained.splits))


def _write_results(
    run: RunFolder,
    trained: Trained,
    evaluations: dict[str, Evaluation],
    oof_NK: DoubleArray,
    test_rows: IntArray,
    test_NK: DoubleArray,
) -> None:
    headline = evaluations.get("test") or evaluations["oof"]
    run.write("confusion.csv", confusion_csv(headline.classes, headline.confusion_KK))
    run.write("confusion.svg", confusion_svg(headline.classes, headline.confusion_KK))
    run.write("confusion.png", confusion_png(headline.classes, headline.confusion_KK))
    rows = np.concatenate([trained.rows, test_rows])
    table = _predictions(trained, rows, np.concatenate([oof_NK, test_NK]))
    run.write(
        "predictions.csv",
        predictions_csv(table, part_N=trained.splits.part_N[rows], fold_N=trained.splits.fold_N[rows]),
    )
    losses = trained.fit.cv_loss.items()
    run.write("records.jsonl", "".join(f'{{"strength": {s!r}, "oof_log_loss": {loss!r}}}\n' for s, loss in losses))


def _write_report(
    run: RunFolder,
    trained: Trained,
    evaluations: dict[str, Evaluation],
    temperature: float,
    openings: int,
    clock: Clock,
    warnings: list[str],
) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    made_with = versions()
    report = build_report(
        run=run.path.name,
        created=now,
        evaluations=list(evaluations.values()),
        manifest=trained.manifest,
        splits=trained.splits,
        # The page lists rejected files by itself.
        issues=[issue for issue in trained.issues if issue.kind != "rejected"],
        test_openings=openings,
        temperature=temperature,
        quality=trained.config.quality,
        model=_model_facts(trained),
        settings=trained.config.model_dump(mode="json"),
        reasons=trained.reasons,
        versions=made_with,
        seconds=dict(clock.seconds),
        warnings=warnings,
        worst=trained.config.report.worst,
    )
    run.write_json("report.json", report)
    run.write_json(
        "run.json",
        {
            "format": 1,
            "photos": str(trained.manifest.root.absolute()).encode("utf-8", "backslashreplace").decode(),
            "command": command_line(),
            "created": now,
            "data_sha256": data_sha256(trained.manifest),
            "git": git_state(Path.cwd()),
            "versions": made_with,
            "seconds": clock.seconds,
        },
    )


def _model_facts(trained: Trained) -> dict[str, Any]:
    config = trained.config
    return {
        "backbone": trained.backbone.name,
        "licence": trained.backbone.licence,
        "graft": config.model.graft,
        "px": trained.contract.px,
        "crop": config.input.crop,
        "embedding": f"{config.model.embedding}, {trained.table.embedding_ND.shape[1]:,} numbers",
        "views": len(trained.views),
        "strength": trained.fit.strength,
        "refit": config.train.refit,
    }
