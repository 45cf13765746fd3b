"""The members of a run: networks that each say something of a photo, and what all of them learn from."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from photograft.config import Config
from photograft.contract import Contract
from photograft.data.targets import Targets
from photograft.errors import ConfigError
from photograft.features.matrix import Scratch
from photograft.metrics.links import Truth
from photograft.models.catalogue import Backbone
from photograft.reporting.training import Training
from photograft.tracking.run_folder import MEMBERS, RunFolder, name_stem
from photograft.training.linear import HeadFit, LinearHead, fit_at
from photograft.values import BoolArray, FeatureTable, FloatArray, IntArray, Issue, Manifest, Photo, Splits, Target
from photograft.workflow.ship import Model

MAIN = "model"
"""Name of the one member that most runs have."""


@dataclass(frozen=True)
class MemberPlan:
    """A member before anything is known of it: its name, the settings that hold for it, and what it learns.

    Members of one `variant` say everything together; an ensemble has several.
    """

    name: str
    variant: str
    config: Config
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Learnt:
    """What all members learn from: photos, their parts, and what is true of them.

    `rows` are the photos that were folded (train and validation), as row numbers of the usable manifest.
    """

    manifest: Manifest
    issues: tuple[Issue, ...]
    splits: Splits
    rows: IntArray
    targets: Targets
    scratch: Scratch

    @property
    def photos(self) -> tuple[Photo, ...]:
        """The usable photos, one per row."""
        return self.manifest.usable.photos

    @cached_property
    def label_N(self) -> IntArray:
        """Class index of every usable photo, -1 where photos have several labels."""
        return self.targets.label_N(self.photos)

    @cached_property
    def member_NK(self) -> BoolArray:
        """Which labels every usable photo has."""
        return self.targets.member_NK(self.photos)

    def truth(self, target: Target, rows: IntArray) -> Truth:
        """What is true of some photos."""
        return self._truths[target.name][rows]

    @cached_property
    def _truths(self) -> dict[str, Truth]:
        return {target.name: self.targets.truth(target, self.photos) for target in self.targets.learned}


@dataclass(frozen=True)
class Member:
    """A trained member: its network, and for each of its targets a head and how photos were judged by it.

    `fits` are the linear heads on `table`, which is the network's own at graft point `head`. `rows` were judged by
    states of the member that had not seen them: what is chosen for shipping is chosen on `logits`, and `honest_logits`
    are the ones to report; both hold one array (N, M) per target. `exact_features` says that `table` came from the very
    path that the bundle predicts by. `on_all` is the model to ship where it is to see the test photos too and is known
    already.
    """

    name: str
    variant: str
    config: Config
    reasons: dict[str, str]
    backbone: Backbone
    contract: Contract
    views: tuple[str, ...]
    exact_features: bool
    table: FeatureTable
    targets: tuple[Target, ...]
    fits: tuple[HeadFit, ...]
    model: Model
    rows: IntArray
    logits: tuple[FloatArray, ...]
    honest_logits: tuple[FloatArray, ...]
    on_all: Model | None = None
    training: Training | None = None

    @property
    def px(self) -> int:
        """Side of the network's input."""
        assert isinstance(self.config.input.px, int)
        return self.config.input.px

    def linear_on(self, learnt: Learnt, rows: IntArray, *, columns: slice = slice(None)) -> tuple[LinearHead, ...]:
        """The linear heads on these photos alone, at the strengths that were chosen, on some columns of the table."""
        embedding_ND = self.table.embedding_ND
        return tuple(
            fit_at(
                embedding_ND if columns == slice(None) else embedding_ND[:, columns],
                learnt.truth(target, rows),
                rows=rows,
                scratch=learnt.scratch,
                n_classes=len(target.classes),
                kind=target.kind,
                strength=fit.strength,
                balance=balance_of(self.config, target),
                beta=self.config.train.effective_beta,
            )
            for target, fit in zip(self.targets, self.fits, strict=True)
        )


