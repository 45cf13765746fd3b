"""The first part of `train`: settle the settings, list the photos, open everything, and say what it will cost."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.contract import Contract
from photograft.data.csv_text import read_edited
from photograft.data.listing import Listing
from photograft.data.parts import PART_NAMES
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, find_known, needs_decoding
from photograft.data.split import FOLDS_BELOW, TEST_FRACTION
from photograft.data.tables import table_bytes
from photograft.errors import ConfigError, DataError
from photograft.features.engine import choose_engine, settle_engine
from photograft.features.extract import FeatureStore
from photograft.models.catalogue import (
    BACKBONES,
    Backbone,
    find_backbone,
    is_library_name,
    without_weights,
)
from photograft.models.facts import facts_file
from photograft.models.networks import Outputs, ensure_network, is_intact, network_file, read_outputs
from photograft.reporting.layer_table import summary_text
from photograft.reporting.training import summary_document
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Summary
from photograft.workflow.clock import Clock
from photograft.workflow.features import Estimate, PhotoReader
from photograft.workflow.grafting import Grafting, cut_network, describe_grafting, plan_epochs
from photograft.workflow.narrator import Narrator
from photograft.workflow.resolve import resolve_graft, resolve_input, without_effect
from photograft.workflow.source import Source, contract_of, open_source


@dataclass(frozen=True)
class Plan:
    """What `train` would do, and what it would cost: the result of a dry run."""

    lines: tuple[str, ...]
    estimate: Estimate
    summary: Summary | None = None

    def to_json(self) -> dict[str, Any]:
        """As `photograft train --dry-run --json` prints it."""
        e = self.estimate
        cost = {"photos": e.n_photos, "new": e.n_new, "seconds": round(e.seconds, 1), "peak_mb": round(e.peak_mb)}
        layers = {} if self.summary is None else {"summary": summary_document(self.summary)}
        return {"plan": list(self.lines), "estimate": cost, **layers}

    def details(self) -> list[str]:
        """What trains, layer by layer; nothing where the head alone does."""
        return [] if self.summary is None else summary_text(self.summary)


@dataclass(frozen=True)
class Setup:
    """Everything that is settled before the first photo is read.

    `backbone` gives the features, and `trained` is the network that is trained: the same, save where it has no weights
    and is trained from random ones.
    """

    config: Config
    reasons: dict[str, str]
    source: Source
    backbone: Backbone
    contract: Contract
    network: Path
    outputs: Outputs
    views: tuple[str, ...]
    trained: Backbone
    grafting: Grafting | None = None

    @property
    def listing(self) -> Listing:
        """The rows of the source."""
        return self.source.listing


@contextmanager
def prepared(
    photos: Path, asked: Config, clock: Clock, narrator: Narrator
) -> Iterator[tuple[Setup, PhotoReader, Plan]]:
    """Settle everything, open cache and decoders, and tell what will be done and what it will cost."""
    limits = asked.cache
    backbone = _find_backbone(asked, cache_folder(limits.dir), narrator)
    extractor = _extractor(backbone, narrator)
    config, reasons = resolve_input(asked, only_px=backbone.own_px if backbone.fixed_px else None)
    config, graft_reasons = resolve_graft(config)
    reasons |= graft_reasons
    if idle := without_effect(config):
        narrator.say(
            f"warning: {', '.join(idle)} act in fine-tuning, and graft point head has none: set --quality best or "
            "model.graft"
        )
    with (
        Cache(cache_folder(limits.dir), max_bytes=int(limits.max_gb * 1e9), trust_mtime=limits.trust_mtime) as cache,
        open_source(photos, config, clock) as source,
    ):
        if cache.warning:
            narrator.say(f"warning: {cache.warning}")
        setup = _set_up(source, config, reasons, extractor, cache.folder, clock, narrator)
        setup = replace(setup, trained=backbone)
        model, listing = setup.config.model, source.listing
        # Without a test part the cross-validated score is the one to quote, and it must come from the bundle's own
        # engine: a GPU in mixed precision differs from it. Small sets take a minute on the CPU anyway.
        device = model.device if _has_test(setup) else "cpu"
        px = setup.contract.px
        engines = choose_engine(setup.backbone, setup.network, embedding=model.embedding, device=device, px=px)
        network_id = setup.backbone.network_id(px=px, embedding=model.embedding)
        scanning = Scan(source.files, config.data, setup.contract, cache, source.edits)
        store, engine = settle_engine(
            engines,
            lambda name: FeatureStore(cache, setup.contract, network_id, name, setup.views),
            lambda store: _is_complete(store, listing, scanning),
        )
        with DecodePool(setup.contract, timeout_s=config.data.timeout_s) as pool:
            reader = PhotoReader(scanning, config, store, pool, engine)
            with clock.stage("estimate"):
                size = setup.outputs.embedding
                estimate = reader.estimate(listing.files, embedding_size=size, n_classes=len(listing.classes))
            lines = _describe_plan(setup, store.engine_name)
            if setup.config.model.graft != "head":
                with clock.stage("cut network"):
                    setup, estimate = _cut(setup, estimate, cache.folder)
                assert setup.grafting is not None
                lines += describe_grafting(setup.grafting)
            lines.append(f"Estimate: {estimate}")
            for line in lines:
                narrator.say(line)
            summary = None if setup.grafting is None else setup.grafting.summary
            yield setup, reader, Plan(tuple(lines), estimate, summary)


def _is_complete(store: FeatureStore, listing: Listing, scanning: Scan) -> bool:
    """Whether every photo that is listed has features in the store; files are not opened for it."""
    known = store.known()
    photos = (find_known(found, scanning) for found in listing.files)
    return all(p is not None and not needs_decoding(p, lambda content: content not in known) for p in photos)


def _set_up(
    source: Source,
    config: Config,
    reasons: dict[str, str],
    backbone: Backbone,
    cache_dir: Path,
    clock: Clock,
    narrator: Narrator,
) -> Setup:
    _check_positive(config.report.positive, source.listing)
    contract = contract_of(config)
    with clock.stage("export network"):
        network, outputs = _export(backbone, contract, config.model.embedding, cache_dir, narrator)
        if config.model.embedding == "multi" and not outputs.stages:
            reasons["model.embedding"] = f"{backbone.name} gives no middle stages, so the last one is used alone"
            narrator.say(f"model.embedding: {reasons['model.embedding']}.")
            config = config.model_copy(update={"model": config.model.model_copy(update={"embedding": "last"})})
            network, outputs = _export(backbone, contract, config.model.embedding, cache_dir, narrator)
    views = ("whole", "whole-flipped") if config.input.flip else ("whole",)
    return Setup(config, reasons, source, backbone, contract, network, outputs, views, trained=backbone)


def _find_backbone(asked: Config, cache_dir: Path, narrator: Narrator) -> Backbone:
    name = asked.model.backbone
    if is_library_name(name) and not facts_file(name, cache_dir).is_file():
        narrator.say(f"Looking up {name}, once (imports torch, some seconds) ...")
    model = asked.model
    try:
        return find_backbone(name, weights=model.weights, mean=model.mean, std=model.std, cache_dir=cache_dir)
    except ConfigError:
        if model.graft != "scratch" or model.weights is not None or not is_library_name(name):
            raise
        return without_weights(name, mean=model.mean, std=model.std, cache_dir=cache_dir)


def _extractor(backbone: Backbone, narrator: Narrator) -> Backbone:
    """The network whose features find duplicates and feed the linear head: one with weights."""
    if backbone.has_weights:
        return backbone
    other = BACKBONES[0]
    narrator.say(f"{backbone.name} has no weights here: the linear head to compare with stands on {other.name}.")
    return other


def _export(
    backbone: Backbone, contract: Contract, embedding: str, cache_dir: Path, narrator: Narrator
) -> tuple[Path, Outputs]:
    px = contract.px
    kept = network_file(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    if not is_intact(kept):
        if kept.is_file():
            narrator.say(f"{kept} does not have the checksum that was written when it was exported: made anew.")
        narrator.say(f"Exporting {backbone.name} for {px} px to ONNX, once (about half a minute) ...")
    network = ensure_network(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    return network, read_outputs(network)


def _cut(setup: Setup, estimate: Estimate, cache_dir: Path) -> tuple[Setup, Estimate]:
    """The network cut at its graft point, and what all of it will cost."""
    n_classes, n_photos = len(setup.listing.classes), len(setup.listing.files)
    grafting = cut_network(setup.trained, setup.config, n_classes=n_classes, px=setup.contract.px, cache_dir=cache_dir)
    grafting, seconds = plan_epochs(grafting, n_photos=n_photos * _passes(setup))
    setup = replace(setup, config=grafting.config, reasons={**setup.reasons, **grafting.reasons}, grafting=grafting)
    total_s, training_s = estimate.seconds + seconds, estimate.training_s + seconds
    peak_mb = max(estimate.peak_mb, grafting.peak_mb)
    return setup, replace(estimate, seconds=total_s, training_s=training_s, peak_mb=peak_mb)


def _passes(setup: Setup) -> float:
    """How often an epoch of all fits together sees a photo: about, as far as the number of files tells."""
    has_test, refit = _has_test(setup), setup.config.train.refit
    holds_out = has_test and _has_val(setup)
    judging = 0.8 if holds_out else setup.config.split.folds - 1
    shipping = 0 if refit == "none" and holds_out else 2 if refit == "all" and has_test else 1
    return judging + shipping


def _describe_plan(setup: Setup, engine: str) -> list[str]:
    config = setup.config
    views = "two views, whole and mirrored" if len(setup.views) > 1 else "one view"
    whole = "the whole photo" if config.data.boxes == "none" else f"the photo cropped to its box ({config.data.boxes})"
    shape = whole if config.input.crop == "none" else f"the central square of {whole}"
    graft = config.model.graft
    trained = "linear head" if graft == "head" else f"linear head, then fine-tuned ({graft})"
    what = "objects" if any(found.object for found in setup.listing.files) else "files"
    return [
        f"{len(setup.listing.files):,} {what} in {len(setup.listing.classes)} classes",
        f"Quality {config.quality}: {setup.trained.name}, {shape} at {setup.contract.px} px, {views}, "
        f"{config.model.embedding} embedding, {trained}; {engine}",
        _describe_split(setup),
    ]


def _describe_split(setup: Setup) -> str:
    split = setup.config.split
    if split.file is not None:
        return f"Split: as {split.file} says"
    if any(f.part == "test" for f in setup.listing.files):
        return "Split: the folder's own parts; its test part is opened once, at the end"
    if _has_test(setup):
        test = TEST_FRACTION if split.test == "auto" else split.test
        return f"Split: {test:.0%} are the test part, opened once, at the end; {split.folds} folds of the rest"
    return f"Split: {split.folds} folds; every photo is judged by a model that has not seen it"


def _has_test(setup: Setup) -> bool:
    """Whether there will be a test part, given or drawn, as far as the number of files tells."""
    if setup.config.split.file is not None:
        return _names_part(setup.config.split.file, "test")
    if any(f.part is not None for f in setup.listing.files):
        return any(f.part == "test" for f in setup.listing.files)
    test = setup.config.split.test
    return len(setup.listing.files) >= FOLDS_BELOW if test == "auto" else test > 0


def _has_val(setup: Setup) -> bool:
    """Whether there will be a validation part beside a test part; without one folds judge."""
    if setup.config.split.file is not None:
        return _names_part(setup.config.split.file, "val")
    return setup.config.split.val > 0 or any(f.part == "val" for f in setup.listing.files)


def _names_part(file: Path, part: str) -> bool:
    """Whether a table of parts has this part; whatever is wrong with the table is said when it is read in full."""
    try:
        _, rows = read_edited(table_bytes(file, f"split.file: {file}"))
    except (DataError, csv.Error):
        return False
    return any(PART_NAMES.get(cells.get("part", "").strip().lower()) == part for _, cells in rows)


def _check_positive(positive: str | None, listing: Listing) -> None:
    """Refuse a positive class that is none before anything is read, and before a test part is opened."""
    forms = {unicodedata.normalize("NFC", name) for name in listing.classes}
    if positive is not None and unicodedata.normalize("NFC", positive) not in forms:
        raise ConfigError(f"report.positive: {positive!r} is none of the classes: {', '.join(listing.classes)}.")
