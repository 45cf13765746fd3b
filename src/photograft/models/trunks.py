"""Networks without their head, of whatever family, all with one result: middle stages, last feature map, last values.

A trunk takes normalised pixels (N, 3, px, px). It gives a list of middle stages (N, C, h, w), the last feature map
(N, C, h, w) or None where the network has none, and the last values (N, D): pooled as the network does it or, with
`average`, the mean of the last feature map. Where the network was given `hidden` layers, those have the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from photograft.errors import ConfigError, ModelError
from photograft.models.architectures import HiddenLayers, PlainNetwork

Result = tuple[list[torch.Tensor], torch.Tensor | None, torch.Tensor]

_MIDDLE_STRIDE = 8
"""Stages with finer maps than this know edges and colours, and cost memory."""
_MOST_STAGES = 4


class LiteTrunk(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """An EfficientNet of timm, with any of its block stages."""

    def __init__(self, network: nn.Module, stages: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.stages = tuple(stages)

    def forward(self, x: torch.Tensor) -> Result:
        """Middle stages, last map, last values."""
        network = self.network
        x = network.bn1(network.conv_stem(x))
        maps = []
        for index, stage in enumerate(network.blocks):
            x = stage(x)
            if index in self.stages:
                maps.append(x)
        last_map = network.bn2(network.conv_head(x))
        return maps, last_map, _end(network, last_map.mean((2, 3)))


class TimmTrunk(nn.Module):  # type: ignore[misc]
    """Any network of timm: the last values are those before its classifier, pooled as the network does it."""

    def __init__(self, network: nn.Module, *, px: int, multi: bool, average: bool = False) -> None:
        super().__init__()
        self.network = network.eval()
        self.average = average
        # The last stage is asked for as well, and dropped: some networks end at the last stage that is asked for.
        *self.stages, self.end = _stages_of_timm(network, px) if multi else [0]

    def forward(self, x: torch.Tensor) -> Result:
        """Middle stages, last map, last values."""
        if self.stages:
            last, maps = self.network.forward_intermediates(x, indices=[*self.stages, self.end])
        else:
            last, maps = self.network.forward_features(x), [x]
        last_map = _as_map(last, self.network.num_features)
        if self.average:
            if last_map is None and isinstance(last, torch.Tensor) and last.ndim == 4:
                last_map = _channels_first(last)  # VGG, whose dense layers have other widths
            values = _mean(last_map)
        else:
            values = _as_values(self.network.forward_head(last, pre_logits=True))
        return maps[:-1], last_map, _end(self.network, values)


class TorchvisionTrunk(nn.Module):  # type: ignore[misc]
    """Any classifier of torchvision: its last linear layer is taken out, stages are read where modules give them."""

    def __init__(self, network: nn.Module, *, px: int, multi: bool, average: bool = False) -> None:
        super().__init__()
        self.network = network.eval()
        self.average = average
        network.set_submodule(head_of_torchvision(network, average=average), nn.Identity())
        sides = _sides_of_modules(network, px)
        names = list(sides)
        self.stages = [names[i] for i in choose_stages(list(sides.values()), px)] if multi else []
        self.take = _keep_outputs(network, [*self.stages, *names[-1:]])

    def forward(self, x: torch.Tensor) -> Result:
        """Middle stages, last map, last values."""
        values = self.network(x)
        maps = [_channels_first(each) for each in self.take()]
        last_map = maps[-1] if maps else None
        values = _mean(last_map) if self.average else _as_values(values)
        return maps[:-1], last_map, _end(self.network, values)


class OwnTrunk(nn.Module):  # type: ignore[misc]
    """A network of photograft's own that gives its last map: `cnn` is flattened, an encoder averaged."""

    def __init__(self, network: nn.Module, *, px: int, multi: bool, average: bool = False) -> None:
        super().__init__()
        self.network = network.eval()
        self.flattened = isinstance(network, PlainNetwork) and not average
        sides = _sides_of_modules(network, px)
        names = list(sides)
        self.stages = [names[i] for i in choose_stages(list(sides.values()), px)] if multi else []
        self.take = _keep_outputs(network, self.stages)

    def forward(self, x: torch.Tensor) -> Result:
        """Middle stages, last map, last values."""
        last_map = self.network(x)
        values = last_map.flatten(1) if self.flattened else last_map.mean((2, 3))
        return self.take(), last_map, _end(self.network, values)


