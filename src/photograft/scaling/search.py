"""`search build --on ray`: an index made by the workers of a cluster, with the answers of the plain command.

Workers embed blocks of photos (`search_work`), tasks make shards of their parts (`search_shards`), and what shards have
in common is found here. Photos that fit into one shard become an ordinary index, more an index in shards. The folder of
the job is in that of the index, and goes when the index is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import photograft
from photograft.config import load_config
from photograft.data.files import printable
from photograft.data.scan import check_bad_fraction
from photograft.errors import ConfigError, DataError, PhotograftError
from photograft.retrieval.directions import Directions
from photograft.retrieval.shards import drop_ordinary, is_sharded, read_shards_info
from photograft.retrieval.store import (
    SHARD_FOLDERS,
    NetworkOfIndex,
    Stored,
    read_stored,
    refuse_other_folder,
    refuse_shard,
    writing,
)
from photograft.retrieval.together import open_shard
from photograft.scaling.catalogue import Row
from photograft.scaling.changed import forget_changed
from photograft.scaling.cluster import Cluster, On, open_cluster, require_listener
from photograft.scaling.jobs import RETRIES, Job, last_line, open_job, remove_job, run_job, same_command_goes_on
from photograft.scaling.place import Place
from photograft.scaling.search_shards import SHARD_PHOTOS, ShardPlan, ShardTask, plan_shards, write_shard
from photograft.scaling.search_work import SearchBlocks, catalogue_rows
from photograft.values import Photo
from photograft.workflow.narrator import Narrator, Silent, say_notes
from photograft.workflow.search_build import refuse_inside
from photograft.workflow.search_change import Change
from photograft.workflow.search_merge import copy_into, put_together
from photograft.workflow.search_model import network_of_model
from photograft.workflow.search_sources import Scope, name_sources, open_listed

AnyPath = str | os.PathLike[str]

JOB_FOLDER = ".job"
_NAMES = "shards.json"
"""Salt of the index and how names of its shards begin: kept in the job, so that finished shards are found again."""


def build_index_on(
    on: On,
    model: AnyPath,
    photos: Sequence[AnyPath],
    index: AnyPath,
    *,
    px: int | None = None,
    labels: bool = True,
    settings: Sequence[str] = (),
    shard_photos: int = SHARD_PHOTOS,
    narrator: Narrator | None = None,
) -> Change:
    """Make an index of photos on a Ray cluster; it answers as that of `build_index` would.

    Every machine must see photos and index. All photos are embedded anew; an index that is there answers until the new
    one is whole. The same call goes on where one was stopped.

    Args:
        on: The cluster.
        model: As for `build_index`; only this machine needs to see it.
        photos: Folders, tables and files, also at URLs, but no archives.
        index: The folder of the index, which is made.
        px: As for `build_index`.
        labels: As for `build_index`.
        settings: As for `build_index`.
        shard_photos: Photos of a shard.
        narrator: Told what happens; nobody by default.

    Raises:
        DataError: As for `build_index`, or the list of photos changed since the job began.
        ConfigError: The cluster or the folder cannot be used, or photos are in an archive.
        ModelError: There is no such model.
    """
    import ray

    started, narrator, folder = time.perf_counter(), narrator or Silent(), Path(index)
    require_listener(on)
    refuse_shard(folder)
    if not is_sharded(folder) and not (folder / JOB_FOLDER).is_dir():
        refuse_other_folder(folder)
    scopes = name_sources([os.fspath(each) for each in photos], labels=labels, settings=settings)
    refuse_inside(folder, scopes)
    network_file, network = network_of_model(os.fspath(model), narrator, px=px)
    with writing(folder):
        lister = _Lister(scopes, network, narrator)
        job = _begin(folder, lister, settings, shard_photos)
        with open_cluster(on, narrator) as cluster, same_command_goes_on(job, narrator):
            content = ray.put(network_file.read_bytes())
            run_job(job, SearchBlocks(network, content, tuple(settings)), cluster, narrator, label="Reading photos")
            _check_usable(job, lister.max_bad_fraction)
            tasks = _Tasks(cluster, narrator)
            shards = _write_shards(job, plan_shards(job, photos=shard_photos), scopes, network, content, tasks, folder)
            change = _publish(folder, shards, tasks, narrator, started)
        remove_job(job)
        Place(str(folder / JOB_FOLDER)).remove()
    return change


def _begin(folder: Path, lister: _Lister, settings: Sequence[str], shard_photos: int) -> Job:
    """The job in the folder of the index, begun or gone on with; what is left of it is still to be done."""
    network, scopes, narrator = lister.network, lister.scopes, lister.narrator
    sources = [asdict(scope.source) for scope in scopes]
    # With the release: no user has chosen the folder of this job, and another release begins one of its own.
    asked = {"network": network.key, "sources": sources, "shard": shard_photos, "version": photograft.__version__}
    job = open_job(_place(folder, asked), "search build", asked, lister.rows, narrator, anew=True)
    max_file_mb = load_config(None, settings).data.max_file_mb
    forget_changed(job, narrator, max_file_mb=int(network.limits.get("max_file_mb", max_file_mb)))
    if not job.n_rows:
        named = ", ".join(printable(scope.source.path) for scope in scopes)
        raise DataError(f"{named}: no photos in it, so there is nothing to search.")
    if job.missing() or not job.place.exists(_NAMES):  # shards of blocks that are not as they were are none of this job
        names = {"salt": secrets.token_hex(16), "name": secrets.token_hex(4)}
        job.place.write(_NAMES, json.dumps(names).encode())
    return job


class _Lister:
    """The rows of all sources, in the order in which a plain build reads them."""

    def __init__(self, scopes: Sequence[Scope], network: NetworkOfIndex, narrator: Narrator) -> None:
        self.scopes, self.network, self.narrator = scopes, network, narrator
        self.max_bad_fraction = 0.0

    def rows(self) -> Iterator[Row]:
        for number, scope in enumerate(self.scopes):
            with open_listed(scope, self.network.limits) as listed:
                if not listed.files.root.is_dir():
                    raise ConfigError(
                        f"{printable(listed.files.root)} is an archive: workers of a cluster read folders, tables and "
                        "stores. Unpack it, or leave --on away."
                    )
                say_notes(listed.notes, self.narrator)
                self.max_bad_fraction = max(self.max_bad_fraction, listed.config.data.max_bad_fraction)
                yield from catalogue_rows(listed, number)


class _Tasks:
    """Runs functions of this package as tasks of the cluster, twice as many at a time as it has cores."""

    def __init__(self, cluster: Cluster, narrator: Narrator) -> None:
        self._cluster, self._narrator = cluster, narrator

    def run(self, function: Callable[..., None], calls: Sequence[tuple[Any, ...]], *, label: str) -> None:
        """Call the function with each tuple of arguments; a call whose worker died is made again.

        Raises:
            PhotograftError: What a call raised.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        task = ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        waiting, running = list(calls)[::-1], list[Any]()
        with self._narrator.progress(len(calls), label) as progress:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * self._cluster.n_cores:
                        running.append(task.remote(*waiting.pop()))
                    done, running = ray.wait(running, num_returns=1)
                    ray.get(done)
                    progress.advance()
            except (RayError, OSError) as error:
                cause = error.cause if isinstance(error, RayTaskError) else None
                if isinstance(cause, PhotograftError):
                    raise cause from None
                raise ConfigError(
                    f"The Ray cluster could not go on ({last_line(error)}). Run the same command again: what is "
                    "finished is kept."
                ) from error


