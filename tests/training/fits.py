"""A tiny fit in memory: drawn maps and vectors, and a network that has every kind of layer that matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from photograft.config.augment import AugmentConfig
from photograft.config.train import TrainConfig
from photograft.training.inputs import Values
from photograft.training.loop import Task
from photograft.training.reading import Labelled
from photograft.values import BoolArray, IntArray, Target

N_CLASSES = 3
LABEL = Target("label", ("a", "b", "c"))


class DrawnInputs:
    """Maps (4, 6, 6) and vectors (5,) in float16 whose mean tells the class; changed copies differ by epoch."""

    def __init__(self, n: int = 40, *, n_plain: int = 2, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.n_plain = n_plain
        self.label_N = np.arange(n) % N_CLASSES
        self.map_N = random.normal(size=(n, 4, 6, 6)) + self.label_N[:, None, None, None]
        self.vector_N = random.normal(size=(n, 5)) - self.label_N[:, None]
        self.targets: tuple[Target, ...] = (LABEL,)

    def truth(self, row_B: IntArray) -> tuple[IntArray | BoolArray, ...]:
        return (self.label_N[row_B],)

    def plain(self, row_B: IntArray, *, view: int) -> Values:
        return self._values(row_B, 0.1 * view)

    def changed(self, row_B: IntArray, *, epoch: int) -> Values:
        return self._values(row_B, 0.05 * epoch)

    def _values(self, row_B: IntArray, change: float) -> Values:
        return (self.map_N[row_B] + change).astype(np.float16), (self.vector_N[row_B] - change).astype(np.float16)


class ManyTargets(DrawnInputs):
    """The same photos with a target of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.targets = (
            LABEL,
            Target("first", ("no", "yes"), "binary"),
            Target("level", ("low", "middle", "high"), "ordinal"),
            Target("tags", ("even", "third"), "sigmoid"),
        )

    def truth(self, row_B: IntArray) -> tuple[IntArray | BoolArray, ...]:
        label_B = self.label_N[row_B]
        tags_BK = np.stack([label_B != 1, label_B == 2], axis=1)
        return label_B, (label_B == 0).astype(np.int64), label_B, tags_BK


class TinyNetwork(nn.Module):
    """Convolution, optional BatchNorm, dropout and a head."""

    def __init__(self, *, batchnorm: bool = True, dropout: float = 0.2, n_outputs: int = N_CLASSES) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, 3)
        self.norm = nn.BatchNorm2d(6) if batchnorm else nn.Identity()
        self.second = nn.Conv2d(6, 6, 3)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(11, n_outputs)

    def forward(self, map_B: Tensor, vector_B: Tensor) -> Tensor:
        inner = torch.relu(self.second(torch.relu(self.norm(self.first(map_B)))))
        logits: Tensor = self.head(self.dropout(torch.cat([inner.mean(dim=(2, 3)), vector_B], dim=1)))
        return logits


def make_network(
    *, batchnorm: bool = True, dropout: float = 0.2, n_outputs: int = N_CLASSES, seed: int = 0
) -> TinyNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyNetwork(batchnorm=batchnorm, dropout=dropout, n_outputs=n_outputs)


def make_task(
    *,
    network: nn.Module | None = None,
    inputs: DrawnInputs | None = None,
    n_train: int = 22,
    n_val: int = 9,
    augment: AugmentConfig | None = None,
    settings: dict[str, Any] | None = None,
    **more: Any,
) -> Task:
    """A fit of 3 epochs of 3 steps, with validation photos unless `n_val` is 0."""
    inputs = inputs or DrawnInputs()
    network = network or make_network(n_outputs=sum(target.n_outputs for target in inputs.targets))
    given = {"epochs": 3, "batch_size": 8, "lr": 0.01, "batchnorm": "moved", "ema": 0.9, **(settings or {})}
    rows = np.arange(n_train + n_val)
    blocks = {"first": [], "second": [], "head": []}
    for name, _ in network.named_parameters():
        blocks["first" if name.startswith(("first", "norm")) else name.partition(".")[0]].append(name)
    return Task(
        network=network,
        blocks=tuple(blocks.items()),
        inputs=inputs,
        train=Labelled(rows[:n_train], inputs.truth(rows[:n_train])),
        val=Labelled(rows[n_train:], inputs.truth(rows[n_train:])) if n_val else None,
        targets=inputs.targets,
        config=TrainConfig(**given),
        augment=augment or AugmentConfig(),
        **more,
    )
