"""bundle.json as rows: which keys there are, what they may hold, and what follows from several of them.

A key or value that is not written here is refused by name. `photograft.models.bundle_checks` says which rows do not fit
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from photograft.contract import Contract, Crops, view_names
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.values import HeadKind, Target


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    later: ClassVar[frozenset[str]] = frozenset()
    """Keys that came after the first release: left out where they say nothing, so that it reads such a bundle."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_later(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        defaults = {name: type(self).model_fields[name].get_default(call_default_factory=True) for name in self.later}
        silent = {name for name, default in defaults.items() if getattr(self, name) == default}
        return {name: value for name, value in write(self).items() if name not in silent}


class ContractRow(_Row):
    """A contract under the id that networks refer to it by."""

    id: str
    contract: Contract


class NetworkRow(_Row):
    """One ONNX file: what it takes, what it gives, where it comes from.

    `cut` is the graft point behind which it was trained, "head" where it was not.
    """

    id: str
    file: str
    sha256: str
    input: Literal["pixels"] = "pixels"
    contract: str
    cut: str = "head"
    outputs: dict[str, Any]
    source: dict[str, Any]
    batchnorm: Literal["frozen", "moved"] = "frozen"


class ViewRow(_Row):
    """Which views of a photo a network sees and how their results are merged."""

    network: str
    crops: Crops = "whole"
    flip: bool
    merge: Literal["logits"] = "logits"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the views, as the feature stage knows them."""
        return view_names(self.crops, self.flip)


class HeadRow(_Row):
    """A linear head on a network's embedding; `fold` says which photos it has not seen, None where all were used."""

    later: ClassVar[frozenset[str]] = frozenset({"fold"})

    id: str
    network: str
    weights: str
    kind: HeadKind = "softmax"
    fold: int | None = None


class MemberRow(_Row):
    """A head's share in a target: what its logits are multiplied by before they are added."""

    head: str
    weight: float = 1.0


class AdjustRow(_Row):
    """Logit adjustment: probabilities are divided by the classes' shares of the training photos to a power."""

    power: float
    shares: tuple[float, ...]


class FactorRow(_Row):
    """A factor that the classes of a target are combinations of, and its values."""

    name: str
    classes: tuple[str, ...]


class TargetRow(_Row):
    """What is predicted: class names in the order of the outputs, the heads that predict them, and the calibration.

    `order` says that the classes stand from the lowest to the highest. `positive` is, with two classes, the one that
    AUROC and average precision are about. `thresholds` are the probabilities from which on each of several labels is
    given. Class names that are combinations (``wear | male``) have their parts in `factors`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"order", "prior_adjust", "thresholds", "factors"})

    name: str
    classes: tuple[str, ...]
    order: bool = False
    positive: str | None = None
    members: tuple[MemberRow, ...] = Field(min_length=1)
    merge: Literal["logits"] = "logits"
    calibration: dict[str, float]
    prior_adjust: AdjustRow | None = None
    thresholds: tuple[float, ...] | None = None
    factors: tuple[FactorRow, ...] = ()

    @property
    def temperature(self) -> float:
        """What logits are divided by."""
        return self.calibration["temperature"]


class JointRow(_Row):
    """How several targets become one: all combinations of their classes, the last target's changing fastest."""

    targets: tuple[str, ...]
    rule: Literal["product"] = "product"
    calibration: dict[str, float]

    @property
    def temperature(self) -> float:
        """Joint probabilities are taken to the power of 1 / temperature; 1 leaves them as they are."""
        return self.calibration["temperature"]


class GoldenRow(_Row):
    """A synthetic picture and what it must become.

    `pixels_sha256` is that of the pixels under the first contract, `pixels` those under each where there are several.
    `outputs` are probabilities per target, `joint` those of the combinations.
    """

    later: ClassVar[frozenset[str]] = frozenset({"pixels", "joint"})

    file: str
    box: None = None
    pixels_sha256: str
    pixels: dict[str, str] = Field(default_factory=dict)
    outputs: dict[str, tuple[float, ...]]
    joint: tuple[float, ...] = ()


class UnsureRow(_Row):
    """Below which probability of its label a photo is unsure, so that the others reach a precision, on `n` photos."""

    min_probability: float
    precision: float
    n: int


class UnfamiliarRow(_Row):
    """Above which strangeness a photo is unfamiliar: measured on a network's embedding, with what is in a file."""

    network: str
    method: Literal["distance-energy", "distance-energy-4bit"] = "distance-energy"
    file: str
    limit: float


class DecisionsRow(_Row):
    """When a photo is unsure or unfamiliar; nothing is where there is no row."""

    later: ClassVar[frozenset[str]] = frozenset({"unsure", "unfamiliar"})

    unsure: UnsureRow | None = None
    unfamiliar: UnfamiliarRow | None = None


class BundleInfo(_Row):
    """The content of bundle.json."""

    later: ClassVar[frozenset[str]] = frozenset({"joint"})

    format: int
    requires: tuple[str, ...] = ("core",)
    licences: dict[str, str]
    inputs: dict[str, Any]
    contracts: tuple[ContractRow, ...] = Field(min_length=1)
    networks: tuple[NetworkRow, ...] = Field(min_length=1)
    views: tuple[ViewRow, ...] = Field(min_length=1)
    heads: tuple[HeadRow, ...] = Field(min_length=1)
    targets: tuple[TargetRow, ...] = Field(min_length=1)
    joint: JointRow | None = None
    decisions: DecisionsRow = DecisionsRow()
    tested: dict[str, Any]
    golden: tuple[GoldenRow, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities: those of the one target, or the combinations of several."""
        return class_names(self.targets, self.joint)

    @property
    def kinds(self) -> dict[str, HeadKind]:
        """The kind of the heads of each target, by its name."""
        kind = {head.id: head.kind for head in self.heads}
        return {target.name: kind[target.members[0].head] for target in self.targets}

    def views_of(self, network: str) -> ViewRow:
        """The views that a network sees."""
        return next(view for view in self.views if view.network == network)

    def embedding_of(self, network: str) -> int:
        """How many numbers a network gives for a photo."""
        return int(next(row.outputs["embedding"] for row in self.networks if row.id == network))


def class_names(targets: Sequence[TargetRow], joint: JointRow | None) -> tuple[str, ...]:
    """Names of what is predicted in the end, in the order of the probabilities."""
    if joint is None:
        return targets[0].classes
    return tuple(FACTOR_SEPARATOR.join(values) for values in product(*(target.classes for target in targets)))


def as_target(row: TargetRow, kind: HeadKind) -> Target:
    """A target as the stages know it."""
    return Target(row.name, row.classes, kind)
