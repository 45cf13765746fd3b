"""The batches of a fit: which photos, read and mixed, with their targets.

Shape letters: N photos, B photos of a batch, K classes of one target, or of all of them, target after target.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.config.augment import AugmentConfig
from photograft.config.train import Balance, TrainConfig
from photograft.errors import ConfigError
from photograft.training.batches import epoch_order, epoch_steps, n_epoch_steps, seed_of
from photograft.training.inputs import Inputs, Values
from photograft.training.mixing import draw_mix, mix
from photograft.training.prefetch import prefetched
from photograft.training.ranks import ALONE, Ranks
from photograft.values import BoolArray, FloatArray, IntArray, Target


@dataclass(frozen=True)
class Labelled:
    """Photos by row number, shape (N,), and what is true of them, an array per target.

    That is the class (0 to K - 1), shape (N,), or of kind ``sigmoid`` which labels a photo has, shape (N, K).
    """

    row_N: IntArray
    truth: tuple[IntArray | BoolArray, ...]


@dataclass(frozen=True)
class Batch:
    """What the network takes at once, and what it should give: shares of all targets' classes, target after target.

    Those of a target sum to 1 in each row; of kind ``sigmoid`` each is the share of the photo that has the label. Of
    several processes each has its part of a batch of `n_photos`; where nothing is left for one, it has a photo that
    `counts` for nothing, since all must take part.
    """

    values: Values
    share_BK: FloatArray
    n_photos: int
    counts: bool = True


class Reader:
    """Reads the batches of a fit's steps, one thread at a time; steps count from 0 over all epochs.

    Where targets have the balance ``sampled``, each combination of their classes comes equally often. Batches are those
    of one process, whichever part of them is read here.

    Raises:
        ConfigError: batches of one photo are asked for, where BatchNorm moves, in all of the network or, with
            `pairs`, in its hidden layers alone.
    """

    def __init__(
        self,
        inputs: Inputs,
        train: Labelled,
        *,
        name: str,
        targets: tuple[Target, ...],
        balances: tuple[Balance, ...],
        config: TrainConfig,
        augment: AugmentConfig,
        pairs: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self._ranks = ranks
        self._inputs = inputs
        self._train = train
        self._name = name
        self._targets = targets
        sampled = [own for own, balance in zip(train.truth, balances, strict=True) if balance == "sampled"]
        self._class_N = _joint_class(sampled) if sampled else None
        self._config = config
        self._augment = augment
        self.batch_size = 32 if config.batch_size == "auto" else config.batch_size
        pairs = pairs or config.batchnorm == "moved"
        if pairs and min(self.batch_size, len(train.row_N)) < 2:
            raise ConfigError("train.batchnorm: where it moves, batches need two photos; raise train.batch_size")
        self._cutting = {
            "batch_size": self.batch_size,
            "accumulate": config.accumulate,
            "smallest": 2 if pairs else 1,
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
            len(self._train.row_N), seed=self._config.seed, name=self._name, epoch=epoch, class_N=self._class_N
        )
        return epoch_steps(order_N, **self._cutting)

    def _read_step(self, job: tuple[int, int, list[IntArray]]) -> list[Batch]:
        epoch, index, batches = job
        return [self._read_batch(position_B, epoch, index, number) for number, position_B in enumerate(batches)]

    def _read_batch(self, position_B: IntArray, epoch: int, index: int, number: int) -> Batch:
        n_photos = len(position_B)
        own_B = self._ranks.share(np.arange(n_photos))
        counts = len(own_B) > 0
        own_B = own_B if counts else np.zeros(1, np.int64)
        random = np.random.default_rng(seed_of(self._config.seed, self._name, epoch, index, number, "mix"))
        mixup, cutmix = self._augment.mixup, self._augment.cutmix
        drawn = draw_mix(n_photos, random, mixup=mixup, cutmix=cutmix, turn=index)
        # What is mixed into the photos of this process is read too, each photo once.
        read_B = own_B if drawn is None else np.union1d(own_B, drawn.other_B[own_B])
        with self._lock:
            read = self._inputs.changed(self._train.row_N[position_B[read_B]], epoch=epoch)
        values, share_BK = tuple(map(_as_trained, read)), self._shares(position_B[read_B])
        if drawn is not None:
            places = np.searchsorted(read_B, own_B), np.searchsorted(read_B, drawn.other_B[own_B])
            values, share_BK = mix(values, share_BK, drawn, *places)
        return Batch(values, share_BK, n_photos, counts)

    def _shares(self, position_B: IntArray) -> FloatArray:
        smoothing = self._config.label_smoothing
        shares = []
        for target, truth in zip(self._targets, self._train.truth, strict=True):
            n_classes, own = len(target.classes), truth[position_B]
            spread = smoothing / (2 if target.kind == "sigmoid" else n_classes)
            share_BK = np.full((len(position_B), n_classes), spread, dtype=np.float32)
            has = own if target.kind == "sigmoid" else (np.arange(len(own)), own)
            share_BK[has] += np.float32(1 - smoothing)
            shares.append(share_BK)
        return np.concatenate(shares, axis=1)

    def _read_plain(self, job: tuple[IntArray, int]) -> Values:
        with self._lock:
            return tuple(map(_as_trained, self._inputs.plain(job[0], view=job[1])))


def _joint_class(truth: Sequence[IntArray | BoolArray]) -> IntArray:
    """A number for each combination of the targets' classes that occurs, shape (N,)."""
    _, class_N = np.unique(np.column_stack(truth), axis=0, return_inverse=True)
    return class_N.reshape(-1).astype(np.int64)


def _as_trained(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats as float32 (NumPy turns float16 four times as fast as torch), in memory that torch may share."""
    kind = np.float32 if np.issubdtype(value.dtype, np.floating) else value.dtype
    return np.require(value, dtype=kind, requirements=["C", "W"])
