"""What a run learns to say of photos: one label, several factors of it, or several labels. Shape letters: N, K."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from photograft.config import Config
from photograft.config.labels import LabelsConfig
from photograft.config.split import SplitConfig
from photograft.data.columns import suggest
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.data.split import split
from photograft.errors import ConfigError, DataError
from photograft.values import BoolArray, HeadKind, IntArray, Manifest, Photo, Splits, Target

LABEL = "label"
"""Name of the target where there are no factors."""

_KINDS: Mapping[str, HeadKind] = {"cross-entropy": "softmax", "binary": "binary", "ordinal": "ordinal"}


@dataclass(frozen=True)
class Targets:
    """What is learned, and what is said of it.

    `learned` are the targets that have heads; `classes` the names that a photo's label can have, in the order of the
    probabilities. `factors` are those of `data.labels.factors`, learned or not, and `value_FK` (F, K) says which value
    of each factor a class has.
    """

    learned: tuple[Target, ...]
    classes: tuple[str, ...]
    factors: tuple[Target, ...] = ()

    @property
    def several(self) -> bool:
        """Whether a photo may have several labels."""
        return self.learned[0].kind == "sigmoid"

    @property
    def value_FK(self) -> IntArray:
        """Index of the value that each class has of each factor, shape (F, K)."""
        parts = [name.split(FACTOR_SEPARATOR) for name in self.classes]
        values = [[factor.classes.index(part[f]) for part in parts] for f, factor in enumerate(self.factors)]
        return np.array(values, dtype=np.int64).reshape(len(self.factors), len(self.classes))

    def label_N(self, photos: Sequence[Photo]) -> IntArray:
        """Index of each photo's label in `classes`, shape (N,); -1 where it has none, or several."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([-1 if p.label is None else index.get(p.label, -1) for p in photos], dtype=np.int64)

    def member_NK(self, photos: Sequence[Photo]) -> BoolArray:
        """Which photo has which of the classes, shape (N, K)."""
        index = {name: i for i, name in enumerate(self.classes)}
        member_NK = np.zeros((len(photos), len(self.classes)), dtype=bool)
        for row, photo in enumerate(photos):
            member_NK[row, [index[label] for label in photo.all_labels if label in index]] = True
        return member_NK

    def truth(self, target: Target, photos: Sequence[Photo]) -> IntArray | BoolArray:
        """What is true of the photos, as `photograft.metrics.links` takes it for the target's kind of head."""
        if target.kind == "sigmoid":
            return self.member_NK(photos)
        label_N = self.label_N(photos)
        if len(self.learned) == 1:
            return label_N
        value_K = self.value_FK[[factor.name for factor in self.factors].index(target.name)]
        return np.where(label_N < 0, -1, value_K[label_N])


def find_targets(classes: Sequence[str], config: Config, *, several: bool) -> Targets:
    """What is to be learned, from the names of the classes and the settings of labels and heads.

    Raises:
        ConfigError: a setting names what is not there, or settings do not go together.
        DataError: the name of a class is no combination of values of the factors.
    """
    labels, model = config.data.labels, config.model
    _require_possible(config, several=several)
    if several:
        return Targets((Target(LABEL, tuple(sorted(classes)), "sigmoid"),), tuple(sorted(classes)))
    if not labels.factors:
        _require_label(labels)
        order = _order(labels, LABEL, sorted(classes))
        names = order or tuple(sorted(classes))
        return Targets((Target(LABEL, names, _kind(model.loss, names, order, "model.loss")),), names)
    values = _values(classes, labels.factors)
    factors = []
    for name, found in values.items():
        order = _order(labels, name, found)
        names = order or tuple(found)
        given = model.factors[name].loss if name in model.factors else "auto"
        factors.append(Target(name, names, _kind(given, names, order, f"model.factors.{name}.loss")))
    _require_used(labels, factors)
    combined = (FACTOR_SEPARATOR.join(each) for each in itertools.product(*(factor.classes for factor in factors)))
    if model.labels != "flat":
        return Targets(tuple(factors), tuple(combined), tuple(factors))
    known = set(classes)
    names = tuple(name for name in combined if name in known)
    return Targets((Target(LABEL, names, _kind(model.loss, names, None, "model.loss")),), names, tuple(factors))


def divide(
    usable: Manifest, duplicate_N: IntArray, targets: Targets, config: SplitConfig, *, group_column: str | None
) -> Splits:
    """Parts and folds as `photograft.data.split.split` draws them, evenly by class.

    Where factors are learned one by one, rare combinations need not be in every part and fold: where they cannot be,
    photos are divided evenly by the values of each factor.
    """
    try:
        return split(usable, duplicate_N, config, group_column=group_column)
    except DataError:
        if len(targets.learned) == 1:
            raise
        return split(_by_factor(usable), duplicate_N, config, group_column=group_column)


