"""`train`: from a folder of photos to a trained, calibrated, tested model, its report and its bundle.

Reads from top to bottom as the stages of ARCHITECTURE.md; each stage takes values and gives a value, and what it gave
is written into the run folder here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from photograft.config import Config, Quality, to_yaml
from photograft.data.check import check
from photograft.data.given_split import read_splits
from photograft.data.listing import Listing
from photograft.data.scan import check_bad_fraction, check_boxes
from photograft.data.split import FOLDS_BELOW, TEST_FRACTION
from photograft.data.targets import Targets, divide, find_targets
from photograft.errors import ConfigError, DataError
from photograft.evaluation.folds import FoldScores
from photograft.features.duplicates import find_duplicates
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.matrix import Scratch
from photograft.reporting.document import slice_rows
from photograft.tracking.run_folder import RunFolder, create_run, run_stem
from photograft.training.linear import mean_head
from photograft.training.ranks import Ranks, joined
from photograft.values import Evaluation, FeatureTable, Issue, Manifest, Splits, Target
from photograft.workflow.clock import Clock
from photograft.workflow.features import PhotoReader
from photograft.workflow.finetune import fine_tune, reserve
from photograft.workflow.finish import Trained, finish_run
from photograft.workflow.fits import FitRunner, Observer
from photograft.workflow.followers import follower_folder, leave_to_leader, require_same_data, taken_up
from photograft.workflow.grafting import Grafting
from photograft.workflow.members import MAIN, Learnt, Member, balance_of, refit_of, strengths_text
from photograft.workflow.mirror import mirror_finished
from photograft.workflow.narrator import Narrator, Silent, say_notes
from photograft.workflow.prepare import Plan, Prepared, Setup, prepared
from photograft.workflow.resolve import resolve_strength, resolve_test, with_whole_paths
from photograft.workflow.resume import Unfinished, begin, forget_progress, has_begun, resumable
from photograft.workflow.seen import seen_by_backbone
from photograft.workflow.ship import Model
from photograft.workflow.source import build_manifest, name_rejected
from photograft.workflow.untouched import photo_folders, require_outside
from photograft.workflow.workforce import FitHead, ThisMachine, Workforce, memory_limit

_NAMED = 5


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: its folder, its bundle, and its scores.

    `test` is there where there is a test part; `oof` is out of fold, or, where validation photos were held out for
    fine-tuning, `val`. `folds` are the scores of each fold where the headline is out of fold.
    """

    run: Path
    bundle: Path
    classes: tuple[str, ...]
    test: Evaluation | None
    oof: Evaluation | None
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    val: Evaluation | None = None
    folds: tuple[FoldScores, ...] = ()

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
            **({"folds": [asdict(fold) for fold in self.folds]} if self.folds else {}),
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
    observe: Observer | None = None,
    workforce: Workforce | None = None,
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
        observe: Given every evaluation of fine-tuning. What it raises stops the run, whose folder stays as it is.
        workforce: What reads the photos and fits the heads; this machine by default.

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
    asked, where = _asked(config, quality), Path(runs_dir)
    with joined() as ranks:
        task = _Task(root, asked, where, workforce or _this_machine(asked, narrator))
        return _train(task, narrator, lambda: _new_run(where, name), observe=observe, ranks=ranks)


def resume(
    run: str | os.PathLike[str], *, narrator: Narrator | None = None, observe: Observer | None = None
) -> TrainedRun:
    """Go on with a run that was stopped while it was fine-tuned, however it was stopped.

    Gives what the run would have given: the same weights, bit for bit, on the same machine's CPU. `observe` is as for
    `train`, and is given what is evaluated from now on.

    Raises:
        ModelError: the folder is no run, or one that is finished.
        DataError: the photos are no longer those of the run.
        ConfigError: another process is at it.
    """
    narrator = narrator or Silent()
    with joined() as ranks, taken_up(Path(run), ranks) as unfinished:
        folder = unfinished.folder
        narrator.say(f"Going on with {folder.path}")
        task = _Task(
            unfinished.photos, unfinished.config, folder.path.parent, _this_machine(unfinished.config, narrator)
        )
        return _train(task, narrator, lambda: nullcontext(folder), unfinished, observe=observe, ranks=ranks)


