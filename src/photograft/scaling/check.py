"""`check --on ray`: photos are read by the workers of a cluster, and judged together as the plain command does."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from photograft.config import Config
from photograft.scaling.cluster import On, require_listener
from photograft.scaling.extract import Reading, read_photos
from photograft.scaling.jobs import Job, remove_job
from photograft.scaling.photo_jobs import begin_job, do_job
from photograft.values import Manifest
from photograft.workflow.check import check
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.source import Source, build_manifest, contract_of


def check_on(
    on: On,
    photos: str | os.PathLike[str],
    *,
    out: str | None = None,
    config: Config | None = None,
    html: str | os.PathLike[str] | None = None,
    preview: str | os.PathLike[str] | None = None,
    narrator: Narrator | None = None,
) -> dict[str, Any]:
    """Check as `photograft.workflow.check.check` does, with photos read and hashed on a Ray cluster.

    With `out`, a folder or a URL, the table of photos stays there as Parquet. Without it the parts are below `jobs/`
    until the check is done: the same call goes on with them where it was stopped.

    Args:
        on: The cluster.
        photos: As for `check`; every machine must see them at the same place.
        out: Where the parts are kept.
        config: As for `check`.
        html: As for `check`.
        preview: As for `check`.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: As for `check`, or the cluster or the folder cannot be used.
        DataError: As for `check`, or the photos changed since the job began.
    """
    require_listener(on)
    narrator = narrator or Silent()
    with ExitStack() as held:
        scan = _Scan(on, out, held)
        document = check(photos, config=config, html=html, preview=preview, narrator=narrator, scan_photos=scan)
        if out is None:
            for job in scan.jobs:
                remove_job(job)
    return document


@dataclass(frozen=True)
class _Scan:
    """What `photograft.workflow.source.scan_source` does, on a cluster; `jobs` are those that it did.

    Their folders are held until `held` is closed.
    """

    on: On
    out: str | None
    held: ExitStack
    jobs: list[Job] = field(default_factory=list)

    def __call__(self, source: Source, config: Config, clock: Clock, narrator: Narrator) -> Manifest:
        contract = contract_of(config)
        with clock.stage("scan"):
            asked = {"contract": contract.id}
            job = begin_job("check", source, config, asked, out=self.out, held=self.held, narrator=narrator)
            self.jobs.append(job)
            do_job(job, self.on, source, config, [Reading(contract)], narrator)
            return build_manifest(source, list(read_photos(job)))
