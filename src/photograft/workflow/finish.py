"""The second half of `train`: calibrate, ship the bundle, predict, evaluate, report."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from photograft.config import Config, to_yaml
from photograft.contract import Contract
from photograft.data.files import open_files
from photograft.evaluation.calibration import calibrate
from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.label_errors import suspect_labels
from photograft.evaluation.slices import evaluate_slices
from photograft.features.matrix import Scratch
from photograft.inference.classifier import Classifier
from photograft.metrics.intervals import paired_difference
from photograft.metrics.softmax import softmax
from photograft.models.catalogue import Backbone
from photograft.reporting.confusion_png import confusion_png
from photograft.reporting.document import build_report
from photograft.reporting.figures import confusion_svg
from photograft.reporting.records import issues_csv, manifest_csv, splits_csv
from photograft.reporting.tables import confusion_csv, predictions_csv
from photograft.reporting.training import LinearComparison, Training
from photograft.reporting.training_records import records_jsonl
from photograft.tracking.openings import count_opening
from photograft.tracking.run_folder import RunFolder
from photograft.training.linear import HeadFit, LinearHead, fit_at
from photograft.values import (
    DoubleArray,
    Evaluation,
    FeatureTable,
    FloatArray,
    IntArray,
    Issue,
    Manifest,
    Predictions,
    Splits,
)
from photograft.workflow.clock import Clock
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.narrator import Narrator
from photograft.workflow.render import render_report
from photograft.workflow.ship import BundleInProgress, Model, ship_bundle
from photograft.workflow.source import read_as_scanned

_NAMES = {"oof": "out-of-fold", "val": "validation"}


@dataclass(frozen=True)
class Judged:
    """The photos that the model was judged on while it was made, by states of it that had not seen them.

    `rows` are row numbers of the usable manifest. The temperature is fitted on `logits_NK`; `honest_logits_NK` are the
    ones to report.
    """

    what: Literal["oof", "val"]
    rows: IntArray
    logits_NK: FloatArray
    honest_logits_NK: FloatArray


@dataclass(frozen=True)
class Trained:
    """What the first half of `train` leaves: settings, photos, features, the model and how it was judged.

    `rows` are the photos that were folded (train and validation), as row numbers of the usable manifest, and `fit` the
    linear head on `table`, which is the `model`'s own at graft point `head`. `on_all` is the model to ship where it is
    to see the test photos too and is known already. `exact_features` says that `table` came from the very path that the
    bundle predicts by.
    """

    asked: str
    config: Config
    reasons: dict[str, str]
    backbone: Backbone
    contract: Contract
    views: tuple[str, ...]
    exact_features: bool
    manifest: Manifest
    issues: tuple[Issue, ...]
    splits: Splits
    table: FeatureTable
    rows: IntArray
    fit: HeadFit
    model: Model
    judged: Judged
    scratch: Scratch
    warnings: tuple[str, ...]
    on_all: Model | None = None
    training: Training | None = None

    @property
    def label_N(self) -> IntArray:
        """Class index of every usable photo."""
        return self.manifest.usable.label_indices(self.manifest.usable.classes)

    def linear_on(self, rows: IntArray, *, columns: slice = slice(None)) -> LinearHead:
        """The linear head on these photos alone, at the strength that was chosen, on some columns of the features."""
        embedding_ND = self.table.embedding_ND
        return fit_at(
            embedding_ND if columns == slice(None) else embedding_ND[:, columns],
            self.label_N[rows],
            rows=rows,
            scratch=self.scratch,
            n_classes=len(self.manifest.usable.classes),
            strength=self.fit.strength,
            balance=self.config.train.balance,
        )


def finish_run(
    run: RunFolder, trained: Trained, clock: Clock, narrator: Narrator
) -> tuple[dict[str, Evaluation], list[str]]:
    """Write everything of the run; gives the evaluations by name, headline first, and warnings.

    "test" are the test photos without a duplicate or a photo of their group in training, "test with leaks" all of them
    where that differs, "oof" the cross-validated ones.
    """
    warnings = list(trained.warnings)
    _write_inputs(run, trained)
    with clock.stage("calibrate"):
        label_N = trained.label_N[trained.judged.rows]
        temperature = calibrate(trained.judged.logits_NK, label_N)
        judged_NK = _cross_calibrate(trained, trained.judged.rows, trained.judged.honest_logits_NK)
        linear_NK = _cross_calibrate(trained, trained.rows, trained.fit.honest_logits_NK)
        doubts = suspect_labels(_predictions(trained, trained.rows, linear_NK))
    trained = replace(trained, issues=(*trained.issues, *doubts))
    run.write("issues.csv", issues_csv(trained.issues))
    with ship_bundle(run, trained, temperature, positive_class(trained)) as bundle:
        test_rows = trained.splits.rows("test")
        with Classifier(bundle.read()) as classifier, clock.stage("predict"):
            test = _predict_rows(trained, classifier, test_rows)
        openings = _count_opening(run, trained, test_rows, warnings)
        with clock.stage("evaluate"):
            evaluations = _evaluate(trained, judged_NK, test_rows, test, warnings)
        if trained.training is not None:
            compared = _compare_with_linear(trained, judged_NK, test_rows, test)
            trained = replace(trained, training=replace(trained.training, linear=compared))
        fitted_on = _refit(trained, bundle, warnings)
        headline = next(iter(evaluations.values()))
        with clock.stage("bundle"):
            statement = trained.splits.statement
            bundle.finish(
                tested={"what": headline.what, **headline.scores, "leak_statement": statement, "fitted_on": fitted_on}
            )
    with clock.stage("report"):
        _write_results(run, trained, headline, judged_NK, test_rows, test)
        _write_report(run, trained, evaluations, temperature, openings, clock, warnings)
        run.seal()
        render_report(run)
    narrator.say(f"Report: {run.path / 'report.html'}")
    return evaluations, warnings


def judging_folds(splits: Splits, rows: IntArray) -> IntArray:
    """Folds of the photos in `rows`, in which those of one are judged by what the others chose.

    Validation photos may all be in one fold, where a table of parts says so: then their groups are divided in two.
    """
    fold_N = splits.fold_N[rows]
    if len(np.unique(fold_N)) > 1:
        return fold_N
    return np.asarray(np.unique(splits.group_N[rows], return_inverse=True)[1] % 2, dtype=np.int64)


def _cross_calibrate(trained: Trained, rows: IntArray, logits_NK: FloatArray) -> DoubleArray:
    """Honest probabilities: the temperature of each fold comes from the other folds, where there are others."""
    label_N, fold_N = trained.label_N[rows], judging_folds(trained.splits, rows)
    probabilities_NK = np.empty(logits_NK.shape)
    for fold in np.unique(fold_N):
        held = fold_N == fold
        temperature = 1.0 if held.all() else calibrate(logits_NK[~held], label_N[~held])
        probabilities_NK[held] = softmax(logits_NK[held], temperature=temperature)
    return probabilities_NK


def _count_opening(run: RunFolder, trained: Trained, test_rows: IntArray, warnings: list[str]) -> int:
    """How often this test part was opened, this run included; 0 without one."""
    if not len(test_rows):
        return 0
    photos = trained.manifest.usable.photos
    openings = count_opening(run.path.parent, (photos[i].sha256 for i in test_rows), run=run.path.name)
    if openings > 1:
        warnings.append(
            f"This test part has now been opened {openings} times: "
            "choosing between runs by its score makes it too optimistic."
        )
    return openings


def _refit(trained: Trained, bundle: BundleInProgress, warnings: list[str]) -> list[str]:
    """Ship the model that `train.refit` asks for; gives the parts that the shipped one was fitted on."""
    if trained.config.train.refit == "none":
        return ["train"]
    rows = trained.splits.rows("train", "val", "test")
    if trained.config.train.refit == "train_val" or len(rows) == len(trained.rows):
        return ["train", "val"]
    bundle.replace(trained.on_all or replace(trained.model, head=trained.linear_on(rows)))
    warnings.append(
        "train.refit is all: the shipped model also saw the test photos; the scores are of the model before."
    )
    return ["train", "val", "test"]


def _predict_rows(trained: Trained, classifier: Classifier, rows: IntArray) -> Predictions:
    """Predictions of the given photos by the bundle's own path."""
    if trained.exact_features:
        paths = [trained.manifest.usable.photos[i].name for i in rows]
        embeddings = {trained.model.network_id: trained.table.embedding_ND}
        return classifier.table(paths, embeddings, trained.label_N[rows], rows=rows)
    photos = trained.manifest.usable.photos
    max_file_mb = trained.config.data.max_file_mb
    with open_files(trained.manifest.root) as files:
        order = np.argsort([files.position(photos[i].path) for i in rows], kind="stable")  # an archive's, in one pass
        inputs = (read_as_scanned(photos[i], files, max_file_mb=max_file_mb) for i in rows[order])
        predictions = classifier.predict_table(inputs, trained.label_N[rows[order]])
    return replace(_take(predictions, np.argsort(order)), paths=tuple(photos[i].name for i in rows))


