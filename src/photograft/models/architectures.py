"""Networks by their sizes, with random weights, and the dense layers of `model.hidden`.

The layers' names in `state_dict()` are those that files of weights have, and stay as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torchvision.models import DenseNet

from photograft.errors import ModelError
from photograft.models.autoencoder import StyleEncoder
from photograft.models.own_names import read_own_name


class PlainNetwork(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """Blocks of a 3x3 convolution that keeps the size, ReLU, and a 2x2 maximum; the last map is meant to be flattened.

    Takes normalised pixels (N, 3, h, w) and gives its last feature map (N, C, h / 2^blocks, w / 2^blocks).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = zip((3, *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(_plain_block(given, channels) for given, channels in pairs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The last feature map."""
        return self.blocks(x)


class HiddenLayers(nn.Sequential):  # type: ignore[misc]
    """Dense layers that stand behind a network, as its `hidden`; `is_trained` where a run has trained them."""

    is_trained = False

    def load(self, tensors: Mapping[str, torch.Tensor], name: str) -> None:
        """Take over what the tensors of a whole network hold under `hidden.`.

        Raises:
            ModelError: Something is missing or has another shape.
        """
        own = {key.removeprefix("hidden."): value for key, value in tensors.items() if key.startswith("hidden.")}
        target = self.state_dict()
        wrong = [key for key in target if key not in own or own[key].shape != target[key].shape]
        if wrong:
            raise ModelError(
                f"The hidden layers of {name} do not fit ({', '.join(wrong)}): they may have been trained at another "
                "input.px."
            )
        self.load_state_dict(own)
        self.is_trained = True


_BUILDERS = {"cnn": PlainNetwork, "autoencoder": StyleEncoder, "densenet": DenseNet}


def build_own(name: str) -> nn.Module:
    """The network of that name, such as `cnn:16-32-64`, with random weights of torch's global generator.

    Raises:
        ConfigError: The name, or the file of `densenet:FILE.json`, is wrong.
    """
    own = read_own_name(name)
    return _BUILDERS[own.kind](**own.sizes)


def build_hidden(hidden: Sequence[str], n_values: int, *, dropout: float) -> HiddenLayers:
    """Dense layers on `n_values` values: each linear, ReLU and, where it is asked for, BatchNorm, as Keras orders them.

    `hidden` has the widths as `model.hidden` has them: "1000", "32 batchnorm". Dropout stands before every layer but
    the first, since the head has its own.
    """
    layers = []
    for i, text in enumerate(hidden):
        width, _, norm = text.partition(" ")
        parts: dict[str, nn.Module] = {"dropout": nn.Dropout(dropout)} if i else {}
        parts |= {"linear": nn.Linear(n_values, int(width)), "relu": nn.ReLU()}
        parts |= {"batchnorm": nn.BatchNorm1d(int(width))} if norm else {}
        layers.append(nn.Sequential(OrderedDict(parts)))
        n_values = int(width)
    return HiddenLayers(*layers)


def _plain_block(given: int, channels: int) -> nn.Sequential:
    parts = {"conv": nn.Conv2d(given, channels, 3, padding=1), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2)}
    return nn.Sequential(OrderedDict(parts))
