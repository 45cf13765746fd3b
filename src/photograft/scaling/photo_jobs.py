"""Jobs that read labelled photos: begun for what a source lists, or gone on with where its photos are unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from photograft.config import Config
from photograft.data.hashing import hash_file
from photograft.scaling.catalogue import listing_rows
from photograft.scaling.changed import forget_changed
from photograft.scaling.cluster import On, open_cluster
from photograft.scaling.extract import ExtractBlocks, Reading
from photograft.scaling.jobs import Job, job_place, open_job, run_job, same_command_goes_on, working_on
from photograft.workflow.narrator import Narrator
from photograft.workflow.source import Source
from photograft.workflow.untouched import photo_folders, require_outside


def begin_job(
    verb: str,
    source: Source,
    config: Config,
    asked: Mapping[str, Any],
    *,
    out: str | None,
    held: ExitStack,
    narrator: Narrator,
) -> Job:
    """The job that reads the photos of a source, a new one or the one that the same call began.

    `asked` is what determines results beside the source and its settings. Its folder is held until `held` is closed.

    Raises:
        ConfigError: The folder of the job is in use, also for something else, or lies among the photos.
        DataError: The list of photos is not the one that the job began with.
    """
    data = config.data.model_dump(mode="json", exclude={"max_bad_fraction"})
    asked = {
        **asked,
        "photos": [str(source.photos), str(source.listing.root)],
        "data": data,
        "edits": None if config.data.edits is None else hash_file(config.data.edits),
        "slices": list(config.report.slices),
        "seed": config.split.seed if config.data.per_class else None,
    }
    place = job_place(verb, asked, out)
    if place.folder is not None:
        option = "scale.out" if verb == "train" else "--out"
        require_outside(place.folder, photo_folders(source.photos, source.listing), option=option)
    held.enter_context(working_on(place))
    job = open_job(place, verb, asked, lambda: listing_rows(source.listing), narrator, anew=out is None)
    forget_changed(job, narrator, max_file_mb=config.data.max_file_mb)
    return job


def do_job(job: Job, on: On, source: Source, config: Config, readings: Sequence[Reading], narrator: Narrator) -> None:
    """Have the photos read that were not yet, by workers to whom the content of each network is sent.

    Raises:
        ConfigError: The cluster cannot be used.
    """
    if not job.missing():
        narrator.say(f"All {job.n_rows:,} photos were read before: {job.place.url}")
        return
    import ray

    with open_cluster(on, narrator) as cluster, same_command_goes_on(job, narrator):
        sent = tuple(
            each if each.network is None else replace(each, network=ray.put(each.network)) for each in readings
        )
        work = ExtractBlocks(config.data, source.edits, sent)
        run_job(job, work, cluster, narrator, label="Reading photos")