def _evaluate(
    trained: Trained, judged_NK: DoubleArray, test_rows: IntArray, test: Predictions, warnings: list[str]
) -> dict[str, Evaluation]:
    splits, seed, positive = trained.splits, trained.config.train.seed, positive_class(trained)

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
        evaluations["test"] = score(_take(test, np.flatnonzero(clean)), test_rows[clean], "test")
    judged = trained.judged
    evaluations[judged.what] = score(_predictions(trained, judged.rows, judged_NK), judged.rows, _NAMES[judged.what])
    if not clean.all():
        grouped = any(photo.group for photo in trained.manifest.usable.photos)
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
    if trained.training is None and not trained.exact_features:
        warnings.append("Out-of-fold scores rest on mixed-precision features of the GPU; test scores on the bundle.")
    warnings += next(iter(evaluations.values())).warnings
    return evaluations


def _compare_with_linear(
    trained: Trained, judged_NK: DoubleArray, test_rows: IntArray, test: Predictions
) -> LinearComparison:
    """Whether fine-tuning was worth it: against the linear head, on the photos of the headline."""
    clean = ~trained.splits.leaked_N[test_rows] & test.ok_N
    if clean.any():
        what, rows = "test", test_rows[clean]
        best_N = test.best_N[clean]
        linear_NK = trained.fit.head.logits(trained.table.embedding_ND[rows])
    else:
        what, rows = _NAMES[trained.judged.what], trained.judged.rows
        best_N = judged_NK.argmax(axis=1)
        linear_NK = trained.fit.honest_logits_NK[np.searchsorted(trained.rows, rows)]
    tuned_N, linear_N = (best == trained.label_N[rows] for best in (best_N, linear_NK.argmax(axis=1)))
    _, low, high = paired_difference(tuned_N, linear_N, trained.splits.group_N[rows])
    return LinearComparison(what, len(rows), float(tuned_N.mean()), float(linear_N.mean()), low, high)


