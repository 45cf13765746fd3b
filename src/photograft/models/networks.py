"""Exported networks in the cache: made once per backbone, embedding and input size, then only read."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.models.catalogue import Backbone
from photograft.tracking.atomic import replacing, write_atomically


def network_file(backbone: Backbone, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """Where the exported network is kept; the file may not exist yet."""
    return (
        cache_dir
        / "networks"
        / f"{backbone.name}-{embedding}-{px}-{backbone.network_id(px=px, embedding=embedding)}.onnx"
    )


def is_intact(network: Path) -> bool:
    """Whether the exported network is there and has the SHA-256 that was written beside it when it was exported."""
    try:
        return _sidecar(network).read_text(encoding="ascii").strip() == hash_file(network)
    except (OSError, UnicodeDecodeError):
        return False


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
                _export(backbone, embedding, px, path)
                write_atomically(_sidecar(path), hash_file(path) + "\n")
    except OSError as error:
        raise ConfigError(
            f"cache.dir: {cache_dir} cannot hold the exported network ({error}); choose a folder that can be written, "
            "with cache.dir or the environment variable PHOTOGRAFT_CACHE."
        ) from error
    return path


def _sidecar(network: Path) -> Path:
    return network.with_name(f"{network.name}.sha256")


def _export(backbone: Backbone, embedding: str, px: int, path: Path) -> None:
    with replacing(path) as temporary:
        command = [
            sys.executable,
            "-m",
            "photograft.models.onnx_export",
            backbone.name,
            embedding,
            str(px),
            str(temporary),
        ]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise ModelError(f"{backbone.name} could not be exported to ONNX: {last}")
