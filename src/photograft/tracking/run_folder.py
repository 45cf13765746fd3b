"""The run folder: the truth about a run, in plain files that are whole or absent."""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from photograft.errors import ConfigError, ModelError
from photograft.tracking.atomic import write_atomically

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_LONGEST_NAME = 240
"""Bytes of a run's folder name: file systems allow 255, and a number may come behind it."""


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
            raise ModelError(f"{self.path / name} cannot be read ({error}): is this a finished run?") from error

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Leave no folder that looks like a run where the work in the block was stopped or failed."""
        try:
            yield
        except BaseException:
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
    stem = f"{datetime.date.today().isoformat()}-{_FORBIDDEN.sub('-', name).strip(' .-') or 'run'}"
    n_bytes = len(stem.encode("utf-8", "surrogateescape"))
    if n_bytes > _LONGEST_NAME:
        raise ConfigError(
            f"--name: a run folder named {stem[:40]}... would have a name of {n_bytes} bytes, and file systems allow "
            f"{_LONGEST_NAME}; choose a shorter name with --name."
        )
    return stem


def open_run(path: Path) -> RunFolder:
    """A run that is there already."""
    if not (path / "config.resolved.yaml").is_file():
        raise ModelError(f"{path} is not a photograft run (it holds no config.resolved.yaml).")
    return RunFolder(path)