def _slice_values(trained: Trained, rows: IntArray) -> dict[str, list[str]]:
    """The values of each column that the report is split by, one per photo."""
    photos = trained.manifest.usable.photos
    values = [dict(photos[i].values) for i in rows]
    return {column: [each.get(column, "") for each in values] for column in trained.config.report.slices}


def _take(predictions: Predictions, rows: IntArray) -> Predictions:
    """The predictions of some of the photos, in the order of `rows`."""
    return replace(
        predictions,
        paths=tuple(predictions.paths[i] for i in rows),
        probabilities_NK=predictions.probabilities_NK[rows],
        label_N=predictions.label_N[rows],
        statuses=tuple(predictions.statuses[i] for i in rows),
        reasons=tuple(predictions.reasons[i] for i in rows),
    )


def positive_class(trained: Trained) -> str | None:
    """The class that AUROC is about, chosen once for all parts: the setting, else the smaller of two classes."""
    classes = trained.manifest.usable.classes
    if trained.config.report.positive is not None or len(classes) != 2:
        return trained.config.report.positive
    counts = np.bincount(trained.label_N, minlength=2)
    return classes[0] if counts[0] < counts[1] else classes[1]


def _predictions(trained: Trained, rows: IntArray, probabilities_NK: DoubleArray) -> Predictions:
    paths = tuple(trained.manifest.usable.photos[i].name for i in rows)
    n = len(rows)
    return Predictions(
        paths, trained.manifest.usable.classes, probabilities_NK, trained.label_N[rows], ("ok",) * n, ("",) * n
    )


