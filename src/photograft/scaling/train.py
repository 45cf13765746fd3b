"""`train --on ray`: photos are read and embedded by the workers of a cluster, and trained on as the plain command does.

The features come back as files of Parquet, and from these into one matrix, which is a file that is mapped where it is
large. Everything behind that is the plain command's: the split, the head, its calibration and test, the report.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from photograft.config import Config, Quality
from photograft.errors import ConfigError
from photograft.features.matrix import Scratch, stack_rows
from photograft.metrics.links import Truth
from photograft.scaling.cluster import On, open_cluster, require_listener
from photograft.scaling.extract import Reading, read_embeddings, read_photos
from photograft.scaling.head import fit_on_cluster
from photograft.scaling.jobs import Job, remove_job
from photograft.scaling.photo_jobs import begin_job, do_job
from photograft.training.linear import HeadFit, fit_head
from photograft.training.ranks import launched
from photograft.values import FeatureTable, FloatArray, IntArray, Manifest, Photo
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.prepare import Prepared
from photograft.workflow.train import TrainedRun, train
from photograft.workflow.workforce import memory_limit


def train_on(
    on: On,
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    name: str | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> TrainedRun:
    """Train as `photograft.workflow.train.train` does, with photos read on a Ray cluster.

    Features are kept in the folder of the setting `scale.out`, or below `jobs/` until the run is finished: the same
    call goes on with them where it was stopped. What is fine-tuned after that is, on this machine.

    Args:
        on: The cluster.
        photos: As for `train`; every machine must see them at the same place.
        quality: As for `train`.
        name: As for `train`.
        runs_dir: As for `train`.
        config: As for `train`.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: The cluster or the folder cannot be used, or several processes of torchrun were started.
        DataError: As for `train`, or the photos changed since the job began.
    """
    if launched() is not None:
        raise ConfigError("--on gives photos to a cluster, and torchrun starts several processes: use one of them.")
    require_listener(on)
    config, narrator = config or Config(), narrator or Silent()
    asked: dict[str, Any] = {"quality": quality, "name": name, "runs_dir": runs_dir, "config": config}
    with ExitStack() as held:
        workforce = OnCluster(on, config.scale.out, memory_limit(config), narrator, held)
        try:
            trained = train(photos, **asked, narrator=narrator, workforce=workforce)
        except KeyboardInterrupt:
            if any(not job.missing() for job in workforce.jobs):  # else the job has said so itself
                narrator.say("All photos are read: the same command goes on with their features.")
            raise
        if config.scale.out is None:
            for job in workforce.jobs:
                remove_job(job)
    return trained


@dataclass(frozen=True)
class OnCluster:
    """Photos are read by workers of a cluster (`photograft.workflow.workforce.Workforce`); `jobs` are those it did.

    Features of more than `max_bytes` stay with the workers when a head is fitted. `matrices` are all features of a run.
    The folders of the jobs are held until `held` is closed.
    """

    on: On
    out: str | None
    max_bytes: float
    narrator: Narrator
    held: ExitStack
    jobs: list[Job] = field(default_factory=list)
    matrices: list[FloatArray] = field(default_factory=list)

    @property
    def reads_here(self) -> bool:
        """False: this machine decodes no photo."""
        return False

    def fit(
        self, features_ND: FloatArray, truth: Truth, fold_N: IntArray, *, rows: IntArray, **options: Any
    ) -> HeadFit:
        """The head, found in memory, or in passes over the features by workers that hold some of them each."""
        if features_ND.nbytes <= self.max_bytes:
            return fit_head(features_ND, truth, fold_N, rows=rows, **options)
        number = next(i for i, matrix_ND in enumerate(self.matrices) if matrix_ND is features_ND)
        self.narrator.say(f"{features_ND.nbytes / 1e9:.1f} GB of features: the head is fitted by the cluster")
        with open_cluster(self.on, self.narrator) as cluster:
            return fit_on_cluster(self.jobs[-1], truth, fold_N, rows=rows, cluster=cluster, reading=number, **options)

    def photos(self, ready: Prepared, narrator: Narrator) -> list[Photo]:
        """Every row of the source with its verdict and hashes."""
        networks = [[setup.network_id, setup.contract.id, *setup.views] for setup in ready.members]
        asked, source = {"networks": networks}, ready.source
        job = begin_job("train", source, ready.config, asked, out=self.out, held=self.held, narrator=narrator)
        self.jobs.append(job)
        setups = [ready.members[number] for number in _own_readers(ready)]
        readings = [
            Reading(setup.contract, setup.network.read_bytes(), setup.outputs.embedding, setup.views)
            for setup in setups
        ]
        do_job(job, self.on, source, ready.config, readings, narrator)
        return list(read_photos(job))

    def tables(self, ready: Prepared, manifest: Manifest) -> list[FeatureTable]:
        """The features of the usable photos, which the job has in the order of the manifest."""
        n, scratch = len(manifest.usable.photos), Scratch(ready.readers[0].store.cache.folder)
        tables: dict[int, FeatureTable] = {}
        for column, number in enumerate(_own_readers(ready)):
            setup = ready.members[number]
            embedding_ND = stack_rows(read_embeddings(self.jobs[-1], column), n, scratch=scratch)
            self.matrices.append(embedding_ND)
            tables[id(ready.readers[number])] = FeatureTable(embedding_ND, setup.views, setup.network_id)
        return [tables[id(reader)] for reader in ready.readers]


def _own_readers(ready: Prepared) -> list[int]:
    """Numbers of the members whose readers are those of no member before."""
    first: dict[int, int] = {}
    for number, reader in enumerate(ready.readers):
        first.setdefault(id(reader), number)
    return list(first.values())
