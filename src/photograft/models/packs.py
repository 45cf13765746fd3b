"""Head packs: what a bundle adds to its network, as one small file. Shape letters: D numbers, M outputs.

A pack is a safetensors file. Its tensors are the heads, what tells strangers, and the smallest golden picture; its
metadata holds bundle.json and a digest of everything. The network is named by its SHA-256, and is not in it.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle import Bundle, HeadWeights, misfit, parse_info
from photograft.models.bundle_checks import contradictions
from photograft.models.bundle_rows import BundleInfo, NetworkRow
from photograft.models.decisions import as_familiar, familiar_tensors

_FORMAT, _VERSION = "photograft-heads", 1
_HEADS, _FAMILIAR = "heads/", "unfamiliar/"
_LONGEST_HEADER = 100_000_000
_FILE_IN_BUNDLE = re.compile(r"(networks|heads|golden|decisions)/[^./\\:\x00][^/\\:\x00]*")

_Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Pack:
    """A pack whose digest holds, as a bundle without a network: no file that its rows name is there.

    `card` is the model card, `pictures` are the golden pictures that are in the pack, `sums` the SHA-256 of all.
    """

    path: Path
    name: str
    card: str
    bundle: Bundle
    pictures: dict[str, bytes]
    sums: dict[str, str]


def pack_content(bundle: Bundle, *, name: str, familiar: bool = True) -> bytes:
    """The content of a bundle's pack; without `familiar` no photo is ever called unfamiliar by it.

    Raises:
        ModelError: The statistics of its BatchNorm moved, so that its network is that of no other bundle.
    """
    info = bundle.info
    if moved := [row.source["name"] for row in info.networks if row.batchnorm == "moved"]:
        raise ModelError(
            f"{bundle.folder}: BatchNorm statistics of {', '.join(moved)} were moved in training, so no other bundle "
            "has this network and a pack would fit nowhere. Share the whole bundle, or train with "
            "train.batchnorm=frozen or at graft point head."
        )
    tensors: _Tensors = {}
    for row in info.heads:
        head = bundle.heads[row.id]
        tensors[f"{_HEADS}{row.id}/weight"] = np.ascontiguousarray(head.weight_DM.T)
        tensors[f"{_HEADS}{row.id}/bias"] = np.ascontiguousarray(head.bias_M)
    if familiar and bundle.familiar is not None:
        tensors |= {f"{_FAMILIAR}{key}": array for key, array in familiar_tensors(bundle.familiar).items()}
    else:
        info = info.model_copy(update={"decisions": info.decisions.model_copy(update={"unfamiliar": None})})
    files = [bundle.folder / row.file for row in info.golden]
    for file in sorted(files, key=lambda file: file.stat().st_size)[:1]:
        tensors[file.relative_to(bundle.folder).as_posix()] = np.frombuffer(file.read_bytes(), np.uint8)
    sums = {row.file: hash_file(file) for row, file in zip(info.golden, files, strict=True)}
    card = bundle.folder / "README.md"
    content = {
        "name": name,
        "bundle": info.model_dump(mode="json"),
        "golden": sums,
        "card": card.read_text("utf-8") if card.is_file() else "",
    }
    text = json.dumps(content, allow_nan=False)
    written = {"version": _VERSION, "sha256": _digest(text, tensors), "pack": text}
    # One key: safetensors writes several in any order, and the same bundle should give the same file.
    return save_tensors(tensors, {_FORMAT: json.dumps(written)})


def is_pack(path: Path) -> bool:
    """Whether a file says that it is a pack, of this version or another; reads only its beginning."""
    try:
        return _FORMAT in _metadata(path)
    except (OSError, ValueError):
        return False


def read_pack(path: Path) -> Pack:
    """Read a pack, after comparing it with its digest.

    Raises:
        ModelError: It is none, or of a later format.
        IntegrityError: It was changed or damaged.
    """
    if path.is_dir():
        raise ModelError(
            f"{path} is a folder, and a head pack is a file: `photograft heads export` writes one of a run."
        )
    try:
        metadata = _metadata(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist; a head pack is the file that `heads export` wrote.") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} is no head pack: {why}.") from error
    if _FORMAT not in metadata:
        raise ModelError(f"{path} is no head pack: `photograft heads export RUN` writes one.")
    tensors, text = _checked(path, metadata[_FORMAT])
    try:
        content = json.loads(text)
        stated, name, card = json.dumps(content["bundle"]), str(content["name"]), str(content["card"])
        sums = {str(file): str(sha256) for file, sha256 in content["golden"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # the digest holds: it was written so
        raise IntegrityError(f"{path} is no pack that photograft wrote ({error!r}); get it anew.") from error
    info = parse_info(stated, path)
    wrong = [*_foreign_files(info), *contradictions(info, files_meant(info) | sums)]
    wrong += [f"BatchNorm of network {row.id} was moved" for row in info.networks if row.batchnorm == "moved"]
    if wrong:
        raise IntegrityError(f"{path} contradicts itself: {'; '.join(wrong)}.")
    bundle, pictures = _assemble(path, info, tensors)
    return Pack(path, unicodedata.normalize("NFC", name), card, bundle, pictures, sums)


def stand_on(bundle: Bundle, base: Bundle, *, path: Path) -> Bundle:
    """The heads of a bundle or pack, which `path` is, on the networks of another bundle; nothing is written.

    Raises:
        ModelError: The base has not all of the networks, or photos are read otherwise; the message says what differs.
    """
    files = {row.id: _counterpart(row, bundle.info, base, path) for row in bundle.info.networks}
    rows = tuple(row.model_copy(update=files[row.id]) for row in bundle.info.networks)
    return Bundle(base.folder, bundle.info.model_copy(update={"networks": rows}), bundle.heads, bundle.familiar)


def files_meant(info: BundleInfo) -> dict[str, str]:
    """The files that a bundle has by its rows; their SHA-256 is there of networks alone, else empty."""
    names = [row.weights for row in info.heads] + [row.file for row in info.golden]
    if info.decisions.unfamiliar is not None:
        names.append(info.decisions.unfamiliar.file)
    return dict.fromkeys(names, "") | {row.file: row.sha256 for row in info.networks}


def same_network(row: NetworkRow, other: NetworkRow) -> bool:
    """Whether two files are the same network: the same bytes, or the same weights exported by another machine.

    Exports by other releases of torch differ in their bytes; golden pictures must then show that they say the same.
    """
    if row.sha256 == other.sha256:
        return True
    (name, weights), (other_name, other_weights) = (_origin(each) for each in (row, other))
    return name == other_name and weights == other_weights and row.outputs == other.outputs


def backbone_key(info: BundleInfo) -> tuple[str, ...]:
    """Equal for bundles and packs whose heads can share a pass: weights, contract and views of every network."""
    return tuple(sorted("/".join((*_origin(row), row.contract, *info.views_of(row.id).names)) for row in info.networks))


def differences(row: NetworkRow, info: BundleInfo, other_row: NetworkRow, other: BundleInfo) -> Iterator[str]:
    """Why heads on one network cannot share a pass with heads on the other, as parts of a sentence."""
    if not same_network(row, other_row):
        yield f"network {_named(row)}, not {_named(other_row)}"
    if row.contract != other_row.contract:
        here, there = _contract(row, info), _contract(other_row, other)
        changed = [f"{key} {here.get(key)}, not {there.get(key)}" for key in here if here.get(key) != there.get(key)]
        yield f"contract {row.contract[:12]} ({'; '.join(changed)})"
    views, other_views = (each.views_of(r.id).names for each, r in ((info, row), (other, other_row)))
    if views != other_views:
        yield f"views {' and '.join(views)}, not {' and '.join(other_views)}"


def _counterpart(row: NetworkRow, info: BundleInfo, base: Bundle, path: Path) -> dict[str, str]:
    """File and SHA-256 of the network of the base that this one is."""
    found = [(list(differences(row, info, each, base.info)), each) for each in base.info.networks]
    wrong, nearest = min(found, key=lambda each: (not same_network(row, each[1]), len(each[0])))
    if not wrong:
        return {"file": nearest.file, "sha256": nearest.sha256}
    remedy = (
        "Only what the same run left has this tuned network."
        if row.cut != "head"
        else "Heads fit together that were trained with the same model.backbone, model.embedding and input settings."
    )
    raise ModelError(f"{path} does not fit {base.folder}: it wants {'; '.join(wrong)}. {remedy}")


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata in the header of a safetensors file; ValueError where it is none."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(_LONGEST_HEADER, path.stat().st_size):
            raise ValueError("it is no safetensors file")
        header = json.loads(file.read(size))
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _checked(path: Path, metadata: Any) -> tuple[_Tensors, str]:
    """Its tensors and its text, as they were written."""
    try:
        head = json.loads(metadata)
        version, sha256, text = head["version"], head["sha256"], str(head["pack"])
    except (KeyError, ValueError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); copy the pack again.") from error
    if version != _VERSION:
        raise ModelError(
            f"{path} is a head pack of format {version!r}, this release of photograft reads format {_VERSION}: "
            "pip install -U photograft"
        )
    try:
        tensors = load_tensors(path.read_bytes())
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); copy the pack again.") from error
    if sha256 != _digest(text, tensors):
        raise IntegrityError(f"{path} was changed or damaged; copy the pack again.")
    return tensors, text


def _assemble(path: Path, info: BundleInfo, tensors: _Tensors) -> tuple[Bundle, dict[str, bytes]]:
    """The rows with their tensors, and the golden pictures."""
    try:
        heads = {row.id: _head(tensors, f"{_HEADS}{row.id}/") for row in info.heads}
    except KeyError as error:
        raise IntegrityError(f"{path} lacks the tensor {error}; export the pack again.") from error
    if (head := misfit(Bundle(path.parent, info, heads))) is not None:
        raise IntegrityError(f"{path}: the weights of {head.id} do not fit their classes and network.")
    told, familiar = info.decisions.unfamiliar, None
    if told is not None:
        named = {key.removeprefix(_FAMILIAR): each for key, each in tensors.items() if key.startswith(_FAMILIAR)}
        familiar = as_familiar(named, path, embedding=info.embedding_of(told.network))
    pictures = {row.file: tensors[row.file].tobytes() for row in info.golden if row.file in tensors}
    return Bundle(path.parent, info, heads, familiar), pictures


def _head(tensors: _Tensors, prefix: str) -> HeadWeights:
    return HeadWeights(np.ascontiguousarray(tensors[f"{prefix}weight"].T), tensors[f"{prefix}bias"])


def _foreign_files(info: BundleInfo) -> Iterator[str]:
    """A pack becomes files of a folder: none may lie elsewhere."""
    names = files_meant(info)
    yield from (f"{name!r} is no file of a bundle" for name in names if not _FILE_IN_BUNDLE.fullmatch(name))


def _digest(text: str, tensors: _Tensors) -> str:
    digest = hashlib.sha256(text.encode("utf-8"))
    for name in sorted(tensors):
        digest.update(f"\n{name} {tensors[name].dtype} {list(tensors[name].shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def _contract(row: NetworkRow, info: BundleInfo) -> dict[str, Any]:
    contract = next(each.contract for each in info.contracts if each.id == row.contract)
    return _flat(contract.model_dump(mode="json"))


def _origin(row: NetworkRow) -> tuple[str, str]:
    """What the file was exported from: what its id is the digest of, and its weights."""
    return row.id.partition("-")[0], str(row.source.get("weights_sha256", row.sha256))


def _named(row: NetworkRow) -> str:
    tuned = "" if row.cut == "head" else f" tuned from {row.cut} on"
    return f"{row.source['name']}{tuned} of {row.outputs['embedding']:,} numbers (SHA-256 {row.sha256[:12]})"


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat
