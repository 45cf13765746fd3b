"""A pretrained network in torch, cut at the head: pixels in, embedding and late feature map out."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import nn

from photograft.errors import ModelError
from photograft.models.catalogue import Backbone


class Embedder(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """The frozen network with everything between uint8 pixels and the embedding inside it.

    Takes (N, px, px, 3) uint8 RGB. Gives the embedding (N, D) and the last feature map (N, C, h, w), both float32.
    With `multi`, mean and maximum of the middle block stages stand before the pooled last map, after Head2Toe
    (Evci et al., ICML 2022): the middle of the network knows textures and small defects that its end has forgotten.
    """

    def __init__(self, network: nn.Module, backbone: Backbone, *, embedding: str) -> None:
        super().__init__()
        self.network = network
        self.pooled = (
            range(backbone.pooled_stages[0], backbone.pooled_stages[1] + 1) if embedding == "multi" else range(0)
        )
        # x / 255 scaled by mean and std, as one multiplication and one addition.
        scale = 1.0 / (255.0 * torch.tensor(backbone.std))
        shift = -torch.tensor(backbone.mean) / torch.tensor(backbone.std)
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", shift.view(1, 3, 1, 1))

    def forward(self, pixels_NHWC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding (N, D) and feature map (N, C, h, w)."""
        network = self.network
        x = pixels_NHWC.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        x = network.bn1(network.conv_stem(x))
        pooled = []
        for index, stage in enumerate(network.blocks):
            x = stage(x)
            if index in self.pooled:
                pooled += [x.mean((2, 3)), x.amax((2, 3))]
        feature_map = network.bn2(network.conv_head(x))
        embedding = torch.cat([*pooled, feature_map.mean((2, 3))], dim=1)
        return embedding, feature_map


def load_embedder(backbone: Backbone, *, embedding: str = "multi") -> Embedder:
    """Build the network and load its checked weights; it comes back frozen, in evaluation mode."""
    network = timm.create_model(backbone.timm_name, pretrained=False)
    network.load_state_dict(_in_order(_read_weights(backbone.check_weights()), network.state_dict(), backbone.name))
    embedder = Embedder(network, backbone, embedding=embedding)
    embedder.requires_grad_(False)
    embedder.eval()
    return embedder


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    # weights_only: a file from a package index must not be able to run code.
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _in_order(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """Rename the source's tensors to the target's, position by position; kinds and shapes must agree."""
    if len(source) != len(target):
        raise ModelError(f"The weights of {name} hold {len(source)} tensors, the network {len(target)}.")
    renamed = {}
    for (old, value), (new, like) in zip(source.items(), target.items(), strict=True):
        if value.shape != like.shape or old.rsplit(".", 1)[-1] != new.rsplit(".", 1)[-1]:
            raise ModelError(
                f"The weights of {name} do not fit: {old} {tuple(value.shape)} for {new} {tuple(like.shape)}."
            )
        renamed[new] = value
    return renamed
