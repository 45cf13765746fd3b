"""What moves the weights: optimizer, learning rate at every step, running average.

The learning rate is a function of numbers: setting it never touches the optimizer's state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from photograft.config.train import TrainConfig

Blocks = Sequence[tuple[str, Sequence[str]]]
"""Names of blocks and of their trainable parameters in the network, in running order; the head comes last."""

_WEIGHT_DECAY = {"adamw": 0.05, "adam": 0.0, "sgd": 1e-4}
"""What is usual for each optimizer: that of Adam acts through its running averages, and is better left out."""
_ONE_CYCLE_START = 25.0
_ONE_CYCLE_END = 1e4


def build_optimizer(network: nn.Module, blocks: Blocks, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer over groups by block, and within it by whether weights decay: biases and norms do not.

    Each group keeps its highest learning rate as `peak`.

    Raises:
        ValueError: `blocks` are not exactly the parameters of the network that train.
    """
    parameters = dict(network.named_parameters())
    named = [name for _, names in blocks for name in names]
    trainable = {name for name, parameter in parameters.items() if parameter.requires_grad}
    if len(named) != len(set(named)) or set(named) != trainable:
        raise ValueError(f"the blocks do not name what trains: {sorted(set(named) ^ trainable)[:5]}")
    rates = learning_rates([name for name, _ in blocks], config)
    groups: list[dict[str, Any]] = []
    for block, names in blocks:
        rate = rates[block]
        for decays in (True, False):
            members = [parameters[name] for name in names if (parameters[name].ndim > 1) == decays]
            if members:
                decay = _weight_decay(config) if decays else 0.0
                groups.append({"params": members, "lr": rate, "peak": rate, "weight_decay": decay, "block": block})
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=peak_lr(config), momentum=config.momentum)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=peak_lr(config))


def _weight_decay(config: TrainConfig) -> float:
    return _WEIGHT_DECAY[config.optimizer] if config.weight_decay == "auto" else config.weight_decay


def learning_rates(blocks: Sequence[str], config: TrainConfig) -> dict[str, float]:
    """The highest learning rate of each block: the last is the head, the one before has `lr`, earlier ones less."""
    lr = peak_lr(config)
    *body, head = blocks
    rates = {name: lr * config.lr_decay**distance for distance, name in enumerate(reversed(body))}
    return {name: rates[name] for name in body} | {head: 2.5 * lr if config.head_lr == "auto" else config.head_lr}


def peak_lr(config: TrainConfig) -> float:
    """`train.lr` as a number.

    Raises:
        ValueError: it is still to be found.
    """
    if config.lr == "find":
        raise ValueError("train.lr: find it first")
    if config.lr == "auto":
        return 0.01 if config.optimizer == "sgd" else 4e-4
    return config.lr


def lr_factor(config: TrainConfig, step: int, *, n_steps: int, epoch_steps: int, plateau: float = 1.0) -> float:
    """What the highest learning rates are multiplied by in a step (counted from 0).

    `one-cycle` is that of Smith and Topin 2018 in the form of torch's `OneCycleLR`, without moving the momentum. The
    others rise linearly over `warmup` first. `plateau` is the factor that `Plateau` has come to.
    """
    share = config.warmup
    if share == "auto":
        share = 0.25 if config.schedule == "one-cycle" else 0.05
    if config.schedule == "one-cycle":
        return _one_cycle(step, n_steps, share)
    rising = round(share * n_steps)
    if step < rising:
        return plateau * (step + 1) / (rising + 1)
    if config.schedule == "cosine":
        return _cosine(1.0, 0.0, (step - rising) / (n_steps - rising))
    if config.schedule == "step":
        return float(config.gamma ** (step // epoch_steps // config.step_epochs))
    return plateau if config.schedule == "plateau" else 1.0


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its highest times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


class Plateau:
    """Times `gamma` after `patience` epochs in a row without a lower loss; its state is three numbers."""

    def __init__(self, *, gamma: float, patience: int) -> None:
        self.gamma = gamma
        self.patience = patience
        self.factor = 1.0
        self.lowest: float | None = None
        self.waited = 0

    def see(self, loss: float) -> None:
        """Take in the loss of an epoch."""
        if self.lowest is None or loss < self.lowest:
            self.lowest, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.factor, self.waited = self.factor * self.gamma, 0

    def state(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"factor": self.factor, "lowest": self.lowest, "waited": self.waited}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.factor, self.lowest, self.waited = state["factor"], state["lowest"], state["waited"]


def moving_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What training changes: parameters that train, and buffers (statistics of BatchNorm), by name, not copied."""
    moving = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    return moving | {name: buffer.detach() for name, buffer in network.named_buffers()}


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the same device."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


def put(tensors: dict[str, Tensor], into: dict[str, Tensor]) -> None:
    """Copy each tensor over that of the same name; memory layouts of the targets stay."""
    with torch.no_grad():
        for name, target in into.items():
            target.copy_(tensors[name])


def move_average(average: dict[str, Tensor], moving: dict[str, Tensor], *, decay: float, step: int) -> None:
    """One step of the running average (EMA) towards the weights; `step` counts from 1.

    The decay grows with min(decay, (1 + step) / (10 + step)), so that the first weights do not stay in it for long.
    Statistics of BatchNorm are averaged like weights, counters copied.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, tensor in moving.items():
            if tensor.is_floating_point():
                average[name].lerp_(tensor, weight)
            else:
                average[name].copy_(tensor)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of the optimizer's state, by number of the parameter and name: ``3.exp_avg``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value.clone()
        for number, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Replace the optimizer's state by one of `optimizer_tensors`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.state.clear()
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        like_parameter = name != "step" and tensor.shape == parameter.shape
        # A copy in the parameter's own device and memory layout; step counters stay on the CPU.
        value = torch.empty_like(parameter.detach()).copy_(tensor) if like_parameter else tensor.clone()
        optimizer.state[parameter][name] = value


def _one_cycle(step: int, n_steps: int, share: float) -> float:
    top = max(share * n_steps - 1, 0.0)
    last = n_steps - 1
    if step < top:
        return _cosine(1 / _ONE_CYCLE_START, 1.0, step / top)
    if last <= top:
        return 1.0
    return _cosine(1.0, 1 / _ONE_CYCLE_START / _ONE_CYCLE_END, (step - top) / (last - top))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
