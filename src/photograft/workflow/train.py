"""`train`: from a folder of photos to a trained, calibrated, tested model, its report and its bundle.

Reads from top to bottom as the stages of ARCHITECTURE.md; each stage takes values and gives a value, and what it gave
is written into the run folder here and nowhere else.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config import Config, Quality, to_yaml
from photograft.contract import Contract, make_contract
from photograft.data.check import check
from photograft.data.files import open_files, photo_status, printable
from photograft.data.folders import list_photos
from photograft.data.listing import Listing
from photograft.data.pool import DecodePool
from photograft.data.scan import check_bad_fraction, decoder_key
from photograft.data.split import FOLDS_BELOW, TEST_FRACTION, split
from photograft.errors import ConfigError, DataError, ImageRejected
from photograft.features.duplicates import find_duplicates
from photograft.features.engine import choose_engine, settle_engine
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore
from photograft.models.catalogue import Backbone, find_backbone
from photograft.models.networks import ensure_network, is_intact, network_file
from photograft.tracking.cache import Cache, cache_folder
from photograft.tracking.run_folder import create_run, run_stem
from photograft.training.linear import HeadFit, fit_head
from photograft.values import Evaluation, FeatureTable, IntArray, Issue, Manifest, Splits
from photograft.workflow.clock import Clock
from photograft.workflow.features import Estimate, PhotoReader
from photograft.workflow.finish import Trained, finish_run
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.resolve import resolve_input, resolve_strength, resolve_test

_NAMED = 5


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: its folder, its bundle, and its scores (`test` where there is a test part, `oof` out of fold)."""

    run: Path
    bundle: Path
    classes: tuple[str, ...]
    test: Evaluation | None
    oof: Evaluation | None
    seconds: dict[str, float]
    warnings: tuple[str, ...]

    @property
    def headline(self) -> Evaluation:
        """The evaluation to quote: the test part's, else the out-of-fold one."""
        evaluation = self.test or self.oof
        assert evaluation is not None
        return evaluation

    def to_json(self) -> dict[str, Any]:
        """As `photograft train --json` prints it."""
        scores = {name: e.scores for name, e in (("test", self.test), ("oof", self.oof)) if e is not None}
        return {
            "run": str(self.run),
            "bundle": str(self.bundle),
            "classes": list(self.classes),
            **scores,
            "seconds": {stage: round(s, 3) for stage, s in self.seconds.items()},
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Plan:
    """What `train` would do, and what it would cost: the result of a dry run."""

    lines: tuple[str, ...]
    estimate: Estimate

    def to_json(self) -> dict[str, Any]:
        """As `photograft train --dry-run --json` prints it."""
        e = self.estimate
        cost = {"photos": e.n_photos, "new": e.n_new, "seconds": round(e.seconds, 1), "peak_mb": round(e.peak_mb)}
        return {"plan": list(self.lines), "estimate": cost}


@dataclass(frozen=True)
class _Setup:
    """Everything that is settled before the first photo is read."""

    config: Config
    reasons: dict[str, str]
    listing: Listing
    backbone: Backbone
    contract: Contract
    network: Path
    views: tuple[str, ...]


def train(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    name: str | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> TrainedRun:
    """Train a classifier on a folder with one sub-folder per class, and test it honestly.

    Args:
        photos: The folder. Nothing in it is changed.
        quality: "fast", "good" or "best"; `config.quality` where it is not given.
        name: Of the run; by default that of the folder.
        runs_dir: Where the run folder is made.
        config: Settings, as `photograft.load_config` reads them.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or `runs_dir` lies inside the folder of photos.
        DataError: The photos need attention: no class folders, too many damaged files, a class too small for the split.
        MissingExtraError: The network was never exported here, and the `train` extra is not installed.
    """
    root, asked, narrator, clock = Path(photos), _asked(config, quality), narrator or Silent(), Clock()
    _check_runs_dir(root, Path(runs_dir))
    name = name or root.resolve().name
    run_stem(name)
    with _prepared(root, asked, clock, narrator) as (setup, reader, _):
        manifest, table = _read_photos(setup, reader, clock, narrator)
    with clock.stage("group and split"):
        splits, issues = _group_and_split(manifest, table, setup.config)
    _name_conflicts(splits, issues, narrator)
    with clock.stage("train"):
        rows, fit = _fit(manifest, table, splits, setup.config)
    config, reasons = _resolve_rest(setup, manifest, fit)
    cache_warning = reader.store.cache.warning
    trained = Trained(
        asked=to_yaml(asked),
        config=config,
        reasons=reasons,
        backbone=setup.backbone,
        contract=setup.contract,
        network=setup.network,
        views=setup.views,
        exact_features=reader.store.engine_name == OnnxEngine.name,
        manifest=manifest,
        issues=issues,
        splits=splits,
        table=table,
        rows=rows,
        fit=fit,
        warnings=(cache_warning,) if cache_warning else (),
    )
    run = create_run(Path(runs_dir), name)
    with run.locked(), run.removed_on_failure():
        evaluations, warnings = finish_run(run, trained, clock, narrator)
    test, oof = evaluations.get("test"), evaluations.get("oof")
    return TrainedRun(run.path, run.model, manifest.usable.classes, test, oof, clock.seconds, tuple(warnings))


def plan(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> Plan:
    """Say what `train` would do with this folder and what it would cost, measured on a few batches; writes no run."""
    with _prepared(Path(photos), _asked(config, quality), Clock(), narrator or Silent()) as (_, _, planned):
        return planned


def _check_runs_dir(root: Path, runs_dir: Path) -> None:
    """Nothing is ever written into the folder of photos, so that a run is never taken for a class."""
    if runs_dir.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"--runs-dir: {printable(runs_dir)} lies inside the folder of photos {printable(root)}, which is never "
            "written to; choose a folder outside of it with --runs-dir."
        )


def _asked(config: Config | None, quality: Quality | None) -> Config:
    config = config or Config()
    return config if quality is None else config.model_copy(update={"quality": quality})


@contextmanager
def _prepared(
    root: Path, asked: Config, clock: Clock, narrator: Narrator
) -> Iterator[tuple[_Setup, PhotoReader, Plan]]:
    """Settle everything, open cache and decoders, and tell what will be done and what it will cost."""
    limits = asked.cache
    folder = cache_folder(limits.dir)
    with Cache(folder, max_bytes=int(limits.max_gb * 1e9), trust_mtime=limits.trust_mtime) as cache:
        if cache.warning:
            narrator.say(f"warning: {cache.warning}")
        setup = _set_up(root, asked, cache.folder, clock, narrator)
        model = setup.config.model
        # Without a test part the cross-validated score is the one to quote, and it must come from the bundle's own
        # engine: a GPU in mixed precision differs from it. Small sets take a minute on the CPU anyway.
        device = model.device if _has_test(setup) else "cpu"
        engines = choose_engine(setup.backbone, setup.network, embedding=model.embedding, device=device)
        network_id = setup.backbone.network_id(px=setup.contract.px, embedding=model.embedding)
        store, engine = settle_engine(
            engines,
            lambda name: FeatureStore(cache, setup.contract, network_id, name, setup.views),
            lambda store: _is_complete(store, setup.listing, setup.config.data.max_file_mb),
        )
        with DecodePool(setup.contract, timeout_s=setup.config.data.timeout_s) as pool:
            reader = PhotoReader(root, setup.config, setup.contract, store, pool, engine)
            with clock.stage("estimate"):
                size = setup.backbone.embedding_size(model.embedding)
                n_classes = len(setup.listing.classes)
                estimate = reader.estimate(setup.listing.files, embedding_size=size, n_classes=n_classes)
            lines = _describe_plan(setup, store.engine_name, estimate)
            for line in lines:
                narrator.say(line)
            yield setup, reader, Plan(tuple(lines), estimate)


def _is_complete(store: FeatureStore, listing: Listing, max_file_mb: int) -> bool:
    """Whether every photo that is listed has features in the store; files are not opened for it."""
    known, decoder = store.known(), decoder_key(store.contract)
    for found in listing.files:
        path = listing.root / found.path
        try:
            sha256 = store.cache.find_file(path, photo_status(path, max_file_mb=max_file_mb))
        except ImageRejected:
            continue
        if sha256 is None:
            return False
        if sha256 not in known:
            entry = store.cache.find_scan(sha256, decoder)
            if entry is None or entry["verdict"] == "ok":
                return False
    return True


def _set_up(root: Path, config: Config, cache_dir: Path, clock: Clock, narrator: Narrator) -> _Setup:
    config, reasons = resolve_input(config)
    with clock.stage("list"), open_files(root) as files:
        listing = list_photos(files, config.data)
    _check_positive(config.report.positive, listing)
    backbone = find_backbone(config.model.backbone)
    assert isinstance(config.input.px, int)
    contract = make_contract(
        config.input.px, crop=config.input.crop, max_pixels=config.data.max_pixels, formats=tuple(config.data.formats)
    )
    with clock.stage("export network"):
        px, embedding = contract.px, config.model.embedding
        kept = network_file(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
        if not is_intact(kept):
            if kept.is_file():
                narrator.say(f"{kept} does not have the checksum that was written when it was exported: made anew.")
            narrator.say(f"Exporting {backbone.name} for {px} px to ONNX, once (about half a minute) ...")
        network = ensure_network(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    views = ("whole", "whole-flipped") if config.input.flip else ("whole",)
    return _Setup(config, reasons, listing, backbone, contract, network, views)


def _describe_plan(setup: _Setup, engine: str, estimate: Estimate) -> list[str]:
    config = setup.config
    equal = " (equals good for now)" if config.quality == "best" else ""
    views = "two views, whole and mirrored" if len(setup.views) > 1 else "one view"
    shape = "the whole photo" if config.input.crop == "none" else "the central square"
    return [
        f"{len(setup.listing.files):,} files in {len(setup.listing.classes)} classes",
        f"Quality {config.quality}{equal}: {setup.backbone.name}, {shape} at {setup.contract.px} px, {views}, "
        f"{config.model.embedding} embedding, linear head; {engine}",
        _describe_split(setup),
        f"Estimate: {estimate}",
    ]


def _describe_split(setup: _Setup) -> str:
    split = setup.config.split
    if any(f.part == "test" for f in setup.listing.files):
        return "Split: the folder's own parts; its test part is opened once, at the end"
    if _has_test(setup):
        test = TEST_FRACTION if split.test == "auto" else split.test
        return f"Split: {test:.0%} are the test part, opened once, at the end; {split.folds} folds of the rest"
    return f"Split: {split.folds} folds; every photo is judged by a model that has not seen it"


def _has_test(setup: _Setup) -> bool:
    """Whether there will be a test part, given or drawn, as far as the number of files tells."""
    if any(f.part is not None for f in setup.listing.files):
        return any(f.part == "test" for f in setup.listing.files)
    test = setup.config.split.test
    return len(setup.listing.files) >= FOLDS_BELOW if test == "auto" else test > 0


def _read_photos(setup: _Setup, reader: PhotoReader, clock: Clock, narrator: Narrator) -> tuple[Manifest, FeatureTable]:
    cache = reader.store.cache
    warned = cache.warning
    with clock.stage("scan and extract"):
        rows = reader.read(setup.listing.files, narrator)
    if cache.warning != warned:
        narrator.say(f"warning: {cache.warning}")
    manifest = Manifest(reader.root, tuple(rows), setup.listing.notes)
    _name_rejected(manifest, narrator)
    _check_usable(manifest, setup.listing, setup.config)
    with clock.stage("load features"):
        return manifest, reader.store.table([p.sha256 for p in manifest.usable.photos])


def _name_rejected(manifest: Manifest, narrator: Narrator) -> None:
    """Count and name the files that were skipped; manifest.csv has them all."""
    rejected = manifest.rejected
    if rejected:
        narrator.say(f"{len(rejected)} of {len(manifest.photos):,} files cannot be used and were skipped:")
        for photo in rejected[:_NAMED]:
            narrator.say(f"  {printable(photo.path)}: {photo.verdict}, {photo.reason}")
        if len(rejected) > _NAMED:
            narrator.say(f"  ... and {len(rejected) - _NAMED} more; manifest.csv has them all")


def _name_conflicts(splits: Splits, issues: tuple[Issue, ...], narrator: Narrator) -> None:
    """State what the split guarantees, and name photos that stand under several labels; issues.csv has them all."""
    narrator.say(splits.statement)
    conflicts = [issue for issue in issues if issue.kind == "label_conflict"]
    for issue in conflicts[:_NAMED]:
        narrator.say(f"  {issue.message}")
    if len(conflicts) > _NAMED:
        narrator.say(f"  ... and {len(conflicts) - _NAMED} more; issues.csv has them all")


def _check_positive(positive: str | None, listing: Listing) -> None:
    """Refuse a positive class that is none before anything is read, and before a test part is opened."""
    forms = {unicodedata.normalize("NFC", name) for name in listing.classes}
    if positive is not None and unicodedata.normalize("NFC", positive) not in forms:
        raise ConfigError(f"report.positive: {positive!r} is none of the classes: {', '.join(listing.classes)}.")


def _check_usable(manifest: Manifest, listing: Listing, config: Config) -> None:
    check_bad_fraction(manifest.photos, max_bad_fraction=config.data.max_bad_fraction)
    left = set(manifest.usable.classes)
    empty = [name for name in listing.classes if name not in left]
    if empty:
        raise DataError(
            f"No usable photos in class {', '.join(empty)}: "
            "add photos, remove the folder, or leave it out with data.ignore."
        )


def _group_and_split(manifest: Manifest, table: FeatureTable, config: Config) -> tuple[Splits, tuple[Issue, ...]]:
    usable = manifest.usable
    duplicates = find_duplicates(
        usable.photos,
        table.embedding_ND,
        max_bits=config.split.duplicate_bits,
        min_similarity=config.split.duplicate_similarity,
    )
    splits = split(usable, duplicates.group_N, config.split)
    return splits, (*check(manifest), *duplicates.issues)


def _fit(manifest: Manifest, table: FeatureTable, splits: Splits, config: Config) -> tuple[IntArray, HeadFit]:
    """Cross-validate over train + val, then fit the head that is tested: on the same rows, or on train alone."""
    classes = manifest.usable.classes
    rows = splits.rows("train", "val")
    fit = fit_head(
        table.embedding_ND[rows],
        manifest.usable.label_indices(classes)[rows],
        splits.fold_N[rows],
        n_classes=len(classes),
        strength=None if config.train.strength == "auto" else config.train.strength,
        balance=config.train.balance,
        fit_rows=splits.part_N[rows] == "train" if config.train.refit == "none" else None,
    )
    return rows, fit


def _resolve_rest(setup: _Setup, manifest: Manifest, fit: HeadFit) -> tuple[Config, dict[str, str]]:
    """Replace the settings that were `auto` until the photos were known."""
    usable = manifest.usable.photos
    given_test = any(p.part == "test" for p in usable)
    config, test_reason = resolve_test(
        setup.config, n_photos=len(usable), given_test=given_test, threshold=FOLDS_BELOW, fraction=TEST_FRACTION
    )
    config, strength_reason = resolve_strength(config, fit.strength)
    return config, {**setup.reasons, **test_reason, **strength_reason}
