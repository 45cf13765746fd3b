"""`runs mirror`: copies of finished runs in MLflow and TensorBoard, made of what the run folder holds."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config.track import TrackConfig
from photograft.errors import ConfigError, ModelError, PhotograftError
from photograft.reporting.training import training_sections
from photograft.tracking.mirror_mlflow import mirror_mlflow
from photograft.tracking.mirror_tensorboard import mirror_tensorboard
from photograft.tracking.mirrored import Mirrored, Point
from photograft.tracking.run_folder import RunFolder
from photograft.tracking.run_notes import read_notes
from photograft.tracking.run_row import RunRow, read_row

_SMALL = 1_000_000
"""Bytes up to which a table is copied; a report is always."""

_TABLES = (".csv", ".json", ".jsonl", ".png", ".yaml")
_INTERVAL = ("", "_low", "_high")


@dataclass(frozen=True)
class MirrorResult:
    """Where a run was copied to: `made` names the mirrors that got it, `known` those that had it already."""

    run: Path
    made: tuple[str, ...]
    known: tuple[str, ...]


def mirror_run(
    run: str | os.PathLike[str],
    *,
    mlflow: str | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
    network: bool = False,
) -> MirrorResult:
    """Copy a finished run to an MLflow store, to a log directory of TensorBoard, or to both.

    What is there already is left as it is, so that this may be done again.

    Args:
        run: The folder of the run.
        mlflow: The store, such as ``sqlite:///mlflow.db`` or ``http://127.0.0.1:5000``.
        tensorboard: The log directory.
        network: Copy the bundle too, which is the largest part of a run; MLflow alone keeps files.

    Raises:
        ConfigError: No mirror is named, or one that cannot be used.
        MissingExtraError: A mirror's package is not installed.
        ModelError: The folder is no finished run, or is damaged.
    """
    if mlflow is None and tensorboard is None:
        raise ConfigError("Which mirror? Give --mlflow URI, --tensorboard DIR, or both.")
    mirrored = read_mirrored(Path(run), network=network)
    done = {}
    if mlflow is not None:
        done["MLflow"] = _tried(lambda: mirror_mlflow(mirrored, mlflow), f"--mlflow: {mlflow}")
    if tensorboard is not None:
        folder = Path(tensorboard)
        done["TensorBoard"] = _tried(lambda: mirror_tensorboard(mirrored, folder), f"--tensorboard: {folder}")
    return MirrorResult(
        Path(run),
        made=tuple(name for name, new in done.items() if new),
        known=tuple(name for name, new in done.items() if not new),
    )


def mirror_finished(run: Path, track: TrackConfig) -> list[str]:
    """Copy a run that just ended to the mirrors of its settings; gives a warning for each that failed, and never fails.

    A mirror can be made up for at any time, so that nothing that goes wrong with it is worth a run.
    """
    warnings = []
    mirrors: dict[str, tuple[str | None, Path | None]] = {
        "mlflow": (track.mlflow, None),
        "tensorboard": (None, track.tensorboard),
    }
    for name, (mlflow, tensorboard) in mirrors.items():
        place = mlflow or tensorboard
        if place is None:
            continue
        try:
            mirror_run(run, mlflow=mlflow, tensorboard=tensorboard)
        except PhotograftError as error:
            remedy = f"Later: photograft runs mirror {shlex.quote(str(run))} --{name} {shlex.quote(str(place))}"
            warnings.append(f"track.{name}: the run was not copied. {error} {remedy}")
    return warnings


def read_mirrored(run: Path, *, network: bool = False) -> Mirrored:
    """What a mirror gets of a finished run.

    Raises:
        ModelError: The folder is no finished run, or is damaged.
    """
    row = read_row(run, (run.resolve().name,))
    if row.status != "finished":
        raise ModelError(f"{run} cannot be mirrored: {row.problem or f'it is {row.status}'}.")
    folder, notes = RunFolder(run), read_notes(run)
    report, origin = json.loads(folder.read("report.json")), json.loads(folder.read("run.json"))
    ended_s = datetime.datetime.fromisoformat(str(row.created)).timestamp()
    return Mirrored(
        id=hashlib.sha256((run / "run.json").read_bytes()).hexdigest()[:32],
        name=row.run,
        group=row.data or "photograft",
        began_s=ended_s - sum(origin.get("seconds", {}).values()),
        ended_s=ended_s,
        settings={name: _text(value) for name, value in (row.settings or {}).items()},
        scores=_scores(row, report),
        points=tuple(_points(report)),
        tags=_tags(row, origin),
        note=notes.note,
        files=tuple(_files(run)),
        network=run / "model" if network and (run / "model").is_dir() else None,
    )


def _tried(mirror: Callable[[], bool], what: str) -> bool:
    try:
        return mirror()
    except PhotograftError:
        raise
    except Exception as error:  # of mlflow, its database or its server: any of them, and none is worth a traceback
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{what} cannot be used: {reason}") from error


def _scores(row: RunRow, report: Mapping[str, Any]) -> dict[str, float]:
    """The headline's scores by their names, accuracy with its interval first; then those of every evaluation."""
    if row.kind == "pretrain":
        return {} if row.mse is None else {"mse": row.mse}
    headline, *others = report["evaluations"]
    first = [f"accuracy{end}" for end in _INTERVAL]
    scores = {name: headline["scores"].get(name) for name in dict.fromkeys([*first, *headline["scores"]])}
    for evaluation in others:
        scores |= {f"{evaluation['what']}/{name}": value for name, value in evaluation["scores"].items()}
    for factor in headline.get("factors", ()):
        scores |= {f"{factor['name']}/accuracy{end}": factor["scores"][f"accuracy{end}"] for end in _INTERVAL}
    numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _points(report: Mapping[str, Any]) -> Iterator[Point]:
    """What every evaluation during training came to, by member and fit."""
    for member, section in training_sections(report).items():
        for record in section["records"]:
            of = "/".join(part for part in (member, record["fit"].removeprefix(f"{member}, ")) if part)
            for name in ("train_loss", "val_loss", "val_accuracy", "lr"):
                value = record.get(name)
                if value is not None:
                    yield Point(f"{of}/{name}", int(record["step"]), float(value), float(record["seconds"]))


def _tags(row: RunRow, origin: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "kind": row.kind,
        "judged": row.judged,
        "photos": row.source,
        "data_sha256": row.data_sha256,
        "command": origin.get("command"),
        "tags": ", ".join(row.tags),
        **{f"git.{name}": value for name, value in origin.get("git", {}).items()},
        **{f"version.{name}": value for name, value in origin.get("versions", {}).items()},
    }
    return {name: str(value) for name, value in told.items() if value}


def _files(run: Path) -> Iterator[Path]:
    """The report, and every small table and picture beside it."""
    for file in sorted(run.iterdir()):
        is_table = file.suffix in _TABLES and not file.name.startswith(".") and file.is_file()
        if file.name == "report.html" or (is_table and file.stat().st_size <= _SMALL):
            yield file


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
