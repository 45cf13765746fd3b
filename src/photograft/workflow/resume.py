"""A run that was stopped while it was fine-tuned: what it needs to go on, written when it begins."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from photograft.config import Config, load_config, to_yaml
from photograft.errors import ConfigError, DataError, ModelError, PhotograftError, TrainingError
from photograft.reporting.records import issues_csv, manifest_csv, splits_csv
from photograft.tracking.run_folder import CHECKPOINTS, STARTED, RunFolder
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.finish import Trained, write_members
from photograft.workflow.members import MAIN, Member, member_folder
from photograft.workflow.narrator import Narrator

_FORMAT = 1
_SETTLED = ("precision", "channels_last", "batch_size", "lr", "head_lr", "epochs", "evaluate_from", "boundary")
"""Settings that were measured when the run began, and might come out otherwise now."""
_OPEN = ("auto", "find")


@dataclass(frozen=True)
class Unfinished:
    """A run that can go on: its folder, what it was given, and what it had found.

    `config` is to be trained with, `settled` are the settings in it that were found; what was given is `asked`, and
    `time_limit` its limit: the epochs that fit into it are settled.
    """

    folder: RunFolder
    photos: Path
    config: Config
    settled: tuple[str, ...]
    asked: str
    time_limit: float | None
    data_sha256: str

    def taken_up(self, trained: Trained) -> Trained:
        """What was trained anew, after comparing that it is what the run had.

        Raises:
            DataError: photos, labels or their split are not what they were.
        """
        learnt = trained.learnt
        changed = "photos or labels" if data_sha256(learnt.manifest) != self.data_sha256 else ""
        if not changed and splits_csv(learnt.manifest, learnt.splits) != _read_exactly(self.folder, "splits.csv"):
            changed = "the split"
        if changed:
            raise DataError(
                f"{self.photos}: {changed} changed since {self.folder.path} was begun, so it cannot go on: "
                "put them back, or train a new run."
            )
        config = _with_time_limit(trained.config, self.time_limit)
        reasons = trained.reasons | self._reasons(config)
        members = tuple(
            replace(member, config=config, reasons=reasons) if member.name == MAIN else self._member_taken_up(member)
            for member in trained.members
        )
        return replace(trained, asked=self.asked, config=config, reasons=reasons, members=members)

    def _member_taken_up(self, member: Member) -> Member:
        limit = load_config(self._file_of(member.name)).train.time_limit
        config = _with_time_limit(member.config, limit)
        return replace(member, config=config, reasons=member.reasons | self._reasons(config))

    def _reasons(self, config: Config) -> dict[str, str]:
        """Why settings that nobody gave are what they are."""
        known = (name for name in self.settled if getattr(config.train, name) not in _OPEN)
        return {f"train.{name}": "settled when the run began" for name in known}

    def settle(self, name: str, config: Config) -> Config:
        """The settings of a member with what was settled for it when the run began."""
        file = self._file_of(name)
        if name == MAIN or not file.is_file():
            return config
        return _with_settled(config, load_config(file))

    def _file_of(self, member: str) -> Path:
        return member_folder(self.folder, member).path / "config.resolved.yaml"


def begin(run: RunFolder, trained: Trained, root: Path) -> None:
    """Write what a run needs to go on; started.json is the last, and says that all of it is there."""
    run.write("config.yaml", trained.asked)
    run.write("config.resolved.yaml", to_yaml(trained.config, reasons=trained.reasons))
    learnt = trained.learnt
    run.write("manifest.csv", manifest_csv(learnt.manifest))
    run.write("splits.csv", splits_csv(learnt.manifest, learnt.splits))
    run.write("issues.csv", issues_csv(learnt.issues))
    write_members(run, trained.members)
    started = {
        "format": _FORMAT,
        "verb": "train",
        "photos": str(root.absolute()),
        "data_sha256": data_sha256(learnt.manifest),
        "command": command_line(),
        "git": git_state(Path.cwd()),
        "versions": versions(),
    }
    run.write(STARTED, json.dumps(started, indent=2) + "\n")  # in ASCII, which gives back names that are not UTF-8


def has_begun(run: RunFolder) -> bool:
    """Whether `begin` has come to its end, and the run not to its own."""
    return (run.path / STARTED).is_file()


@contextmanager
def unfinished_run(path: Path) -> Iterator[Unfinished]:
    """A run that was stopped while it was fine-tuned, held against other processes in the block.

    Raises:
        ModelError: the folder is no run, one that is finished, or one of a newer release.
        ConfigError: another process is at it.
    """
    with held_unfinished(path, verb="train") as run:
        unfinished = read_unfinished(run)
        remove_halves(run)
        yield unfinished


@contextmanager
def held_unfinished(path: Path, *, verb: str) -> Iterator[RunFolder]:
    """The folder of a run that this verb has begun, held against other processes in the block.

    Raises:
        ModelError: the folder is no run, one that is finished, or one that another verb has begun.
        ConfigError: another process is at it.
    """
    run = RunFolder(path)
    _require_unfinished(run, verb)
    with run.locked():
        _require_unfinished(run, verb)  # the process that held it until now may have finished it
        yield run


@contextmanager
def resumable(run: RunFolder, narrator: Narrator, *, verb: str = "train", shown: str = "") -> Iterator[None]:
    """Whatever stops the work in the block, once it has begun, says how to go on, with the run `shown` if not `run`."""
    how = f"photograft {verb} --resume {shlex.quote(shown or str(run.path))}"
    try:
        yield
    except KeyboardInterrupt:
        if has_begun(run):
            narrator.say(f"Go on with: {how}")
        raise
    except TrainingError:
        raise  # it would come to the same end
    except PhotograftError as error:
        if has_begun(run):
            error.args = (f"{error} Then go on with: {how}",)
        raise
    except OSError as error:
        if not has_begun(run):
            raise
        raise ConfigError(f"{run.path} cannot be finished ({error}). Put that right, then go on with: {how}") from error


def forget_progress(run: RunFolder) -> None:
    """Remove what only a run that goes on needs; the report and the bundle are there."""
    (run.path / STARTED).unlink(missing_ok=True)
    shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)


def _require_unfinished(run: RunFolder, verb: str) -> None:
    if has_begun(run):
        begun_by = read_started(run)["verb"]
        if begun_by != verb:
            how = f"photograft {begun_by} --resume {shlex.quote(str(run.path))}"
            raise ModelError(f"--resume: {run.path} was begun by {begun_by}: {how}")
        return
    if (run.path / "report.json").is_file():
        raise ModelError(f"--resume: {run.path} is finished: its report is {run.path / 'report.html'}")
    done = {"train": "fine-tuned"}.get(verb, f"{verb}ed")
    raise ModelError(f"--resume: {run.path} is no run that was stopped while it was {done} (no {STARTED})")


def read_unfinished(run: RunFolder) -> Unfinished:
    """What a run that was begun, and is held, needs to go on."""
    started = read_started(run)
    resolved = load_config(run.path / "config.resolved.yaml")
    asked = load_config(run.path / "config.yaml")
    return Unfinished(
        folder=run,
        photos=Path(started["photos"]),
        config=_with_settled(asked, resolved),
        settled=tuple(name for name in _SETTLED if getattr(asked.train, name) in _OPEN),
        asked=run.read("config.yaml"),
        time_limit=resolved.train.time_limit,
        data_sha256=str(started["data_sha256"]),
    )


def _with_settled(asked: Config, resolved: Config) -> Config:
    settled = {name: getattr(resolved.train, name) for name in _SETTLED}
    train = asked.train.model_copy(update={**settled, "time_limit": None})
    return asked.model_copy(
        update={"train": train, "model": asked.model.model_copy(update={"device": resolved.model.device})}
    )


def _with_time_limit(config: Config, limit: float | None) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update={"time_limit": limit})})


def remove_halves(run: RunFolder) -> None:
    """Remove what a process that was killed left half done, and checksums of what will be written anew."""
    (run.path / "checksums.json").unlink(missing_ok=True)
    for path in run.path.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
    for folder in (run.model, run.path / ".model"):
        shutil.rmtree(folder, ignore_errors=True)


def _read_exactly(run: RunFolder, name: str) -> str:
    """A file as it was written: names may hold line ends of any kind, and bytes that are not UTF-8."""
    try:
        return (run.path / name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ModelError(f"{run.path / name} cannot be read ({error}): train a new run.") from error


def read_started(run: RunFolder) -> Mapping[str, Any]:
    """What `begin` wrote of where the run began: photos, their hash, and the verb."""
    try:
        started: Mapping[str, Any] = json.loads(run.read(STARTED))
        if started["format"] != _FORMAT:
            raise ModelError(
                f"{run.path / STARTED} has format {started['format']}, this release reads {_FORMAT}: "
                "pip install -U photograft"
            )
        return {**{key: started[key] for key in ("photos", "data_sha256")}, "verb": started.get("verb", "train")}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{run.path / STARTED} is damaged ({error}): train a new run.") from error
