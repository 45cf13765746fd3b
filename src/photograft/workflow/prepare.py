"""The first part of `train`: settle the settings, list the photos, open everything, and say what it will cost."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from photograft.config import Config
from photograft.config.model import ModelConfig
from photograft.contract import Contract, view_names
from photograft.data.csv_text import read_edited
from photograft.data.listing import Listing
from photograft.data.parts import PART_NAMES
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, find_known, needs_decoding
from photograft.data.split import FOLDS_BELOW, TEST_FRACTION
from photograft.data.tables import table_bytes
from photograft.data.targets import Targets, find_targets
from photograft.errors import ConfigError, DataError
from photograft.features.engine import choose_engine, settle_engine
from photograft.features.extract import FeatureStore
from photograft.models.catalogue import (
    BACKBONES,
    Backbone,
    find_backbone,
    is_library_name,
)
from photograft.models.facts import facts_file
from photograft.models.networks import Outputs, ensure_network, is_intact, network_file, read_outputs
from photograft.models.own_names import is_own_name
from photograft.reporting.layer_table import summary_text
from photograft.reporting.training import summary_document
from photograft.tracking.cache import Cache, cache_folder
from photograft.training.ranks import ALONE, Ranks
from photograft.values import Summary, Target
from photograft.workflow.clock import Clock
from photograft.workflow.features import Estimate, PhotoReader, together
from photograft.workflow.grafting import Grafting, cut_network, describe_grafting, plan_epochs
from photograft.workflow.members import MAIN, MemberPlan, plan_members, refit_of
from photograft.workflow.narrator import Narrator
from photograft.workflow.resolve import resolve_graft, resolve_input, trains_by_steps, without_effect
from photograft.workflow.source import Source, contract_of, open_source


@dataclass(frozen=True)
class Plan:
    """What `train` would do, and what it would cost: the result of a dry run."""

    lines: tuple[str, ...]
    estimate: Estimate
    summaries: tuple[tuple[str, Summary], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `photograft train --dry-run --json` prints it."""
        e = self.estimate
        cost = {"photos": e.n_photos, "new": e.n_new, "seconds": round(e.seconds, 1), "peak_mb": round(e.peak_mb)}
        documents = {name: summary_document(summary) for name, summary in self.summaries}
        layers = {"summary": documents[MAIN]} if MAIN in documents else {}
        members = {name: document for name, document in documents.items() if name != MAIN}
        return {"plan": list(self.lines), "estimate": cost, **layers, **({"members": members} if members else {})}

    def details(self) -> list[str]:
        """What trains, layer by layer; nothing where the head alone does."""
        lines = []
        for name, summary in self.summaries:
            lines += [*([] if name == MAIN else ["", name]), *summary_text(summary)]
        return lines


@dataclass(frozen=True)
class Setup:
    """Everything of one member that is settled before the first photo is read.

    `backbone` gives the features, and `trained` is the network that is trained: the same, save where it has no weights
    and is trained from random ones.
    """

    plan: MemberPlan
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

    @property
    def name(self) -> str:
        """The member's."""
        return self.plan.name

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the member learns."""
        return self.plan.targets

    @property
    def px(self) -> int:
        """Side of the network's input."""
        assert isinstance(self.config.input.px, int)
        return self.config.input.px

    @property
    def network_id(self) -> str:
        """What names network, input size and embedding."""
        return self.backbone.network_id(px=self.px, embedding=self.config.model.embedding)


@dataclass(frozen=True)
class Prepared:
    """What `train` begins with: every member settled, and what reads its photos.

    `config` holds the settings of the run as a whole. Members of one network, contract and views share a reader.
    """

    config: Config
    reasons: dict[str, str]
    source: Source
    targets: Targets
    members: tuple[Setup, ...]
    readers: tuple[PhotoReader, ...]
    plan: Plan