def _write_inputs(run: RunFolder, trained: Trained) -> None:
    run.write("config.yaml", trained.asked)
    run.write("config.resolved.yaml", to_yaml(trained.config, reasons=trained.reasons))
    run.write("manifest.csv", manifest_csv(trained.manifest))
    run.write("splits.csv", splits_csv(trained.manifest, trained.splits))
    if trained.config.data.edits is not None:
        run.write("edits.csv", trained.config.data.edits.read_bytes())


def _write_results(
    run: RunFolder,
    trained: Trained,
    headline: Evaluation,
    judged_NK: DoubleArray,
    test_rows: IntArray,
    test: Predictions,
) -> None:
    run.write("confusion.csv", confusion_csv(headline.classes, headline.confusion_KK))
    run.write("confusion.svg", confusion_svg(headline.classes, headline.confusion_KK))
    run.write("confusion.png", confusion_png(headline.classes, headline.confusion_KK))
    rows = np.concatenate([trained.judged.rows, test_rows])
    judged = _predictions(trained, trained.judged.rows, judged_NK)
    table = Predictions(
        judged.paths + test.paths,
        judged.classes,
        np.concatenate([judged_NK, test.probabilities_NK]),
        trained.label_N[rows],
        judged.statuses + test.statuses,
        judged.reasons + test.reasons,
    )
    part_N, fold_N = trained.splits.part_N[rows], trained.splits.fold_N[rows]
    run.write("predictions.csv", predictions_csv(table, part_N=part_N, fold_N=fold_N))
    losses = trained.fit.cv_loss.items()
    lines = "".join(f'{{"strength": {s!r}, "oof_log_loss": {loss!r}}}\n' for s, loss in losses)
    tuned = () if trained.training is None else trained.training.records
    run.write("records.jsonl", lines + records_jsonl(tuned))


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
        repeats=_repeats(trained),
        training=trained.training,
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


def _repeats(trained: Trained) -> list[float]:
    """Out-of-fold accuracy of every draw of the folds, where there are several."""
    if not trained.fit.repeats:
        return []
    label_N = trained.label_N[trained.rows]
    draws = (trained.fit.oof_logits_NK, *trained.fit.repeats)
    return [float((logits_NK.argmax(axis=1) == label_N).mean()) for logits_NK in draws]


def _model_facts(trained: Trained) -> dict[str, Any]:
    config = trained.config
    return {
        "backbone": trained.backbone.name,
        "licence": trained.backbone.licence,
        "graft": config.model.graft,
        "px": trained.contract.px,
        "crop": config.input.crop,
        "embedding": _embedding(trained),
        "views": len(trained.views),
        "strength": trained.fit.strength,
        "refit": config.train.refit,
    }


def _embedding(trained: Trained) -> str:
    kept = f"{trained.config.model.embedding}, {trained.table.embedding_ND.shape[1]:,} numbers"
    if trained.training is None:
        return kept
    tuned = f"tuned, {trained.model.outputs.last:,} numbers"
    return tuned if trained.training.share is None else f"{kept}, and {tuned}"