@contextmanager
def _new_run(runs_dir: Path, name: str) -> Iterator[RunFolder]:
    run = create_run(runs_dir, name)
    with run.locked():
        yield run


@dataclass(frozen=True)
class _Task:
    """What is asked for: photos, settings, where runs are kept, and who reads the photos and fits the heads."""

    root: Path
    asked: Config
    runs_dir: Path
    workforce: Workforce


def _train(
    task: _Task,
    narrator: Narrator,
    open_folder: Callable[[], AbstractContextManager[RunFolder]],
    unfinished: Unfinished | None = None,
    *,
    observe: Observer | None = None,
    ranks: Ranks,
) -> TrainedRun:
    clock, root, force = Clock(), task.root, task.workforce
    narrator = narrator if ranks.leads else Silent()
    settle = None if unfinished is None else unfinished.settle
    how: dict[str, Any] = {"settle": settle, "ranks": ranks, "reads_here": force.reads_here}
    with ranks.in_turn(), prepared(root, task.asked, clock, narrator, **how) as ready:
        _require_steps(ready, ranks)
        require_outside(task.runs_dir, photo_folders(root, ready.source.listing), option="--runs-dir")
        manifest, tables = _read_photos(ready, force, clock, narrator)
    trained = _train_linear(ready, task, manifest, tables, clock, narrator)
    if unfinished is not None:
        trained = unfinished.taken_up(trained)
    cut = {setup.name: setup.grafting for setup in ready.members if setup.grafting is not None}
    require_same_data(trained, ranks)
    with open_folder() if ranks.leads or unfinished is not None else follower_folder() as run:
        if not cut:
            with run.removed_on_failure():
                evaluations, folds, warnings = finish_run(run, trained, clock, narrator)
        else:
            cache_dir = ready.readers[0].store.cache.folder
            with resumable(run, narrator, shown=ranks.from_leader(lambda: str(run.path))):
                runner = FitRunner(run, narrator, trained.config.train.checkpoint_steps, observe, ranks)
                trained = _fine_tune(runner, cut, trained, root, cache_dir, clock)
                leave_to_leader(ranks)
                evaluations, folds, warnings = finish_run(run, trained, clock, narrator)
                forget_progress(run)
    warnings += mirror_finished(run.path, trained.config.track)
    test, judged = evaluations.get("test"), evaluations.get(trained.what)
    oof, val = (judged, None) if trained.what == "oof" else (None, judged)
    classes = trained.learnt.targets.classes
    return TrainedRun(run.path, run.model, classes, test, oof, clock.seconds, tuple(warnings), val, folds)


def _this_machine(config: Config, narrator: Narrator) -> Workforce:
    return ThisMachine(memory_limit(config), narrator)


def _require_steps(ready: Prepared, ranks: Ranks) -> None:
    """Several processes train a network; a linear head alone is one process's work of seconds."""
    if ranks.size > 1 and all(setup.grafting is None for setup in ready.members):
        raise ConfigError(
            f"{ranks.size} processes share fine-tuning, and at graft point head there is none: give model.graft "
            "(blocks:2 ...) or --quality best, or start photograft train without torchrun"
        )