@contextmanager
def prepared(
    photos: Path,
    asked: Config,
    clock: Clock,
    narrator: Narrator,
    *,
    settle: Callable[[str, Config], Config] | None = None,
    ranks: Ranks = ALONE,
    reads_here: bool = True,
) -> Iterator[Prepared]:
    """Settle everything, open cache and decoders, and tell what will be done and what it will cost.

    Where photos are not read on this machine (`reads_here`), their cost is not measured, and features come from ONNX
    Runtime on CPU cores.
    `settle` gives the settings of a member by its name, where a run that was begun has settled some.
    """
    limits = asked.cache
    with ExitStack() as stack:
        cache = stack.enter_context(
            Cache(cache_folder(limits.dir), max_bytes=int(limits.max_gb * 1e9), trust_mtime=limits.trust_mtime)
        )
        if cache.warning:
            narrator.say(f"warning: {cache.warning}")
        source = stack.enter_context(open_source(photos, asked, clock))
        listing = source.listing
        targets = find_targets(listing.classes, asked, several=any(found.labels for found in listing.files))
        _check_positive(asked.report.positive, targets)
        planned = plan_members(asked, targets)
        if settle is not None:
            planned = tuple(replace(plan, config=settle(plan.name, plan.config)) for plan in planned)
        setups = _share_time([_set_up(plan, source, cache.folder, clock, narrator) for plan in planned])
        _warn_idle(setups, narrator)
        opened: dict[tuple[object, ...], PhotoReader] = {}
        readers = []
        for setup in setups:
            key = (setup.network_id, setup.contract.id, setup.views, setup.config.model.device)
            if key not in opened:
                opened[key] = _open_reader(setup, cache, stack, reads_here)
            readers.append(opened[key])
        with clock.stage("estimate"):
            every = {id(reader): (setup, reader) for setup, reader in zip(setups, readers, strict=True)}
            estimate = together([_estimate(*pair, measure=reads_here) for pair in every.values()])
        lines = [_describe_photos(source, targets), *map(_describe_member, setups, readers), _describe_split(setups[0])]
        setups, estimate = _cut_all(setups, estimate, cache.folder, clock, ranks)
        for setup in setups:
            if setup.grafting is not None:
                lines += [_named(setup, line) for line in describe_grafting(setup.grafting)]
        if reads_here:
            lines.append(f"Estimate: {estimate}")
        for line in lines:
            narrator.say(line)
        config, reasons = _settings_of_run(asked, setups)
        summaries = tuple((setup.name, setup.grafting.summary) for setup in setups if setup.grafting is not None)
        plan = Plan(tuple(lines), estimate, summaries)
        yield Prepared(config, reasons, source, targets, tuple(setups), tuple(readers), plan)


def _warn_idle(setups: Sequence[Setup], narrator: Narrator) -> None:
    """Say so where settings of fine-tuning were changed, and nothing is fine-tuned."""
    if not any(trains_by_steps(setup.config) for setup in setups) and (idle := without_effect(setups[0].config)):
        narrator.say(
            f"warning: {', '.join(idle)} act in fine-tuning, and graft point head has none: set --quality best or "
            "model.graft"
        )


def _share_time(setups: Sequence[Setup]) -> list[Setup]:
    """Of several members that are fine-tuned, each has an equal share of `train.time_limit`."""
    n_tuned = sum(trains_by_steps(setup.config) for setup in setups)
    limit = setups[0].config.train.time_limit
    if limit is None or n_tuned < 2:
        return list(setups)
    reason = {"train.time_limit": f"the share of one of {n_tuned} members"}
    shared = []
    for setup in setups:
        train = setup.config.train.model_copy(update={"time_limit": limit / n_tuned})
        config = setup.config.model_copy(update={"train": train})
        shared.append(replace(setup, config=config, reasons={**setup.reasons, **reason}))
    return shared


def _open_reader(setup: Setup, cache: Cache, stack: ExitStack, reads_here: bool) -> PhotoReader:
    config, source = setup.config, setup.source
    # Without a test part the cross-validated score is the one to quote, and it must come from the bundle's own
    # engine: a GPU in mixed precision differs from it. Small sets take a minute on the CPU anyway.
    device = config.model.device if _has_test(setup) and reads_here else "cpu"
    engines = choose_engine(setup.backbone, setup.network, embedding=config.model.embedding, device=device, px=setup.px)
    scanning = Scan(source.files, config.data, setup.contract, cache, source.edits)
    store, engine = settle_engine(
        engines,
        lambda name: FeatureStore(cache, setup.contract, setup.network_id, name, setup.views),
        lambda store: _is_complete(store, source.listing, scanning),
    )
    pool = stack.enter_context(DecodePool(setup.contract, timeout_s=config.data.timeout_s))
    return PhotoReader(scanning, config, store, pool, engine)


def _estimate(setup: Setup, reader: PhotoReader, *, measure: bool) -> Estimate:
    n_columns, size = sum(map(_n_columns, setup.targets)), setup.outputs.embedding
    return reader.estimate(setup.listing.files, embedding_size=size, n_classes=n_columns, measure=measure)


