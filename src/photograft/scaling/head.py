"""The head from features that lie in the parts of a job: workers of a cluster make the sums of their rows.

Shape letters: N rows, D features, K outputs, J draws of the folds, R repeats, B rows of a block.

Parts are put together to blocks, and blocks to shards: their sizes follow from the job alone, and sums of shards are
added up in their order, so that the result does not depend on the cluster or on who was quicker. An actor keeps the
features of its shards in memory as far as they fit and reads the others anew in every pass. It has no other state: an
actor that dies is started anew by Ray, on whatever machine is left, and what it was asked is asked again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

from photograft.config.train import Balance
from photograft.errors import ConfigError, DataError, PhotograftError
from photograft.features.matrix import Scratch
from photograft.metrics.links import Truth
from photograft.scaling.cluster import Cluster
from photograft.scaling.extract import embedding_column, embeddings_of
from photograft.scaling.jobs import RETRIES, Job, last_line
from photograft.training.linear import HeadFit
from photograft.training.objective import Objective
from photograft.training.passes import Block, FoldArray, HeldLogits, S, Work
from photograft.training.streamed import fit_in_passes
from photograft.values import BoolArray, FloatArray, HeadKind, IntArray

_BLOCK_BYTES = 32_000_000
_SHARDS = 64
"""At most: the sums of a shard travel to this machine, some megabytes in every pass."""
_AHEAD = 2
"""Shards that each worker is asked for at once."""
_KEPT = 0.5
"""Of the memory that Ray has to give: features that workers keep."""


def fit_on_cluster(
    job: Job,
    truth: Truth,
    fold_N: IntArray,
    *,
    cluster: Cluster,
    n_classes: int,
    kind: HeadKind = "softmax",
    strength: float | None = None,
    balance: Balance = "none",
    beta: float = 0.99,
    fit_rows: BoolArray | None = None,
    rows: IntArray | None = None,
    repeats_RN: IntArray | None = None,
    scratch: Scratch | None = None,
    reading: int = 0,
) -> HeadFit:
    """What `photograft.training.streamed.fit_streamed` finds, from the embeddings of a job that is done.

    The N rows are the usable photos of the job in its order, or with `rows` (ascending) these of them. `reading` is the
    number of the network whose embeddings they are. Everything else is as for `fit_head`.

    Raises:
        TrainingError: as `fit_head`.
        DataError: The parts are not those that the labels belong to.
        ConfigError: The cluster cannot go on.
    """
    if rows is not None and np.any(np.diff(rows) <= 0):
        raise ValueError("rows must be ascending")

    def open_passes(draws_JN: FoldArray) -> _ClusterPasses:
        return _ClusterPasses(job, reading, cluster, rows, truth, draws_JN)

    return fit_in_passes(
        open_passes,
        Objective(truth, n_classes, kind, balance, beta),
        fold_N,
        strength=strength,
        fit_rows=fit_rows,
        repeats_RN=repeats_RN,
        scratch=scratch,
    )


@dataclass(frozen=True)
class _Share:
    """Rows of one block: numbers of its parts, which of its rows they are, and what is known of them."""

    parts: range
    chosen: IntArray
    place: slice
    truth: Truth
    draws_JB: FoldArray


class HeadWorker:
    """The actor: makes sums of the rows that it is told of."""

    def __init__(self, job: Job, reading: int, kept_bytes: float) -> None:
        """Keep features of at most `kept_bytes`."""
        self._job, self._reading, self._left_bytes = job, reading, kept_bytes
        self._kept: dict[range, FloatArray] = {}

    def counts(self, blocks: list[range]) -> list[int]:
        """How many rows each block of these parts has."""
        return [len(self._features(parts)) for parts in blocks]

    def sums(self, work: Work[S], shares: list[_Share]) -> S:
        """Sums of the shares, added up in their order."""
        total: S | None = None
        for block in self._blocks(shares):
            total = work(block) if total is None else total + work(block)
        assert total is not None
        return total

    def logits(self, work: HeldLogits, shares: list[_Share]) -> FloatArray:
        """Logits of the shares' rows."""
        return np.concatenate([work(block) for block in self._blocks(shares)])

    def _blocks(self, shares: list[_Share]) -> Iterator[Block]:
        for share in shares:
            features_BD = self._features(share.parts)
            if len(share.chosen) < len(features_BD):
                features_BD = features_BD[share.chosen]
            yield Block(share.place, features_BD, share.truth, share.draws_JB)

    def _features(self, parts: range) -> FloatArray:
        if parts in self._kept:
            return self._kept[parts]
        features_BD = np.concatenate([embeddings_of(self._job, number, self._reading) for number in parts])
        if features_BD.nbytes <= self._left_bytes:
            self._left_bytes -= features_BD.nbytes
            self._kept[parts] = features_BD
        return features_BD


