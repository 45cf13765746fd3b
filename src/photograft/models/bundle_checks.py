"""What does not fit together in bundle.json, as sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from photograft.config.data import DataConfig
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.models.bundle_rows import BundleInfo, JointRow, TargetRow, class_names
from photograft.values import HeadKind

_MOST_CLASSES = 100_000


def contradictions(info: BundleInfo, sums: Mapping[str, str]) -> Iterator[str]:
    """What does not fit together in bundle.json, or to the files of the bundle, whose SHA-256 `sums` holds by name."""
    wrong = [*_ids(info), *_references(info), *_files(info, sums)]
    yield from wrong
    if not wrong:  # what follows looks rows up by their ids
        for target in info.targets:
            kinds = {head.kind for head in info.heads if head.id in [member.head for member in target.members]}
            if len(kinds) > 1:
                yield f"targets.members of {target.name} have heads of different kinds: {', '.join(sorted(kinds))}"
            yield from (f"{problem} (target {target.name})" for problem in _target(target, info.kinds[target.name]))
        yield from _together(info)
    yield from _decisions(info)
    for network in info.networks:
        if type(network.outputs.get("embedding")) is not int:
            yield f"networks.outputs has no size of the embedding (network {network.id})"
    try:
        DataConfig.model_validate(info.inputs.get("limits", {}))
    except ValidationError as error:
        yield f"inputs.limits: {error.errors()[0]['msg']}"


def _ids(info: BundleInfo) -> Iterator[str]:
    names = {
        "contracts.id": [row.id for row in info.contracts],
        "networks.id": [row.id for row in info.networks],
        "networks.file": [row.file for row in info.networks],
        "heads.id": [row.id for row in info.heads],
        "heads.weights": [row.weights for row in info.heads],
        "targets.name": [row.name for row in info.targets],
        "golden.file": [row.file for row in info.golden],
    }
    for where, given in names.items():
        yield from (f"{where} {name} stands there {n} times" for name, n in Counter(given).items() if n > 1)
    for row in info.contracts:
        if row.id != row.contract.id:
            yield f"contract {row.id} has another content than its id says"


def _references(info: BundleInfo) -> Iterator[str]:
    """Every row is there that another one refers to, and each is used: a network once by `views`, a head once."""
    contracts, networks = ([row.id for row in rows] for rows in (info.contracts, info.networks))
    members = [member.head for target in info.targets for member in target.members]
    yield from _unmatched("networks.contract", (row.contract for row in info.networks), contracts)
    yield from _unmatched("views.network", (row.network for row in info.views), networks, once=True)
    yield from _unmatched("heads.network", (row.network for row in info.heads), networks)
    yield from _unmatched("targets.members", members, [row.id for row in info.heads], once=True)


def _unmatched(where: str, given: Iterable[str], known: list[str], *, once: bool = False) -> Iterator[str]:
    counts = Counter(given)
    yield from (f"{where} is {name}, not one of {', '.join(known)}" for name in counts if name not in known)
    yield from (f"{where} names {name} nowhere" for name in known if name not in counts)
    yield from (f"{where} names {name} {n} times" for name, n in counts.items() if once and n > 1)


def _files(info: BundleInfo, sums: Mapping[str, str]) -> Iterator[str]:
    """A file that was not checked is not used either."""
    used = [row.file for row in info.networks] + [row.weights for row in info.heads] + [row.file for row in info.golden]
    if info.decisions.unfamiliar is not None:
        used.append(info.decisions.unfamiliar.file)
    for name in used:
        if name not in sums:
            yield f"{name} is not a file of the bundle"
    for network in info.networks:
        if sums.get(network.file, network.sha256) != network.sha256:
            yield f"{network.file} is not the network that is meant"


def _target(target: TargetRow, kind: HeadKind) -> Iterator[str]:
    n = len(target.classes)
    yield from _classes("targets.classes", target.classes)
    yield from _temperature("targets.calibration", target.calibration)
    weights = [member.weight for member in target.members]
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        yield f"targets.members have the weights {weights}; they must be numbers from 0 on, one of them above it"
    if target.positive is not None and target.positive not in target.classes:
        yield f"targets.positive is {target.positive}, which is no class"
    if kind == "binary" and n != 2:
        yield f"heads.kind is binary, which takes two classes, not {n}"
    if kind == "ordinal" and not target.order:
        yield "heads.kind is ordinal, and targets.order is false"
    if (kind == "sigmoid") != (target.thresholds is not None):
        yield f"targets.thresholds belong to heads of kind sigmoid, and to no others; this one is {kind}"
    if target.thresholds is not None:
        if len(target.thresholds) != n:
            yield f"targets.thresholds are {len(target.thresholds)} numbers for {n} classes"
        if not all(0 <= threshold <= 1 for threshold in target.thresholds):
            yield "targets.thresholds are not all from 0 to 1"
    if target.prior_adjust is not None:
        shares, power = target.prior_adjust.shares, target.prior_adjust.power
        if kind == "sigmoid":
            yield "targets.prior_adjust is not for heads of kind sigmoid"
        if len(shares) != n:
            yield f"targets.prior_adjust.shares are {len(shares)} numbers for {n} classes"
        if not all(0 <= share < math.inf for share in shares) or not any(shares) or not math.isfinite(power):
            yield "targets.prior_adjust must be a power, and shares from 0 on of which one is above it"
    yield from _factors(target, kind)


def _factors(target: TargetRow, kind: HeadKind) -> Iterator[str]:
    if not target.factors:
        return
    if kind == "sigmoid":
        yield "targets.factors are not for heads of kind sigmoid"
    names = [factor.name for factor in target.factors]
    if len(set(names)) < len(names):
        yield f"targets.factors has a name twice: {', '.join(names)}"
    for factor in target.factors:
        if len(set(factor.classes)) < len(factor.classes):
            yield f"targets.factors.classes of {factor.name} name a class twice"
    for name in target.classes:
        values = name.split(FACTOR_SEPARATOR)
        known = len(values) == len(names)
        if not known or any(v not in factor.classes for v, factor in zip(values, target.factors, strict=True)):
            yield f"targets.classes {name} is no combination of {', '.join(names)}"


def _together(info: BundleInfo) -> Iterator[str]:
    """What several targets must be to be one."""
    if len(info.targets) == 1:
        if info.joint is not None:
            yield "joint is there, and a single target"
        return
    if info.joint is None:
        yield f"joint is missing, and there are {len(info.targets)} targets"
        return
    names = [target.name for target in info.targets]
    if list(info.joint.targets) != names:
        yield f"joint.targets is {list(info.joint.targets)}, not {names}"
    yield from _temperature("joint.calibration", info.joint.calibration)
    for target in info.targets:
        if info.kinds[target.name] == "sigmoid":
            yield f"target {target.name} has heads of kind sigmoid, which stand alone"
        if target.factors:
            yield f"target {target.name} has factors, and is a factor itself"
    yield from _combinations(info, info.joint)


def _combinations(info: BundleInfo, joint: JointRow) -> Iterator[str]:
    n = math.prod(len(target.classes) for target in info.targets)
    if n > _MOST_CLASSES:
        yield f"joint has {n:,} combinations, more than the {_MOST_CLASSES:,} that this release reads"
    elif len(set(class_names(info.targets, joint))) < n:
        yield "joint has two combinations of one name"


def _decisions(info: BundleInfo) -> Iterator[str]:
    unsure, unfamiliar = info.decisions.unsure, info.decisions.unfamiliar
    if unsure is not None:
        if not (0 <= unsure.min_probability <= 1 and 0 < unsure.precision < 1):
            yield "decisions.unsure: min_probability must be from 0 to 1, and precision between them"
        if any(head.kind == "sigmoid" for head in info.heads):
            yield "decisions.unsure is not for heads of kind sigmoid"
    if unfamiliar is not None:
        networks = [row.id for row in info.networks]
        if unfamiliar.network not in networks:
            yield f"decisions.unfamiliar.network is {unfamiliar.network}, not one of {', '.join(networks)}"
        if not math.isfinite(unfamiliar.limit):
            yield f"decisions.unfamiliar.limit is {unfamiliar.limit}, not a number"


def _classes(where: str, classes: tuple[str, ...]) -> Iterator[str]:
    if len(classes) < 2 or len(set(classes)) < len(classes):
        yield f"{where} must be at least two different names"


def _temperature(where: str, calibration: Mapping[str, float]) -> Iterator[str]:
    if list(calibration) != ["temperature"]:
        yield f"{where} is {list(calibration)}, not ['temperature']"
    elif not 0 < calibration["temperature"] < math.inf:
        yield f"{where}.temperature is {calibration['temperature']}, not a positive number"
