"""Training by several processes: what those do that do not lead, and how they follow the run of the one that does."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photograft.reporting.records import splits_csv
from photograft.tracking.run_folder import MEMBERS, STARTED, RunFolder
from photograft.training.ranks import Ranks
from photograft.workflow.environment import data_sha256
from photograft.workflow.finish import Trained
from photograft.workflow.resume import Unfinished, read_unfinished, unfinished_run

_HANDED = (STARTED, "config.yaml", "config.resolved.yaml", "splits.csv")
"""What a run was begun with, which those that follow read too."""


@contextmanager
def taken_up(run: Path, ranks: Ranks) -> Iterator[Unfinished]:
    """A run that was stopped: the leader holds it, the others have what it was begun with in folders of their own."""
    if ranks.leads:
        with unfinished_run(run) as unfinished:
            ranks.from_leader(lambda: _handed(unfinished.folder))
            yield unfinished
        return
    with follower_folder() as folder:
        files: dict[str, str] = ranks.from_leader(dict)
        for name, content in files.items():
            (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
            folder.write(name, base64.b64decode(content))
        yield read_unfinished(folder)


@contextmanager
def follower_folder() -> Iterator[RunFolder]:
    """A folder for what only the leader's run keeps; it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="photograft-follower-"))
    try:
        yield RunFolder(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_same_data(trained: Trained, ranks: Ranks) -> None:
    """Raise ConfigError in all processes where the machines have other photos, or split them otherwise."""
    if ranks.size == 1:
        return
    learnt = trained.learnt
    ranks.require_equal(data_sha256(learnt.manifest), "what the folder of photos holds")
    table = splits_csv(learnt.manifest, learnt.splits).encode("utf-8", "surrogateescape")
    ranks.require_equal(hashlib.sha256(table).hexdigest(), "the split of the photos")


def leave_to_leader(ranks: Ranks) -> None:
    """The end of the last fit: what is left to do is the leader's, and the other processes end here, well."""
    ranks.leave()
    if not ranks.leads:
        raise SystemExit(0)


def _handed(run: RunFolder) -> dict[str, str]:
    names = [name for name in _HANDED if (run.path / name).is_file()]
    members = (run.path / MEMBERS).glob("*/config.resolved.yaml")
    names += [path.relative_to(run.path).as_posix() for path in members]
    return {name: base64.b64encode((run.path / name).read_bytes()).decode("ascii") for name in names}
