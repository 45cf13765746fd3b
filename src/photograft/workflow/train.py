"""`train`: from a folder of photos to a trained, calibrated, tested model, its report and its bundle.

Reads from top to bottom as the stages of ARCHITECTURE.md; each stage takes values and gives a value, and what it gave
is written into the run folder here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config import Config, Quality, to_yaml
from photograft.data.check import check
from photograft.data.files import printable
from photograft.data.given_split import read_splits
from photograft.data.listing import Listing
from photograft.data.scan import check_bad_fraction, check_boxes
from photograft.data.split import FOLDS_BELOW, TEST_FRACTION, split
from photograft.errors import DataError
from photograft.features.duplicates import find_duplicates
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore
from photograft.features.matrix import Scratch
from photograft.reporting.document import slice_rows
from photograft.tracking.run_folder import RunFolder, create_run, run_stem
from photograft.training.linear import HeadFit, fit_head
from photograft.values import Evaluation, FeatureTable, IntArray, Issue, Manifest, Splits
from photograft.workflow.clock import Clock
from photograft.workflow.features import PhotoReader
from photograft.workflow.finetune import fine_tune
from photograft.workflow.finish import Judged, Trained, finish_run
from photograft.workflow.narrator import Narrator, Silent, say_notes
from photograft.workflow.prepare import Plan, Setup, prepared
from photograft.workflow.resolve import resolve_strength, resolve_test, with_whole_paths
from photograft.workflow.resume import Unfinished, forget_progress, resumable, unfinished_run
from photograft.workflow.seen import seen_by_backbone
from photograft.workflow.ship import Model
from photograft.workflow.source import build_manifest
from photograft.workflow.untouched import photo_folders, require_outside

_NAMED = 5


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: its folder, its bundle, and its scores.

    `test` is there where there is a test part; `oof` is out of fold, or, where validation photos were held out for
    fine-tuning, `val`.
    """

    run: Path
    bundle: Path
    classes: tuple[str, ...]
    test: Evaluation | None
    oof: Evaluation | None
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    val: Evaluation | None = None

    @property
    def headline(self) -> Evaluation:
        """The evaluation to quote: the test part's, else the out-of-fold one."""
        evaluation = self.test or self.oof or self.val
        assert evaluation is not None
        return evaluation

    @property
    def _evaluations(self) -> dict[str, Evaluation | None]:
        return {"test": self.test, "oof": self.oof, "val": self.val}

    def to_json(self) -> dict[str, Any]:
        """As `photograft train --json` prints it."""
        scores = {name: e.scores for name, e in self._evaluations.items() if e is not None}
        slices = {"slices": slice_rows(self.headline.slices)} if self.headline.slices else {}
        return {
            "run": str(self.run),
            "bundle": str(self.bundle),
            "classes": list(self.classes),
            **scores,
            **slices,
            "seconds": {stage: round(s, 3) for stage, s in self.seconds.items()},
            "warnings": list(self.warnings),
        }


def train(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    name: str | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> TrainedRun:
    """Train a classifier on labelled photos, and test it honestly.

    Args:
        photos: A folder with one sub-folder per class, a zip or tar of it, or a CSV or JSONL file with paths and
            labels. Nothing of it is changed.
        quality: "fast", "good" or "best"; `config.quality` where it is not given.
        name: Of the run; by default that of the folder or file.
        runs_dir: Where the run folder is made.
        config: Settings, as `photograft.load_config` reads them.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or `runs_dir` lies inside the folder of photos.
        DataError: The photos need attention: no class folders, too many damaged files, a class too small for the split.
        MissingExtraError: The network was never exported here, and the `train` extra is not installed.
    """
    root, narrator = Path(photos), narrator or Silent()
    name = name or (root.resolve().name if root.is_dir() else root.name.partition(".")[0])
    run_stem(name)
    if root.is_dir():
        require_outside(Path(runs_dir), [root], option="--runs-dir")
    return _train(root, _asked(config, quality), Path(runs_dir), narrator, lambda: _new_run(Path(runs_dir), name))


def resume(run: str | os.PathLike[str], *, narrator: Narrator | None = None) -> TrainedRun:
    """Go on with a run that was stopped while it was fine-tuned, however it was stopped.

    Gives what the run would have given: the same weights, bit for bit, on the same machine's CPU.

    Raises:
        ModelError: the folder is no run, or one that is finished.
        DataError: the photos are no longer those of the run.
        ConfigError: another process is at it.
    """
    narrator = narrator or Silent()
    with unfinished_run(Path(run)) as unfinished:
        folder = unfinished.folder
        narrator.say(f"Going on with {folder.path}")
        photos, config, parent = unfinished.photos, unfinished.config, folder.path.parent
        return _train(photos, config, parent, narrator, lambda: nullcontext(folder), unfinished)


@contextmanager
def _new_run(runs_dir: Path, name: str) -> Iterator[RunFolder]:
    run = create_run(runs_dir, name)
    with run.locked():
        yield run


def _train(
    root: Path,
    asked: Config,
    runs_dir: Path,
    narrator: Narrator,
    open_folder: Callable[[], AbstractContextManager[RunFolder]],
    unfinished: Unfinished | None = None,
) -> TrainedRun:
    clock = Clock()
    with prepared(root, asked, clock, narrator) as (setup, reader, _):
        require_outside(runs_dir, photo_folders(root, setup.listing), option="--runs-dir")
        _require_one_label(setup.listing)
        manifest, table = _read_photos(setup, reader, clock, narrator)
    trained = _train_on(setup, asked, manifest, table, reader.store, clock, narrator)
    if unfinished is not None:
        trained = unfinished.taken_up(trained)
    with open_folder() as run:
        if setup.grafting is None:
            with run.removed_on_failure():
                evaluations, warnings = finish_run(run, trained, clock, narrator)
        else:
            cache_dir = reader.store.cache.folder
            with resumable(run, narrator):
                trained = fine_tune(
                    run, setup.grafting, trained, root=root, cache_dir=cache_dir, clock=clock, narrator=narrator
                )
                evaluations, warnings = finish_run(run, trained, clock, narrator)
                forget_progress(run)
    test, judged = evaluations.get("test"), evaluations.get(trained.judged.what)
    oof, val = (judged, None) if trained.judged.what == "oof" else (None, judged)
    classes = manifest.usable.classes
    return TrainedRun(run.path, run.model, classes, test, oof, clock.seconds, tuple(warnings), val)


def plan(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> Plan:
    """Say what `train` would do with this folder and what it would cost, measured on a few batches; writes no run."""
    with prepared(Path(photos), _asked(config, quality), Clock(), narrator or Silent()) as (_, _, planned):
        return planned


def _asked(config: Config | None, quality: Quality | None) -> Config:
    config = with_whole_paths(config or Config())
    return config if quality is None else config.model_copy(update={"quality": quality})


def _read_photos(setup: Setup, reader: PhotoReader, clock: Clock, narrator: Narrator) -> tuple[Manifest, FeatureTable]:
    cache = reader.store.cache
    warned = cache.warning
    with clock.stage("scan and extract"):
        rows = reader.read(setup.listing.files, narrator)
    if cache.warning != warned:
        narrator.say(f"warning: {cache.warning}")
    manifest = build_manifest(setup.source, rows)
    say_notes(manifest.notes, narrator)
    _name_rejected(manifest, narrator)
    _check_usable(manifest, setup.listing, setup.config)
    with clock.stage("load features"):
        return manifest, reader.store.table([p.content for p in manifest.usable.photos])


def _name_rejected(manifest: Manifest, narrator: Narrator) -> None:
    """Count and name the files that were skipped; manifest.csv has them all."""
    rejected = manifest.rejected
    if rejected:
        narrator.say(f"{len(rejected)} of {len(manifest.photos):,} files cannot be used and were skipped:")
        for photo in rejected[:_NAMED]:
            narrator.say(f"  {printable(photo.name)}: {photo.verdict}, {photo.reason}")
        if len(rejected) > _NAMED:
            narrator.say(f"  ... and {len(rejected) - _NAMED} more; manifest.csv has them all")


def _name_conflicts(splits: Splits, issues: tuple[Issue, ...], narrator: Narrator) -> None:
    """State what the split guarantees, and name what must be fixed beside damaged files; issues.csv has it all."""
    narrator.say(splits.statement)
    conflicts = [issue for issue in issues if issue.must_fix and issue.kind != "rejected"]
    for issue in conflicts[:_NAMED]:
        narrator.say(f"  {issue.message}")
    if len(conflicts) > _NAMED:
        narrator.say(f"  ... and {len(conflicts) - _NAMED} more; issues.csv has them all")


def _require_one_label(listing: Listing) -> None:
    if any(found.labels for found in listing.files):
        raise DataError(
            "Photos have several labels (data.labels.separator), and train learns one label per photo: name a column "
            "that holds one with data.labels.column. `photograft check` and `photograft split` take several."
        )


def _check_usable(manifest: Manifest, listing: Listing, config: Config) -> None:
    check_bad_fraction(manifest.photos, max_bad_fraction=config.data.max_bad_fraction)
    check_boxes(manifest.usable.photos, max_bad_fraction=config.data.max_bad_fraction)
    left = set(manifest.usable.classes)
    empty = [name for name in listing.classes if name not in left]
    if empty and config.data.edits is None:  # edits may leave a class without photos on purpose
        raise DataError(
            f"No usable photos in class {', '.join(empty)}: "
            "add photos, remove the folder, or leave it out with data.ignore or --classes."
        )
    if len(left) < 2:
        raise DataError("Fewer than two classes have usable photos left: there is nothing to tell apart.")


def _train_on(
    setup: Setup,
    asked: Config,
    manifest: Manifest,
    table: FeatureTable,
    store: FeatureStore,
    clock: Clock,
    narrator: Narrator,
) -> Trained:
    """Group, split and fit: everything between the features and the run folder."""
    with clock.stage("group and split"):
        splits, issues = _group_and_split(manifest, table, setup.config)
    _name_conflicts(splits, issues, narrator)
    scratch = Scratch(store.cache.folder)
    with clock.stage("train"):
        rows, fit = _fit(manifest, table, splits, setup.config, scratch)
    config, reasons = _resolve_rest(setup, manifest, fit)
    return Trained(
        asked=to_yaml(asked),
        config=config,
        reasons=reasons,
        backbone=setup.backbone,
        contract=setup.contract,
        views=setup.views,
        exact_features=store.engine_name == OnnxEngine.name,
        manifest=manifest,
        issues=issues,
        splits=splits,
        table=table,
        rows=rows,
        fit=fit,
        model=_linear_model(setup, fit),
        judged=Judged("oof", rows, fit.oof_logits_NK, fit.honest_logits_NK),
        scratch=scratch,
        warnings=(*filter(None, [store.cache.warning]), *seen_by_backbone(config.model.backbone, manifest, splits)),
    )


def _linear_model(setup: Setup, fit: HeadFit) -> Model:
    backbone = setup.backbone
    network_id = backbone.network_id(px=setup.contract.px, embedding=setup.config.model.embedding)
    return Model(setup.network, network_id, backbone.weights_sha256, setup.outputs, fit.head)


def _group_and_split(manifest: Manifest, table: FeatureTable, config: Config) -> tuple[Splits, tuple[Issue, ...]]:
    usable = manifest.usable
    duplicates = find_duplicates(
        usable.photos,
        table.embedding_ND,
        max_bits=config.split.duplicate_bits,
        min_similarity=config.split.duplicate_similarity,
    )
    if config.split.file is None:
        splits = split(usable, duplicates.group_N, config.split, group_column=config.data.labels.group)
    else:
        splits = read_splits(
            config.split.file, usable, duplicates.group_N, config.split, group_column=config.data.labels.group
        )
    return splits, (*check(manifest), *duplicates.issues)


def _fit(
    manifest: Manifest, table: FeatureTable, splits: Splits, config: Config, scratch: Scratch
) -> tuple[IntArray, HeadFit]:
    """Cross-validate over train + val, then fit the head that is tested: on the same rows, or on train alone."""
    classes = manifest.usable.classes
    rows = splits.rows("train", "val")
    fit = fit_head(
        table.embedding_ND,
        manifest.usable.label_indices(classes)[rows],
        splits.fold_N[rows],
        rows=rows,
        repeats_RN=splits.repeats_RN[:, rows],
        scratch=scratch,
        n_classes=len(classes),
        strength=None if config.train.strength == "auto" else config.train.strength,
        balance=config.train.balance,
        fit_rows=splits.part_N[rows] == "train" if config.train.refit == "none" else None,
    )
    return rows, fit


def _resolve_rest(setup: Setup, manifest: Manifest, fit: HeadFit) -> tuple[Config, dict[str, str]]:
    """Replace the settings that were `auto` until the photos were known."""
    usable = manifest.usable.photos
    given_test = setup.config.split.file is not None or any(p.part == "test" for p in usable)
    config, test_reason = resolve_test(
        setup.config, n_photos=len(usable), given_test=given_test, threshold=FOLDS_BELOW, fraction=TEST_FRACTION
    )
    config, strength_reason = resolve_strength(config, fit.strength)
    return config, {**setup.reasons, **test_reason, **strength_reason}
