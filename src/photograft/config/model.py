"""Settings of the network and where it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from photograft.config.section import Section


class ModelConfig(Section):
    """The pretrained network and what is trained of it."""

    backbone: str = "efficientnet-lite0"
    """The pretrained network: `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`; `timm:NAME` or
    `torchvision:NAME`. `photograft backbones list` shows names."""

    weights: Path | None = None
    """File of weights for a network of timm or torchvision (.safetensors, .pth, .pt). By default the published ones,
    where they are on this machine."""

    graft: Literal["head"] = "head"
    """Where the network is cut: everything before is frozen. `head` trains a linear classifier on its features."""

    embedding: Literal["multi", "last"] = "multi"
    """`multi` pools several stages beside the last one, at no extra forward cost, where the network gives them;
    `last` uses the last one alone."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where features are computed. `auto` takes a GPU that torch can use, else ONNX Runtime on the CPU."""