def choose_stages(sides: Sequence[int], px: int) -> list[int]:
    """Which of all stages, by the side of their maps in order, the multi-stage embedding pools beside the last.

    Those at stride 8 and more; of many, as in vision transformers, four at even distances.
    """
    before_last = range(len(sides) - 1)
    chosen = [i for i in before_last if sides[i] * _MIDDLE_STRIDE <= px + _MIDDLE_STRIDE - 1] or list(before_last)
    n = len(chosen)
    if n <= _MOST_STAGES:
        return chosen
    return [chosen[round((i + 1) * n / _MOST_STAGES) - 1] for i in range(_MOST_STAGES)]


def head_of_torchvision(network: nn.Module, *, average: bool = False) -> str:
    """Name of the module that gives the classes; with `average` of the whole part that follows the last map."""
    modules = [*network.named_modules()]
    linear = [name for name, module in modules if isinstance(module, nn.Linear)]
    head = str((linear or [name for name, module in modules if isinstance(module, nn.Conv2d)])[-1])
    return head.partition(".")[0] if average else head


def _stages_of_timm(network: nn.Module, px: int) -> list[int]:
    """Indices of the middle stages and of the last; [0] where the network gives none, or another end with them."""
    x = torch.rand(1, 3, px, px, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            _, maps = network.forward_intermediates(x)
            chosen = [*choose_stages([each.shape[2] for each in maps], px), len(maps) - 1]
            last, maps = network.forward_intermediates(x, indices=chosen)
            plain = network.forward_features(x)
        usable = torch.allclose(last, plain, atol=1e-4) and all(each.ndim == 4 for each in maps)
    except Exception:  # a network that has no stages raises what it likes
        return [0]
    return chosen if usable else [0]


def _sides_of_modules(network: nn.Module, px: int) -> dict[str, int]:
    """The last module at each size of map, by name in order of running; none where the network works on tokens."""
    sides: dict[str, int] = {}
    has_tokens = False

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _given: Any, output: Any) -> None:
            nonlocal has_tokens
            has_tokens |= isinstance(output, torch.Tensor) and output.ndim == 3
            if isinstance(output, torch.Tensor) and output.ndim == 4 and not isinstance(module, nn.AdaptiveAvgPool2d):
                side = _channels_first(output).shape[2]
                for other in [key for key, value in sides.items() if value == side]:
                    del sides[other]
                sides[name] = side

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in _stage_modules(network)]
    with torch.no_grad():
        network(torch.zeros(1, 3, px, px))
    for handle in handles:
        handle.remove()
    return {} if has_tokens else {name: side for name, side in sides.items() if side > 1}


def _stage_modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The network's parts, and the parts of those that are lists."""
    for name, module in network.named_children():
        yield name, module
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from ((f"{name}.{own}", part) for own, part in module.named_children())


def _keep_outputs(network: nn.Module, names: Sequence[str]) -> Callable[[], list[torch.Tensor]]:
    """Have the named modules leave their outputs for the function that is given back."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: torch.Tensor) -> None:
            kept[name] = output

        return hook

    for name in names:
        network.get_submodule(name).register_forward_hook(keep(name))
    return lambda: [kept.pop(name) for name in names]


def _channels_first(x: torch.Tensor) -> torch.Tensor:
    """(N, C, h, w) of a square map in either order; that of swin has its channels last."""
    return x.permute(0, 3, 1, 2) if x.shape[1] == x.shape[2] != x.shape[3] else x


def _end(network: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """The last values through the hidden layers that the network was given, if any."""
    hidden = getattr(network, "hidden", None)
    return hidden(values) if isinstance(hidden, HiddenLayers) else values


def _mean(feature_map: torch.Tensor | None) -> torch.Tensor:
    if feature_map is None:
        raise ConfigError("model.pool: this network has no last feature map to take the mean of; leave it at own")
    return feature_map.mean((2, 3))


def _as_map(x: Any, channels: int) -> torch.Tensor | None:
    if not isinstance(x, torch.Tensor) or x.ndim != 4 or channels not in (x.shape[1], x.shape[3]):
        return None
    return x if x.shape[1] == channels else x.permute(0, 3, 1, 2)


def _as_values(x: Any) -> torch.Tensor:
    if not isinstance(x, torch.Tensor):
        raise ModelError("this network gives several results and no single embedding; choose another one.")
    return x.flatten(1)
