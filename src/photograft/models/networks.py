"""Exported networks in the cache: made once per backbone, embedding and input size, then only read."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from photograft.contract import canonical_json
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.models.catalogue import Backbone
from photograft.tracking.atomic import replacing, write_atomically

_FRONT_REVISION = 1
_STACK_REVISION = 1


@dataclass(frozen=True)
class Outputs:
    """What an exported network gives per photo, as it was measured when it was exported.

    `embedding` values, of which the last `last` come from the end of the network and the others from `stages` (names
    or numbers of stages). `feature_map` is (C, h, w), None where the network has none.

    Of states of a network side by side, `last` are the values of all tuned ones, and `feature_map` has their channels.
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
    """The content of the file beside a network, or beside the front of one, which has a boundary instead of outputs."""

    sha256: str
    outputs: Outputs | None = None
    boundary: tuple[BoundaryValue, ...] | None = None


@dataclass(frozen=True)
class Exported:
    """What the process that exports says about what it wrote."""

    outputs: Outputs | None = None
    boundary: tuple[BoundaryValue, ...] | None = None


_EXPORTED = TypeAdapter(Exported)
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
        outputs = _read_sidecar(network).outputs
    except (OSError, ValidationError) as error:
        raise _damaged(network) from error
    if outputs is None:
        raise _damaged(network)
    return outputs


def read_boundary(front: Path) -> tuple[BoundaryValue, ...]:
    """What an intact front gives, in the order of its outputs, which have the same names."""
    try:
        boundary = _read_sidecar(front).boundary
    except (OSError, ValidationError) as error:
        raise _damaged(front) from error
    if boundary is None:
        raise _damaged(front)
    return boundary


def ensure_network(backbone: Backbone, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """The exported network, exporting it where that was not yet done or it was damaged since (half a minute)."""
    path = network_file(backbone, px=px, embedding=embedding, cache_dir=cache_dir)
    _ensure(path, "network", (str(px), embedding), (backbone,), cache_dir)
    return path


def stack_id(frozen: Backbone | None, tuned: Sequence[Backbone], *, px: int, embedding: str) -> str:
    """Names states of a network side by side exactly; `embedding` is the frozen one's. One state alone is a network."""
    states = [each.network_id(px=px, embedding="last") for each in tuned]
    if frozen is None and len(states) == 1:
        return states[0]
    before = None if frozen is None else frozen.network_id(px=px, embedding=embedding)
    return hashlib.sha256(canonical_json({"states": [before, *states], "revision": _STACK_REVISION})).hexdigest()[:32]


def ensure_stack(
    frozen: Backbone | None, tuned: Sequence[Backbone], *, px: int, embedding: str, cache_dir: Path
) -> Path:
    """States of a network as one: the frozen one's embedding, if any, then those of the tuned ones, of its end alone.

    Layers that are the same in several are there, and run, once. Exported where that was not yet done.
    """
    if frozen is None and len(tuned) == 1:
        return ensure_network(tuned[0], px=px, embedding="last", cache_dir=cache_dir)
    name = stack_id(frozen, tuned, px=px, embedding=embedding)
    path = cache_dir / "networks" / f"{tuned[0].file_name}-{embedding}-tuned-{px}-{name}.onnx"
    _ensure(path, "stack", (str(px), embedding), (frozen, *tuned), cache_dir)
    return path


def front_file(backbone: Backbone, point: str, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """Where the frozen front of a network, up to a graft point, is kept; the file may not exist yet."""
    network = backbone.network_id(px=px, embedding=embedding)
    key = hashlib.sha256(canonical_json({"network": network, "point": point, "revision": _FRONT_REVISION})).hexdigest()
    return cache_dir / "networks" / f"front-{backbone.file_name}-{embedding}-{px}-{key[:32]}.onnx"


def ensure_front(backbone: Backbone, point: str, *, px: int, embedding: str, cache_dir: Path) -> Path:
    """The frozen front as ONNX: input `pixels`, outputs as `read_boundary` says. Exported where it is not there yet.

    Raises:
        ModelError: There is no front, since nothing is frozen, or it cannot be exported.
    """
    path = front_file(backbone, point, px=px, embedding=embedding, cache_dir=cache_dir)
    _ensure(path, "front", (str(px), embedding), (backbone,), cache_dir, point)
    return path


def _ensure(
    path: Path, kind: str, sizes: Sequence[str], backbones: Sequence[Backbone | None], cache_dir: Path, *more: str
) -> None:
    if is_intact(path):
        return
    for module in ("torch", "timm", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"Training (module {module})", "train")
    present = [backbone for backbone in backbones if backbone is not None]
    for backbone in present:
        if backbone.has_weights:
            backbone.weights_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not is_intact(path):
                written = ("null" if backbone is None else backbone.to_json() for backbone in backbones)
                found = _export(path, kind, (*sizes, *written, *more), present[-1].name)
                beside = _Beside(hash_file(path), found.outputs, found.boundary)
                write_atomically(_sidecar(path), _BESIDE.dump_json(beside, indent=1))
    except OSError as error:
        raise ConfigError(
            f"cache.dir: {cache_dir} cannot hold the exported network ({error}); choose a folder that can be written, "
            "with cache.dir or the environment variable PHOTOGRAFT_CACHE."
        ) from error


def _damaged(network: Path) -> ModelError:
    return ModelError(f"{_sidecar(network)} is damaged: delete it, and the network is exported anew.")


def _sidecar(network: Path) -> Path:
    return network.with_name(f"{network.name}.json")


def _read_sidecar(network: Path) -> _Beside:
    return _BESIDE.validate_json(_sidecar(network).read_bytes())


def _export(path: Path, kind: str, arguments: Sequence[str], name: str) -> Exported:
    """Write the network; gives what the process prints about it."""
    with replacing(path) as temporary:
        command = [sys.executable, "-m", "photograft.models.onnx_export", kind, str(temporary), *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            if done.returncode == ConfigError.exit_code:
                raise ConfigError(last)
            raise ModelError(f"{name} could not be exported to ONNX at {arguments[0]} px: {last}")
        return _EXPORTED.validate_json(done.stdout)