def _n_columns(target: Target) -> int:
    """Columns of weights that are solved for a target: a yes-or-no question has two."""
    return len(target.classes) if target.kind == "softmax" else 2 * target.n_outputs


def _settings_of_run(asked: Config, setups: Sequence[Setup]) -> tuple[Config, dict[str, str]]:
    """Those of the first member, where it is not one of several with settings of their own."""
    if asked.model.labels != "models":
        return setups[0].config, setups[0].reasons
    config, reasons = resolve_input(asked)
    config, more = resolve_graft(config, has_weights=any(setup.trained.has_weights for setup in setups))
    return config, reasons | more


def _is_complete(store: FeatureStore, listing: Listing, scanning: Scan) -> bool:
    """Whether every photo that is listed has features in the store; files are not opened for it."""
    known = store.known()
    photos = (find_known(found, scanning) for found in listing.files)
    return all(p is not None and not needs_decoding(p, lambda content: content not in known) for p in photos)


def _set_up(plan: MemberPlan, source: Source, cache_dir: Path, clock: Clock, narrator: Narrator) -> Setup:
    trained = _backbone_of(plan, cache_dir, narrator)
    backbone = _extractor(trained, narrator)
    config, reasons = resolve_input(plan.config, only_px=trained.own_px if trained.fixed_px else None)
    config, graft_reasons = resolve_graft(config, has_weights=trained.has_weights)
    reasons |= graft_reasons
    if not trained.has_weights:
        _check_random(trained, config)
    trained = trained.with_hidden(config.model.hidden)
    contract = contract_of(config)
    px = config.input.px
    assert isinstance(px, int)
    with clock.stage("export network"):
        network, outputs = _export(backbone, px, config.model.embedding, cache_dir, narrator)
        if config.model.embedding == "multi" and not outputs.stages:
            reasons["model.embedding"] = f"{backbone.name} gives no middle stages, so the last one is used alone"
            narrator.say(f"model.embedding: {reasons['model.embedding']}.")
            config = config.model_copy(update={"model": config.model.model_copy(update={"embedding": "last"})})
            network, outputs = _export(backbone, px, config.model.embedding, cache_dir, narrator)
    views = view_names(config.input.crops, bool(config.input.flip))
    return Setup(plan, config, reasons, source, backbone, contract, network, outputs, views, trained=trained)


def _backbone_of(plan: MemberPlan, cache_dir: Path, narrator: Narrator) -> Backbone:
    try:
        return _find_backbone(plan.config, cache_dir, narrator)
    except ConfigError as error:
        if plan.variant == MAIN:
            raise
        raise ConfigError(str(error).replace("model.", f"ensemble.members.{plan.variant}.", 1)) from error


def _find_backbone(asked: Config, cache_dir: Path, narrator: Narrator) -> Backbone:
    name = asked.model.backbone
    if is_library_name(name) and not facts_file(name, cache_dir).is_file():
        narrator.say(f"Looking up {name}, once (imports torch, some seconds) ...")
    model = asked.model
    may_be_random = is_own_name(name) if model.graft == "auto" else is_own_name(name) or is_library_name(name)
    try:
        return _open_backbone(model, model.weights, cache_dir)
    except ConfigError:
        if model.weights is not None or model.graft not in ("scratch", "auto") or not may_be_random:
            raise
        return _open_backbone(model, "random", cache_dir)


def _open_backbone(model: ModelConfig, weights: Literal["random"] | Path | None, cache_dir: Path) -> Backbone:
    name, mean, std = model.backbone, model.mean, model.std
    return find_backbone(name, weights=weights, mean=mean, std=std, pool=model.pool, cache_dir=cache_dir)


def _extractor(backbone: Backbone, narrator: Narrator) -> Backbone:
    """The network whose features find duplicates and feed the linear head: one with weights."""
    if backbone.has_weights:
        return backbone
    other = BACKBONES[0]
    narrator.say(f"{backbone.name} has no weights here: the linear head to compare with stands on {other.name}.")
    return other


def _check_random(backbone: Backbone, config: Config) -> None:
    """Refuse what random weights cannot give: features for an exact head, and a network to blend with."""
    if not trains_by_steps(config):
        raise ConfigError(
            f"model.graft: {backbone.name} has random weights, and nothing of it would be trained at graft point head; "
            "set model.graft=scratch, or train.solver=steps for a head on random features"
        )
    if config.train.blend is True:
        raise ConfigError(f"train.blend: {backbone.name} has no pretrained weights to blend with; leave it at auto")