def plan_members(config: Config, targets: Targets) -> tuple[MemberPlan, ...]:
    """Who learns what: one member, or one per factor, and for each of them the further ones of `ensemble.members`.

    Raises:
        ConfigError: two members would share a name or a folder.
    """
    if MAIN in config.ensemble.members:
        raise ConfigError(f"ensemble.members.{MAIN}: the first member is called {MAIN} already; choose another name")
    if config.model.labels == "models":
        names = {t.name: f"factor {t.name}" if t.name == MAIN else t.name for t in targets.learned}
        planned = [MemberPlan(names[t.name], MAIN, _for_factor(config, t.name), (t,)) for t in targets.learned]
    else:
        planned = [MemberPlan(MAIN, MAIN, config, targets.learned)]
    members = []
    for plan in planned:
        members.append(plan)
        for name, given in config.ensemble.members.items():
            overrides = {key: getattr(given, key) for key in given.model_fields_set}
            changed = _with_input(_with_model(plan.config, overrides), overrides)
            full = name if plan.name == MAIN else f"{plan.name} {name}"
            members.append(MemberPlan(full, name, changed, plan.targets))
    _require_own_folders(members)
    return tuple(members)


def balance_of(config: Config, target: Target) -> Any:
    """`train.balance`, or what stands for it at this factor."""
    given = config.model.factors.get(target.name)
    return config.train.balance if given is None or given.balance is None else given.balance


def refit_of(config: Config) -> str:
    """`train.refit`, for which `train.on_all` is another word."""
    return "all" if config.train.on_all else config.train.refit


def member_folder(run: RunFolder, name: str) -> RunFolder:
    """Where a member that is one of several keeps settings and weights: a folder that `run:PATH` can name too."""
    return RunFolder(run.path / MEMBERS / (name_stem(name) or "member"))


def strengths_text(targets: Sequence[Target], fits: Sequence[HeadFit]) -> str:
    """The strengths that were chosen, in words."""
    return ", ".join(f"{target.name} {fit.strength:g}" for target, fit in zip(targets, fits, strict=True))


def restrict(logits_NM: FloatArray, rows: IntArray, to: IntArray) -> FloatArray:
    """The logits of some of the judged photos; both lists of rows ascend."""
    return logits_NM if len(rows) == len(to) else logits_NM[np.searchsorted(rows, to)]


def _require_own_folders(members: Sequence[MemberPlan]) -> None:
    """Weights and checkpoints of two members never meet, also where a file system takes two names for one."""
    names: dict[str, str] = {}
    for member in members:
        stem = unicodedata.normalize("NFC", name_stem(member.name).replace(" ", "-")).casefold()
        if stem in names:
            raise ConfigError(
                f"The members {names[stem]!r} and {member.name!r} would share a folder: rename one of them "
                "(the columns in data.labels.factors, the names in ensemble.members)"
            )
        names[stem] = member.name


def _for_factor(config: Config, name: str) -> Config:
    given = config.model.factors.get(name)
    if given is None:
        return config
    overrides = {key: getattr(given, key) for key in given.model_fields_set}
    config = _with_input(_with_model(config, overrides), overrides)
    augment = {key: getattr(given.augment, key) for key in given.augment.model_fields_set}
    return config.model_copy(update={"augment": config.augment.model_copy(update=augment)})


def _with_model(config: Config, overrides: dict[str, Any]) -> Config:
    keys = ("backbone", "weights", "mean", "std", "graft", "embedding")
    named: dict[str, Any] = {key: overrides[key] for key in keys if overrides.get(key) is not None}
    if "backbone" in named:  # the files and colours of another network are not for this one
        named = {"weights": None, "mean": None, "std": None} | named
    return config.model_copy(update={"model": config.model.model_copy(update=named)})


def _with_input(config: Config, overrides: dict[str, Any]) -> Config:
    named = {key: overrides[key] for key in ("px", "crop", "flip", "crops") if overrides.get(key) is not None}
    return config.model_copy(update={"input": config.input.model_copy(update=named)})