def _fine_tune(
    runner: FitRunner, cut: dict[str, Grafting], trained: Trained, root: Path, cache_dir: Path, clock: Clock
) -> Trained:
    """Every member that was cut, one after the other; a run that was begun goes on where it was stopped."""
    run, narrator, learnt = runner.run, runner.narrator, trained.learnt
    goes_on = has_begun(run)
    with nullcontext() if goes_on else run.removed_on_failure(), runner.ranks.in_turn():
        tunings = {
            member.name: reserve(run, member, cut[member.name], learnt, cache_dir=cache_dir, narrator=narrator)
            for member in trained.members
            if member.name in cut
        }
        members = tuple(tunings[m.name].member if m.name in tunings else m for m in trained.members)
        trained = replace(trained, members=members)
        if members[0].name == MAIN:
            trained = replace(trained, config=members[0].config, reasons=members[0].reasons)
        if not goes_on:
            begin(run, trained, root)
    runner.checkpoint_steps = trained.config.train.checkpoint_steps
    tuned = {
        name: fine_tune(tuning, learnt, runner, goes_on=goes_on, cache_dir=cache_dir, clock=clock)
        for name, tuning in tunings.items()
    }
    members = tuple(tuned.get(member.name, member) for member in trained.members)
    if members[0].name == MAIN:  # what the search for a learning rate has settled
        trained = replace(trained, config=members[0].config, reasons=members[0].reasons)
    return replace(trained, members=members)