class _ClusterPasses:
    """Passes that actors make over the parts of a job (`photograft.training.passes.Passes`)."""

    def __init__(
        self, job: Job, reading: int, cluster: Cluster, rows: IntArray | None, truth: Truth, draws_JN: FoldArray
    ) -> None:
        import ray

        column = embedding_column(reading)
        self.n_columns = int(job.part(0, (column,)).column(column).type.list_size)
        shards = _shards(job, self.n_columns)
        kept_bytes = _KEPT * ray.cluster_resources().get("memory", 0) / max(cluster.n_cores, 1)
        # Placed like work of one core, but not holding it, so that fewer machines have room for all.
        actor = ray.remote(max_restarts=RETRIES, max_task_retries=RETRIES, scheduling_strategy="SPREAD")(HeadWorker)
        self._workers = [actor.remote(job, reading, kept_bytes) for _ in range(min(cluster.n_cores, len(shards)))]
        counted = self._in_order(range(len(shards)), lambda worker, number: worker.counts.remote(shards[number]))
        counts = [count for each in counted for count in each]
        rows = np.arange(sum(counts)) if rows is None else rows
        if len(rows) != len(truth) or (len(rows) and rows[-1] >= sum(counts)):
            raise DataError(
                f"{job.place.url} has features of {sum(counts):,} photos, which are not those that were split: "
                "run the same command again."
            )
        self.n_rows = len(rows)
        ends = np.searchsorted(rows, np.cumsum(counts))
        shares = [
            _Share(parts, rows[i:j] - first, slice(int(i), int(j)), truth[i:j], draws_JN[:, i:j])
            for parts, i, j, first in zip(
                (parts for blocks in shards for parts in blocks),
                np.concatenate([[0], ends[:-1]]),
                ends,
                np.cumsum([0, *counts[:-1]]),
                strict=True,
            )
        ]
        bounds = np.cumsum([0, *map(len, shards)])
        filled = ([s for s in shares[i:j] if len(s.chosen)] for i, j in pairwise(bounds))
        self._shares = [ray.put(each) for each in filled if each]

    def sums(self, work: Work[S]) -> S:
        """Sums of the shards, added up in their order."""
        parts = self._asked("sums", work)
        total = next(parts)
        for part in parts:
            total = total + part
        return cast(S, total)

    def logits(self, work: HeldLogits) -> Iterator[FloatArray]:
        """Of every shard, in order."""
        return self._asked("logits", work)

    def _asked(self, method: str, work: Any) -> Iterator[Any]:
        import ray

        sent = ray.put(work)
        return self._in_order(self._shares, lambda worker, shares: getattr(worker, method).remote(sent, shares))

    def _in_order(self, items: Iterable[Any], ask: Callable[[Any, Any], Any]) -> Iterator[Any]:
        """What the workers answer, in the order of the items; each worker always has the same of them."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        asked: deque[Any] = deque()
        try:
            for number, item in enumerate(items):
                if len(asked) == _AHEAD * len(self._workers):
                    yield ray.get(asked.popleft())
                asked.append(ask(self._workers[number % len(self._workers)], item))
            while asked:
                yield ray.get(asked.popleft())
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else None
            if isinstance(cause, PhotograftError):
                raise cause from None
            if isinstance(cause, FileNotFoundError):
                raise DataError(f"A part of the job is gone ({cause}): run the same command again.") from error
            raise ConfigError(
                f"The Ray cluster could not go on ({last_line(error)}): run the same command again."
            ) from error


def _shards(job: Job, n_columns: int) -> list[list[range]]:
    """Blocks of parts in order, cut into shards: numbers of the parts of each block."""
    part_rows = max(job.n_rows // job.n_blocks, 1)
    each = max(_BLOCK_BYTES // (4 * n_columns * part_rows), 1)
    blocks = [range(i, min(i + each, job.n_blocks)) for i in range(0, job.n_blocks, each)]
    size = -(-len(blocks) // _SHARDS)
    return [blocks[i : i + size] for i in range(0, len(blocks), size)]
