"""The bundle: everything that predicts, as plain JSON, ONNX and safetensors. Nothing in it is ever executed as code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.contract import Contract
from photograft.data.folders import SYSTEM_NAMES
from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle_checks import contradictions
from photograft.models.bundle_rows import BundleInfo, DecisionsRow, HeadRow, as_target
from photograft.models.decisions import Familiar, read_familiar
from photograft.tracking.atomic import link_or_copy, write_atomically
from photograft.tracking.pretrained import refuse_pretrained
from photograft.tracking.run_folder import refuse_unfinished
from photograft.values import FloatArray, Target

FORMAT = 1
PACK_ENDING: Final = ".heads.safetensors"
"""How the names of head packs end that photograft writes; a pack may be called otherwise."""

_KNOWN_REQUIREMENTS = frozenset({"core", "composite", "decisions"})
_CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class HeadWeights:
    """A linear head: logits = embedding @ weight_DM + bias_M."""

    weight_DM: FloatArray
    bias_M: FloatArray


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files all have the SHA-256 they were written with; `heads` are its weights by the heads' ids.

    `familiar` is what tells unfamiliar photos, None where the bundle does not.
    """

    folder: Path
    info: BundleInfo
    heads: dict[str, HeadWeights]
    familiar: Familiar | None = None

    @property
    def contracts(self) -> dict[str, Contract]:
        """How files become pixels, by the ids that networks refer to."""
        return {row.id: row.contract for row in self.info.contracts}

    @property
    def contract(self) -> Contract:
        """The first of them: the one to show."""
        return self.info.contracts[0].contract

    @property
    def networks(self) -> dict[str, Path]:
        """The ONNX files by the networks' ids."""
        return {row.id: self.folder / row.file for row in self.info.networks}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities: those of the one target, or the combinations of several."""
        return self.info.classes

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is predicted, each with its classes."""
        kinds = self.info.kinds
        return tuple(as_target(row, kinds[row.name]) for row in self.info.targets)

    @property
    def joint(self) -> bool:
        """Whether there are several targets, whose product is predicted."""
        return self.info.joint is not None

    @property
    def several(self) -> bool:
        """Whether a photo may have several labels."""
        return self.targets[0].kind == "sigmoid"


def write_bundle(
    folder: Path,
    info: BundleInfo,
    *,
    networks: Mapping[str, Path],
    heads: Mapping[str, tuple[FloatArray, FloatArray]],
    files: Mapping[str, bytes],
) -> None:
    """Write a bundle without golden outputs. All files by their names in the bundle.

    `networks` are ONNX files, which are hard-linked where the file system allows it, `heads` their weights (D, M) and
    biases (M,), `files` further files (golden pictures, model card). `seal_bundle` finishes the bundle.
    """
    for name in ("networks", "heads", "golden"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, path in networks.items():
        link_or_copy(path, folder / name)
    for name, (weight_DM, bias_M) in heads.items():
        write_head(folder / name, weight_DM, bias_M)
    for name, content in files.items():
        write_atomically(folder / name, content)
    seal_bundle(folder, info)


def write_head(file: Path, weight_DM: FloatArray, bias_M: FloatArray) -> None:
    """Write the weights of a head; `seal_bundle` must follow."""
    tensors = {"weight": np.ascontiguousarray(weight_DM.T), "bias": np.ascontiguousarray(bias_M)}
    write_atomically(file, save_tensors(tensors))


def seal_bundle(folder: Path, info: BundleInfo) -> None:
    """Write bundle.json and the checksums of all files; to be called again whenever `info` changed.

    `requires` is set to what a reader must be able to do.
    """
    info = info.model_copy(update={"requires": _requirements(info)})
    text = json.dumps(info.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(folder / "bundle.json", text + "\n")
    sums = {name: hash_file(folder / name) for name in _files_of(folder)}
    write_atomically(folder / _CHECKSUMS, json.dumps(sums, ensure_ascii=False, indent=1) + "\n")


def find_bundle(path: Path) -> Path:
    """The bundle folder of a run or bundle path."""
    for candidate in (path, path / "model"):
        if (candidate / "bundle.json").is_file():
            return candidate
    refuse_pretrained(path)
    refuse_unfinished(path)
    if not path.exists():
        raise ModelError(f"{path} does not exist; give a run folder (runs/...) or a bundle folder (runs/.../model).")
    if path.name.endswith(PACK_ENDING):
        raise ModelError(
            f"{path} is a head pack, which holds no network: `photograft heads add RUN {shlex.quote(str(path))} "
            "--to FOLDER` makes a bundle of it and the network of a run."
        )
    raise ModelError(f"{path} is neither a run nor a bundle: it holds no bundle.json and no model/bundle.json.")


def read_bundle(path: Path) -> Bundle:
    """Read the bundle of a run or bundle path, after comparing every listed file with its checksum."""
    folder = find_bundle(path)
    sums = check_files(folder)
    path = folder / "bundle.json"
    info = parse_info(path.read_bytes(), path)
    if wrong := list(contradictions(info, sums)):
        raise IntegrityError(f"{path} contradicts itself or the bundle's files: {'; '.join(wrong)}.")
    bundle = Bundle(folder, info, {row.id: _read_head(folder / row.weights) for row in info.heads})
    if (head := misfit(bundle)) is not None:
        raise IntegrityError(f"{folder / head.weights} does not fit the classes and the network of bundle.json.")
    told = info.decisions.unfamiliar
    if told is None:
        return bundle
    return replace(bundle, familiar=read_familiar(folder / told.file, embedding=info.embedding_of(told.network)))


def misfit(bundle: Bundle) -> HeadRow | None:
    """The first head whose weights do not fit its classes and its network; None where all do."""
    rows = zip(bundle.info.targets, bundle.targets, strict=True)
    target_of = {member.head: target for row, target in rows for member in row.members}
    for row in bundle.info.heads:
        n, head = target_of[row.id].n_outputs, bundle.heads[row.id]
        if head.weight_DM.shape != (bundle.info.embedding_of(row.network), n) or head.bias_M.shape != (n,):
            return row
    return None


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


def _requirements(info: BundleInfo) -> tuple[str, ...]:
    """What the first release does not do: logits of more than a single head, and statuses beside "ok"."""
    composite = len(info.heads) > 1 or info.targets[0].members[0].weight != 1
    further = {"composite": composite, "decisions": info.decisions != DecisionsRow()}
    return ("core", *(name for name, needed in further.items() if needed))


def _read_head(file: Path) -> HeadWeights:
    try:
        tensors = load_tensors(file.read_bytes())
        return HeadWeights(np.ascontiguousarray(tensors["weight"].T), tensors["bias"])
    except (SafetensorError, KeyError) as error:
        raise IntegrityError(f"{file} holds no head in safetensors format: {error}") from error


def _files_of(folder: Path) -> list[str]:
    files = (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and f.name != _CHECKSUMS)
    return sorted(f.as_posix() for f in files if not any(_is_of_system(part) for part in f.parts))


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def parse_info(content: bytes | str, path: Path) -> BundleInfo:
    """The rows of bundle.json, which stand in the file `path`.

    Raises:
        ModelError: They are of a later format, or hold something that this release does not know.
    """
    try:
        raw = json.loads(content)
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
