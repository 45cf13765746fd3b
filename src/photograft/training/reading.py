"""The batches of a fit: which photos, read and mixed, with their targets.

Shape letters: N photos, B photos of a batch, K classes.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.config.augment import AugmentConfig
from photograft.config.train import TrainConfig
from photograft.errors import ConfigError
from photograft.training.batches import epoch_order, epoch_steps, n_epoch_steps, seed_of
from photograft.training.inputs import Inputs, Values
from photograft.training.mixing import mix
from photograft.training.prefetch import prefetched
from photograft.values import FloatArray, IntArray


@dataclass(frozen=True)
class Labelled:
    """Photos by row number and their classes (0 to K - 1), both of shape (N,)."""

    row_N: IntArray
    label_N: IntArray


@dataclass(frozen=True)
class Batch:
    """What the network takes at once, and what it should give: shares of the classes, each row summing to 1."""

    values: Values
    target_BK: FloatArray


class Reader:
    """Reads the batches of a fit's steps, one thread at a time; steps count from 0 over all epochs.

    Raises:
        ConfigError: batches of one photo are asked for, where BatchNorm moves.
    """

    def __init__(
        self, inputs: Inputs, train: Labelled, *, name: str, n_classes: int, config: TrainConfig, augment: AugmentConfig
    ) -> None:
        self._inputs = inputs
        self._train = train
        self._name = name
        self._n_classes = n_classes
        self._config = config
        self._augment = augment
        self.batch_size = 32 if config.batch_size == "auto" else config.batch_size
        moved = config.batchnorm == "moved"
        if moved and min(self.batch_size, len(train.row_N)) < 2:
            raise ConfigError("train.batchnorm=moved needs batches of two photos or more: raise train.batch_size")
        self._cutting = {
            "batch_size": self.batch_size,
            "accumulate": config.accumulate,
            "smallest": 2 if moved else 1,
        }
        self.epoch_steps = n_epoch_steps(len(train.row_N), **self._cutting)
        self._lock = threading.Lock()

    def steps(self, first: int, end: int) -> Generator[list[Batch]]:
        """The batches of steps `first` to `end` - 1, read ahead."""
        return prefetched(self._jobs(first, end), self._read_step)

    def step(self, number: int) -> list[Batch]:
        """The batches of one step, whose gradients are added up."""
        return self._read_step(next(self._jobs(number, number + 1)))

    def plain(self, row_N: IntArray) -> Generator[Values]:
        """Values of `batch_size` photos after another, all plain views of them in turn, read ahead."""
        starts = range(0, len(row_N), self.batch_size)
        jobs = [(row_N[start : start + self.batch_size], view) for start in starts for view in range(self.n_plain)]
        return prefetched(jobs, self._read_plain)

    @property
    def n_plain(self) -> int:
        """Views that a prediction averages."""
        return self._inputs.n_plain

    def _jobs(self, first: int, end: int) -> Iterator[tuple[int, int, list[IntArray]]]:
        for epoch in range(first // self.epoch_steps, -(-end // self.epoch_steps)):
            begin = epoch * self.epoch_steps
            for index, batches in enumerate(self._plan(epoch)):
                if first <= begin + index < end:
                    yield epoch, index, batches

    def _plan(self, epoch: int) -> list[list[IntArray]]:
        order_N = epoch_order(
            self._train.label_N,
            seed=self._config.seed,
            name=self._name,
            epoch=epoch,
            balance=self._config.balance,
        )
        return epoch_steps(order_N, **self._cutting)

    def _read_step(self, job: tuple[int, int, list[IntArray]]) -> list[Batch]:
        epoch, index, batches = job
        return [self._read_batch(position_B, epoch, index, number) for number, position_B in enumerate(batches)]

    def _read_batch(self, position_B: IntArray, epoch: int, index: int, number: int) -> Batch:
        with self._lock:
            values = self._inputs.changed(self._train.row_N[position_B], epoch=epoch)
        values, target_BK = mix(
            tuple(map(_as_trained, values)),
            self._targets(self._train.label_N[position_B]),
            np.random.default_rng(seed_of(self._config.seed, self._name, epoch, index, number, "mix")),
            mixup=self._augment.mixup,
            cutmix=self._augment.cutmix,
            turn=index,
        )
        return Batch(values, target_BK)

    def _targets(self, label_B: IntArray) -> FloatArray:
        smoothing = self._config.label_smoothing
        target_BK = np.full((len(label_B), self._n_classes), smoothing / self._n_classes, dtype=np.float32)
        target_BK[np.arange(len(label_B)), label_B] += np.float32(1 - smoothing)
        return target_BK

    def _read_plain(self, job: tuple[IntArray, int]) -> Values:
        with self._lock:
            return tuple(map(_as_trained, self._inputs.plain(job[0], view=job[1])))


def _as_trained(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats as float32 (NumPy turns float16 four times as fast as torch), in memory that torch may share."""
    kind = np.float32 if np.issubdtype(value.dtype, np.floating) else value.dtype
    return np.require(value, dtype=kind, requirements=["C", "W"])