def _place(folder: Path, asked: dict[str, Any]) -> Place:
    """The folder of the job, one for each thing that was asked for; those of other things go with it."""
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return Place(str((folder / JOB_FOLDER).absolute())) / name


def _check_usable(job: Job, max_bad_fraction: float) -> None:
    """Stop where too many files cannot be used, by the rule of the plain build, or all."""
    bad, n = [], 0
    for number in range(job.n_blocks):
        for row in job.part(number, ("path", "verdict", "reason")).to_pylist():
            n += 1
            if row["verdict"] != "ok":
                bad.append(Photo(row["path"], verdict=row["verdict"], reason=row["reason"]))
    check_bad_fraction(bad, max_bad_fraction=max_bad_fraction, n=n)
    if len(bad) == n:
        raise DataError("None of these files can be used as a photo, so there is nothing to search.")


def _write_shards(
    job: Job,
    plans: Sequence[ShardPlan],
    scopes: Sequence[Scope],
    network: NetworkOfIndex,
    content: Any,
    tasks: _Tasks,
    folder: Path,
) -> list[Stored]:
    """The shards of a job, in the folder that they stay in."""
    chosen = json.loads(job.place.read(_NAMES))
    root = folder.absolute() / SHARD_FOLDERS
    folders = [root / f"{chosen['name']}-{number:05d}" for number in range(len(plans))]
    told = ShardTask(job, root, chosen["salt"], network, tuple(scope.source for scope in scopes))
    calls = [(plan, replace(told, folder=place), content) for plan, place in zip(plans, folders, strict=True)]
    tasks.run(write_shard, calls, label="Writing shards" if len(plans) > 1 else "Writing the index")
    return [read_stored(place) for place in folders]


def _publish(folder: Path, shards: Sequence[Stored], tasks: _Tasks, narrator: Narrator, started: float) -> Change:
    """Make the shards the index: one as an ordinary index, several as they are."""
    n_computed = sum(shard.info.n_vectors for shard in shards)
    if len(shards) == 1:
        return copy_into(folder, shards, narrator=narrator, started=started, n_computed=n_computed)

    def derive(directions: Directions, derived: Sequence[Path], n_photos: int) -> None:
        calls = [
            (shard.folder, directions, place.absolute(), n_photos) for shard, place in zip(shards, derived, strict=True)
        ]
        tasks.run(_derive, calls, label="Comparing")

    change = put_together(folder, shards, narrator=narrator, started=started, n_computed=n_computed, derive=derive)
    drop_ordinary(folder, read_shards_info(folder))
    return change


def _derive(shard: Path, directions: Directions, folder: Path, n_photos: int) -> None:
    open_shard(read_stored(shard), directions, folder, n_photos=n_photos)
