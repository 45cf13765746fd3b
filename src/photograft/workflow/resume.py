"""A run that was stopped while it was fine-tuned: what it needs to go on, written when it begins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from photograft.config import Config, load_config, to_yaml
from photograft.errors import DataError, ModelError
from photograft.reporting.records import issues_csv, manifest_csv, splits_csv
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.finish import Trained

_STARTED = "started.json"
_FORMAT = 1
_SETTLED = ("precision", "channels_last", "batch_size", "lr", "head_lr", "epochs", "boundary")
"""Settings that were measured when the run began, and might come out otherwise now."""


@dataclass(frozen=True)
class Unfinished:
    """A run that can go on: its folder, what it was given, and what it had found."""

    folder: RunFolder
    photos: Path
    config: Config
    asked: str
    data_sha256: str

    def taken_up(self, trained: Trained) -> Trained:
        """What was trained anew, after comparing that it is what the run had.

        Raises:
            DataError: photos, labels or their split are not what they were.
        """
        changed = "photos or labels" if data_sha256(trained.manifest) != self.data_sha256 else ""
        if not changed and splits_csv(trained.manifest, trained.splits) != self.folder.read("splits.csv"):
            changed = "the split"
        if changed:
            raise DataError(
                f"{self.photos}: {changed} changed since {self.folder.path} was begun, so it cannot go on: "
                "put them back, or train a new run."
            )
        return replace(trained, asked=self.asked)


def begin(run: RunFolder, trained: Trained, root: Path) -> None:
    """Write what a run needs to go on; started.json is the last, and says that all of it is there."""
    run.write("config.yaml", trained.asked)
    run.write("config.resolved.yaml", to_yaml(trained.config, reasons=trained.reasons))
    run.write("manifest.csv", manifest_csv(trained.manifest))
    run.write("splits.csv", splits_csv(trained.manifest, trained.splits))
    run.write("issues.csv", issues_csv(trained.issues))
    run.write_json(
        _STARTED,
        {
            "format": _FORMAT,
            "photos": str(root.absolute()),
            "data_sha256": data_sha256(trained.manifest),
            "command": command_line(),
            "git": git_state(Path.cwd()),
            "versions": versions(),
        },
    )


def has_begun(run: RunFolder) -> bool:
    """Whether `begin` has come to its end, and the run not to its own."""
    return (run.path / _STARTED).is_file()


def open_unfinished(path: Path) -> Unfinished:
    """A run that was stopped while it was fine-tuned.

    Raises:
        ModelError: the folder is no run, one that is finished, or one of a newer release.
    """
    run = RunFolder(path)
    if not has_begun(run):
        if (path / "report.json").is_file():
            raise ModelError(f"--resume: {path} is finished: its report is {path / 'report.html'}")
        raise ModelError(f"--resume: {path} is no run that was stopped while it was fine-tuned (no {_STARTED})")
    started = _read_started(run)
    resolved = load_config(path / "config.resolved.yaml").train
    asked = load_config(path / "config.yaml")
    settled = {name: getattr(resolved, name) for name in _SETTLED}
    config = asked.model_copy(update={"train": asked.train.model_copy(update=settled)})
    return Unfinished(run, Path(started["photos"]), config, run.read("config.yaml"), str(started["data_sha256"]))


def forget_progress(run: RunFolder) -> None:
    """Remove what only a run that goes on needs; the report and the bundle are there."""
    (run.path / _STARTED).unlink(missing_ok=True)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)


def _read_started(run: RunFolder) -> Mapping[str, Any]:
    try:
        started: Mapping[str, Any] = json.loads(run.read(_STARTED))
        if started["format"] != _FORMAT:
            raise ModelError(
                f"{run.path / _STARTED} has format {started['format']}, this release reads {_FORMAT}: "
                "pip install -U photograft"
            )
        return {"photos": started["photos"], "data_sha256": started["data_sha256"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{run.path / _STARTED} is damaged ({error}): train a new run.") from error
