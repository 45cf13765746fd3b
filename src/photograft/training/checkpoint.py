"""Checkpoints: one safetensors file each, with a digest of what it holds; the last two are kept.

The format is that of the safetensors library, which reads it. It is written here tensor by tensor, so that a full disk
is an `OSError` like any other and no second copy of the weights is in memory.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from photograft.errors import ModelError
from photograft.tracking.atomic import replacing

_FORMAT = "photograft-checkpoint"
_VERSION = 1
_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_KINDS = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ORDER = list(_KINDS)


@dataclass(frozen=True)
class Checkpoint:
    """What was saved, and the names of newer files that are damaged."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]
    step: int
    damaged: tuple[str, ...] = ()


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], info: dict[str, Any], *, step: int) -> Path:
    """Write a checkpoint, and remove all but it and the one before.

    `info` is what JSON can hold. Where writing fails the checkpoints before it are left as they are.

    Raises:
        OSError: it could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    path = folder / f"step-{step:08d}.safetensors"
    with replacing(path) as temporary, temporary.open("wb") as file:
        _write(file, tensors, json.dumps(info, allow_nan=False))
    before = [number for number in _numbers(folder) if number < step]
    for number, old in _numbers(folder).items():
        if number != step and number != max(before, default=None):
            with suppress(OSError):  # it is in nobody's way
                old.unlink()
    return path


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose digest holds; None where there is none.

    Raises:
        ModelError: a later release wrote it.
    """
    if not folder.is_dir():
        return None
    _remove_leftovers(folder)
    damaged: list[str] = []
    for number, path in sorted(_numbers(folder).items(), reverse=True):
        found = _read(path)
        if found is not None:
            return Checkpoint(*found, number, tuple(damaged))
        damaged.append(path.name)
    return None


def _write(file: IO[bytes], tensors: dict[str, Tensor], info: str) -> None:
    names = sorted(tensors, key=lambda name: (_ORDER.index(tensors[name].dtype), name))  # widest first: aligned
    header: dict[str, Any] = {
        "__metadata__": {
            "format": _FORMAT,
            "version": str(_VERSION),
            "info": info,
            "sha256": _digest(tensors, info),
        }
    }
    offset = 0
    for name in names:
        tensor = tensors[name]
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _KINDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in names:
        file.write(_bytes(tensors[name]))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            _check_version(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, UnicodeDecodeError):
        return None
    info = metadata.get("info", "")
    if metadata.get("sha256") != _digest(tensors, info):
        return None
    return tensors, json.loads(info)


def _check_version(path: Path, metadata: dict[str, str]) -> None:
    version = metadata.get("version", "")
    if metadata.get("format") == _FORMAT and version.isdecimal() and int(version) > _VERSION:
        raise ModelError(
            f"{path}: a later release of photograft wrote this checkpoint (format {version}; this release reads "
            f"{_VERSION}): go on with that release, or begin a new run"
        )


def _digest(tensors: dict[str, Tensor], info: str) -> str:
    digest = hashlib.sha256(info.encode("utf-8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {_KINDS.get(tensor.dtype)} {list(tensor.shape)}\n".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return memoryview(flat.numpy())


def _numbers(folder: Path) -> dict[int, Path]:
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def _remove_leftovers(folder: Path) -> None:
    # The run's lock keeps other processes out: a temporary file is one that a killed process left.
    for path in folder.glob(".step-*.tmp"):
        with suppress(OSError):
            path.unlink()