def plan(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> Plan:
    """Say what `train` would do with this folder and what it would cost, measured on a few batches; writes no run."""
    with prepared(Path(photos), _asked(config, quality), Clock(), narrator or Silent()) as ready:
        return ready.plan


def _asked(config: Config | None, quality: Quality | None) -> Config:
    config = with_whole_paths(config or Config())
    return config if quality is None else config.model_copy(update={"quality": quality})


def _read_photos(
    ready: Prepared, workforce: Workforce, clock: Clock, narrator: Narrator
) -> tuple[Manifest, list[FeatureTable]]:
    """The manifest, and the features of every member."""
    with clock.stage("scan and extract"):
        rows = workforce.photos(ready, narrator)
    manifest = build_manifest(ready.source, rows)
    say_notes(manifest.notes, narrator)
    name_rejected(manifest, narrator)
    _check_usable(manifest, ready.source.listing, ready.config)
    with clock.stage("load features"):
        return manifest, workforce.tables(ready, manifest)


def _name_conflicts(splits: Splits, issues: tuple[Issue, ...], narrator: Narrator) -> None:
    """State what the split guarantees, and name what must be fixed beside damaged files; issues.csv has it all."""
    narrator.say(splits.statement)
    conflicts = [issue for issue in issues if issue.must_fix and issue.kind != "rejected"]
    for issue in conflicts[:_NAMED]:
        narrator.say(f"  {issue.message}")
    if len(conflicts) > _NAMED:
        narrator.say(f"  ... and {len(conflicts) - _NAMED} more; issues.csv has them all")


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


def _train_linear(
    ready: Prepared,
    task: _Task,
    manifest: Manifest,
    tables: Sequence[FeatureTable],
    clock: Clock,
    narrator: Narrator,
) -> Trained:
    """Group, split and fit linear heads: everything between the features and the run folder."""
    cache = ready.readers[0].store.cache
    # Classes whose photos were all left out by edits are none.
    targets = find_targets(manifest.usable.classes, task.asked, several=ready.targets.several)
    with clock.stage("group and split"):
        splits, issues = _group_and_split(manifest, targets, tables[0], ready.config)
    _name_conflicts(splits, issues, narrator)
    rows = splits.rows("train", "val")
    learnt = Learnt(manifest, issues, splits, rows, targets, Scratch(cache.folder))
    with clock.stage("train"):
        members = tuple(
            _linear_member(setup, reader, table, learnt, task.workforce.fit)
            for setup, reader, table in zip(ready.members, ready.readers, tables, strict=True)
        )
    config, reasons = _resolve_rest(ready, learnt, members)
    if members[0].name == MAIN:
        members = (replace(members[0], config=config, reasons=reasons), *members[1:])
    backbones = dict.fromkeys(member.config.model.backbone for member in members)
    seen = [warning for backbone in backbones for warning in seen_by_backbone(backbone, manifest, splits)]
    return Trained(to_yaml(task.asked), config, reasons, learnt, members, (*filter(None, [cache.warning]), *seen))


def _linear_member(setup: Setup, reader: PhotoReader, table: FeatureTable, learnt: Learnt, fit: FitHead) -> Member:
    """Cross-validate over train + val, then fit the heads that are tested: on the same rows, or on train alone."""
    train, targets = setup.config.train, _same_targets(setup, learnt)
    folds, refit = learnt.splits.fold_N[learnt.rows], refit_of(setup.config)
    fits = tuple(
        fit(
            table.embedding_ND,
            learnt.truth(target, learnt.rows),
            folds,
            n_classes=len(target.classes),
            kind=target.kind,
            rows=learnt.rows,
            repeats_RN=learnt.splits.repeats_RN[:, learnt.rows],
            scratch=learnt.scratch,
            strength=None if train.strength == "auto" else train.strength,
            balance=balance_of(setup.config, target),
            beta=train.effective_beta,
            fit_rows=learnt.splits.part_N[learnt.rows] == "train" if refit == "none" else None,
        )
        for target in targets
    )
    heads = tuple(mean_head(fit.fold_heads) if refit == "folds" else fit.head for fit in fits)
    weights = setup.backbone.weights_sha256
    return Member(
        name=setup.name,
        variant=setup.plan.variant,
        config=setup.config,
        reasons=setup.reasons,
        backbone=setup.backbone,
        contract=setup.contract,
        views=setup.views,
        exact_features=reader.store.engine_name == OnnxEngine.name,
        table=table,
        targets=targets,
        fits=fits,
        model=Model(setup.network, setup.network_id, weights, setup.outputs, heads),
        rows=learnt.rows,
        logits=tuple(fit.oof_logits_NK for fit in fits),
        honest_logits=tuple(fit.honest_logits_NK for fit in fits),
    )


def _same_targets(setup: Setup, learnt: Learnt) -> tuple[Target, ...]:
    """The member's targets with the classes that have usable photos."""
    names = [target.name for target in setup.targets]
    return tuple(target for target in learnt.targets.learned if target.name in names)


def _group_and_split(
    manifest: Manifest, targets: Targets, table: FeatureTable, config: Config
) -> tuple[Splits, tuple[Issue, ...]]:
    usable = manifest.usable
    duplicates = find_duplicates(
        usable.photos,
        table.embedding_ND,
        max_bits=config.split.duplicate_bits,
        min_similarity=config.split.duplicate_similarity,
    )
    column, group_N = config.data.labels.group, duplicates.group_N
    issues = (*check(manifest), *duplicates.issues)
    if config.split.file is not None:
        return read_splits(config.split.file, usable, group_N, config.split, group_column=column), issues
    return divide(usable, group_N, targets, config.split, group_column=column), issues


def _resolve_rest(ready: Prepared, learnt: Learnt, members: Sequence[Member]) -> tuple[Config, dict[str, str]]:
    """Replace the settings that were `auto` until the photos were known."""
    usable = learnt.photos
    given_test = ready.config.split.file is not None or any(p.part == "test" for p in usable)
    config, test_reason = resolve_test(
        ready.config, n_photos=len(usable), given_test=given_test, threshold=FOLDS_BELOW, fraction=TEST_FRACTION
    )
    strength_reason: dict[str, str] = {}
    if len(members) == 1 and len(members[0].fits) == 1:
        config, strength_reason = resolve_strength(config, members[0].fits[0].strength)
    elif config.train.strength == "auto":
        chosen = "; ".join(strengths_text(member.targets, member.fits) for member in members)
        strength_reason = {"train.strength": f"chosen by out-of-fold log loss: {chosen}"}
    return config, {**ready.reasons, **test_reason, **strength_reason}
