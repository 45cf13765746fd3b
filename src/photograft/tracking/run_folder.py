"""The run folder: the truth about a run, in plain files that are whole or absent."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from photograft.errors import ConfigError, IntegrityError, ModelError
from photograft.tracking.atomic import write_atomically

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*\ud800-\udfff]+')
"""Lone surrogates stand for bytes that are no UTF-8, which safetensors takes in no path."""

_LONGEST_NAME = 240
"""Bytes of a run's folder name: file systems allow 255, and a number may come behind it."""


_CHECKSUMS = "checksums.json"
STARTED, CHECKPOINTS = "started.json", "checkpoints"
"""What a run has only until it is finished."""

EVALUATIONS = "evaluations"
"""The folder in a run of what stays of evaluations during training."""

MEMBERS = "members"
"""The folder in a run of settings and weights of each of several members, which can be named like a run."""

NEIGHBOURS = "neighbours.safetensors"
"""What tells which photos of a run are alike: made when it is first asked for, and again where it was deleted."""

NOTES = "notes.json"
"""The tags and the note of a run, which people change at any time."""

LIGHT = "light.json"
"""Names the files that were removed from the run to make room."""

ROBUSTNESS = "robustness.json"
"""What worse photos cost, where it was asked for after `train`; what train itself found is in report.json."""

_NOT_SEALED = ("model", "report.html", NEIGHBOURS, ROBUSTNESS, NOTES, LIGHT, _CHECKSUMS, STARTED, CHECKPOINTS)
_CHECKED_ON_OPENING = ("config.resolved.yaml", "report.json", "run.json")
_REMEDY = "copy the run again from where it was made, or train again."


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path

    @property
    def model(self) -> Path:
        """The bundle inside the run."""
        return self.path / "model"

    def write(self, name: str, content: bytes | str) -> Path:
        """Write one file of the run, whole or not at all."""
        write_atomically(self.path / name, content)
        return self.path / name

    def write_json(self, name: str, value: Any) -> Path:
        """Write one file of the run as indented JSON; a number that is not finite is refused."""
        return self.write(name, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")

    def read(self, name: str) -> str:
        """Read one file of the run as text."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModelError(f"{self.path / name} cannot be read ({reason}): is this a finished run?") from error

    def seal(self) -> None:
        """Write checksums.json, the last step of a run: SHA-256 of every file of the run.

        Left out are hidden files, `model/`, which has checksums of its own, report.html, which may be rendered
        again at any time, tags and note, and what is removed at the end.
        """
        digests = {name: _sha256(self.path / name) for name in sorted(self._sealed_names())}
        self.write_json(_CHECKSUMS, digests)

    def check(self, *names: str) -> None:
        """Compare files (all that are sealed by default) with checksums.json; a run never sealed has none to compare.

        Raises:
            IntegrityError: A file is missing or was changed; the message names it.
        """
        digests = self._digests()
        for name in names or sorted(digests):
            if name not in digests:
                continue
            # A sealed name never leaves the run: checksums.json may come from elsewhere.
            inside = (self.path / name).resolve().is_relative_to(self.path.resolve())
            if not inside or not (self.path / name).is_file():
                raise IntegrityError(f"{self.path / name} is missing: {_REMEDY}")
            if _sha256(self.path / name) != digests[name]:
                raise IntegrityError(f"{self.path / name} was changed or is damaged: {_REMEDY}")

    def unseal(self, names: Collection[str]) -> None:
        """Take files out of checksums.json, before they are removed on purpose; the others keep theirs.

        Raises:
            IntegrityError: checksums.json is damaged.
        """
        if digests := self._digests():
            self.write_json(_CHECKSUMS, {name: digest for name, digest in digests.items() if name not in names})

    def _digests(self) -> dict[str, str]:
        """SHA-256 by name as checksums.json has them; empty for a run that was never sealed."""
        if not (self.path / _CHECKSUMS).exists():
            return {}
        try:
            return dict(json.loads(self.read(_CHECKSUMS)))
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"{self.path / _CHECKSUMS} is damaged: {_REMEDY}") from error

    def _sealed_names(self) -> Iterator[str]:
        for path in self.path.rglob("*"):
            relative = path.relative_to(self.path)
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.is_file() and not hidden and relative.parts[0] not in _NOT_SEALED:
                yield relative.as_posix()

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Leave no folder that looks like a run where the work in the block was stopped or failed.

        A sealed run stays: it lacks its page at most, which `photograft report` draws again.
        """
        try:
            yield
        except BaseException:
            if not (self.path / _CHECKSUMS).exists():
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run against other processes; the lock of a process that died frees itself."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ConfigError(f"Another process is writing {self.path}; wait for it or choose another run.") from error
        try:
            yield
        finally:
            lock.release()


def create_run(runs_dir: Path, name: str) -> RunFolder:
    """Make `runs_dir/<date>-<name>`, with -2, -3, ... behind it where that is taken."""
    stem = run_stem(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = runs_dir / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunFolder(path)
    except OSError as error:
        raise ConfigError(
            f"--runs-dir: {runs_dir} cannot be used ({error}); choose a folder that can be written."
        ) from error
    raise ConfigError(f"--name: {runs_dir} already holds 10,000 runs named {stem}; choose another name.")


def run_stem(name: str) -> str:
    """The folder name of a run, `<date>-<name>` without the characters that some system forbids.

    Raises:
        ConfigError: The name is longer than file systems allow.
    """
    stem = f"{datetime.date.today().isoformat()}-{name_stem(name) or 'run'}"
    n_bytes = len(stem.encode("utf-8", "surrogateescape"))
    if n_bytes > _LONGEST_NAME:
        raise ConfigError(
            f"--name: a run folder named {stem[:40]}... would have a name of {n_bytes} bytes, and file systems allow "
            f"{_LONGEST_NAME}; choose a shorter name with --name."
        )
    return stem


def name_stem(name: str) -> str:
    """The name as one of a file or folder, without the characters that some system forbids; may be empty."""
    return _FORBIDDEN.sub("-", name).strip(" .-")


def open_run(path: Path) -> RunFolder:
    """A run that is there already; its report, settings and record are compared with its checksums.

    Raises:
        ModelError: The folder is not a run.
        IntegrityError: One of these files is missing or was changed.
    """
    if not (path / "config.resolved.yaml").is_file():
        why = "it holds no config.resolved.yaml" if path.is_dir() else "there is no such folder; a run is runs/..."
        raise ModelError(f"{path} is not a photograft run ({why}).")
    run = RunFolder(path)
    run.check(*_CHECKED_ON_OPENING)
    return run


def refuse_unfinished(path: Path) -> None:
    """Raise ModelError where the run in `path` was stopped, or is being written; it says how to go on."""
    if (path / STARTED).is_file() and not (path / "report.json").is_file():
        verb = "pretrain" if '"verb": "pretrain"' in (path / STARTED).read_text("utf-8", "replace") else "train"
        resume = f"photograft {verb} --resume {shlex.quote(str(path))}"
        raise ModelError(f"{path} is not finished: go on with it by `{resume}`.")


def photos_root(run: RunFolder) -> Path:
    """The folder or archive that the photos of a finished run were read from; it may be gone.

    Raises:
        ModelError: run.json is damaged.
    """
    try:
        return Path(json.loads(run.read("run.json"))["photos"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{run.path / 'run.json'} is damaged ({error!r}); train again.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
