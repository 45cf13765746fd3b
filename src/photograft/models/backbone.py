"""A pretrained network in torch, cut at the head: pixels in, embedding and late feature map out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from torch import nn
from torchvision.models import DenseNet

from photograft.errors import ModelError
from photograft.models.architectures import build_hidden, build_own
from photograft.models.catalogue import Backbone, PackagedBackbone, RunBackbone, find_packaged
from photograft.models.library import build_network
from photograft.models.networks import Outputs
from photograft.models.own_names import is_own_name
from photograft.models.trunks import LiteTrunk, OwnTrunk, TimmTrunk, TorchvisionTrunk, head_of_torchvision
from photograft.models.weights import Tensors, load_weights, read_weights, rename_dense_layers


class Embedder(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """The frozen network with everything between uint8 pixels and the embedding inside it.

    Takes (N, px, px, 3) uint8 RGB. Gives the embedding (N, D) and, where the network has one, the last feature map
    (N, C, h, w), both float32. With `multi`, mean and maximum of middle stages stand before the last values, after
    Head2Toe (Evci et al., ICML 2022): the middle of the network knows textures and small defects that its end has
    forgotten.
    """

    def __init__(self, trunk: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.trunk = trunk
        # x / 255 scaled by mean and std, as one multiplication and one addition.
        scale = 1.0 / (255.0 * torch.tensor(std))
        shift = -torch.tensor(mean) / torch.tensor(std)
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", shift.view(1, 3, 1, 1))

    def forward(self, pixels_NHWC: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Embedding (N, D) and, where there is one, the feature map (N, C, h, w)."""
        x = pixels_NHWC.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        stages, feature_map, last = self.trunk(x)
        pooled = [pool for stage in stages for pool in (stage.mean((2, 3)), stage.amax((2, 3)))]
        embedding = torch.cat([*pooled, last], dim=1)
        return (embedding,) if feature_map is None else (embedding, feature_map)


class Stack(nn.Module):  # type: ignore[misc]
    """States of one network side by side: the embedding of the frozen one, if any, then those of the tuned ones.

    Layers that are the same in several run several times here; the export merges them.
    """

    def __init__(self, frozen: Embedder | None, tuned: Sequence[Embedder]) -> None:
        super().__init__()
        self.frozen = frozen
        self.tuned = nn.ModuleList(tuned)

    def forward(self, pixels_NHWC: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All embeddings (N, D) and, where there are such, the tuned networks' feature maps (N, C, h, w).

        The channels of the maps stand one state after the other, as the ends of their embeddings do.
        """
        embeddings, *maps = zip(*(each(pixels_NHWC) for each in self.tuned), strict=True)
        before = () if self.frozen is None else (self.frozen(pixels_NHWC)[0],)
        return (torch.cat([*before, *embeddings], dim=1), *(torch.cat(each, dim=1) for each in maps))


def load_embedder(
    backbone: Backbone,
    *,
    embedding: str = "multi",
    px: int | None = None,
    scratch: int | None = None,
    seed: int = 0,
    dropout: float = 0.0,
) -> Embedder:
    """Build the network and load its checked weights; it comes back frozen, in evaluation mode.

    `px` is the side it will be used with: stages of networks of timm and torchvision are chosen by the size of their
    maps. By default the network's own. `scratch` is a seed: the weights are random then, as its library makes them.
    Without weights and `scratch` they are random too, the same in every process. Hidden layers that no run has trained
    begin with random weights of `seed`; `dropout` acts between them in training.
    """
    built_as, average = backbone.architecture, backbone.pool == "average"
    has_weights = backbone.has_weights and scratch is None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(scratch or 0)
        network = _untrained(built_as, average=average)
    if has_weights:
        _load(network, backbone)
    px = px or backbone.own_px
    trunk = _cut(network, built_as, px=px, multi=embedding == "multi", average=average)
    if backbone.hidden:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = build_hidden(backbone.hidden, measure_outputs(trunk, px=px).last, dropout=dropout)
        if has_weights and isinstance(backbone, RunBackbone):
            tensors = read_weights(backbone.weights_path())
            if any(name.startswith("hidden.") for name in tensors):  # else they are new, behind a network without any
                hidden.load(tensors, backbone.name)
        network.hidden = hidden
    embedder = Embedder(trunk, backbone.mean, backbone.std)
    embedder.requires_grad_(False)
    embedder.eval()
    return embedder


def measure_outputs(trunk: nn.Module, *, px: int) -> Outputs:
    """What an embedder with this trunk gives."""
    with torch.no_grad():
        stages, feature_map, last = trunk(torch.zeros(1, 3, px, px))
    pooled = 2 * sum(stage.shape[1] for stage in stages)
    shape = None if feature_map is None else tuple(feature_map.shape[1:])
    names = tuple(str(stage) for stage in trunk.stages)
    return Outputs(pooled + last.shape[1], last.shape[1], names, shape)


def untrained_embedder(name: str, *, px: int) -> Embedder:
    """A network with the `multi` embedding, without its weights: to see its shape."""
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    embedder = Embedder(_cut(_untrained(name), name, px=px, multi=True, average=False), zero, one)
    embedder.requires_grad_(False)
    embedder.eval()
    return embedder


def _untrained(name: str, *, average: bool = False) -> nn.Module:
    if is_own_name(name):
        return build_own(name)
    packaged = find_packaged(name)
    network = build_network(name if packaged is None else f"timm:{packaged.timm_name}")
    if average and name.startswith("timm:") and hasattr(network, "pre_logits"):
        network.pre_logits = nn.Identity()  # the dense layers of VGG: half a gigabyte that nothing uses
    return network


def _load(network: nn.Module, backbone: Backbone) -> None:
    path, name = backbone.check_weights(), backbone.name
    if isinstance(backbone, PackagedBackbone):
        network.load_state_dict(_in_order(read_weights(path), network.state_dict(), name))
    elif find_packaged(backbone.architecture) is not None:
        load_weights(network, path, name=name, heads=["classifier"])
    elif backbone.architecture.startswith("timm:"):
        _load_timm(network, path, name=backbone.architecture)
    else:
        is_headless = is_own_name(backbone.architecture) and not isinstance(network, DenseNet)
        heads = [] if is_headless else [head_of_torchvision(network, average=backbone.pool == "average")]
        load_weights(network, path, name=name, heads=heads, convert=rename_dense_layers)


def _cut(network: nn.Module, name: str, *, px: int, multi: bool, average: bool) -> nn.Module:
    packaged = find_packaged(name)
    if packaged is not None:
        first, last = packaged.pooled_stages
        return LiteTrunk(network, range(first, last + 1) if multi else ())
    if is_own_name(name) and not isinstance(network, DenseNet):
        return OwnTrunk(network, px=px, multi=multi, average=average)
    kind = TimmTrunk if name.startswith("timm:") else TorchvisionTrunk
    return kind(network, px=px, multi=multi, average=average)


def _load_timm(network: nn.Module, path: Path, *, name: str) -> None:
    own = name.partition(":")[2]

    def convert(found: Tensors) -> Tensors:
        """Tensors in the layout of the network's authors, which timm knows how to rename."""
        overlay = {"state_dict": found, "custom_load": False}
        return dict(timm.create_model(own, pretrained=True, pretrained_cfg_overlay=overlay).state_dict())

    heads = network.pretrained_cfg.get("classifier") or ()
    heads = [heads] if isinstance(heads, str) else list(heads)
    load_weights(network, path, name=name, heads=heads, convert=convert)


def _in_order(source: Tensors, target: Tensors, name: str) -> Tensors:
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
