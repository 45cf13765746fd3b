"""The bundle: everything that predicts, as plain JSON, ONNX and safetensors. Nothing in it is ever executed as code.

`bundle.json` is a set of lists (contracts, networks, views, heads, targets); this release writes one network, one head
and one target, and refuses what it does not know by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.config.data import DataConfig
from photograft.contract import Contract
from photograft.data.folders import SYSTEM_NAMES
from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError, ModelError
from photograft.tracking.atomic import link_or_copy, write_atomically
from photograft.values import FloatArray

FORMAT = 1
_KNOWN_REQUIREMENTS = frozenset({"core"})
_CHECKSUMS = "checksums.json"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    crops: Literal["whole"] = "whole"
    flip: bool
    merge: Literal["logits"] = "logits"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the views, as the feature stage knows them."""
        return ("whole", "whole-flipped") if self.flip else ("whole",)


class HeadRow(_Row):
    """A linear head on a network's embedding."""

    id: str
    network: str
    weights: str
    kind: Literal["softmax"] = "softmax"


class MemberRow(_Row):
    """A head's share in a target."""

    head: str
    weight: float = 1.0


class TargetRow(_Row):
    """What is predicted: class names in the order of the head's outputs, and the temperature.

    `positive` is, with two classes, the one that AUROC and average precision are about.
    """

    name: str
    classes: tuple[str, ...]
    positive: str | None = None
    members: tuple[MemberRow, ...]
    merge: Literal["logits"] = "logits"
    calibration: dict[str, float]


class GoldenRow(_Row):
    """A synthetic picture and what it must become."""

    file: str
    box: None = None
    pixels_sha256: str
    outputs: dict[str, tuple[float, ...]]


