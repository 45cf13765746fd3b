"""Runs removed, or made light, to make room on the disk; one that is being written is not touched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from photograft.errors import ConfigError, ModelError
from photograft.tracking.pretrained import is_pretrained
from photograft.tracking.run_folder import CHECKPOINTS, EVALUATIONS, LIGHT, MEMBERS, NEIGHBOURS, RunFolder

_FORMAT = 1
_DOOMED = ".pruned-"
"""What the name of a folder begins with while it is removed: not a run any more, whatever happens meanwhile."""

_HALF_BUNDLE = ".model"
_WEIGHTS = ("network.safetensors", "fold-*.safetensors")


def remove_run(folder: Path) -> None:
    """Remove a run as a whole; one that cannot be removed stays as it is.

    Raises:
        ConfigError: A process is writing it, it is a link to another folder, or it cannot be removed, or not wholly.
    """
    if folder.is_symlink():
        raise ConfigError(f"it is a link to {folder.resolve()}: remove both by hand")
    doomed = folder.with_name(f"{_DOOMED}{folder.name}")
    try:
        with RunFolder(folder).locked():
            if os.name == "posix":  # Windows moves no folder with an open file in it, such as the lock
                folder.rename(doomed)
        if os.name != "posix":
            folder.rename(doomed)
    except OSError as error:
        raise ConfigError(f"it cannot be removed ({error})") from error
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        raise ConfigError(f"not all of it can be removed: {doomed} is left")


def remove_leftovers(runs_dir: Path) -> None:
    """Remove what a removal that was killed has left."""
    for pattern in (f"{_DOOMED}*", f"*/{_DOOMED}*"):
        for doomed in runs_dir.glob(pattern):
            shutil.rmtree(doomed, ignore_errors=True)


def heavy_parts(folder: Path, *, finished: bool) -> list[Path]:
    """What of a run is large, and needed neither for its report and tables nor to predict and evaluate with it.

    Of a finished one: trained weights that a further training would begin with. What pretraining has learned is all
    that such a run is for, and stays. Of one that was stopped: its checkpoints. Of both: what a killed process left,
    and what is made again when it is asked for.
    """
    parts = [folder / CHECKPOINTS, folder / _HALF_BUNDLE, folder / NEIGHBOURS, *folder.rglob(".*.tmp")]
    if finished and not is_pretrained(folder):
        places = (folder, *(folder / MEMBERS).glob("*"))
        parts += [file for place in places for pattern in _WEIGHTS for file in place.glob(pattern)]
        parts += (folder / EVALUATIONS).rglob("*.safetensors")
    return [part for part in dict.fromkeys(parts) if part.exists()]


def make_light(folder: Path, *, finished: bool) -> None:
    """Remove the heavy parts of a run, and note which of its sealed files they were.

    Raises:
        ConfigError: A process is writing it, or it cannot be written.
        IntegrityError: Its checksums are damaged.
    """
    run = RunFolder(folder)
    try:
        with run.locked():
            parts = heavy_parts(folder, finished=finished)
            weights = [part.relative_to(folder).as_posix() for part in parts if part.suffix == ".safetensors"]
            removed = sorted({*_removed(folder), *weights} - {NEIGHBOURS})
            if removed:
                run.write_json(LIGHT, {"format": _FORMAT, "removed": removed})
                run.unseal(removed)
            for part in parts:
                _remove(part)
    except OSError as error:
        raise ConfigError(f"it cannot be made light ({error})") from error


def refuse_light(folder: Path, file: str) -> None:
    """Raise ConfigError where a file of a run, or of a member of one, was removed to make room.

    What begins with a network that is not there any more must not quietly begin with another one.
    """
    run = folder.parent.parent if folder.parent.name == MEMBERS else folder
    name = (folder / file).relative_to(run).as_posix()
    if name in _removed(run):
        raise ConfigError(
            f"model.backbone: {run} has no {name} any more: it was removed by `photograft runs prune --light`. The run "
            "still predicts; to begin with its network, train it again with the command in its run.json."
        )


def _removed(run: Path) -> Iterator[str]:
    try:
        content: Any = json.loads((run / LIGHT).read_bytes())
        names: Sequence[Any] = content["removed"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{run / LIGHT} is damaged ({error!r}): train the run again.") from error
    yield from map(str, names)


def _remove(part: Path) -> None:
    with suppress(FileNotFoundError):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()