def _by_factor(manifest: Manifest) -> Manifest:
    """The photos with the values of their factors as several labels."""

    def several(photo: Photo) -> Photo:
        parts = (photo.label or "").split(FACTOR_SEPARATOR)
        return replace(photo, label=None, labels=tuple(f"{f}: {part}" for f, part in enumerate(parts)))

    return replace(manifest, photos=tuple(map(several, manifest.photos)))


def _values(classes: Iterable[str], factors: Sequence[str]) -> dict[str, list[str]]:
    """The values of each factor that occur, sorted."""
    values: dict[str, set[str]] = {name: set() for name in factors}
    for label in classes:
        parts = label.split(FACTOR_SEPARATOR)
        if len(parts) != len(factors):
            raise DataError(
                f"The class {label!r} is no combination of {FACTOR_SEPARATOR.join(factors)} (data.labels.factors): "
                "give one value per factor, also in data.rename and in edits."
            )
        for name, part in zip(factors, parts, strict=True):
            values[name].add(part)
    for name, found in values.items():
        if len(found) < 2:
            raise DataError(
                f"All photos have the same {name}, {min(found)!r}: leave it out of data.labels.factors, "
                "there is nothing to tell apart."
            )
    return {name: sorted(found) for name, found in values.items()}


def _order(labels: LabelsConfig, name: str, found: Sequence[str]) -> tuple[str, ...] | None:
    """The classes of a target in their order; None where there is none."""
    order = labels.order.get(name)
    setting = f"data.labels.order.{name}"
    if order is None:
        order, setting = labels.order.get(""), "data.labels.order"
        if order is None or (labels.factors and not set(found) <= set(order)):
            return None
    if len(set(order)) < len(order):
        raise ConfigError(f"{setting} names a class twice: {', '.join(order)}")
    missing, unknown = [c for c in found if c not in order], [c for c in order if c not in found]
    if missing or unknown:
        what = f"does not name {', '.join(missing)}" if missing else f"names {', '.join(unknown)}, which no photo has"
        raise ConfigError(f"{setting} {what}; the classes are {', '.join(found)}")
    return tuple(order)


def _require_used(labels: LabelsConfig, factors: Sequence[Target]) -> None:
    """Every order that was given belongs to a factor."""
    if unknown := set(labels.order) - {*labels.factors, ""}:
        name = min(unknown)
        raise ConfigError(f"data.labels.order names {name!r}, which is no factor{suggest(name, labels.factors)}")
    plain = labels.order.get("")
    if plain is not None and plain not in [factor.classes for factor in factors]:
        values = "; ".join(f"{factor.name}: {', '.join(factor.classes)}" for factor in factors)
        raise ConfigError(f"data.labels.order: {', '.join(plain)} are not the values of any factor ({values})")


def _require_label(labels: LabelsConfig) -> None:
    """Without factors the one order is that of the label, under its own name or none."""
    if unknown := set(labels.order) - {"", LABEL}:
        raise ConfigError(
            f"data.labels.order.{min(unknown)}: without data.labels.factors there is one label; give a plain list, or "
            f"data.labels.order.{LABEL}"
        )


def _kind(loss: str, classes: Sequence[str], order: Sequence[str] | None, setting: str) -> HeadKind:
    if loss == "auto":
        if order and len(classes) > 2:
            return "ordinal"
        return "binary" if len(classes) == 2 and setting != "model.loss" else "softmax"
    if loss == "binary" and len(classes) != 2:
        raise ConfigError(f"{setting}: binary is for two classes, and there are {len(classes)}")
    if loss == "ordinal" and order is None and len(classes) > 2:
        raise ConfigError(f"{setting}: ordinal needs the classes in their order; give data.labels.order")
    return _KINDS[loss]


def _require_possible(config: Config, *, several: bool) -> None:
    labels, model, train = config.data.labels, config.model, config.train
    if several:
        idle = {
            "data.labels.factors": bool(labels.factors),
            "model.labels": model.labels != "flat",
            "data.labels.order": bool(labels.order),
            "model.loss": model.loss != "auto",
            "train.balance": train.balance != "none",
            "train.logit_adjustment": train.logit_adjustment != 0,
        }
        for name in (name for name, given in idle.items() if given):
            raise ConfigError(f"{name}: photos have several labels (data.labels.separator), with which it has no sense")
    if model.labels != "flat" and not labels.factors:
        raise ConfigError(f"model.labels: {model.labels} needs factors: name their columns in data.labels.factors")
    for name, factor in model.factors.items():
        if name not in labels.factors:
            raise ConfigError(
                f"model.factors.{name}: there is no such factor{suggest(name, labels.factors)}; data.labels.factors "
                f"names {', '.join(labels.factors) or 'none'}"
            )
        if model.labels == "flat":
            raise ConfigError(f"model.factors.{name}: model.labels is flat, so factors have no heads; set it to heads")
        own = sorted(factor.model_fields_set & {"graft", "px", "augment"})
        if own and model.labels != "models":
            raise ConfigError(f"model.factors.{name}.{own[0]}: factors share one network; set model.labels=models")
