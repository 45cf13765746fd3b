"""Settings of the network and where it is cut."""

from __future__ import annotations

from typing import Literal

from photograft.config.section import Section


class ModelConfig(Section):
    """The pretrained network and what is trained of it."""

    backbone: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    """Name of the pretrained network."""

    graft: Literal["head"] = "head"
    """Where the network is cut: everything before is frozen. `head` trains a linear classifier on its features."""

    embedding: Literal["multi", "last"] = "multi"
    """`multi` pools several block stages beside the last one, at no extra forward cost; `last` uses the last one
    alone."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where features are computed. `auto` takes a GPU that torch can use, else ONNX Runtime on the CPU."""
