"""Exported networks in the cache: made once per backbone, embedding and input size, then only read."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.models.catalogue import Backbone, LibraryBackbone
from photograft.tracking.atomic import replacing, write_atomically


@dataclass(frozen=True)
class Outputs:
    """What an exported network gives per photo, as it was measured when it was exported.

    `embedding` values, of which the last `last` come from the end of the network and the others from `stages` (names
    or numbers of stages). `feature_map` is (C, h, w), None where the network has none.
    """

    embedding: int
    last: int
    stages: tuple[str, ...]
    feature_map: tuple[int, int, int] | None


@dataclass(frozen=True)
class BoundaryValue:
    """One of the values that cross from the frozen front of a network to its tail: its name and its shape per photo."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Beside:
    """The content of the file beside a network."""

    sha256: str
    outputs: Outputs


_OUTPUTS = TypeAdapter(Outputs)
_BESIDE = TypeAdapter(_Beside)


def network_file(backbone: Backbone, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """Where the exported network is kept; the file may not exist yet."""
    return (
        cache_dir
        / "networks"
        / f"{backbone.file_name}-{embedding}-{px}-{backbone.network_id(px=px, embedding=embedding)}.onnx"
    )


def is_intact(network: Path) -> bool:
    """Whether the exported network is there and has the SHA-256 that was written beside it when it was exported."""
    try:
        return _read_sidecar(network).sha256 == hash_file(network)
    except (OSError, ValidationError):
        return False


def read_outputs(network: Path) -> Outputs:
    """What an intact network gives, from the file that was written beside it when it was exported."""
    try:
        return _read_sidecar(network).outputs
    except (OSError, ValidationError) as error:
        raise ModelError(f"{_sidecar(network)} is damaged: delete it, and the network is exported anew.") from error


def ensure_network(backbone: Backbone, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """The exported network, exporting it where that was not yet done or it was damaged since (half a minute)."""
    path = network_file(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    if is_intact(path):
        return path
    for module in ("torch", "timm", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"Training (module {module})", "train")
    backbone.weights_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not is_intact(path):
                outputs = _export(backbone, embedding, px, path)
                write_atomically(_sidecar(path), _BESIDE.dump_json(_Beside(hash_file(path), outputs), indent=1))
    except OSError as error:
        raise ConfigError(
            f"cache.dir: {cache_dir} cannot hold the exported network ({error}); choose a folder that can be written, "
            "with cache.dir or the environment variable PHOTOGRAFT_CACHE."
        ) from error
    return path


def _sidecar(network: Path) -> Path:
    return network.with_name(f"{network.name}.json")


def _read_sidecar(network: Path) -> _Beside:
    return _BESIDE.validate_json(_sidecar(network).read_bytes())


def _export(backbone: Backbone, embedding: str, px: int, path: Path) -> Outputs:
    """Write the network; gives its outputs as the process prints them."""
    weights = [str(backbone.weights)] if isinstance(backbone, LibraryBackbone) else []
    with replacing(path) as temporary:
        command = [
            sys.executable,
            "-m",
            "photograft.models.onnx_export",
            backbone.name,
            embedding,
            str(px),
            str(temporary),
            *weights,
        ]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise ModelError(f"{backbone.name} could not be exported to ONNX at {px} px: {last}")
        return _OUTPUTS.validate_json(done.stdout)