def _export(backbone: Backbone, px: int, embedding: str, cache_dir: Path, narrator: Narrator) -> tuple[Path, Outputs]:
    kept = network_file(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    if not is_intact(kept):
        if kept.is_file():
            narrator.say(f"{kept} does not have the checksum that was written when it was exported: made anew.")
        narrator.say(f"Exporting {backbone.name} for {px} px to ONNX, once (about half a minute) ...")
    network = ensure_network(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    return network, read_outputs(network)


def _cut_all(
    setups: Sequence[Setup], estimate: Estimate, cache_dir: Path, clock: Clock, ranks: Ranks
) -> tuple[list[Setup], Estimate]:
    """Every network cut at its graft point, and what all of it will cost."""
    cut = []
    for setup in setups:
        if trains_by_steps(setup.config):
            with clock.stage("cut network"):
                setup, estimate = _cut(setup, estimate, cache_dir, ranks)
        cut.append(setup)
    return cut, estimate


def _cut(setup: Setup, estimate: Estimate, cache_dir: Path, ranks: Ranks) -> tuple[Setup, Estimate]:
    grafting = cut_network(
        setup.trained, setup.config, targets=setup.targets, px=setup.px, cache_dir=cache_dir, ranks=ranks
    )
    grafting, seconds = plan_epochs(grafting, n_photos=len(setup.listing.files) * _passes(setup))
    setup = replace(setup, config=grafting.config, reasons={**setup.reasons, **grafting.reasons}, grafting=grafting)
    total_s, training_s = estimate.seconds + seconds, estimate.training_s + seconds
    peak_mb = max(estimate.peak_mb, grafting.peak_mb)
    return setup, replace(estimate, seconds=total_s, training_s=training_s, peak_mb=peak_mb)


def _passes(setup: Setup) -> float:
    """How often an epoch of all fits together sees a photo: about, as far as the number of files tells."""
    has_test, refit = _has_test(setup), refit_of(setup.config)
    holds_out = has_test and _has_val(setup) and refit != "folds"
    judging = 0.8 if holds_out else setup.config.split.folds - 1
    if refit == "folds" or (refit == "none" and holds_out):
        return judging
    shipping = 2 if refit == "all" and has_test else 1
    return judging + shipping


def _describe_photos(source: Source, targets: Targets) -> str:
    files = source.listing.files
    what = "objects" if any(found.object for found in files) else "files"
    classes = f"{len(files):,} {what} in {len(source.listing.classes)} classes"
    if targets.several:
        return f"{classes}, several of which a photo may have"
    if not targets.factors:
        return classes
    factors = " x ".join(f"{factor.name} ({len(factor.classes)})" for factor in targets.factors)
    how = "as classes of their own" if len(targets.learned) < len(targets.factors) else "learned one by one"
    return f"{classes}: {factors}, {how}"


def _describe_member(setup: Setup, reader: PhotoReader) -> str:
    config = setup.config
    views = {1: "one view", 2: "two views, whole and mirrored"}.get(len(setup.views), f"{len(setup.views)} views")
    whole = "the whole photo" if config.data.boxes == "none" else f"the photo cropped to its box ({config.data.boxes})"
    shape = whole if config.input.crop == "none" else f"the central square of {whole}"
    graft = config.model.graft
    heads = "linear head" if len(setup.targets) == 1 else f"{len(setup.targets)} linear heads"
    trained = f"{heads}, then fine-tuned ({graft})" if trains_by_steps(config) else heads
    return _named(
        setup,
        f"Quality {config.quality}: {setup.trained.name}, {shape} at {setup.px} px, {views}, "
        f"{config.model.embedding} embedding, {trained}; {reader.store.engine_name}",
    )


def _named(setup: Setup, line: str) -> str:
    return line if setup.name == MAIN else f"{setup.name}: {line}"


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


def _check_positive(positive: str | None, targets: Targets) -> None:
    """Refuse a positive class that is none before anything is read, and before a test part is opened."""
    forms = {unicodedata.normalize("NFC", name) for name in targets.classes}
    if positive is not None and unicodedata.normalize("NFC", positive) not in forms:
        raise ConfigError(f"report.positive: {positive!r} is none of the classes: {', '.join(targets.classes)}.")