class BundleInfo(_Row):
    """The content of bundle.json. A list with more rows than this release can use is refused, not read in part."""

    format: int
    requires: tuple[str, ...] = ("core",)
    licences: dict[str, str]
    inputs: dict[str, Any]
    contracts: tuple[ContractRow, ...] = Field(min_length=1, max_length=1)
    networks: tuple[NetworkRow, ...] = Field(min_length=1, max_length=1)
    views: tuple[ViewRow, ...] = Field(min_length=1, max_length=1)
    heads: tuple[HeadRow, ...] = Field(min_length=1, max_length=1)
    targets: tuple[TargetRow, ...] = Field(min_length=1, max_length=1)
    decisions: dict[str, Any] = Field(default_factory=dict, max_length=0)
    tested: dict[str, Any]
    golden: tuple[GoldenRow, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files all have the SHA-256 they were written with.

    `weight_DK` and `bias_K` are those of the one head: logits = embedding @ weight_DK + bias_K.
    """

    folder: Path
    info: BundleInfo
    weight_DK: FloatArray
    bias_K: FloatArray

    @property
    def contract(self) -> Contract:
        """How files become pixels for this model."""
        return self.info.contracts[0].contract

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return self.folder / self.info.networks[0].file

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.info.targets[0].classes

    @property
    def temperature(self) -> float:
        """What logits are divided by before the softmax."""
        return self.info.targets[0].calibration["temperature"]

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views whose logits are averaged."""
        return self.info.views[0].names


def write_bundle(
    folder: Path, info: BundleInfo, *, network: Path, weight_DK: FloatArray, bias_K: FloatArray, files: dict[str, bytes]
) -> None:
    """Write a bundle without golden outputs; `files` are further files by name (golden pictures, model card).

    The network is hard-linked where the file system allows it. `seal_bundle` finishes the bundle.
    """
    for name in ("networks", "heads", "golden"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    link_or_copy(network, folder / info.networks[0].file)
    write_head(folder, info, weight_DK=weight_DK, bias_K=bias_K)
    for name, content in files.items():
        write_atomically(folder / name, content)
    seal_bundle(folder, info)


def write_head(folder: Path, info: BundleInfo, *, weight_DK: FloatArray, bias_K: FloatArray) -> None:
    """Write the weights of the one head; `seal_bundle` must follow."""
    head = save_tensors({"weight": np.ascontiguousarray(weight_DK.T), "bias": np.ascontiguousarray(bias_K)})
    write_atomically(folder / info.heads[0].weights, head)


def seal_bundle(folder: Path, info: BundleInfo) -> None:
    """Write bundle.json and the checksums of all files; to be called again whenever `info` changed."""
    text = json.dumps(info.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(folder / "bundle.json", text + "\n")
    sums = {name: hash_file(folder / name) for name in _files_of(folder)}
    write_atomically(folder / _CHECKSUMS, json.dumps(sums, ensure_ascii=False, indent=1) + "\n")


def find_bundle(path: Path) -> Path:
    """The bundle folder of a run or bundle path."""
    for candidate in (path, path / "model"):
        if (candidate / "bundle.json").is_file():
            return candidate
    if not path.exists():
        raise ModelError(f"{path} does not exist; give a run folder (runs/...) or a bundle folder (runs/.../model).")
    raise ModelError(f"{path} is neither a run nor a bundle: it holds no bundle.json and no model/bundle.json.")


def read_bundle(path: Path) -> Bundle:
    """Read the bundle of a run or bundle path, after comparing every listed file with its checksum."""
    folder = find_bundle(path)
    sums = check_files(folder)
    info = _parse_info(folder / "bundle.json")
    if wrong := list(_contradictions(info, sums)):
        raise IntegrityError(f"{folder / 'bundle.json'} contradicts itself or the bundle's files: {'; '.join(wrong)}.")
    head = info.heads[0]
    try:
        tensors = load_tensors((folder / head.weights).read_bytes())
        weight_KD, bias_K = tensors["weight"], tensors["bias"]
    except (SafetensorError, KeyError) as error:
        raise IntegrityError(f"{folder / head.weights} holds no head in safetensors format: {error}") from error
    n_classes = len(info.targets[0].classes)
    if weight_KD.shape != (n_classes, info.networks[0].outputs["embedding"]) or bias_K.shape != (n_classes,):
        raise IntegrityError(f"{folder / head.weights} does not fit the classes and the network of bundle.json.")
    return Bundle(folder, info, np.ascontiguousarray(weight_KD.T), bias_K)


def check_files(folder: Path) -> dict[str, str]:
    """Compare every listed file with checksums.json before anything is parsed; gives SHA-256 by file name.

    A file that is not listed is never read, so it does no harm; `unlisted_files` names them.
    """
    try:
        sums = {str(name): str(sha256) for name, sha256 in json.loads((folder / _CHECKSUMS).read_bytes()).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise IntegrityError(
            f"{folder / _CHECKSUMS} is missing or damaged ({error}); copy the bundle again."
        ) from error
    problems = []
    for name in sums:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            problems.append(f"{name} leads out of the bundle")
        elif not (folder / name).is_file():
            problems.append(f"{name} is missing")
        elif hash_file(folder / name) != sums[name]:
            problems.append(f"{name} was changed or damaged")
    if "bundle.json" not in sums:
        problems.append("bundle.json is not listed")
    if problems:
        raise IntegrityError(f"{folder}: {'; '.join(problems)}. Copy the bundle again from where it was trained.")
    return sums


def unlisted_files(folder: Path, sums: dict[str, str]) -> list[str]:
    """Files that are in the folder and not in its checksums, beside hidden ones and those that systems leave."""
    return [name for name in _files_of(folder) if name not in sums]


def _contradictions(info: BundleInfo, sums: dict[str, str]) -> Iterator[str]:
    """What does not fit together in bundle.json; a file that was not checked is not used either."""
    contract, network, view, head, target = (
        info.contracts[0], info.networks[0], info.views[0], info.heads[0], info.targets[0],
    )  # fmt: skip
    if contract.id != contract.contract.id:
        yield f"contract {contract.id} has another content than its id says"
    references = {
        "networks.contract": (network.contract, contract.id),
        "views.network": (view.network, network.id),
        "heads.network": (head.network, network.id),
        "targets.members": ([m.head for m in target.members], [head.id]),
        "targets.calibration": (list(target.calibration), ["temperature"]),
    }
    yield from (f"{where} is {found}, not {known}" for where, (found, known) in references.items() if found != known)
    for name in (network.file, head.weights, *(row.file for row in info.golden)):
        if name not in sums:
            yield f"{name} is not a file of the bundle"
    if type(network.outputs.get("embedding")) is not int:
        yield "networks.outputs has no size of the embedding"
    if not 0 < target.calibration.get("temperature", 1.0) < math.inf:
        yield f"targets.calibration.temperature is {target.calibration['temperature']}, not a positive number"
    if len(target.classes) < 2 or len(set(target.classes)) < len(target.classes):
        yield "targets.classes must be at least two different names"
    if target.positive is not None and target.positive not in target.classes:
        yield f"targets.positive is {target.positive}, which is no class"
    try:
        DataConfig.model_validate(info.inputs.get("limits", {}))
    except ValidationError as error:
        yield f"inputs.limits: {error.errors()[0]['msg']}"
    if sums.get(network.file, network.sha256) != network.sha256:
        yield f"{network.file} is not the network that is meant"


def _files_of(folder: Path) -> list[str]:
    files = (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and f.name != _CHECKSUMS)
    return sorted(f.as_posix() for f in files if not any(_is_of_system(part) for part in f.parts))


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _parse_info(path: Path) -> BundleInfo:
    try:
        raw = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{path} is not JSON ({error}).") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else None
        raise ModelError(
            f"{path} has format {found!r}, this release of photograft reads format {FORMAT}: pip install -U photograft"
        )
    requires = raw.get("requires", [])
    unknown = [str(r) for r in requires if str(r) not in _KNOWN_REQUIREMENTS] if isinstance(requires, list) else ["?"]
    if unknown:
        raise ModelError(
            f"{path} requires {', '.join(unknown)}, which this release does not know: pip install -U photograft"
        )
    try:
        return BundleInfo.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        found = f", not {first['input']!r}" if first["type"] == "literal_error" else ""
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"{path}: {where}: {first['msg']}{found}; "
            f"this bundle may come from a newer release: pip install -U photograft"
        ) from error
